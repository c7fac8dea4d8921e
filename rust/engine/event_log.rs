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
//!
//! A reader does not see records that its [`Filter`] hides. It learns all the
//! same of every record that was overwritten before it got there, because
//! nobody knows any more whether that would have been hidden.

use core::ops::DerefMut;

use super::{
    filter::Filter,
    record::{Record, Sequence, RECORD_BYTES},
};

/// How many records are looked at in one go: the caller has a lock.
const LOOK_MAX: usize = 256;

/// The storage handed to a log has a size that is no power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotAPowerOfTwo;

/// Where a reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    next: Sequence,
    /// How many records the reader missed, and has not been told of yet for
    /// want of a record to tell it with.
    lost: u64,
}

impl Cursor {
    /// Where no record ever is.
    pub(crate) const NOWHERE: Self = Self {
        next: Sequence(u64::MAX),
        lost: 0,
    };

    fn new(next: Sequence) -> Self {
        Self { next, lost: 0 }
    }

    /// The number of the record that is read next.
    pub(crate) fn number(self) -> Sequence {
        self.next
    }

    /// The file position of the record that is read next.
    pub(crate) fn position(self) -> i64 {
        i64::try_from(self.next.0)
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

/// Why there is no record with some number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It was overwritten.
    Overwritten,
    /// Nothing has been posted under this number.
    NotPosted,
}

/// What a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// How many records were put at the front of the caller's slice.
    pub(crate) count: usize,
    /// There are records that were not looked at yet.
    pub(crate) more: bool,
    from: Cursor,
    /// The first record that was looked at.
    start: Sequence,
    /// Where the reader stands after having taken all.
    end: Cursor,
}

impl Batch {
    /// Where the reader stands after having taken the first `taken` of the
    /// records, which `out` has in front. Having taken none of them, it has not
    /// learnt either what it lost.
    pub(crate) fn after(self, taken: usize, out: &[Record]) -> Cursor {
        if taken >= self.count {
            return self.end;
        }
        let last = taken.checked_sub(1).and_then(|last| out.get(last));
        match last {
            // CAST: The ring is shorter than 2^32 records.
            Some(last) => Cursor::new(
                self.start
                    .plus(u64::from(last.dw2.wrapping_sub(self.start.0 as u32)))
                    .next(),
            ),
            None => self.from,
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
        Cursor::new(self.next)
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
        Ok(Cursor::new(number))
    }

    /// Where a reader at `cursor` stands after a seek. One that asks where it
    /// stands stays there, and is owed the same loss.
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
        if origin == Origin::Current && offset_bytes == 0 {
            return Ok(cursor);
        }
        let base = match origin {
            Origin::Start if offset_bytes == 0 => self.oldest(),
            Origin::Start => Sequence(0),
            Origin::Current => cursor.next,
            Origin::End => self.next,
        };
        let number = base.0.checked_add_signed(offset_bytes / record_bytes);
        self.at(Sequence(number.ok_or(BadPosition)?))
    }

    /// The record with this number.
    ///
    /// # Errors
    ///
    /// [`Missing`].
    pub(crate) fn record(&self, number: Sequence) -> Result<Record, Missing> {
        if number < Sequence::FIRST || number >= self.next {
            return Err(Missing::NotPosted);
        }
        if number < self.oldest() {
            return Err(Missing::Overwritten);
        }
        let record = self.storage.get(self.index(number));
        record.copied().ok_or(Missing::NotPosted)
    }

    /// Whether there is a record at `cursor`, hidden or not.
    pub(crate) fn has_record(&self, cursor: Cursor) -> bool {
        cursor.next < self.next
    }

    /// Copies the records at `cursor` that `filter` shows to the front of
    /// `out`, as many as fit. The first of them says how many were lost before
    /// it. Looks at a limited number of records.
    pub(crate) fn read(&self, cursor: Cursor, filter: &Filter, out: &mut [Record]) -> Batch {
        let start = cursor.next.max(self.oldest());
        let mut lost = cursor.lost.saturating_add(start.since(cursor.next));
        let mut number = start;
        let mut count = 0;
        for _ in 0..LOOK_MAX {
            let Some(slot) = out.get_mut(count) else {
                break;
            };
            let found = self.storage.get(self.index(number));
            let Some(record) = found.filter(|_| number < self.next) else {
                break;
            };
            number = number.next();
            if filter.shows(record) {
                *slot = record.with_lost(lost);
                lost = 0;
                count += 1;
            }
        }
        Batch {
            count,
            more: number < self.next,
            from: cursor,
            start,
            end: if out.is_empty() {
                cursor
            } else {
                Cursor { next: number, lost }
            },
        }
    }

    /// Where in the storage the record is, if it is there.
    pub(crate) fn index(&self, number: Sequence) -> usize {
        // CAST: only the low bits count, they index the ring.
        number.0 as usize & self.mask
    }
}
