// SPDX-License-Identifier: GPL-2.0-only

//! Who may read a stream: everybody, or the one reader that claimed it.

/// Tells one reader of a stream from all others, those that were closed
/// included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReaderId(pub(crate) u64);

/// Another reader has the stream to itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claimed;

/// How a reader stands to the claim on its stream;
/// `enum nvme_event_claim`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Standing {
    /// There is none.
    Free = 0,
    /// It is this reader's.
    Holder = 1,
    /// It is another's.
    Shut = 2,
}

/// The claim on one stream, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Claim {
    holder: Option<ReaderId>,
}

impl Claim {
    /// Gives the stream to `reader` alone. Claiming it twice is claiming it
    /// once.
    ///
    /// # Errors
    ///
    /// [`Claimed`] if it is another's.
    pub(crate) fn take(&mut self, reader: ReaderId) -> Result<(), Claimed> {
        self.check(reader)?;
        self.holder = Some(reader);
        Ok(())
    }

    /// `reader` gives up its claim. Returns whether it had one.
    pub(crate) fn release(&mut self, reader: ReaderId) -> bool {
        let held = self.standing(reader) == Standing::Holder;
        if held {
            self.holder = None;
        }
        held
    }

    /// Whether `reader` may read.
    ///
    /// # Errors
    ///
    /// [`Claimed`].
    pub(crate) fn check(&self, reader: ReaderId) -> Result<(), Claimed> {
        match self.standing(reader) {
            Standing::Free | Standing::Holder => Ok(()),
            Standing::Shut => Err(Claimed),
        }
    }

    pub(crate) fn standing(&self, reader: ReaderId) -> Standing {
        match self.holder {
            None => Standing::Free,
            Some(holder) if holder == reader => Standing::Holder,
            Some(_) => Standing::Shut,
        }
    }
}
