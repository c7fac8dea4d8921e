// SPDX-License-Identifier: GPL-2.0-only

//! The doorbells of I/O queues, and their shadows in host memory (section 5.8
//! and annex B.5).

use kernel::{
    device::{Bound, Device},
    dma::Coherent,
    io::{io_project, Io},
    prelude::*,
    sync::{
        atomic::{AtomicFlag, Relaxed},
        barrier::{mb, Full, Write},
        Arc,
    },
};

use crate::{
    engine::doorbell::{self, Ring},
    spec::command::{DmaAddress, QueueId},
};

use super::registers::Registers;

/// What each of the buffers has room for: one memory page.
const SHADOWS: usize = 4096 / size_of::<u32>();

/// Doorbells, which the driver rings only when the controller wants to be told.
pub(crate) struct Doorbells {
    registers: Arc<Registers>,
    /// The doorbells' values, which the controller reads.
    values: Coherent<[u32]>,
    /// The values from which on it wants to be told: EventIdx.
    events: Coherent<[u32]>,
    in_use: AtomicFlag,
}

impl Doorbells {
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(device: &Device<Bound>, registers: Arc<Registers>) -> Result<Arc<Self>> {
        let this = Self {
            registers,
            values: Coherent::zeroed_slice(device, SHADOWS, GFP_KERNEL)?,
            events: Coherent::zeroed_slice(device, SHADOWS, GFP_KERNEL)?,
            in_use: AtomicFlag::new(false),
        };
        Ok(Arc::new(this, GFP_KERNEL)?)
    }

    /// The buffers of values and of events, for Doorbell Buffer Config.
    pub(crate) fn shadows(&self) -> (DmaAddress, DmaAddress) {
        let address = |buffer: &Coherent<[u32]>| DmaAddress(buffer.dma_address());
        (address(&self.values), address(&self.events))
    }

    /// The controller was enabled, and knows of no shadows and of no queues. All
    /// values are zero again.
    pub(crate) fn reset(&self) {
        self.in_use.store(false, Relaxed);
        for index in 0..SHADOWS {
            // There is room for all of them.
            let _ = write(&self.values, index, 0);
            let _ = write(&self.events, index, 0);
        }
    }

    /// The controller looks at the shadows from now on. Before it has queues.
    pub(crate) fn use_shadows(&self) {
        self.in_use.store(true, Relaxed);
    }

    /// Whether the controller has doorbells for that queue.
    pub(crate) fn has(&self, queue: QueueId) -> bool {
        self.registers.has_doorbells(queue)
    }

    pub(crate) fn has_shadows(&self) -> bool {
        self.in_use.load(Relaxed)
    }

    /// Announces submissions to a queue whose tail was `old` when this was last
    /// called.
    pub(crate) fn ring_sq(&self, queue: QueueId, old: u16, tail: u16) {
        if self.announce(usize::from(queue.0) * 2, old, tail) == Ring::Needed {
            self.registers.ring_sq(queue, tail);
        }
    }

    /// Returns completions of a queue whose head was `old` when this was last
    /// called.
    pub(crate) fn ring_cq(&self, queue: QueueId, old: u16, head: u16) {
        if self.announce(usize::from(queue.0) * 2 + 1, old, head) == Ring::Needed {
            self.registers.ring_cq(queue, head);
        }
    }

    /// Puts a value where the controller looks, if it does.
    fn announce(&self, doorbell: usize, old: u16, new: u16) -> Ring {
        if !self.has_shadows() {
            return Ring::Needed;
        }
        let index = doorbell * (self.registers.doorbell_stride_bytes() / size_of::<u32>());
        // The queue's entries come before the value.
        mb(Write);
        // Beyond the page there are no shadows.
        if write(&self.values, index, new.into()).is_err() {
            return Ring::Needed;
        }
        // Either the controller sees the value, or we see that it wants to be
        // told.
        mb(Full);
        match read(&self.events, index) {
            // CAST: Values are 16 bits wide.
            Ok(event) => doorbell::ring(event as u16, old, new),
            Err(_) => Ring::Needed,
        }
    }
}

fn write(buffer: &Coherent<[u32]>, index: usize, value: u32) -> Result {
    io_project!(buffer, [try: index]).write_val(value);
    Ok(())
}

fn read(buffer: &Coherent<[u32]>, index: usize) -> Result<u32> {
    Ok(io_project!(buffer, [try: index]).read_val())
}
