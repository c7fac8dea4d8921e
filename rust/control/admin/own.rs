// SPDX-License-Identifier: GPL-2.0-only

//! Commands of the driver's own for the admin queue: those it waits for, Aborts,
//! and Asynchronous Event Requests.

use kernel::{prelude::*, time::Delta};

use crate::{
    control::{
        command_queue::Refusal,
        outstanding::{Ending, Owner, Patience, Waiter},
    },
    engine::{aborts::Target, command_table::Claim},
    spec::{
        command::SubmissionEntry,
        completion::{CompletionEntry, Status},
    },
};

use super::{AdminQueue, State, ABORT_TIMEOUT, TIMEOUT};

/// Why a command of the driver's own has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdminError {
    /// There is no room for one more command.
    Busy,
    /// The queue takes no commands.
    Closed,
    /// There is no answer: the driver is letting go of the controller, or has
    /// given up on it. The command may still be executed.
    Unanswered,
    /// The controller refused or failed.
    Failed(Status),
}

impl From<AdminError> for Error {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Busy => EBUSY,
            AdminError::Closed | AdminError::Unanswered => ENODEV,
            AdminError::Failed(_) => EIO,
        }
    }
}

impl AdminQueue {
    /// Sends a command of the driver's own and waits for its completion.
    /// Sleeps. A buffer the command names must not be used again before the
    /// controller is disabled if this returns [`AdminError::Unanswered`].
    ///
    /// A controller that does not answer is looked after by whoever calls
    /// [`Submission::look_for_overdue`](crate::control::submit::Submission).
    pub(crate) fn execute(
        &self,
        mut entry: SubmissionEntry,
    ) -> Result<CompletionEntry, AdminError> {
        let waiter = Waiter::new().map_err(|_| AdminError::Busy)?;
        let patience = Patience {
            abort_after: Some(TIMEOUT),
            reset_after: ABORT_TIMEOUT,
        };
        let mut state = self.state.lock();
        state
            .queue
            .submit(
                &mut entry,
                Claim::Reserved,
                Owner::Driver(waiter.clone()),
                patience,
            )
            .map_err(|refusal| match refusal {
                Refusal::NotNow => AdminError::Busy,
                Refusal::Closed => AdminError::Closed,
            })?;
        self.ring(&mut state);
        drop(state);
        match waiter.wait() {
            Ending::Completed(answer) if answer.status().is_success() => Ok(answer),
            Ending::Completed(answer) => Err(AdminError::Failed(answer.status())),
            Ending::Cancelled => Err(AdminError::Unanswered),
        }
    }

    /// Sends an Abort, if the controller takes one more.
    pub(in crate::control) fn abort(&self, target: Target) -> bool {
        self.send_abort(&mut self.state.lock(), target)
    }

    pub(super) fn send_abort(&self, state: &mut State, target: Target) -> bool {
        let Some(slot) = state.aborts.claim(target) else {
            return false;
        };
        // What an Abort that is not answered needs is a reset, not an Abort.
        let patience = Patience {
            abort_after: None,
            reset_after: ABORT_TIMEOUT,
        };
        let mut entry = SubmissionEntry::abort(target.queue, target.command);
        let sent = state
            .queue
            .submit(&mut entry, Claim::Reserved, Owner::Abort(slot), patience);
        if sent.is_err() {
            state.aborts.release(slot);
            return false;
        }
        self.ring(state);
        true
    }

    /// An Abort that is over. Each is returned once.
    pub(in crate::control) fn take_abort(&self) -> Option<Target> {
        self.state.lock().aborts.take_over()
    }

    /// Submits as many Asynchronous Event Requests as are missing.
    pub(super) fn arm(&self, state: &mut State) {
        let for_ever = Patience {
            abort_after: None,
            reset_after: Delta::ZERO,
        };
        let mut armed = false;
        while state.events.keeper.missing() > 0 {
            let mut entry = SubmissionEntry::asynchronous_event_request();
            let sent =
                state
                    .queue
                    .submit(&mut entry, Claim::Reserved, Owner::EventRequest, for_ever);
            if sent.is_err() {
                break;
            }
            state.events.keeper.armed();
            armed = true;
        }
        if armed {
            self.ring(state);
        }
    }
}
