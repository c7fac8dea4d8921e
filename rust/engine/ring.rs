// SPDX-License-Identifier: GPL-2.0-only

//! Positions in a submission and a completion queue (section 3.3.1).
//!
//! Both sides of a queue count in entries modulo its size. A submission queue
//! is full when one more entry would make tail meet head; a completion queue
//! needs no full test, because there are never more commands outstanding than
//! it has entries.

use crate::spec::completion::Phase;

/// The smallest queue the specification allows.
const ENTRIES_MIN: u16 = 2;

/// Why a position cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RingError {
    /// Every entry the controller has not consumed yet is in use.
    Full,
    /// The controller reports a head outside the queue.
    HeadOutOfRange,
}

/// The producer's side of a submission queue.
///
/// # Invariants
///
/// `tail` and `head` are less than `entries`.
#[derive(Clone, Debug)]
pub(crate) struct SubmissionRing {
    entries: u16,
    tail: u16,
    head: u16,
}

impl SubmissionRing {
    /// An empty queue of `entries`, or `None` if the specification allows no
    /// such queue.
    pub(crate) const fn new(entries: u16) -> Option<Self> {
        if entries < ENTRIES_MIN {
            return None;
        }
        Some(Self {
            entries,
            tail: 0,
            head: 0,
        })
    }

    /// Whether [`Self::push`] would succeed.
    pub(crate) fn has_room(&self) -> bool {
        self.after(self.tail) != self.head
    }

    /// Takes the next free entry and returns its index.
    ///
    /// # Errors
    ///
    /// [`RingError::Full`] if there is none before the next completion.
    pub(crate) fn push(&mut self) -> Result<u16, RingError> {
        let index = self.tail;
        let tail = self.after(index);
        if tail == self.head {
            return Err(RingError::Full);
        }
        self.tail = tail;
        Ok(index)
    }

    /// The value for the tail doorbell.
    pub(crate) const fn tail(&self) -> u16 {
        self.tail
    }

    /// Notes how far the controller consumed the queue, as a completion says.
    ///
    /// # Errors
    ///
    /// [`RingError::HeadOutOfRange`]; the old head is kept, so that at worst
    /// the queue looks fuller than it is.
    pub(crate) fn consumed(&mut self, head: u16) -> Result<(), RingError> {
        if head >= self.entries {
            return Err(RingError::HeadOutOfRange);
        }
        self.head = head;
        Ok(())
    }

    const fn after(&self, index: u16) -> u16 {
        // Cannot overflow: `index` is less than `entries`.
        let next = index.wrapping_add(1);
        if next == self.entries {
            0
        } else {
            next
        }
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
