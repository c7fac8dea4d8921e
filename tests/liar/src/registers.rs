// SPDX-License-Identifier: GPL-2.0-only

//! Registers and doorbells.

use crate::{
    controller::Controller,
    lie::Lie,
    queue::{CompletionQueue, SubmissionQueue},
};

const CSTS: u64 = 0x1c;
const DOORBELLS: u64 = 0x1000;

/// CAP.TO, in units of 500 ms.
const READY_TIMEOUT_500MS: u64 = 2;
/// CAP.MQES.
const QUEUE_ENTRIES: u64 = 255;

const CC_ENABLE: u32 = 1;
const CC_SHUTDOWN: u32 = 3 << 14;
const CSTS_READY: u32 = 1;
pub(crate) const CSTS_FATAL: u32 = 1 << 1;
const CSTS_SHUT_DOWN: u32 = 2 << 2;
const CSTS_SUBSYSTEM_RESET: u32 = 1 << 4;
pub(crate) const CSTS_PAUSED: u32 = 1 << 5;
const SUBSYSTEM_RESET: u32 = u32::from_be_bytes(*b"NVMe");

/// The registers that are not made up when they are read.
#[derive(Default)]
pub(crate) struct Registers {
    pub(crate) cc: u32,
    pub(crate) csts: u32,
    aqa: u32,
    asq: u64,
    acq: u64,
    /// Bytes from one doorbell to the next, since the controller was enabled.
    stride: u64,
}

impl Controller {
    /// As after power-on.
    pub fn reset(&mut self) {
        self.disable();
        self.registers = Registers::default();
    }

    /// Reads registers.
    pub fn read(&mut self, offset: u64, data: &mut [u8]) {
        if self.lies.has(Lie::Vanished) {
            data.fill(0xff);
            return;
        }
        let unready = offset == CSTS && self.lies.once(Lie::UnreadyOnce).is_some();
        for (position, byte) in (offset..).zip(data.iter_mut()) {
            let [low, high] = [
                self.register(position & !7),
                self.register((position & !7) + 4),
            ];
            let both = (u64::from(high) << 32) | u64::from(low);
            *byte = (both >> (position % 8 * 8)) as u8;
        }
        if let (true, Some(first)) = (unready, data.first_mut()) {
            *first &= !(CSTS_READY as u8);
        }
    }

    fn register(&self, offset: u64) -> u32 {
        let capabilities = self.capabilities();
        match offset {
            0x00 => capabilities as u32,
            0x04 => (capabilities >> 32) as u32,
            0x08 => 0x0002_0000,
            0x14 => self.registers.cc,
            0x1c => self.registers.csts,
            0x24 => self.registers.aqa,
            0x28 => self.registers.asq as u32,
            0x2c => (self.registers.asq >> 32) as u32,
            0x30 => self.registers.acq as u32,
            0x34 => (self.registers.acq >> 32) as u32,
            _ => 0,
        }
    }

    fn capabilities(&self) -> u64 {
        let field = |lie, truth, bits: u32, shift: u32| {
            let value = self.lies.get(lie).map_or(truth, u64::from);
            (value & ((1 << bits) - 1)) << shift
        };
        let command_sets = match self.lies.has(Lie::Administrative) {
            true => 1 << 44,
            false => (1 << 37) | (1 << 43),
        };
        field(Lie::QueueEntries, QUEUE_ENTRIES, 16, 0)
            | (1 << 16)
            | field(Lie::ReadyTimeout, READY_TIMEOUT_500MS, 8, 24)
            | field(Lie::DoorbellStride, 0, 4, 32)
            | (1 << 36) // there is a subsystem reset
            | command_sets
            | field(Lie::PageSize, 0, 4, 48)
            | (4 << 52)
    }

    pub(crate) fn queue_entries_max(&self) -> u32 {
        (self.capabilities() & 0xffff) as u32 + 1
    }

    /// Writes registers.
    pub fn write(&mut self, offset: u64, data: &[u8]) {
        if self.lies.has(Lie::Vanished) {
            return;
        }
        for (offset, word) in (offset..).step_by(4).zip(data.chunks_exact(4)) {
            let word: [u8; 4] = word.try_into().unwrap_or_default();
            self.write_register(offset, u32::from_le_bytes(word));
        }
    }

    fn write_register(&mut self, offset: u64, value: u32) {
        let low = |old: u64| old & !0xffff_ffff | u64::from(value);
        let high = |old: u64| old & 0xffff_ffff | (u64::from(value) << 32);
        match offset {
            0x14 => self.configure(value),
            0x1c => self.registers.csts &= !(value & CSTS_SUBSYSTEM_RESET),
            0x20 if value == SUBSYSTEM_RESET => {
                self.reset();
                self.registers.csts = CSTS_SUBSYSTEM_RESET;
            }
            0x24 => self.registers.aqa = value,
            0x28 => self.registers.asq = low(self.registers.asq) & !0xfff,
            0x2c => self.registers.asq = high(self.registers.asq),
            0x30 => self.registers.acq = low(self.registers.acq) & !0xfff,
            0x34 => self.registers.acq = high(self.registers.acq),
            DOORBELLS.. => self.ring(offset - DOORBELLS, value),
            _ => {}
        }
    }

    fn configure(&mut self, cc: u32) {
        let before = std::mem::replace(&mut self.registers.cc, cc);
        match (before & CC_ENABLE != 0, cc & CC_ENABLE != 0) {
            (false, true) => self.enable(),
            (true, false) => {
                self.disable();
                self.counts.resets += 1;
            }
            _ => {}
        }
        if before & CC_SHUTDOWN == 0 && cc & CC_SHUTDOWN != 0 {
            self.forget_commands();
            if !self.lies.has(Lie::NeverShutDown) {
                self.registers.csts |= CSTS_SHUT_DOWN;
            }
        }
    }

    fn enable(&mut self) {
        if self.lies.has(Lie::NeverReady) {
            return;
        }
        if self.lies.has(Lie::FatalAtStart) {
            self.registers.csts |= CSTS_FATAL;
            return;
        }
        let entries = |field: u32| (field & 0xfff) + 1;
        let sq = SubmissionQueue::new(self.registers.asq, entries(self.registers.aqa), 0);
        let cq = CompletionQueue::new(
            self.registers.acq,
            entries(self.registers.aqa >> 16),
            Some(0),
        );
        self.registers.stride = 4 << ((self.capabilities() >> 32) & 0xf);
        self.sqs.insert(0, sq);
        self.cqs.insert(0, cq);
        self.registers.csts |= CSTS_READY;
    }

    pub(crate) fn disable(&mut self) {
        self.forget_commands();
        self.paused_until = None;
        self.registers.csts &= if self.lies.has(Lie::NeverStops) {
            CSTS_READY
        } else {
            0
        };
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.registers.cc & CC_ENABLE != 0
    }

    pub(crate) fn works(&self) -> bool {
        let stopped = CSTS_FATAL | CSTS_PAUSED | CSTS_SHUT_DOWN;
        self.registers.csts & CSTS_READY != 0 && self.registers.csts & stopped == 0
    }

    fn ring(&mut self, offset: u64, value: u32) {
        let stride = self.registers.stride.max(4);
        let (doorbell, rest) = ((offset / stride) as u16, offset % stride);
        let id = doorbell / 2;
        let known = match doorbell % 2 {
            _ if rest != 0 => false,
            0 => match self.sqs.get_mut(&id) {
                Some(sq) if value < sq.entries => {
                    sq.tail = value;
                    true
                }
                _ => false,
            },
            _ => match self.cqs.get_mut(&id) {
                Some(cq) => cq.release(value, &mut self.memory),
                None => false,
            },
        };
        // A driver may still be about to ring when it stops the controller.
        let listens = CSTS_READY | CSTS_FATAL | CSTS_SHUT_DOWN;
        if !known && self.registers.csts & listens == CSTS_READY {
            self.counts.misuses += 1;
        }
        if doorbell % 2 == 0 {
            self.process(id);
        } else if self.cqs.get(&id).is_some_and(CompletionQueue::is_pending) {
            self.interrupt_for(id);
        }
    }
}
