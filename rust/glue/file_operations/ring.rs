// SPDX-License-Identifier: GPL-2.0-only

//! Commands that files take by io_uring, those that stay included.

use core::ptr::NonNull;

use kernel::{prelude::*, types::ForeignOwnable};

use crate::glue::{
    bindings,
    subscription::{self, Subscribable},
    uring::{self, Cancellation, Issue, Poller},
};

use super::{FileOperations, OpenMode, Operations};

/// What became of a command that was issued.
pub(crate) enum Issued {
    /// It was [queued](Issue::queue).
    Sent,
    /// It was completed, or stays.
    Settled,
}

/// An open file that takes commands by io_uring.
pub(crate) trait RingOperations: FileOperations {
    /// A command is issued.
    ///
    /// # Errors
    ///
    /// EAGAIN to be issued again where it may sleep; any other ends the
    /// command. Not once it is [`Issued`].
    fn issue(self: Pin<&Self>, issue: Issue, mode: OpenMode) -> Result<Issued>;

    /// A command that was sent, or is about to be, is to end soon.
    fn cancel(self: Pin<&Self>, cancellation: Cancellation);

    /// Looks for completions of commands that are polled for. Returns how many
    /// there were.
    fn poll_commands(self: Pin<&Self>, poller: &Poller) -> usize;
}

impl<F: RingOperations> Operations<F> {
    /// Adds those of [`RingOperations`].
    pub(crate) const fn by_ring(mut self) -> Self {
        self.table.uring_cmd = Some(Self::uring_cmd);
        self.table.uring_cmd_iopoll = Some(Self::uring_cmd_iopoll);
        self
    }

    /// # Safety
    ///
    /// Called by io_uring only, with a valid command on a file that was opened
    /// by [`Self::open`].
    unsafe extern "C" fn uring_cmd(
        command: *mut kernel::bindings::io_uring_cmd,
        flags: c_uint,
    ) -> c_int {
        let Some(command) = NonNull::new(command.cast::<bindings::io_uring_cmd>()) else {
            return EINVAL.to_errno();
        };
        // SAFETY: The command has a file, whose private data was set by `open`
        // and lives until `release`.
        let (state, mode) = unsafe {
            let file = (*command.as_ptr()).file;
            (Pin::<KBox<F>>::borrow((*file).private_data), (*file).f_mode)
        };
        // CAST: The flags are bits; one is the sign.
        if flags & bindings::io_uring_cmd_flags_IO_URING_F_CANCEL as u32 != 0 {
            // SAFETY: io_uring cancels what was offered to it and is not
            // completed; the value does not outlive this call.
            state.cancel(unsafe { Cancellation::new(command) });
            return 0;
        }
        // SAFETY: The arguments are those of the operation; what is returned is
        // as required.
        let issue = unsafe { Issue::new(command, flags) };
        match state.issue(issue, OpenMode::of(mode)) {
            Ok(Issued::Sent) => {
                // CAST: As above.
                if flags & bindings::io_uring_cmd_flags_IO_URING_F_UNLOCKED as u32 == 0 {
                    // SAFETY: The ring's lock is held, without which no command
                    // is finished, so that it is still valid; its queue was
                    // noted.
                    unsafe { uring::offer(command, flags) };
                }
                uring::QUEUED
            }
            Ok(Issued::Settled) => uring::QUEUED,
            // SAFETY: The command is neither queued nor completed.
            Err(error) => unsafe { uring::refused(command, flags, error) },
        }
    }

    /// # Safety
    ///
    /// As [`Self::uring_cmd`], of a command that is polled for.
    unsafe extern "C" fn uring_cmd_iopoll(
        command: *mut kernel::bindings::io_uring_cmd,
        _: *mut bindings::io_comp_batch,
        _: c_uint,
    ) -> c_int {
        let Some(command) = NonNull::new(command.cast::<bindings::io_uring_cmd>()) else {
            return 0;
        };
        // SAFETY: As in `uring_cmd`.
        let (state, poller) = unsafe {
            let file = (*command.as_ptr()).file;
            (
                Pin::<KBox<F>>::borrow((*file).private_data),
                Poller::new(command),
            )
        };
        c_int::try_from(state.poll_commands(&poller)).unwrap_or(c_int::MAX)
    }
}

impl<F: Subscribable> Operations<F> {
    /// Adds those of [`Subscribable`].
    pub(crate) const fn subscribable(mut self) -> Self {
        self.table.uring_cmd = Some(Self::uring_cmd_or_cancel);
        self
    }

    /// # Safety
    ///
    /// As [`Self::uring_cmd`].
    unsafe extern "C" fn uring_cmd_or_cancel(
        command: *mut kernel::bindings::io_uring_cmd,
        flags: c_uint,
    ) -> c_int {
        // CAST: The flags are bits; one is the sign.
        if flags & bindings::io_uring_cmd_flags_IO_URING_F_CANCEL as u32 == 0 {
            // SAFETY: As required of our caller.
            return unsafe { Self::uring_cmd(command, flags) };
        }
        let Some(cancelled) = NonNull::new(command.cast::<bindings::io_uring_cmd>()) else {
            return 0;
        };
        // SAFETY: io_uring cancels what was marked for that and is not completed.
        if unsafe { (*cancelled.as_ptr()).cmd_op } != F::OPERATION {
            // SAFETY: As required of our caller.
            return unsafe { Self::uring_cmd(command, flags) };
        }
        // SAFETY: As above; of commands with this operation only subscriptions
        // are marked.
        unsafe { subscription::cancel::<F>(cancelled, flags) };
        0
    }
}
