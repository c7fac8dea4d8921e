// SPDX-License-Identifier: GPL-2.0-only

//! What commands of rings have in common, wherever they and their data are: the
//! queue that takes them, and what becomes of those that none takes.

use kernel::prelude::*;

use crate::{
    engine::lifecycle::State,
    glue::{
        file_operations::Issued,
        uring::{Notice, Outcome},
    },
};

use super::{
    binding::Binding,
    request::{patience, Request},
    submit::{Epoch, Prepared, Submission, SubmitError},
};

impl Binding {
    /// Whether the controller takes commands.
    #[inline(always)]
    pub(super) fn is_live(&self) -> Result<(), StartError> {
        match self.controller().state() {
            State::Live => Ok(()),
            state => Err(refused(state)),
        }
    }

    /// The queue that takes the command of a ring at this moment.
    #[inline(always)]
    pub(super) fn queue_for(
        &self,
        request: &Request<'_>,
        notice: Notice,
    ) -> Result<&dyn Submission, StartError> {
        let controller = self.controller();
        match request.namespace {
            None => Ok(&**controller.admin()),
            Some(namespace) if namespace.is_gone() => Err(ENODEV.into()),
            Some(_) => {
                let queues = controller.io_queues();
                let queue = match notice {
                    Notice::Poll => queues.here_polled().or_else(|| queues.here()),
                    Notice::Interrupt => queues.here(),
                };
                match queue {
                    Some(queue) => Ok(queue),
                    None => Err(refused(controller.state())),
                }
            }
        }
    }

    /// Has `queue` send a command whose data is placed, or gives its memory back.
    #[inline(always)]
    pub(super) fn send_prepared(
        &self,
        prepared: &mut Prepared,
        request: &mut Request<'_>,
        queue: &dyn Submission,
        epoch: Epoch,
    ) -> Result<Issued, StartError> {
        if let Some(issue) = prepared.issue.as_ref() {
            issue.offer_early(|| queue.id().0);
        }
        let patience = patience(request);
        let Err(error) = queue.start(prepared, &mut request.entry, patience, epoch) else {
            return Ok(Issued::Sent);
        };
        self.give_back(prepared, queue);
        Err(match error {
            SubmitError::Outdated => StartError::Outdated,
            SubmitError::WouldWait => EAGAIN.into(),
            SubmitError::Forbidden => EACCES.into(),
            SubmitError::Interrupted => EINTR.into(),
            // A reset came first.
            SubmitError::Closed => refused(self.controller().state()),
        })
    }

    /// Gives the memory of a command back that was not sent.
    pub(super) fn give_back(&self, prepared: &mut Prepared, queue: &dyn Submission) {
        if let Some(scratch) = prepared.memory.release(self.controller().dma()) {
            queue.keep_scratch(scratch);
        }
        prepared.pins = None;
    }
}

/// Why no queue takes a command.
fn refused(state: State) -> StartError {
    match state {
        State::Dead | State::Deleting => ENODEV.into(),
        State::New | State::Live | State::Resetting => StartError::NotReady,
    }
}

/// Ends the command here and now.
pub(super) fn complete(prepared: &mut Prepared, outcome: Outcome) -> Issued {
    if let Some(issue) = prepared.issue.take() {
        issue.complete(outcome);
    }
    Issued::Settled
}

/// Why a command was not sent.
pub(super) enum StartError {
    /// It has to be looked at again.
    Outdated,
    /// No queue takes commands at this moment.
    NotReady,
    Failed(Error),
}

impl From<Error> for StartError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}
