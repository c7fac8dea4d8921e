// SPDX-License-Identifier: GPL-2.0-only

//! Access to the controller's properties and doorbells (section 3.1.3).

use kernel::{
    device::Bound,
    io::Io,
    pci::{self, DevresBar},
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};

use crate::spec::{
    command::{DmaAddress, QueueId},
    register::{offset, Capabilities, Configuration, ControllerStatus, SUBSYSTEM_RESET},
};

const DOORBELL_BYTES: usize = 4;

/// BAR 0 of a controller.
///
/// Reading after the device was unbound gives all ones, as reading a device
/// that was pulled out does, and writing does nothing: a caller needs one test
/// for both.
pub(crate) struct Registers {
    bar: DevresBar<{ offset::MINIMUM_BAR_BYTES }>,
    doorbell_stride_bytes: Atomic<usize>,
}

impl Registers {
    /// Maps the registers; does not read any.
    ///
    /// # Errors
    ///
    /// EBUSY if somebody else uses the BAR, ENOMEM, EINVAL if it is too small
    /// to be a controller's.
    pub(crate) fn map(device: &pci::Device<Bound>) -> Result<Self> {
        let bar = device.iomap_region_sized::<{ offset::MINIMUM_BAR_BYTES }>(0, c"nvme_rs")?;
        Ok(Self {
            bar: bar.into_devres()?,
            doorbell_stride_bytes: Atomic::new(4),
        })
    }

    /// Looks at what does not change while a controller is enabled. Before it
    /// is.
    pub(crate) fn refresh(&self) {
        let stride = self.capabilities().doorbell_stride_bytes();
        self.doorbell_stride_bytes.store(stride, Relaxed);
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        let low = self.read32(offset::CAP);
        let high = self.read32(offset::CAP + 4);
        Capabilities(u64::from(high) << 32 | u64::from(low))
    }

    pub(crate) fn version(&self) -> u32 {
        self.read32(offset::VS)
    }

    pub(crate) fn ready_timeouts(&self) -> u32 {
        self.read32(offset::CRTO)
    }

    pub(crate) fn status(&self) -> ControllerStatus {
        ControllerStatus(self.read32(offset::CSTS))
    }

    pub(crate) fn configuration(&self) -> Configuration {
        Configuration(self.read32(offset::CC))
    }

    pub(crate) fn set_configuration(&self, configuration: Configuration) {
        self.write32(offset::CC, configuration.0);
    }

    /// Resets the NVM subsystem, and with it every controller in it.
    pub(crate) fn reset_subsystem(&self) {
        self.write32(offset::NSSR, SUBSYSTEM_RESET);
    }

    /// Tells the controller where the admin queues are, while it is disabled.
    pub(crate) fn set_admin_queue(&self, attributes: u32, sq: DmaAddress, cq: DmaAddress) {
        self.write32(offset::AQA, attributes);
        self.write64(offset::ASQ, sq.0);
        self.write64(offset::ACQ, cq.0);
    }

    pub(crate) fn doorbell_stride_bytes(&self) -> usize {
        self.doorbell_stride_bytes.load(Relaxed)
    }

    /// Whether both doorbells of the queue are in the BAR: a stride can leave
    /// no room for them.
    pub(crate) fn has_doorbells(&self, queue: QueueId) -> bool {
        let last = self.doorbell_offset(usize::from(queue.0) * 2 + 1);
        self.bar
            .try_access()
            .is_some_and(|bar| bar.size() >= last + DOORBELL_BYTES)
    }

    /// Announces submissions up to `tail` of a queue.
    pub(crate) fn ring_sq(&self, queue: QueueId, tail: u16) {
        self.ring(usize::from(queue.0) * 2, tail);
    }

    /// Returns completions up to `head` of a queue.
    pub(crate) fn ring_cq(&self, queue: QueueId, head: u16) {
        self.ring(usize::from(queue.0) * 2 + 1, head);
    }

    /// Doorbells come in pairs, in the order of the queues.
    fn ring(&self, doorbell: usize, value: u16) {
        self.write32(self.doorbell_offset(doorbell), u32::from(value));
    }

    fn doorbell_offset(&self, doorbell: usize) -> usize {
        offset::DOORBELLS + doorbell * self.doorbell_stride_bytes()
    }

    fn read32(&self, offset: usize) -> u32 {
        self.bar
            .try_access()
            .and_then(|bar| bar.try_read32(offset).ok())
            .unwrap_or(u32::MAX)
    }

    fn write32(&self, offset: usize, value: u32) {
        if let Some(bar) = self.bar.try_access() {
            // Out of range only for a doorbell stride that the BAR has no room
            // for; then there is no doorbell to ring.
            let _ = bar.try_write32(value, offset);
        }
    }

    /// In two halves, low one first: not every controller takes 64 bits.
    fn write64(&self, offset: usize, value: u64) {
        self.write32(offset, value as u32);
        self.write32(offset + 4, (value >> 32) as u32);
    }
}
