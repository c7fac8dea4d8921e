// SPDX-License-Identifier: GPL-2.0-only

//! Positions in a submission and a completion queue (section 3.3.1).
//!
//! Both sides of a queue count in entries modulo its size. A submission queue
//! is full when one more entry would make tail meet head; a completion queue,
//! when there are more completions than entries. Neither has a test for that,
//! because there are never more commands outstanding than either holds, which
//! is one less than its entries: a controller has consumed the entry of a
//! command that it has completed, and those before it.
//!
//! What a controller says of the head of a submission queue is not looked at.
//! A wrong one would stop a queue for which nothing more is to be completed,
//! and so corrected, ever.

use crate::spec::completion::Phase;

/// The smallest queue the specification allows.
const ENTRIES_MIN: u16 = 2;

/// How many commands may be outstanding on queues of `entries`.
pub(crate) fn commands_max(entries: u16) -> usize {
    usize::from(entries.saturating_sub(1))
}

/// The producer's side of a submission queue.
///
/// # Invariants
///
/// `tail` is less than `entries`.
#[derive(Clone, Debug)]
pub(crate) struct SubmissionRing {
    entries: u16,
    tail: u16,
}

impl SubmissionRing {
    /// An empty queue of `entries`, or `None` if the specification allows no
    /// such queue.
    pub(crate) const fn new(entries: u16) -> Option<Self> {
        if entries < ENTRIES_MIN {
            return None;
        }
        Some(Self { entries, tail: 0 })
    }

    /// Takes the next entry and returns its index. Fewer commands than
    /// [`commands_max`] have to be outstanding.
    pub(crate) fn push(&mut self) -> u16 {
        let index = self.tail;
        // Cannot overflow: `index` is less than `entries`.
        let next = index.wrapping_add(1);
        self.tail = if next == self.entries { 0 } else { next };
        index
    }

    /// The value for the tail doorbell.
    pub(crate) const fn tail(&self) -> u16 {
        self.tail
    }
}

/// The consumer's side of a completion queue.
///
/// # Invariants
///
/// `head` is less than `entries`.
#[derive(Clone, Debug)]
pub(crate) struct CompletionRing {
    entries: u16,
    head: u16,
    phase: Phase,
}

impl CompletionRing {
    /// An empty, zeroed queue of `entries`, or `None` if the specification
    /// allows no such queue.
    pub(crate) const fn new(entries: u16) -> Option<Self> {
        if entries < ENTRIES_MIN {
            return None;
        }
        Some(Self {
            entries,
            head: 0,
            phase: Phase::One,
        })
    }

    /// The index of the entry that comes next, and the value for the head
    /// doorbell.
    pub(crate) const fn head(&self) -> u16 {
        self.head
    }

    /// Whether an entry at [`Self::head`] with this phase tag is new.
    pub(crate) fn is_new(&self, phase: Phase) -> bool {
        phase == self.phase
    }

    /// Steps over the entry at [`Self::head`].
    pub(crate) fn pop(&mut self) {
        // Cannot overflow: `head` is less than `entries`.
        let next = self.head.wrapping_add(1);
        if next == self.entries {
            self.head = 0;
            self.phase = self.phase.flipped();
        } else {
            self.head = next;
        }
    }
}
