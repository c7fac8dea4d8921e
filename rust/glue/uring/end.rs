// SPDX-License-Identifier: GPL-2.0-only

//! How a command ends: its memory is let go, its result goes where the process
//! wants it, and io_uring is told.

use core::ptr::NonNull;

use kernel::prelude::*;

use crate::glue::{bindings, pins::Pins};

use super::{
    cancel::{is_offered, restore},
    data_of,
    later::{self, Sequel},
    reply::{Place, ReplyKind},
    Data, Outcome,
};

/// What `->uring_cmd` returns for a command that is completed otherwise.
pub(in crate::glue) const QUEUED: c_int = -(bindings::EIOCBQUEUED as c_int);

/// What goes to the completion queue.
pub(super) struct End {
    res: i32,
    result: u64,
    /// An entry of 32 bytes, where the ring has a choice.
    large: bool,
}

impl End {
    pub(super) fn large(outcome: Outcome) -> Self {
        Self {
            res: outcome.res,
            result: outcome.result,
            large: true,
        }
    }

    pub(super) fn small(res: i32) -> Self {
        Self {
            res,
            result: 0,
            large: false,
        }
    }
}

/// # Safety
///
/// The command must be valid and not completed yet, and `flags` what io_uring
/// gave for this context.
pub(super) unsafe fn done(command: NonNull<bindings::io_uring_cmd>, end: End, flags: u32) {
    // SAFETY: By the safety requirement.
    unsafe {
        bindings::__io_uring_cmd_done(command.as_ptr(), end.res, end.result, flags, end.large)
    }
}

/// Ends a command that was refused. Returns what `->uring_cmd` has to.
///
/// # Safety
///
/// The command must be valid, neither queued nor completed, and `flags` those it
/// was issued with.
pub(in crate::glue) unsafe fn refused(
    command: NonNull<bindings::io_uring_cmd>,
    flags: u32,
    error: Error,
) -> c_int {
    // SAFETY: By the safety requirement.
    if !unsafe { is_offered(command) } {
        return error.to_errno();
    }
    // io_uring would not take it off its list.
    let end = End::small(error.to_errno());
    // SAFETY: By the safety requirement.
    unsafe { done(command, end, flags) };
    QUEUED
}

/// Who finishes a command.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Finisher {
    /// The task that submitted it, as far as io_uring says.
    Submitter,
    Other,
}

impl Finisher {
    /// Whether the memory of the process that submitted the command is at hand.
    /// The task has the memory it had then: before it executes another program,
    /// io_uring waits for its commands.
    ///
    /// # Safety
    ///
    /// `command` must be valid.
    pub(super) unsafe fn has_memory(self, command: NonNull<bindings::io_uring_cmd>) -> bool {
        if self == Self::Other {
            return false;
        }
        // SAFETY: By the safety requirement.
        unsafe { bindings::nvme_rs_uring_cmd_is_in_task(command.as_ptr()) }
    }
}

/// Lets go of the memory of a command, and completes it with what was noted.
///
/// # Safety
///
/// The command must be the driver's; nobody uses it after this. `flags` as for
/// [`done`]. Process context.
#[inline]
pub(super) unsafe fn finish(
    command: NonNull<bindings::io_uring_cmd>,
    flags: u32,
    finisher: Finisher,
) {
    // SAFETY: The data is initialised, as the command is the driver's, and this
    // is its last use.
    let data = unsafe { data_of(command).read() };
    if data.reply != ReplyKind::EntryPolled {
        // SAFETY: Only commands of rings that poll are not offered before they
        // are finished; the ring's lock is held here.
        unsafe { restore(command) };
    }
    if !matches!(data.reply, ReplyKind::Entry | ReplyKind::EntryPolled) {
        // SAFETY: By the safety requirement.
        return unsafe { finish_elsewhere(command, data, flags, finisher) };
    }
    // SAFETY: By the invariant of `Data`; this is the only use.
    drop(unsafe { Pins::from_raw(data.held, data.pins) });
    let end = End::large(data.outcome());
    // SAFETY: By the safety requirement.
    unsafe { done(command, end, flags) };
}

/// As [`finish`], where the result does not go to a large entry.
///
/// # Safety
///
/// As of [`finish`]; `data` is that of the command.
#[inline(never)]
unsafe fn finish_elsewhere(
    command: NonNull<bindings::io_uring_cmd>,
    mut data: Data,
    flags: u32,
    finisher: Finisher,
) {
    let place = data.pins.take_word();
    // SAFETY: By the invariant of `Data`; this is the only use.
    drop(unsafe { Pins::from_raw(data.held, data.pins) });
    let outcome = data.outcome();
    let end = match data.reply {
        // SAFETY: By the invariant of `Data`; this is the only use. As for the
        // command, by the safety requirement.
        ReplyKind::Later => unsafe { later::finish(command, Sequel::from_word(place), finisher) },
        // CAST: It was an address.
        //
        // SAFETY: By the safety requirement.
        kind => unsafe { in_memory(command, kind.at(place as usize), outcome, finisher) },
    };
    // SAFETY: By the safety requirement.
    unsafe { done(command, end, flags) };
}

/// Gives a result to a process that wants it in its memory.
///
/// # Safety
///
/// `command` must be valid.
#[inline]
unsafe fn in_memory(
    command: NonNull<bindings::io_uring_cmd>,
    place: Option<Place>,
    outcome: Outcome,
    finisher: Finisher,
) -> End {
    End::small(match place {
        None => EFAULT.to_errno(),
        // SAFETY: By the safety requirement.
        Some(place) if unsafe { finisher.has_memory(command) } => place.write(outcome),
        Some(_) => ECANCELED.to_errno(),
    })
}

/// The last part of [`RingCommand::complete`](super::RingCommand::complete), in the task of the command or,
/// where that is `dying`, in one that stands in for it.
///
/// # Safety
///
/// Called once for each `nvme_rs_uring_cmd_in_task()`, by io_uring.
#[no_mangle]
unsafe extern "C" fn nvme_rs_uring_cmd_finish(
    command: *mut bindings::io_uring_cmd,
    flags: u32,
    dying: bool,
) {
    if let Some(command) = NonNull::new(command) {
        let finisher = if dying {
            Finisher::Other
        } else {
            Finisher::Submitter
        };
        // SAFETY: By the safety requirement the command is one that was given
        // to the driver, which has no other use of it any more.
        unsafe { finish(command, flags, finisher) };
    }
}
