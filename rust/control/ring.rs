// SPDX-License-Identifier: GPL-2.0-only

//! Commands of rings: sent where they are submitted, ended when the controller
//! completes them.
//!
//! What would have to wait (other commands, a rescan afterwards, a copy of the
//! data) is not done here: io_uring brings the command back in a task of its
//! own, which sends it and waits as for an `ioctl()`.

use kernel::prelude::*;

use crate::{
    engine::{data_pointer, policy::Implied, prp::DataPointer, sgl::SglSupport},
    glue::{
        file_operations::{Blocking, Issued},
        mapping::{Direction, FewSegments},
        pins::UserRange,
        uring::{Cancellation, Issue, Outcome, Poller, RegisteredBuffer},
    },
    spec::command::QueueId,
};

use super::{
    binding::Binding,
    request::{direction, up_to, Request, NOT_READY},
    scratch::{DescribeError, Memory},
    start::{complete, StartError},
    submit::{Epoch, Prepared, Submission},
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

impl RingBuffer {
    /// The registered buffer, if the data is in one. `issue` keeps it from now
    /// on, as long as it is not over.
    ///
    /// # Errors
    ///
    /// EFAULT if there is none, or it may not be accessed so; EINVAL for too
    /// many pieces.
    #[inline(always)]
    pub(super) fn import(
        self,
        issue: &mut Issue,
        direction: Direction,
    ) -> Result<Option<RegisteredBuffer<'_>>> {
        match self {
            Self::Process => Ok(None),
            Self::Registered {
                address,
                length_bytes,
            } => issue.registered(address, length_bytes, direction).map(Some),
            Self::RegisteredPieces { address, count } => {
                issue.registered_pieces(address, count, direction).map(Some)
            }
        }
    }
}

impl Binding {
    /// Sends a command, or executes it. Its end is that of `issue`, unless this
    /// fails.
    ///
    /// # Errors
    ///
    /// As [`Self::pass_through`]; EAGAIN if the command has to be issued again
    /// where it may sleep.
    pub(crate) fn start_command(
        &self,
        issue: Issue,
        request: &mut Request<'_>,
        buffer: RingBuffer,
    ) -> Result<Issued> {
        let mut command = Prepared {
            issue: Some(issue),
            pins: None,
            memory: Memory::Nowhere,
        };
        loop {
            let epoch = self.controller().io_queues().epoch();
            match self.try_to_start(&mut command, request, buffer, epoch) {
                // The format may be another one now.
                Err(StartError::Outdated) => continue,
                Err(StartError::NotReady) => return Ok(complete(&mut command, NOT_READY.into())),
                Err(StartError::Failed(error)) => return Err(error),
                Ok(issued) => {
                    // A queue has all of it, or it is over: dropping what is left
                    // does nothing, but takes calls.
                    core::mem::forget(command);
                    return Ok(issued);
                }
            }
        }
    }

    /// Aborts a command, unless it is over.
    pub(crate) fn cancel_command(&self, cancellation: Cancellation) {
        let controller = self.controller();
        let queue: &dyn Submission = match controller.io_queues().get(QueueId(cancellation.queue()))
        {
            Some(queue) => queue,
            None => &**controller.admin(),
        };
        let mut found = false;
        queue.with_queue(&mut |queue| found = queue.cancel_for_ring(&cancellation));
        // If it is not there, it will be told soon, or is about to be sent.
        if found {
            cancellation.accept();
            self.look_after_commands();
        }
    }

    /// Registers memory as the buffer of its ring that `issue` names, mapped for
    /// the controller. Ends `issue`, unless this fails.
    ///
    /// # Errors
    ///
    /// Those of [`MappedBuffers::register`](super::buffers::MappedBuffers).
    pub(crate) fn register_buffer(&self, issue: Issue, range: UserRange) -> Result {
        self.controller().buffers().register(&issue, range)?;
        issue.complete(Outcome { result: 0, res: 0 });
        Ok(())
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
        prepared: &mut Prepared,
        request: &mut Request<'_>,
        buffer: RingBuffer,
        epoch: Epoch,
    ) -> Result<Issued, StartError> {
        let Some(issue) = prepared.issue.as_ref() else {
            return Ok(Issued::Settled);
        };
        let checked = self.check(request)?;
        self.is_live()?;
        if checked.concerns_driver || request.metadata.is_some() {
            return self.pass_through_and_wait(prepared, request, buffer);
        }
        let queue = self.queue_for(request, issue.notice())?;
        match self.place(prepared, request, checked.implied, buffer, queue) {
            Ok(()) => self.send_prepared(prepared, request, queue, epoch),
            Err(error) => {
                self.give_back(prepared, queue);
                match error {
                    PlaceError::Failed(error) => Err(error.into()),
                    PlaceError::Unfit => self.pass_through_and_wait(prepared, request, buffer),
                }
            }
        }
    }

    /// Sends the command as for an `ioctl()`.
    fn pass_through_and_wait(
        &self,
        prepared: &mut Prepared,
        request: &Request<'_>,
        buffer: RingBuffer,
    ) -> Result<Issued, StartError> {
        let blocking = prepared.blocking();
        let Some(issue) = prepared.issue.as_mut() else {
            return Ok(Issued::Settled);
        };
        let direction = direction(request.entry.opcode);
        // Data that goes both ways is in a buffer that allows for both.
        if direction == Direction::Both {
            buffer.import(issue, Direction::ToDevice)?;
        }
        let way = if direction.writes_memory() {
            Direction::FromDevice
        } else {
            Direction::ToDevice
        };
        let registered = buffer.import(issue, way)?;
        // Only now: the buffer is the one that there is when the command is
        // submitted.
        if blocking == Blocking::Refused {
            return Err(EAGAIN.into());
        }
        let answer = match &registered {
            None => self.pass_through(*request),
            Some(memory) => self.pass_through_registered(*request, memory),
        };
        let answer = answer.map_err(|error| match error {
            // Nobody calls again after a signal.
            ERESTARTSYS => EINTR,
            error => error,
        })?;
        Ok(complete(prepared, answer.into()))
    }

    /// Maps the data of a command, as far as it is transferred, and describes in
    /// its entry where it is.
    fn place(
        &self,
        prepared: &mut Prepared,
        request: &mut Request<'_>,
        implied: Implied,
        buffer: RingBuffer,
        queue: &dyn Submission,
    ) -> Result<(), PlaceError> {
        let (least_bytes, limit_bytes) = match implied {
            Implied::Unknown => (0, usize::MAX),
            Implied::Known { data_bytes, .. } => (
                data_bytes,
                usize::try_from(data_bytes).unwrap_or(usize::MAX),
            ),
        };
        if request.data.is_empty() || limit_bytes == 0 {
            // A buffer has to be there even so.
            if let Some(issue) = prepared.issue.as_mut() {
                buffer.import(issue, direction(request.entry.opcode))?;
            }
            return if least_bytes == 0 {
                Ok(())
            } else {
                Err(EINVAL.into())
            };
        }
        // The list of pieces was read again, and the format may have changed,
        // since the command was checked.
        let is_right = |bytes| bytes >= least_bytes && bytes <= self.data_limit_bytes();
        match self.map(prepared, request, buffer, limit_bytes, queue)? {
            Mapped::Described(pointer) => {
                pointer.describe_in(&mut request.entry);
                return Ok(());
            }
            Mapped::Few(few) => {
                let (first, second) = few.segments();
                let pointer =
                    data_pointer::in_command(first, second, || self.sgl_support(request, implied))
                        .filter(|_| is_right(few.length_bytes()));
                if let Some(pointer) = pointer {
                    if let Some(few) = few.into_kept(self.controller().dma()) {
                        prepared.memory = Memory::Few(few);
                    }
                    pointer.describe_in(&mut request.entry);
                    return Ok(());
                }
                prepared.memory = Memory::Few(few);
            }
            Mapped::Scratch => {}
        }
        let memory = &mut prepared.memory;
        if !is_right(memory.length_bytes()) {
            return Err(EINVAL.into());
        }
        let sgl = self.sgl_support(request, implied);
        self.describe(memory, sgl, queue)?
            .describe_in(&mut request.entry);
        Ok(())
    }

    fn map(
        &self,
        prepared: &mut Prepared,
        request: &Request<'_>,
        buffer: RingBuffer,
        limit_bytes: usize,
        queue: &dyn Submission,
    ) -> Result<Mapped> {
        let device = self.controller().dma();
        let direction = direction(request.entry.opcode);
        let issue = prepared.issue.as_mut().ok_or(EINVAL)?;
        if let RingBuffer::Registered {
            address,
            length_bytes,
        } = buffer
        {
            let buffers = self.controller().buffers();
            let pointer = buffers.describe(issue, direction, address, length_bytes, limit_bytes);
            if let Some(pointer) = pointer {
                return Ok(Mapped::Described(pointer));
            }
        }
        let Some(registered) = buffer.import(issue, direction)? else {
            let trimmed = Trimmed::new(request.data, limit_bytes)?;
            let data = trimmed.ranges();
            let spare = Some(queue.spare_runs());
            let pins = prepared.pins.insert(issue.pin(data, direction, spare)?);
            if let Some(few) = FewSegments::map_pinned(device, pins, data, direction)? {
                return Ok(Mapped::Few(few));
            }
            let mut scratch = queue.take_scratch(device)?;
            let mapped = scratch.mapping.map_pinned(pins, data, direction);
            prepared.memory = Memory::Scratch(scratch);
            return mapped.map(|()| Mapped::Scratch);
        };
        if let Some(few) = registered.map_few(device, limit_bytes, direction)? {
            return Ok(Mapped::Few(few));
        }
        let mut scratch = queue.take_scratch(device)?;
        let mapped = registered.map(&mut scratch.mapping, limit_bytes, direction);
        prepared.memory = Memory::Scratch(scratch);
        mapped.map(|()| Mapped::Scratch)
    }

    /// Describes what takes a list.
    fn describe(
        &self,
        memory: &mut Memory,
        sgl: SglSupport,
        queue: &dyn Submission,
    ) -> Result<DataPointer, PlaceError> {
        let device = self.controller().dma();
        if let Memory::Few(few) = memory {
            let mut scratch = queue.take_scratch(device)?;
            scratch.mapping.adopt(few)?;
            *memory = Memory::Scratch(scratch);
        }
        match memory {
            Memory::Scratch(scratch) => Ok(scratch.describe(device, sgl)?),
            Memory::Nowhere | Memory::Few(_) | Memory::Call(_) => Err(PlaceError::Unfit),
        }
    }
}

/// What is mapped for a command.
enum Mapped {
    /// Its buffer was before, and is where this says.
    Described(DataPointer),
    Few(FewSegments),
    /// What the command has for that.
    Scratch,
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
        let (ranges, _) = up_to(data, limit_bytes)?;
        Ok(Self::Several(ranges))
    }

    fn ranges(&self) -> &[UserRange] {
        match self {
            Self::One(range) => range,
            Self::Several(ranges) => ranges,
        }
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
