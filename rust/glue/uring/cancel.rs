// SPDX-License-Identifier: GPL-2.0-only

//! Commands that are to end because their ring or their task goes away.
//!
//! io_uring knows which commands the driver has: they are offered to it before,
//! or while, they are sent. It holds the ring's lock when it asks for the end of
//! one, as whoever finishes one does, so that the command is not finished
//! meanwhile. But for a ring that polls: that one waits.

use core::ptr::NonNull;

use crate::glue::bindings;

use super::{data_of, Issue, Notice, RingCommand};

/// io_uring wants a command to end.
pub(crate) struct Cancellation {
    command: NonNull<bindings::io_uring_cmd>,
}

impl Cancellation {
    /// # Safety
    ///
    /// `command` must be one that [`offer`] offered, and io_uring must have called
    /// `->uring_cmd` with IO_URING_F_CANCEL, and that call must not end before the
    /// value is dropped.
    pub(in crate::glue) unsafe fn new(command: NonNull<bindings::io_uring_cmd>) -> Self {
        Self { command }
    }

    /// The queue that the command is in, is about to be in, or was in.
    pub(crate) fn queue(&self) -> u16 {
        // SAFETY: The command is valid by the requirement of `new`. A worker may
        // just write the number, which is one access.
        unsafe { (&raw const (*data_of(self.command)).queue).read_volatile() }
    }

    pub(crate) fn is_for(&self, command: &RingCommand) -> bool {
        command.command == self.command
    }

    /// The driver sees to it. Otherwise io_uring asks again, and again, without a
    /// pause, until the command is over.
    pub(crate) fn accept(self) {
        // SAFETY: The command is valid, and the ring's lock held. The command
        // stays in the ring's list: see `restore`.
        unsafe { (*self.command.as_ptr()).flags &= !bindings::IORING_URING_CMD_CANCELABLE };
    }
}

impl Issue {
    /// Has io_uring know of the command before it is sent to a queue, if it might
    /// be over before the call that issues it is.
    pub(crate) fn offer_early(&self, queue: impl FnOnce() -> u16) {
        if !self.has(bindings::io_uring_cmd_flags_IO_URING_F_UNLOCKED) {
            return;
        }
        self.note_queue(queue());
        // SAFETY: The command is being issued.
        unsafe { offer(self.command, self.flags) };
    }

    pub(super) fn note_queue(&self, queue: u16) {
        // SAFETY: The command is valid. Whoever cancels it may just read the
        // number, which is one access.
        unsafe { (&raw mut (*data_of(self.command)).queue).write_volatile(queue) };
    }

    pub(super) fn is_polled_for(&self) -> bool {
        self.notice() == Notice::Poll
    }
}

/// Has io_uring know of a command, as something that can be cancelled. Nothing
/// happens on a ring that polls.
///
/// # Safety
///
/// The command is valid, the number of its queue is noted, and `flags` are those
/// it is issued with.
pub(in crate::glue) unsafe fn offer(command: NonNull<bindings::io_uring_cmd>, flags: u32) {
    // SAFETY: By the safety requirement.
    unsafe { bindings::io_uring_cmd_mark_cancelable(command.as_ptr(), flags) };
}

/// Whether io_uring knows of the command.
///
/// # Safety
///
/// The command is valid, and being issued.
pub(super) unsafe fn is_offered(command: NonNull<bindings::io_uring_cmd>) -> bool {
    // SAFETY: By the safety requirement.
    unsafe { (*command.as_ptr()).flags & bindings::IORING_URING_CMD_CANCELABLE != 0 }
}

/// Undoes [`Cancellation::accept`], so that io_uring takes the command off its
/// list when it is completed.
///
/// # Safety
///
/// The command was offered, and its ring's lock is held.
pub(super) unsafe fn restore(command: NonNull<bindings::io_uring_cmd>) {
    // SAFETY: By the safety requirement.
    unsafe { (*command.as_ptr()).flags |= bindings::IORING_URING_CMD_CANCELABLE };
}
