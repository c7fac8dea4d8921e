// SPDX-License-Identifier: GPL-2.0-only

//! Commands of rings in an envelope: sent where they are submitted, answered in
//! the task that submitted them once the controller has completed them.
//!
//! In between, nothing of the process is needed, and nothing of the device once
//! the command is over: the data is in pages of the driver's.

use kernel::{prelude::*, sync::Arc};

use crate::{
    engine::policy::Implied,
    glue::{
        file_operations::{Blocking, Issued},
        mapping::Direction,
        pages::Pages,
        pins::UserRange,
        uring::{Issue, Later, Notice, Outcome, RingCommand, Sequel},
    },
    spec::completion::CompletionEntry,
};

use super::{
    binding::Binding,
    call::{given, Call, Called, Delivery, Returned},
    outstanding::Tag,
    request::Request,
    scratch::{DescribeError, Memory, Scratch},
    start::{complete, StartError},
    submit::{Epoch, Prepared, Submission},
};

/// What the ring is told of a command that was completed.
const DONE: Outcome = Outcome { result: 0, res: 0 };

/// Where a process wants to be told what came of its command.
pub(crate) trait Answer: Copy + Send + 'static {
    /// Tells it, in its own memory. Sleeps.
    ///
    /// # Errors
    ///
    /// EFAULT.
    fn answer(&self, called: &Called) -> Result;
}

/// The memory of a command that is under way, and what is to be done when it is
/// over. Dropped in the order of the fields: unmapped before it is given back.
pub(super) struct RingCall {
    /// `None` if it has no data.
    scratch: Option<KBox<Scratch>>,
    pages: Arc<Pages>,
    tag: Option<Tag>,
    sequel: Sequel,
}

impl RingCall {
    pub(super) fn scratch(&self) -> Option<&Scratch> {
        self.scratch.as_deref()
    }

    pub(super) fn into_scratch(self) -> Option<KBox<Scratch>> {
        self.scratch
    }

    pub(super) fn tag(&self) -> Option<Tag> {
        self.tag
    }

    /// Ends the controller's access. Any context.
    pub(super) fn unmap(&mut self) {
        if let Some(scratch) = &mut self.scratch {
            scratch.mapping.unmap();
        }
    }

    /// The controller has completed the command. Any context, with locks held.
    /// Returns what can serve the next one.
    pub(super) fn complete(
        mut self,
        command: Option<RingCommand>,
        entry: CompletionEntry,
    ) -> Option<KBox<Scratch>> {
        self.unmap();
        let Self {
            scratch,
            pages,
            tag: _,
            mut sequel,
        } = self;
        // The last reference is in the sequel, so that they are freed in the task.
        drop(pages);
        sequel.completed(entry);
        if let Some(command) = command {
            command.complete_with(sequel);
        }
        scratch
    }
}

/// What is done in the task of a command.
struct Answering<A> {
    delivery: Delivery,
    pages: Arc<Pages>,
    completion: Option<CompletionEntry>,
    answer: A,
}

impl<A: Answer> Later for Answering<A> {
    fn completed(&mut self, entry: CompletionEntry) {
        self.completion = Some(entry);
    }

    fn finish(&mut self) -> i32 {
        let answered = self
            .completion
            .ok_or(EINTR)
            .and_then(|completion| self.delivery.deliver(completion, &*self.pages))
            .and_then(|called| self.answer.answer(&called));
        match answered {
            Ok(()) => DONE.res,
            Err(error) => error.to_errno(),
        }
    }
}

impl Returned for Pages {
    fn read(&self, to: &mut [u8]) -> Result<usize> {
        Ok(self.read(to))
    }

    fn give(&self, to: Option<UserRange>, _: Direction) -> Result {
        to.map_or(Ok(()), |to| self.give(to))
    }
}

impl Binding {
    /// Sends a command, or executes it. Its end is that of `issue`, unless this
    /// fails; what came of it is `answer`ed before.
    ///
    /// # Errors
    ///
    /// As [`Self::call`]; EAGAIN if the command has to be issued again where it
    /// may sleep.
    pub(crate) fn start_call<A: Answer>(
        &self,
        issue: Issue,
        call: Call<'_>,
        answer: A,
    ) -> Result<Issued> {
        let mut request = call.request();
        let mut prepared = Prepared {
            issue: Some(issue),
            pins: None,
            memory: Memory::Nowhere,
        };
        loop {
            let epoch = self.controller().io_queues().epoch();
            match self.try_to_start_call(&mut prepared, &mut request, call, answer, epoch) {
                // The format may be another one now.
                Err(StartError::Outdated) => continue,
                Err(StartError::NotReady) => {
                    answer.answer(&Called::NOT_READY)?;
                    return Ok(complete(&mut prepared, DONE));
                }
                Err(StartError::Failed(error)) => return Err(error),
                Ok(issued) => return Ok(issued),
            }
        }
    }

    fn try_to_start_call<A: Answer>(
        &self,
        prepared: &mut Prepared,
        request: &mut Request<'_>,
        call: Call<'_>,
        answer: A,
        epoch: Epoch,
    ) -> Result<Issued, StartError> {
        let checked = self.check_given(request, given(request, call.payload.sizes))?;
        self.is_live()?;
        // Metadata has to be in one piece of memory.
        if checked.concerns_driver || call.payload.sizes.metadata_bytes > 0 {
            if prepared.blocking() == Blocking::Refused {
                return Err(EAGAIN.into());
            }
            answer.answer(&self.call(call)?)?;
            return Ok(complete(prepared, DONE));
        }
        let queue = self.queue_for(request, Notice::Interrupt)?;
        prepared.memory = self.place_call(request, checked.implied, call, answer, queue)?;
        self.send_prepared(prepared, request, queue, epoch)
    }

    /// Copies what the controller is to have of a payload, and describes in the
    /// entry of the command where that is.
    fn place_call<A: Answer>(
        &self,
        request: &mut Request<'_>,
        implied: Implied,
        call: Call<'_>,
        answer: A,
        queue: &dyn Submission,
    ) -> Result<Memory> {
        let device = self.controller().dma();
        let delivery = self.delivery(request, implied, call.payload)?;
        let direction = delivery.direction();
        let length_bytes = delivery.length_bytes;
        let pages = Pages::filled(length_bytes, delivery.taken())?;
        let pages = Arc::new(pages, GFP_KERNEL)?;
        let mut ring_call = KBox::new(
            RingCall {
                scratch: None,
                pages: pages.clone(),
                tag: call.tag,
                sequel: Sequel::new(Answering {
                    delivery,
                    pages,
                    completion: None,
                    answer,
                })?,
            },
            GFP_KERNEL,
        )?;
        if length_bytes > 0 {
            let RingCall { scratch, pages, .. } = &mut *ring_call;
            let scratch = scratch.insert(queue.take_scratch(device)?);
            scratch.mapping.map_pages(pages, direction)?;
            let sgl = self.sgl_support(request, implied);
            scratch
                .describe(device, sgl)
                .map_err(|error| match error {
                    DescribeError::Failed(error) => error,
                    DescribeError::Unfit => EINVAL,
                })?
                .describe_in(&mut request.entry);
        }
        Ok(Memory::Call(ring_call))
    }
}
