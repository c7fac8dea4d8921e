// SPDX-License-Identifier: GPL-2.0-only

//! How a process gets the result of a command: in the entry that says that it
//! has ended, or in its memory.

use kernel::{
    prelude::*,
    transmute::AsBytes,
    uaccess::{UserPtr, UserSlice}, //
};

use super::Outcome;

/// Where a process wants the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// In the completion queue entry, where that is a large one.
    Entry,
    /// In its memory.
    Memory(Place),
}

/// Where in the memory of a process, and what comes there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The address of the result, 8 bytes.
    pub(crate) result: usize,
    pub(crate) failure: Failure,
}

/// How a status other than success is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// As it is.
    Status,
    /// By EREMOTEIO, which breaks links. Any status is written to the 4 bytes
    /// before the result.
    Error,
}

/// What kind of [`Reply`] it is, in a byte.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum ReplyKind {
    Entry,
    /// The same, on a ring that polls.
    EntryPolled,
    Memory,
    MemoryOrError,
    /// In memory, but there was no room to keep the place.
    Lost,
    /// As a [`Sequel`](super::Sequel) says.
    Later,
}

impl ReplyKind {
    /// Where in memory, if there and not [lost](Self::Lost).
    pub(super) fn at(self, address: usize) -> Option<Place> {
        let failure = match self {
            Self::Memory => Failure::Status,
            Self::MemoryOrError => Failure::Error,
            Self::Entry | Self::EntryPolled | Self::Lost | Self::Later => return None,
        };
        Some(Place {
            result: address,
            failure,
        })
    }
}

impl Place {
    pub(super) fn kind(self) -> ReplyKind {
        match self.failure {
            Failure::Status => ReplyKind::Memory,
            Failure::Error => ReplyKind::MemoryOrError,
        }
    }

    /// Writes what came of a command to the memory of the calling process. Returns
    /// what is left to be told. Sleeps.
    pub(super) fn write(self, outcome: Outcome) -> i32 {
        // Of what was not completed there is no result.
        let Ok(status) = u32::try_from(outcome.res) else {
            return outcome.res;
        };
        let mut written = write(self.result, &outcome.result);
        if self.failure == Failure::Error && written.is_ok() {
            written = write(self.result.wrapping_sub(size_of::<u32>()), &status);
        }
        match (written, self.failure) {
            (Err(error), _) => error.to_errno(),
            (Ok(()), Failure::Error) if status != 0 => EREMOTEIO.to_errno(),
            (Ok(()), _) => outcome.res,
        }
    }
}

fn write<T: AsBytes>(address: usize, value: &T) -> Result {
    UserSlice::new(UserPtr::from_addr(address), size_of::<T>())
        .writer()
        .write(value)
}
