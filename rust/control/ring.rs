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
        prp::DataPointer,
        sgl::SglSupport,
    },
    glue::{
        file_operations::Blocking,
        mapping::{FewSegments, Mapping},
        pins::{Pins, UserRange},
        uring::{Issue, Notice, Outcome, Poller},
    },
    spec::command::QueueId,
};

use super::{
    binding::Binding,
    passthrough::{direction, patience, Request, NOT_READY},
    scratch::{describe_in_command, DescribeError, Memory},
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
                    Some(queue) => queue,
                    None => return refused(controller.state(), issue),
                }
            }
        };
        let mut placed = match self.place(this, request, buffer, queue) {
            Ok(placed) => placed,
            Err(PlaceError::Failed(error)) => return Err(error.into()),
            Err(PlaceError::Unfit) => return self.pass_through_and_wait(issue, request),
        };
        let mut entry = request.entry;
        if let Some(pointer) = placed.pointer.take() {
            pointer.describe_in(&mut entry);
        }
        let Some(this) = issue.take() else {
            return Ok(());
        };
        let mut prepared = Some(Prepared {
            entry,
            issue: this,
            pins: placed.pins,
            memory: placed.memory,
        });
        let started = queue.start(&mut prepared, patience(request), epoch);
        if let Some(rejected) = prepared {
            self.give_back(rejected.memory, queue);
            drop(rejected.pins);
            *issue = Some(rejected.issue);
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

    /// Maps the data of a command, as far as it is transferred, and describes
    /// where it is.
    fn place(
        &self,
        issue: &Issue,
        request: &Request<'_>,
        buffer: RingBuffer,
        queue: &dyn Submission,
    ) -> Result<Placed, PlaceError> {
        let (least_bytes, limit_bytes) = match policy::implied(request.command(), request.format())
        {
            Implied::Unknown => (0, usize::MAX),
            Implied::Known { data_bytes, .. } => (
                data_bytes,
                usize::try_from(data_bytes).unwrap_or(usize::MAX),
            ),
        };
        if request.data.is_empty() || limit_bytes == 0 {
            return if least_bytes == 0 {
                Ok(Placed::NOWHERE)
            } else {
                Err(EINVAL.into())
            };
        }
        let (pins, mut memory) = self.map(issue, request, buffer, limit_bytes, queue)?;
        // The list of pieces was read again, and the format may have changed,
        // since the command was checked.
        let mapped_bytes = memory.segments().iter().fold(0, |sum: u64, segment| {
            sum.saturating_add(segment.length_bytes)
        });
        let described = if mapped_bytes < least_bytes || mapped_bytes > self.data_limit_bytes() {
            Err(EINVAL.into())
        } else {
            self.describe(&mut memory, self.sgl_support(request), queue)
        };
        match described {
            Ok(pointer) => Ok(Placed {
                pins,
                memory,
                pointer: Some(pointer),
            }),
            Err(error) => {
                self.give_back(memory, queue);
                Err(error)
            }
        }
    }

    fn map(
        &self,
        issue: &Issue,
        request: &Request<'_>,
        buffer: RingBuffer,
        limit_bytes: usize,
        queue: &dyn Submission,
    ) -> Result<(Option<Pins>, Memory)> {
        let device = self.controller().dma();
        let direction = direction(request.entry.opcode);
        let registered = match buffer {
            RingBuffer::Process => {
                let trimmed = Trimmed::new(request.data, limit_bytes)?;
                let data = trimmed.ranges();
                let pins = Pins::new(data, direction, Some(queue.spare_runs()))?;
                if let Some(few) = FewSegments::map_pinned(device, &pins, data, direction)? {
                    return Ok((Some(pins), Memory::Few(few)));
                }
                let memory =
                    self.by_scratch(queue, |mapping| mapping.map_pinned(&pins, data, direction))?;
                return Ok((Some(pins), memory));
            }
            RingBuffer::Registered {
                address,
                length_bytes,
            } => issue.registered(address, length_bytes, direction)?,
            RingBuffer::RegisteredPieces { address, count } => {
                issue.registered_pieces(address, count, direction)?
            }
        };
        if let Some(few) = registered.map_few(device, limit_bytes, direction)? {
            return Ok((None, Memory::Few(few)));
        }
        let memory = self.by_scratch(queue, |mapping| {
            registered.map(mapping, limit_bytes, direction)
        })?;
        Ok((None, memory))
    }

    /// Maps what takes more room than a command has by itself.
    fn by_scratch(
        &self,
        queue: &dyn Submission,
        map: impl FnOnce(&mut Mapping) -> Result,
    ) -> Result<Memory> {
        let mut scratch = queue.take_scratch(self.controller().dma())?;
        let mapped = map(&mut scratch.mapping);
        let memory = Memory::Scratch(scratch);
        match mapped {
            Ok(()) => Ok(memory),
            Err(error) => {
                self.give_back(memory, queue);
                Err(error)
            }
        }
    }

    fn describe(
        &self,
        memory: &mut Memory,
        sgl: SglSupport,
        queue: &dyn Submission,
    ) -> Result<DataPointer, PlaceError> {
        let device = self.controller().dma();
        if let Memory::Few(few) = memory {
            if let Some(pointer) = describe_in_command(few.segments(), sgl) {
                return Ok(pointer);
            }
            let mut scratch = queue.take_scratch(device)?;
            scratch.mapping.adopt(few)?;
            *memory = Memory::Scratch(scratch);
        }
        match memory {
            Memory::Scratch(scratch) => Ok(scratch.describe(device, sgl)?),
            Memory::Nowhere | Memory::Few(_) => Err(PlaceError::Unfit),
        }
    }

    /// Ends the controller's access to memory of a command that was not sent.
    fn give_back(&self, mut memory: Memory, queue: &dyn Submission) {
        memory.unmap(self.controller().dma());
        if let Memory::Scratch(scratch) = memory {
            queue.keep_scratch(scratch);
        }
    }
}

/// What keeps the data of a command in place, and where it is.
struct Placed {
    pins: Option<Pins>,
    memory: Memory,
    pointer: Option<DataPointer>,
}

impl Placed {
    const NOWHERE: Self = Self {
        pins: None,
        memory: Memory::Nowhere,
        pointer: None,
    };
}

/// The first bytes of some ranges.
enum Trimmed {
    /// No allocation for the one range that most commands have.
    One([UserRange; 1]),
    Several(KVec<UserRange>),
}

impl Trimmed {
    fn new(data: &[UserRange], limit_bytes: usize) -> Result<Self> {
        if let [range] = data {
            let length_bytes = range.length_bytes.min(limit_bytes);
            return Ok(Self::One([UserRange {
                length_bytes,
                ..*range
            }]));
        }
        let mut left = limit_bytes;
        let mut ranges = KVec::with_capacity(data.len(), GFP_KERNEL)?;
        for range in data {
            let Some(range) = range.up_to(left) else {
                break;
            };
            left = left.saturating_sub(range.length_bytes);
            ranges.push(range, GFP_KERNEL)?;
        }
        Ok(Self::Several(ranges))
    }

    fn ranges(&self) -> &[UserRange] {
        match self {
            Self::One(range) => range,
            Self::Several(ranges) => ranges,
        }
    }
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

/// Why data was not placed.
enum PlaceError {
    /// No data pointer can say where it is.
    Unfit,
    Failed(Error),
}

impl From<Error> for PlaceError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<DescribeError> for PlaceError {
    fn from(error: DescribeError) -> Self {
        match error {
            DescribeError::Unfit => Self::Unfit,
            DescribeError::Failed(error) => Self::Failed(error),
        }
    }
}
