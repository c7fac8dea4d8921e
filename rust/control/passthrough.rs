// SPDX-License-Identifier: GPL-2.0-only

//! Commands of processes, sent and waited for.

use kernel::{prelude::*, sync::Arc, time::Delta};

use crate::{
    engine::{
        lifecycle::State,
        policy::{
            self, Activation, Aftermath, Change, Command, CommandSet, FileMode, Implied, Knowledge,
            Node, Permission, Quiesce,
        },
        record::Record,
        sgl::SglSupport,
    },
    glue::{
        capability::is_system_administrator, completion::Waited, mapping::Direction,
        pins::UserRange, uring::Outcome,
    },
    spec::{
        command::SubmissionEntry,
        completion::{CompletionEntry, Status},
        namespace::{Format, MetadataPlace},
        opcode,
    },
};

use super::{
    admin,
    binding::Binding,
    namespaces::Namespace,
    outstanding::{Ending, Patience, Waiter},
    submit::{Epoch, Submission, SubmitError},
    transfer::Transfer,
};

/// How long an I/O command may take that names no time, as with the in-tree
/// driver.
const IO_TIMEOUT: Delta = Delta::from_secs(30);

/// Most data of a command, whatever the controller takes; as with the in-tree
/// driver.
const DATA_BYTES_MAX: u64 = 8 << 20;

/// Clock ticks are coarser than the time at which a command is overdue.
const TICK: Delta = Delta::from_millis(10);

/// A command as a process wants it sent.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) entry: SubmissionEntry,
    /// The namespace whose I/O queue it is for; `None`: the admin queue.
    pub(crate) namespace: Option<&'a Namespace>,
    /// Where the file is open that it came through.
    pub(crate) node: Node,
    pub(crate) mode: FileMode,
    /// None of them empty.
    pub(crate) data: &'a [UserRange],
    pub(crate) metadata: Option<UserRange>,
    /// How long it may take; `None`: the usual time.
    pub(crate) timeout: Option<Delta>,
}

/// What the controller, or the driver in its place, answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: Status,
    /// Dwords 0 and 1 of the completion.
    pub(crate) result: u64,
}

impl From<CompletionEntry> for Answer {
    fn from(entry: CompletionEntry) -> Self {
        Self {
            status: entry.status(),
            result: entry.result(),
        }
    }
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self {
            result: answer.result,
            res: i32::from(answer.status.0),
        }
    }
}

impl Request<'_> {
    pub(super) fn command(&self) -> Command<'_> {
        let set = match self.namespace {
            None => CommandSet::Admin,
            Some(namespace) => CommandSet::Io(namespace.identity().command_set),
        };
        Command::new(set, &self.entry)
    }

    fn data_bytes(&self) -> u64 {
        match self.data {
            [range] => range.length_bytes as u64,
            ranges => ranges.iter().fold(0, |sum: u64, range| {
                sum.saturating_add(range.length_bytes as u64)
            }),
        }
    }

    pub(super) fn given(&self) -> Given {
        Given {
            data_bytes: self.data_bytes(),
            metadata_bytes: self.metadata.map_or(0, |range| range.length_bytes as u64),
        }
    }

    pub(super) fn format(&self) -> Option<Format> {
        self.namespace.and_then(|namespace| namespace.format())
    }

    /// The buffers, as far as the command transfers them. What the second PRP
    /// entry is depends on the length of the transfer, so that no more may be
    /// described than that.
    ///
    /// # Errors
    ///
    /// EINVAL if they are shorter than that, after all: the format may have
    /// changed since they were checked; ENOMEM.
    fn transferred(&self, implied: Implied) -> Result<(KVec<UserRange>, Option<UserRange>)> {
        let (left, metadata_bytes) = match implied {
            Implied::Unknown => (usize::MAX, usize::MAX),
            Implied::Known {
                data_bytes,
                metadata_bytes,
            } => (data_bytes as usize, metadata_bytes as usize),
        };
        let (data, left) = up_to(self.data, left)?;
        let metadata = self.metadata.and_then(|range| range.up_to(metadata_bytes));
        let short = left > 0 || metadata.map_or(0, |range| range.length_bytes) < metadata_bytes;
        if implied != Implied::Unknown && short {
            return Err(EINVAL);
        }
        Ok((data, metadata))
    }
}

/// How much memory there is for a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) data_bytes: u64,
    pub(super) metadata_bytes: u64,
}

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
        self.check_given(request, given)?;
        match controller.state() {
            State::Live => {}
            State::New | State::Resetting => return Ok(Attempt::NotReady),
            State::Dead | State::Deleting => return Err(ENODEV),
        }
        if let Some(wanted) = policy::event_configuration(request.command()) {
            let merged = controller.merge_events(wanted);
            request.entry.cdw11.set(merged.0);
        }
        let command = request.command();
        let effect = policy::effect(command, controller.effects().of(command));
        let quiet = match effect.before {
            Quiesce::Nothing => None,
            // A controller's namespaces share its queues.
            Quiesce::Namespace(_) | Quiesce::All => Some(controller.io_queues().quiesce()?),
        };
        let attempt = self.send(request, epoch, waiter, provide)?;
        if let Attempt::Completed(completion, _) = &attempt {
            self.learn(request, (*completion).into(), effect.after);
        }
        // Only now: commands that waited go by what was learned.
        drop(quiet);
        Ok(attempt)
    }

    /// Refuses what the caller may not do or what makes no sense.
    pub(super) fn check(&self, request: &Request<'_>) -> Result<Checked> {
        self.check_given(request, request.given())
    }

    /// As [`Self::check`], of a request for which so much memory is given.
    pub(super) fn check_given(&self, request: &Request<'_>, given: Given) -> Result<Checked> {
        let command = request.command();
        let logged = self.controller().effects().of(command);
        match policy::permission(command, logged, request.mode, request.node) {
            Permission::Anyone => {}
            Permission::Administrator if is_system_administrator() => {}
            Permission::Administrator | Permission::Nobody => return Err(EACCES),
        }
        let format = request.format();
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
        let implied = policy::implied(command, format);
        if let Implied::Known {
            data_bytes,
            metadata_bytes,
        } = implied
        {
            if given.data_bytes < data_bytes || given.metadata_bytes < metadata_bytes {
                return Err(EINVAL);
            }
        }
        Ok(Checked {
            implied,
            concerns_driver: policy::concerns_driver(command, logged),
        })
    }

    /// Most bytes of data of a command.
    pub(super) fn data_limit_bytes(&self) -> u64 {
        self.controller().data_limit_bytes().min(DATA_BYTES_MAX)
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

    /// Sends a command that was checked, and waits for its end.
    fn send(
        &self,
        request: &Request<'_>,
        epoch: Epoch,
        waiter: &Arc<Waiter>,
        provide: impl FnOnce(&Request<'_>, Implied) -> Result<KBox<Transfer>>,
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
        let transfer = provide(request, length)?;
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
                    queue.abandon(id, transfer);
                    self.look_after_commands();
                    return Err(EINTR);
                }
            }
        }
        match waiter.ending() {
            Some(Ending::Completed(completion)) => Ok(Attempt::Completed(completion, transfer)),
            Some(Ending::Cancelled) | None => Err(EINTR),
        }
    }

    /// Does what follows from a command.
    fn learn(&self, request: &Request<'_>, answer: Answer, after: Aftermath) {
        let controller = self.controller();
        // CAST: Dword 0 is the low half.
        let lesson = policy::lesson(request.command(), answer.status, answer.result as u32);
        let mut again = after.controller == Knowledge::Stale;
        match lesson.change {
            Change::Nothing => {}
            Change::EventConfiguration(chosen) => controller.choose_events(chosen),
            Change::Firmware(activation) => again |= activation == Activation::Done,
        }
        if again {
            controller.inquire_again();
        } else if after.namespaces == Knowledge::Stale {
            controller.rescan();
        }
        if let Some(event) = lesson.event {
            controller.stream().post(Record::command_effect(event));
        }
    }
}

/// The first bytes of some ranges, and how many of `limit_bytes` they lack.
///
/// # Errors
///
/// ENOMEM.
pub(super) fn up_to(data: &[UserRange], limit_bytes: usize) -> Result<(KVec<UserRange>, usize)> {
    let mut left = limit_bytes;
    let mut ranges = KVec::with_capacity(data.len(), GFP_KERNEL)?;
    for range in data {
        let Some(range) = range.up_to(left) else {
            break;
        };
        left = left.saturating_sub(range.length_bytes);
        ranges.push(range, GFP_KERNEL)?;
    }
    Ok((ranges, left))
}

/// What becomes of a command that no queue takes.
fn refused(state: State) -> Result<Attempt> {
    match state {
        State::Dead | State::Deleting => Err(ENODEV),
        State::New | State::Live | State::Resetting => Ok(Attempt::NotReady),
    }
}

/// What the in-tree driver answers in place of a controller that is being
/// reset: Host Path Error.
pub(super) const NOT_READY: Answer = Answer {
    status: Status::HOST_PATH_ERROR,
    result: 0,
};

/// How long to wait for a command. Only an administrator can make the driver
/// reset a controller sooner than it would by itself.
pub(super) fn patience(request: &Request<'_>) -> Patience {
    let usual = match request.namespace {
        None => admin::TIMEOUT,
        Some(_) => IO_TIMEOUT,
    };
    let reset_after = match request.timeout {
        Some(timeout) if is_system_administrator() => timeout.max(admin::ABORT_TIMEOUT),
        _ => usual,
    };
    Patience {
        abort_after: Some(request.timeout.unwrap_or(usual)),
        reset_after,
    }
}

/// Which way data goes. A command that transfers nothing by its opcode may all
/// the same be given a buffer, to which the controller may write at most.
pub(super) fn direction(opcode: u8) -> Direction {
    match opcode::Direction::of(opcode) {
        opcode::Direction::ToController => Direction::ToDevice,
        opcode::Direction::Nothing | opcode::Direction::FromController => Direction::FromDevice,
        opcode::Direction::Bidirectional => Direction::Both,
    }
}
