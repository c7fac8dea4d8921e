// SPDX-License-Identifier: GPL-2.0-only

//! Commands of processes, sent and waited for.

use kernel::{prelude::*, sync::Arc, time::Delta};

use crate::{
    engine::{
        lifecycle::State,
        policy::{self, Implied, Node, Permission},
        sgl::SglSupport,
    },
    glue::{capability::is_system_administrator, completion::Waited},
    spec::{
        completion::CompletionEntry,
        namespace::{Format, MetadataPlace},
    },
};

use super::{
    binding::Binding,
    consequences::Consequences,
    outstanding::{Ending, Orphan, Waiter},
    request::{direction, patience, Answer, Given, Request, NOT_READY},
    submit::{Epoch, Submission, SubmitError},
    transfer::Transfer,
};

/// Clock ticks are coarser than the time at which a command is overdue.
const TICK: Delta = Delta::from_millis(10);

/// What became of a request.
pub(super) enum Attempt {
    /// It has to be looked at again.
    Outdated,
    /// No queue takes commands at this moment.
    NotReady,
    Completed(CompletionEntry, KBox<Transfer>),
}

/// What came out when a request was checked.
pub(super) struct Checked {
    /// How much it transfers.
    pub(super) implied: Implied,
    /// The driver has something to do about it besides passing it on.
    pub(super) concerns_driver: bool,
}

impl Binding {
    /// Sends a command and waits for its end. Sleeps; a signal that kills the
    /// process ends the wait.
    ///
    /// # Errors
    ///
    /// - EACCES: the caller may not send this command;
    /// - EINVAL: buffers shorter than what the command transfers, or longer
    ///   than the controller takes; metadata where there is none;
    /// - EFAULT: the process may not access that memory so;
    /// - ENODEV: the controller or the namespace is gone;
    /// - EINTR: the command was not completed, and will not be; or the process
    ///   is killed;
    /// - ERESTARTSYS: a signal arrived before it was sent;
    /// - ENOMEM.
    pub(crate) fn pass_through(&self, mut request: Request<'_>) -> Result<Answer> {
        let direction = direction(request.entry.opcode);
        loop {
            let waiter = Waiter::new()?;
            let given = request.given();
            let attempt = self.attempt(&mut request, given, &waiter, |request, length| {
                let (data, metadata) = request.transferred(length)?;
                let sgl = self.sgl_support(request, length);
                Transfer::new(self.controller().dma(), &data, metadata, direction, sgl)
            })?;
            match attempt {
                Attempt::Completed(completion, transfer) => {
                    transfer.finish(direction)?;
                    return Ok(completion.into());
                }
                Attempt::NotReady => return Ok(NOT_READY),
                // The format may be another one now.
                Attempt::Outdated => continue,
            }
        }
    }

    /// Sends a command for which so much memory is `given`, unless it has to be
    /// looked at again, and waits for its end, as [`Self::pass_through`] does.
    /// `provide` makes the memory available to the controller, once the command
    /// was checked.
    pub(super) fn attempt(
        &self,
        request: &mut Request<'_>,
        given: Given,
        waiter: &Arc<Waiter>,
        provide: impl FnOnce(&Request<'_>, Implied) -> Result<KBox<Transfer>>,
    ) -> Result<Attempt> {
        let controller = self.controller();
        let epoch = controller.io_queues().epoch();
        let checked = self.check_given(request, given)?;
        let is_live = || controller.state() == State::Live;
        if !is_live() {
            return refused(controller.state());
        }
        if let Some(wanted) = policy::event_configuration(request.command()) {
            let merged = controller.merge_events(wanted);
            request.entry.cdw11.set(merged.0);
        }
        let mut consequences = None;
        if checked.concerns_driver {
            consequences = Some(Consequences::new(controller, request)?);
            // That may have taken long.
            if !is_live() {
                return refused(controller.state());
            }
        }
        let attempt = self.send(request, epoch, waiter, provide, &mut consequences)?;
        if let (Attempt::Completed(completion, _), Some(mut consequences)) =
            (&attempt, consequences)
        {
            consequences.completed(*completion);
            consequences.draw(controller);
        }
        Ok(attempt)
    }

    /// Refuses what the caller may not do or what makes no sense.
    pub(super) fn check(&self, request: &Request<'_>) -> Result<Checked> {
        self.check_given(request, request.given())
    }

    /// As [`Self::check`], of a request for which so much memory is given.
    #[inline(always)]
    pub(super) fn check_given(&self, request: &Request<'_>, given: Given) -> Result<Checked> {
        let format = request.format();
        let checked = if self.is_routine(request) {
            Checked {
                implied: policy::blocks(&request.entry, format),
                concerns_driver: false,
            }
        } else {
            self.examine(request, format)?
        };
        if given.metadata_bytes > 0 {
            let separate = format.is_some_and(|format| {
                format.metadata_bytes > 0 && format.metadata == MetadataPlace::Separate
            });
            if !separate {
                return Err(EINVAL);
            }
        }
        if given.data_bytes > self.data_limit_bytes() {
            return Err(EINVAL);
        }
        if let Implied::Known {
            data_bytes,
            metadata_bytes,
        } = checked.implied
        {
            if given.data_bytes < data_bytes || given.metadata_bytes < metadata_bytes {
                return Err(EINVAL);
            }
        }
        Ok(checked)
    }

    /// Whether all about the command is known by its opcode.
    #[inline]
    fn is_routine(&self, request: &Request<'_>) -> bool {
        let Some(namespace) = request.namespace else {
            return false;
        };
        let set = namespace.identity().command_set;
        let effects = self.controller().effects();
        request.node == Node::Namespace
            && effects.are_routine(set, request.entry.opcode, request.mode)
    }

    /// Whether the caller may send a command, and what it is about.
    #[inline(never)]
    fn examine(&self, request: &Request<'_>, format: Option<Format>) -> Result<Checked> {
        let command = request.command();
        let logged = self.controller().effects().of(command);
        match policy::permission(command, logged, request.mode, request.node) {
            Permission::Anyone => {}
            Permission::Administrator if is_system_administrator() => {}
            Permission::Administrator | Permission::Nobody => return Err(EACCES),
        }
        Ok(Checked {
            implied: policy::implied(command, format),
            concerns_driver: policy::concerns_driver(command, logged),
        })
    }

    /// Refuses what the caller may not do, whatever memory it has for that.
    ///
    /// # Errors
    ///
    /// EACCES.
    pub(crate) fn permit(&self, request: &Request<'_>) -> Result {
        if !self.is_routine(request) {
            self.examine(request, None)?;
        }
        Ok(())
    }

    /// Most bytes of data of a command.
    pub(super) fn data_limit_bytes(&self) -> u64 {
        self.controller().data_limit_bytes()
    }

    /// Which SGLs the command may have. One must be as long as the transfer, so
    /// that has to be known.
    pub(super) fn sgl_support(&self, request: &Request<'_>, length: Implied) -> SglSupport {
        if request.namespace.is_some() && length != Implied::Unknown {
            self.controller().sgl_support()
        } else {
            SglSupport::None
        }
    }

    /// Sends a command that was checked, and waits for its end. Leaves nothing
    /// of its `consequences` if they are seen to when it is over.
    fn send(
        &self,
        request: &Request<'_>,
        epoch: Epoch,
        waiter: &Arc<Waiter>,
        provide: impl FnOnce(&Request<'_>, Implied) -> Result<KBox<Transfer>>,
        consequences: &mut Option<KBox<Consequences>>,
    ) -> Result<Attempt> {
        let controller = self.controller();
        let queue: &dyn Submission = match request.namespace {
            None => &**controller.admin(),
            Some(namespace) if namespace.is_gone() => return Err(ENODEV),
            Some(_) => match controller.io_queues().here() {
                Some(queue) => queue,
                None => return refused(controller.state()),
            },
        };
        let length = policy::implied(request.command(), request.format());
        let mut transfer = provide(request, length)?;
        let mut entry = request.entry;
        transfer.describe_in(&mut entry);

        let patience = patience(request);
        let id = match queue.submit(entry, waiter, patience, epoch) {
            Ok(id) => id,
            Err(SubmitError::Interrupted) => return Err(ERESTARTSYS),
            Err(SubmitError::Forbidden) => return Err(EACCES),
            Err(SubmitError::Outdated) => return Ok(Attempt::Outdated),
            Err(SubmitError::WouldWait) => return Err(EAGAIN),
            // A reset came first.
            Err(SubmitError::Closed) => return refused(controller.state()),
        };
        let mut limit = patience.abort_after.map(|limit| limit + TICK);
        loop {
            match waiter.wait_killable(limit.take()) {
                Waited::Completed => break,
                Waited::TimedOut => self.look_after_commands(),
                Waited::Killed => {
                    let orphan = Orphan {
                        transfer,
                        consequences: consequences.take(),
                    };
                    let Some(orphan) = queue.abandon(id, waiter, orphan) else {
                        self.look_after_commands();
                        return Err(EINTR);
                    };
                    // It has just ended.
                    transfer = orphan.transfer;
                    *consequences = orphan.consequences;
                    break;
                }
            }
        }
        match waiter.ending() {
            Some(Ending::Completed(completion)) => Ok(Attempt::Completed(completion, transfer)),
            Some(Ending::Cancelled) | None => Err(EINTR),
        }
    }
}

/// What becomes of a command that no queue takes.
fn refused(state: State) -> Result<Attempt> {
    match state {
        State::Dead | State::Deleting => Err(ENODEV),
        State::New | State::Live | State::Resetting => Ok(Attempt::NotReady),
    }
}
