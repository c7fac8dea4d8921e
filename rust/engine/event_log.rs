// SPDX-License-Identifier: GPL-2.0-only

//! The records of one controller, and the cursors that read them.
//!
//! One ring for all readers; a new record overwrites the oldest one. A reader
//! is a [`Cursor`], a number and nothing else: posting does not know how many
//! there are. A cursor whose record was overwritten learns at its next read
//! how many it missed.
//!
//! To a file, a position is sixteen times the number of a record. No record has
//! number zero, so that position zero is free for "where the reader stands".
//!
//! Reading is in two steps, so that a failed copy to user space consumes
//! nothing: [`EventLog::read`] returns what comes next, and the caller moves
//! its cursor past as much of that as arrived.

use core::ops::DerefMut;

use super::record::{Record, Sequence, RECORD_BYTES};

/// The storage handed to a log has a size that is no power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAPowerOfTwo;

/// Where a reader stands: the number of the record it reads next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor(Sequence);

impl Cursor {
    /// The number of the record that is read next.
    pub(crate) fn number(self) -> Sequence {
        self.0
    }

    /// The file position of the record that is read next.
    pub(crate) fn position(self) -> i64 {
        i64::try_from(self.0 .0)
            .ok()
            .and_then(|number| number.checked_mul(RECORD_BYTES as i64))
            .unwrap_or(i64::MAX)
    }
}

/// Where a seek counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The oldest record for an offset of zero, else a record's number.
    Start,
    /// Where the reader stands.
    Current,
    /// After the newest record.
    End,
}

/// A position that is not at a record, or at one that no reader can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadPosition;

/// What a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// How many records were put at the front of the caller's slice.
    pub(crate) count: usize,
    from: Cursor,
    start: Sequence,
}

impl Batch {
    /// Where the reader stands after having taken the first `taken` records.
    /// Having taken none, it has not learnt either what it lost.
    pub(crate) fn after(self, taken: usize) -> Cursor {
        match taken.min(self.count) {
            0 => self.from,
            taken => Cursor(self.start.plus(taken as u64)),
        }
    }
}

/// The most recent records of a controller.
///
/// # Invariants
///
/// `storage` has `mask + 1` elements, a power of two. Record `n` is at index
/// `n & mask` for every `n` from [`Self::oldest`] up to, not including, `next`.
pub(crate) struct EventLog<S> {
    storage: S,
    mask: usize,
    next: Sequence,
}

impl<S: DerefMut<Target = [Record]>> EventLog<S> {
    /// An empty log over `storage`.
    ///
    /// # Errors
    ///
    /// [`NotAPowerOfTwo`], zero included.
    pub(crate) fn new(storage: S) -> Result<Self, NotAPowerOfTwo> {
        if !storage.len().is_power_of_two() {
            return Err(NotAPowerOfTwo);
        }
        Ok(Self {
            mask: storage.len() - 1,
            storage,
            next: Sequence::FIRST,
        })
    }

    /// An empty log whose first record gets the number `next`, so that a test
    /// need not post 2^32 records to see the low half wrap.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    #[cfg(test)]
    pub(crate) fn starting_at(storage: S, next: Sequence) -> Result<Self, NotAPowerOfTwo> {
        let mut log = Self::new(storage)?;
        log.next = next;
        Ok(log)
    }

    /// Adds a record, gives it its number and returns that.
    pub(crate) fn post(&mut self, record: Record) -> Sequence {
        let number = self.next;
        let index = self.index(number);
        if let Some(slot) = self.storage.get_mut(index) {
            *slot = Record {
                // CAST: the low half is what the record carries.
                dw2: number.0 as u32,
                ..record
            };
        }
        self.next = number.next();
        number
    }

    /// Number of the oldest record that is still there; [`Self::next`] if
    /// there is none.
    pub(crate) fn oldest(&self) -> Sequence {
        self.next.minus(self.mask as u64 + 1)
    }

    /// Number of the record that will be posted next.
    pub(crate) fn next(&self) -> Sequence {
        self.next
    }

    /// How many records were overwritten so far.
    pub(crate) fn overwritten(&self) -> u64 {
        self.oldest().since(Sequence::FIRST)
    }

    /// A cursor after the newest record.
    pub(crate) fn end(&self) -> Cursor {
        Cursor(self.next)
    }

    /// A cursor at record `number`, overwritten or not, or after the newest.
    ///
    /// # Errors
    ///
    /// [`BadPosition`] if there is no such record and it is not the next one.
    pub(crate) fn at(&self, number: Sequence) -> Result<Cursor, BadPosition> {
        if number < Sequence::FIRST || number > self.next {
            return Err(BadPosition);
        }
        Ok(Cursor(number))
    }

    /// Where a reader at `cursor` stands after a seek.
    ///
    /// # Errors
    ///
    /// [`BadPosition`] if that is not at a record, as for [`Self::at`].
    pub(crate) fn seek(
        &self,
        cursor: Cursor,
        origin: Origin,
        offset_bytes: i64,
    ) -> Result<Cursor, BadPosition> {
        let record_bytes = RECORD_BYTES as i64;
        if offset_bytes % record_bytes != 0 {
            return Err(BadPosition);
        }
        let base = match origin {
            Origin::Start if offset_bytes == 0 => self.oldest(),
            Origin::Start => Sequence(0),
            Origin::Current => cursor.0,
            Origin::End => self.next,
        };
        let number = base.0.checked_add_signed(offset_bytes / record_bytes);
        self.at(Sequence(number.ok_or(BadPosition)?))
    }

    /// Whether [`Self::read`] would find a record.
    pub(crate) fn has_record(&self, cursor: Cursor) -> bool {
        cursor.0 < self.next
    }

    /// Copies the records at `cursor` to the front of `out`, as many as fit
    /// and are there. The first of them says how many were lost before it.
    pub(crate) fn read(&self, cursor: Cursor, out: &mut [Record]) -> Batch {
        let start = cursor.0.max(self.oldest());
        let mut lost = start.since(cursor.0);
        let mut number = start;
        let mut count = 0;
        for slot in out {
            if number >= self.next {
                break;
            }
            let Some(record) = self.storage.get(self.index(number)) else {
                break;
            };
            *slot = record.with_lost(lost);
            lost = 0;
            number = number.next();
            count += 1;
        }
        Batch {
            count,
            from: cursor,
            start,
        }
    }

    fn index(&self, number: Sequence) -> usize {
        // CAST: only the low bits count, they index the ring.
        number.0 as usize & self.mask
    }
}
