// SPDX-License-Identifier: GPL-2.0-only

//! Commands of rings: sent where they are submitted, ended when the controller
//! completes them.
//!
//! What would have to wait (other commands, a rescan afterwards, a copy of the
//! data) is not done here: io_uring brings the command back in a task of its
//! own, which sends it and waits as for an `ioctl()`.

use kernel::prelude::*;

use crate::{
    engine::{
        lifecycle::State,
        policy::{self, Implied},
    },
    glue::{
        file_operations::Blocking,
        uring::{Issue, Notice, Outcome, Poller},
        user_memory::{Direction, Pins, UserRange},
    },
    spec::command::QueueId,
};

use super::{
    binding::Binding,
    passthrough::{direction, patience, Request, NOT_READY},
    scratch::Scratch,
    submit::{Epoch, Prepared, Submission, SubmitError},
};

/// Which memory the data of a ring's command is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RingBuffer {
    /// That of the request, pinned for the command.
    Process,
    /// So many bytes at an address in a registered buffer.
    Registered { address: u64, length_bytes: usize },
    /// So many pieces of a registered buffer, listed at an address.
    RegisteredPieces { address: u64, count: usize },
}

impl Binding {
    /// Sends a command, or sees to it that it is sent. Its end is that of
    /// `issue`, unless this fails.
    ///
    /// # Errors
    ///
    /// As [`Self::pass_through`]; EAGAIN if the command has to be issued again
    /// where it may sleep.
    pub(crate) fn start_command(
        &self,
        issue: Issue,
        mut request: Request<'_>,
        buffer: RingBuffer,
    ) -> Result {
        let mut issue = Some(issue);
        loop {
            let epoch = self.controller().io_queues().epoch();
            match self.try_to_start(&mut issue, &mut request, buffer, epoch) {
                // The format may be another one now.
                Err(StartError::Outdated) => continue,
                Err(StartError::Failed(error)) => return Err(error),
                Ok(()) => return Ok(()),
            }
        }
    }

    /// Looks for completions on the queue of a command that its ring polls for.
    /// Returns how many there were.
    pub(crate) fn poll_commands(&self, poller: &Poller) -> usize {
        match self.controller().io_queues().get(QueueId(poller.queue())) {
            Some(queue) if queue.is_polled() => queue.poll(poller),
            _ => 0,
        }
    }

    fn try_to_start(
        &self,
        issue: &mut Option<Issue>,
        request: &mut Request<'_>,
        buffer: RingBuffer,
        epoch: Epoch,
    ) -> Result<(), StartError> {
        let Some(this) = issue.as_ref() else {
            return Ok(());
        };
        self.check(request)?;
        let controller = self.controller();
        match controller.state() {
            State::Live => {}
            State::New | State::Resetting => return complete(issue, NOT_READY.into()),
            State::Dead | State::Deleting => return Err(ENODEV.into()),
        }
        let command = request.command();
        if policy::concerns_driver(command, controller.effects().of(command))
            || request.metadata.is_some()
        {
            return self.pass_through_and_wait(issue, request);
        }
        let queue: &dyn Submission = match request.namespace {
            None => &**controller.admin(),
            Some(namespace) if namespace.is_gone() => return Err(ENODEV.into()),
            Some(_) => {
                let queues = controller.io_queues();
                let queue = match this.notice() {
                    Notice::Poll => queues.here_polled().or_else(|| queues.here()),
                    Notice::Interrupt => queues.here(),
                };
                match queue {
                    Some(queue) => &**queue,
                    None => return refused(controller.state(), issue),
                }
            }
        };
        let mut scratch = queue.take_scratch(controller.dma())?;
        let mapped = self.map(this, request, buffer, &mut scratch);
        let (pins, pointer) = match mapped {
            Ok(mapped) => mapped,
            Err(MapError::Failed(error)) => {
                scratch.mapping.unmap();
                queue.keep_scratch(scratch);
                return Err(error.into());
            }
            Err(MapError::Unfit) => {
                scratch.mapping.unmap();
                queue.keep_scratch(scratch);
                return self.pass_through_and_wait(issue, request);
            }
        };
        let mut entry = request.entry;
        if let Some(pointer) = pointer {
            entry.prp1.set(pointer.prp1);
            entry.prp2.set(pointer.prp2);
        }
        let Some(this) = issue.take() else {
            return Ok(());
        };
        let mut prepared = Some(Prepared {
            entry,
            issue: this,
            pins,
            scratch,
        });
        let started = queue.start(&mut prepared, patience(request), epoch);
        if let Some(rejected) = prepared {
            let Prepared {
                issue: this,
                pins,
                mut scratch,
                ..
            } = rejected;
            scratch.mapping.unmap();
            queue.keep_scratch(scratch);
            drop(pins);
            *issue = Some(this);
        }
        match started {
            Ok(()) => Ok(()),
            Err(SubmitError::Outdated) => Err(StartError::Outdated),
            Err(SubmitError::WouldWait) => Err(EAGAIN.into()),
            Err(SubmitError::Forbidden) => Err(EACCES.into()),
            Err(SubmitError::Interrupted) => Err(EINTR.into()),
            // A reset came first.
            Err(SubmitError::Closed) => refused(controller.state(), issue),
        }
    }

    /// Sends the command as for an `ioctl()`. A registered buffer is accessed
    /// by the address at which it was registered.
    fn pass_through_and_wait(
        &self,
        issue: &mut Option<Issue>,
        request: &Request<'_>,
    ) -> Result<(), StartError> {
        let may_wait = issue
            .as_ref()
            .is_some_and(|issue| issue.blocking() == Blocking::Allowed);
        if !may_wait {
            return Err(EAGAIN.into());
        }
        let answer = self.pass_through(*request).map_err(|error| match error {
            // Nobody calls again after a signal.
            ERESTARTSYS => EINTR,
            error => error,
        })?;
        complete(issue, answer.into())
    }

    /// Maps the data of a command, as far as it is transferred.
    fn map(
        &self,
        issue: &Issue,
        request: &Request<'_>,
        buffer: RingBuffer,
        scratch: &mut Scratch,
    ) -> Result<Mapped, MapError> {
        let direction = direction(request.entry.opcode);
        let (least_bytes, limit_bytes) = match policy::implied(request.command(), request.format())
        {
            Implied::Unknown => (0, usize::MAX),
            Implied::Known { data_bytes, .. } => (
                data_bytes,
                usize::try_from(data_bytes).unwrap_or(usize::MAX),
            ),
        };
        let mut pins = None;
        match buffer {
            _ if request.data.is_empty() || limit_bytes == 0 => {
                return if least_bytes == 0 {
                    Ok((None, None))
                } else {
                    Err(EINVAL.into())
                }
            }
            RingBuffer::Process => {
                pins = Some(map_pinned(request.data, limit_bytes, direction, scratch)?);
            }
            RingBuffer::Registered {
                address,
                length_bytes,
            } => issue.registered(address, length_bytes, direction)?.map(
                &mut scratch.mapping,
                limit_bytes,
                direction,
            )?,
            RingBuffer::RegisteredPieces { address, count } => issue
                .registered_pieces(address, count, direction)?
                .map(&mut scratch.mapping, limit_bytes, direction)?,
        }
        // The list of pieces was read again, and the format may have changed,
        // since the command was checked.
        let mapped_bytes = scratch
            .mapping
            .segments()
            .iter()
            .fold(0, |sum: u64, segment| {
                sum.saturating_add(segment.length_bytes)
            });
        if mapped_bytes < least_bytes || mapped_bytes > self.data_limit_bytes() {
            return Err(EINVAL.into());
        }
        let pointer = scratch.describe(self.controller().dma())?;
        Ok((pins, Some(pointer.ok_or(MapError::Unfit)?)))
    }
}

/// What keeps the memory in place, and where it is.
type Mapped = (Option<KBox<Pins>>, Option<crate::engine::prp::DataPointer>);

fn map_pinned(
    data: &[UserRange],
    limit_bytes: usize,
    direction: Direction,
    scratch: &mut Scratch,
) -> Result<KBox<Pins>> {
    let mut left = limit_bytes;
    let mut ranges = KVec::new();
    let trimmed;
    let data = match data {
        // No allocation for the one range that most commands have.
        [range] => {
            trimmed = range.up_to(limit_bytes);
            trimmed.as_slice()
        }
        data => {
            for range in data {
                let Some(range) = range.up_to(left) else {
                    break;
                };
                left = left.saturating_sub(range.length_bytes);
                ranges.push(range, GFP_KERNEL)?;
            }
            &*ranges
        }
    };
    let pins = KBox::new(Pins::new(data, direction)?, GFP_KERNEL)?;
    scratch.mapping.map_pinned(&pins, data, direction)?;
    Ok(pins)
}

/// Ends a command that no queue takes.
fn refused(state: State, issue: &mut Option<Issue>) -> Result<(), StartError> {
    match state {
        State::Dead | State::Deleting => Err(ENODEV.into()),
        State::New | State::Live | State::Resetting => complete(issue, NOT_READY.into()),
    }
}

/// Ends the command here and now.
fn complete(issue: &mut Option<Issue>, outcome: Outcome) -> Result<(), StartError> {
    if let Some(issue) = issue.take() {
        issue.complete(outcome);
    }
    Ok(())
}

/// Why a command was not sent.
enum StartError {
    /// It has to be looked at again.
    Outdated,
    Failed(Error),
}

impl From<Error> for StartError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Why data was not mapped.
enum MapError {
    /// PRP entries cannot say where it is.
    Unfit,
    Failed(Error),
}

impl From<Error> for MapError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}
