// SPDX-License-Identifier: GPL-2.0-only

//! What is still to be done when a command is over, before its ring is told: in
//! the task that submitted it, which has the memory of its process.

use core::ptr::NonNull;

use kernel::prelude::*;

use crate::{glue::bindings, spec::completion::CompletionEntry};

use super::{
    data_of,
    end::{End, Finisher},
    reply::ReplyKind,
    Outcome, RingCommand,
};

/// What is to be done.
pub(crate) trait Later: Send {
    /// The controller has completed the command. Any context, with locks held.
    fn completed(&mut self, entry: CompletionEntry);

    /// Does it, and returns what goes to `cqe->res`. Sleeps.
    fn finish(&mut self) -> i32;
}

/// A [`Later`] that a command can keep in a word.
pub(crate) struct Sequel(KBox<KBox<dyn Later>>);

impl Sequel {
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new<T: Later + 'static>(later: T) -> Result<Self> {
        let later: KBox<dyn Later> = KBox::new(later, GFP_KERNEL)?;
        Ok(Self(KBox::new(later, GFP_KERNEL)?))
    }

    pub(crate) fn completed(&mut self, entry: CompletionEntry) {
        self.0.completed(entry);
    }

    fn finish(mut self) -> i32 {
        self.0.finish()
    }

    fn into_word(self) -> u64 {
        // CAST: An address is as wide.
        KBox::into_raw(self.0) as u64
    }

    /// # Safety
    ///
    /// `word` must come from [`Self::into_word`], and be used once.
    pub(super) unsafe fn from_word(word: u64) -> Self {
        // SAFETY: By the safety requirement.
        Self(unsafe { KBox::from_raw(word as *mut KBox<dyn Later>) })
    }
}

impl RingCommand {
    /// As [`Self::complete`], but `sequel` says in the task what the ring is told.
    /// Not for a ring that polls, nor for a command with memory pinned.
    pub(crate) fn complete_with(self, sequel: Sequel) {
        let data = data_of(self.command);
        // SAFETY: By the type invariant, the command is valid, and its data is
        // initialised and nobody else's.
        //
        // INVARIANT: The word is kept for this kind of reply.
        unsafe {
            let word = sequel.into_word();
            (*data).reply = match (*data).pins.put_word(word) {
                Ok(()) => ReplyKind::Later,
                Err(_) => {
                    drop(Sequel::from_word(word));
                    ReplyKind::Lost
                }
            };
        }
        self.complete(Outcome { result: 0, res: 0 });
    }
}

/// Does what was left for the task of a command.
///
/// # Safety
///
/// `command` must be valid.
#[cold]
pub(super) unsafe fn finish(
    command: NonNull<bindings::io_uring_cmd>,
    sequel: Sequel,
    finisher: Finisher,
) -> End {
    // SAFETY: By the safety requirement.
    if unsafe { finisher.has_memory(command) } {
        End::small(sequel.finish())
    } else {
        End::small(ECANCELED.to_errno())
    }
}
