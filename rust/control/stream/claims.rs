// SPDX-License-Identifier: GPL-2.0-only

//! Which reader has a stream to itself.
//!
//! Who the reader is that claims, or gives up its claim, is looked up under the
//! lock that guards the claim: a file may become another reader at any moment.

use crate::engine::claim::{Claimed, ReaderId, Standing};

use super::EventStream;

impl EventStream {
    /// Tells a reader from all others.
    pub(crate) fn next_reader(&self) -> ReaderId {
        let mut log = self.log.lock();
        log.readers = log.readers.wrapping_add(1);
        ReaderId(log.readers)
    }

    /// Gives the stream alone to whoever is the reader at that moment. All
    /// others are sent away. `reader` may take a spinlock.
    ///
    /// # Errors
    ///
    /// [`Claimed`] if it is another's, or nobody reads.
    pub(crate) fn claim(&self, reader: impl FnOnce() -> Option<ReaderId>) -> Result<(), Claimed> {
        let mut log = self.log.lock();
        log.claim.take(reader().ok_or(Claimed)?)?;
        drop(log);
        self.notify();
        Ok(())
    }

    /// Has `leave` make a file another reader, or none, and ends the claim of
    /// the reader it returns, if that has one. Nobody sees the one without the
    /// other. Not under a lock; `leave` may take a spinlock.
    pub(crate) fn release(&self, leave: impl FnOnce() -> Option<ReaderId>) {
        let mut log = self.log.lock();
        let released = leave().is_some_and(|reader| log.claim.release(reader));
        drop(log);
        if released {
            self.notify();
        }
    }

    pub(crate) fn standing(&self, reader: ReaderId) -> Standing {
        self.log.lock().claim.standing(reader)
    }
}
