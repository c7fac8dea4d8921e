// SPDX-License-Identifier: GPL-2.0-only

//! Commands by io_uring: `IORING_OP_URING_CMD`.
//!
//! The `kernel` crate has nothing of it. A command is issued in the task that
//! submits it ([`Issue`]), is the driver's until the controller has completed
//! it ([`RingCommand`]), and gives its result in the task again: only there its
//! pinned memory can be let go and io_uring's caches be used.

mod cancel;
mod end;
mod issue;
mod later;
mod lend;
mod registered;
mod reply;

use core::{
    mem::{align_of, offset_of, size_of},
    ptr::NonNull,
};

use kernel::prelude::*;

use super::{
    bindings,
    pins::{RawPins, RawPinsKind},
};

pub(super) use self::{
    cancel::offer,
    end::{refused, QUEUED},
};
pub(crate) use self::{
    cancel::Cancellation,
    issue::Issue,
    later::{Later, Sequel},
    lend::{BufferPlace, Lender},
    registered::RegisteredBuffer,
    reply::{Failure, Place},
};

use self::{
    end::{finish, Finisher},
    reply::ReplyKind,
};

/// What io_uring is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Goes to `cqe->big_cqe[0]`.
    pub(crate) result: u64,
    /// Goes to `cqe->res`: a status, or a negative errno.
    pub(crate) res: i32,
}

impl Outcome {
    pub(crate) fn failed(error: Error) -> Self {
        Self {
            result: 0,
            res: error.to_errno(),
        }
    }
}

/// Who learns of the end of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Its task, by an interrupt.
    Interrupt,
    /// Its ring, which polls: IORING_SETUP_IOPOLL.
    Poll,
}

/// What the driver keeps in a command that is its own.
///
/// # Invariants
///
/// Initialised from [`Issue::queue`] until the command is completed. Together,
/// `held` and `pins` are what [`super::pins::Pins::into_raw`] gave, but that `pins`
/// keeps a word: the address of the [`Place`] if the reply is in memory, a
/// [`Sequel`] if it comes later.
#[repr(C)]
struct Data {
    result: u64,
    res: i32,
    queue: u16,
    held: RawPinsKind,
    reply: ReplyKind,
    pins: RawPins,
}

impl Data {
    fn outcome(&self) -> Outcome {
        Outcome {
            result: self.result,
            res: self.res,
        }
    }
}

const _: () = {
    let pdu = offset_of!(bindings::io_uring_cmd, pdu);
    assert!(size_of::<Data>() <= offset_of!(bindings::io_uring_cmd, unused) - pdu);
    assert!(pdu % align_of::<Data>() == 0);
};

/// A command that is the driver's until it is completed. Dropping it completes
/// it with ECANCELED.
///
/// # Invariants
///
/// The command is valid, queued, and completed by nobody else.
pub(crate) struct RingCommand {
    command: NonNull<bindings::io_uring_cmd>,
}

// SAFETY: A queued command may be completed from any thread.
unsafe impl Send for RingCommand {}

// SAFETY: No method changes anything through `&self`.
unsafe impl Sync for RingCommand {}

impl RingCommand {
    /// Ends the command. Any context; the task learns of it soon.
    pub(crate) fn complete(self, outcome: Outcome) {
        core::mem::ManuallyDrop::new(self).complete_in_task(outcome);
    }

    /// The command has ended and is to be [finished](Finished::finish), in a
    /// context without locks.
    pub(crate) fn finished(self, outcome: Outcome) -> Finished {
        self.note(outcome);
        Finished(core::mem::ManuallyDrop::new(self))
    }

    fn note(&self, outcome: Outcome) {
        let data = data_of(self.command);
        // SAFETY: By the type invariant, the command is valid, and its data is
        // initialised and nobody else's.
        unsafe {
            (*data).result = outcome.result;
            (*data).res = outcome.res;
        }
    }

    fn complete_in_task(&self, outcome: Outcome) {
        self.note(outcome);
        // SAFETY: By the type invariant.
        unsafe { bindings::nvme_rs_uring_cmd_in_task(self.command.as_ptr()) };
    }
}

impl Drop for RingCommand {
    fn drop(&mut self) {
        self.complete_in_task(Outcome::failed(ECANCELED));
    }
}

/// A command that has ended, of which its ring has to be told.
pub(crate) struct Finished(core::mem::ManuallyDrop<RingCommand>);

impl Finished {
    /// Tells the ring that polls at once, any other one soon. Process context,
    /// without locks.
    pub(crate) fn finish(self, poller: &Poller) {
        let command = self.0.command;
        // SAFETY: By the invariant of `RingCommand`. The ring that polls has
        // its lock, and issue flags of 0 say so.
        unsafe {
            if bindings::nvme_rs_uring_cmd_context(command.as_ptr()) == poller.context {
                finish(command, 0, Finisher::Other);
            } else {
                bindings::nvme_rs_uring_cmd_in_task(command.as_ptr());
            }
        }
    }
}

/// A ring that polls for the completion of one of its commands.
pub(crate) struct Poller {
    context: *mut c_void,
    queue: u16,
}

impl Poller {
    /// # Safety
    ///
    /// `command` must be that of a call of `->uring_cmd_iopoll`.
    pub(super) unsafe fn new(command: NonNull<bindings::io_uring_cmd>) -> Self {
        // SAFETY: io_uring polls for commands that were queued and are not
        // completed yet.
        unsafe {
            Self {
                context: bindings::nvme_rs_uring_cmd_context(command.as_ptr()),
                queue: (*data_of(command)).queue,
            }
        }
    }

    /// What [`Issue::queue`] was given.
    pub(crate) fn queue(&self) -> u16 {
        self.queue
    }
}

fn data_of(command: NonNull<bindings::io_uring_cmd>) -> *mut Data {
    // SAFETY: Only an address in the command is computed.
    unsafe { (&raw mut (*command.as_ptr()).pdu).cast() }
}
