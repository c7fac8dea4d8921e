// SPDX-License-Identifier: GPL-2.0-only

//! Submission and completion queues, as the controller sees them.

use std::collections::VecDeque;

use crate::{
    command::{Command, Status, COMMAND_BYTES},
    memory::{Fault, Memory},
};

const COMPLETION_BYTES: u64 = 16;

/// A submission queue.
pub struct SubmissionQueue {
    pub address: u64,
    pub entries: u32,
    pub head: u32,
    pub tail: u32,
    /// Where its commands are completed.
    pub cq: u16,
}

impl SubmissionQueue {
    pub fn new(address: u64, entries: u32, cq: u16) -> Self {
        Self {
            address,
            entries,
            head: 0,
            tail: 0,
            cq,
        }
    }

    /// Takes the next command, if there is one.
    pub fn fetch(&mut self, memory: &mut Memory) -> Option<Result<Command, Fault>> {
        if self.head == self.tail {
            return None;
        }
        let mut bytes = [0; COMMAND_BYTES];
        let address = self.address + u64::from(self.head) * COMMAND_BYTES as u64;
        self.head = (self.head + 1) % self.entries;
        Some(memory.read(address, &mut bytes).map(|()| Command(bytes)))
    }
}

/// A completion queue entry, but for its phase.
#[derive(Clone, Copy, Debug)]
pub struct Completion {
    pub dw0: u32,
    pub head: u16,
    pub sq: u16,
    pub id: u16,
    pub status: Status,
    /// Not yet written, the driver shall think.
    pub wrong_phase: bool,
}

/// A completion queue.
pub struct CompletionQueue {
    address: u64,
    entries: u32,
    head: u32,
    tail: u32,
    phase: bool,
    /// The vector it interrupts by, if it does.
    pub vector: Option<u16>,
    /// What there is no room for.
    waiting: VecDeque<Completion>,
}

impl CompletionQueue {
    pub fn new(address: u64, entries: u32, vector: Option<u16>) -> Self {
        Self {
            address,
            entries,
            head: 0,
            tail: 0,
            phase: true,
            vector,
            waiting: VecDeque::new(),
        }
    }

    pub fn post(&mut self, completion: Completion, memory: &mut Memory) {
        self.waiting.push_back(completion);
        self.flush(memory);
    }

    /// The driver has taken the entries before `head`. False: it cannot have.
    pub fn release(&mut self, head: u32, memory: &mut Memory) -> bool {
        let distance = |to: u32| (to + self.entries - self.head) % self.entries;
        if head >= self.entries || distance(head) > distance(self.tail) {
            return false;
        }
        self.head = head;
        self.flush(memory);
        true
    }

    /// Whether entries are there that the driver has not taken.
    pub fn is_pending(&self) -> bool {
        self.head != self.tail
    }

    fn flush(&mut self, memory: &mut Memory) {
        while (self.tail + 1) % self.entries != self.head {
            let Some(completion) = self.waiting.pop_front() else {
                return;
            };
            let phase = self.phase != completion.wrong_phase;
            let status = (completion.status.0 << 1) | u16::from(phase);
            let mut bytes = [0; COMPLETION_BYTES as usize];
            bytes[0..4].copy_from_slice(&completion.dw0.to_le_bytes());
            bytes[8..10].copy_from_slice(&completion.head.to_le_bytes());
            bytes[10..12].copy_from_slice(&completion.sq.to_le_bytes());
            bytes[12..14].copy_from_slice(&completion.id.to_le_bytes());
            bytes[14..16].copy_from_slice(&status.to_le_bytes());
            // A fault is counted; there is nobody to complain to.
            let address = self.address + u64::from(self.tail) * COMPLETION_BYTES;
            let _ = memory.write(address, &bytes);
            self.tail = (self.tail + 1) % self.entries;
            self.phase ^= self.tail == 0;
        }
    }
}
