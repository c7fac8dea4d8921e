// SPDX-License-Identifier: GPL-2.0-only

//! All I/O queue pairs of a controller: one for each CPU, as far as controller
//! and interrupt vectors go round.

use kernel::{
    cpu::CpuId,
    device::{Bound, Device},
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed, Release},
        Arc,
    },
};

use crate::{
    glue::{
        file_operations::Blocking,
        interrupt::Signal,
        look::{look_acquire, Look},
        plug::Plugged,
        uring::Notice,
    },
    pcie::{doorbells::Doorbells, registers::Registers},
    spec::{
        command::{QueueId, SubmissionEntry},
        feature::FeatureId,
    },
};

use super::{
    admin::{AdminError, AdminQueue},
    command_queue::Access,
    io_queue::IoQueue,
    stream::EventStream,
    submit::{Epoch, Submission},
    turn::Turn,
};

/// The I/O queues of one controller.
#[pin_data]
pub(crate) struct IoQueues {
    queues: KVec<Arc<Plugged<IoQueue>>>,
    admin: Arc<AdminQueue>,
    doorbells: Arc<Doorbells>,
    /// How long each can be.
    entries: u16,
    /// How many queues interrupt, and how many after those are polled.
    interrupting: Atomic<usize>,
    polled: Atomic<usize>,
    polled_max: u16,
    signal: Signal,
    epoch: Atomic<u32>,
    /// Taken while the queues are frozen.
    #[pin]
    quiet: Turn<()>,
}

/// How many queues there may be and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IoQueueLimits {
    pub(crate) queues: u16,
    /// How many more that are polled.
    pub(crate) polled: u16,
    pub(crate) entries: u16,
    /// How many interrupt vectors there are; the first is the admin queue's.
    pub(crate) vectors: u16,
    pub(crate) signal: Signal,
}

impl IoQueues {
    /// Allocates as many queues as can be used at most.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(
        device: &Device<Bound>,
        registers: &Arc<Registers>,
        admin: &Arc<AdminQueue>,
        stream: &Arc<EventStream>,
        limits: IoQueueLimits,
    ) -> Result<Arc<Self>> {
        let count = limits.queues.saturating_add(limits.polled);
        let mut queues = KVec::with_capacity(usize::from(count), GFP_KERNEL)?;
        let doorbells = Doorbells::new(device, registers.clone())?;
        // Without vectors of their own, all share the one there is.
        let own_vectors = limits.vectors.saturating_sub(1);
        for index in 0..count {
            let vector = match index.checked_rem(own_vectors) {
                Some(vector) => vector + 1,
                None => 0,
            };
            let queue = IoQueue::new(
                device,
                doorbells.clone(),
                admin.clone(),
                stream.clone(),
                QueueId(index + 1),
                vector,
                limits.entries,
            )?;
            queues.push(queue, GFP_KERNEL)?;
        }
        Arc::pin_init(
            pin_init!(Self {
                queues,
                admin: admin.clone(),
                doorbells,
                entries: limits.entries,
                interrupting: Atomic::new(0),
                polled: Atomic::new(0),
                polled_max: limits.polled,
                signal: limits.signal,
                epoch: Atomic::new(0),
                quiet <- Turn::new(()),
            }),
            GFP_KERNEL,
        )
    }

    /// Has a controller that was just enabled create as many queues as it
    /// takes, each as long as it takes, `entries_max`. One with
    /// `doorbell_buffers` is told of few doorbells. Sleeps.
    ///
    /// # Errors
    ///
    /// Those of [`AdminQueue::execute`] unless there is at least one queue.
    pub(super) fn create(
        &self,
        entries_max: u16,
        doorbell_buffers: bool,
    ) -> Result<(), AdminError> {
        self.doorbells.reset();
        // A line is asserted until the controller sees the head move: it has to
        // be told of that at once.
        if doorbell_buffers && self.signal == Signal::Message {
            let (values, events) = self.doorbells.shadows();
            let told = SubmissionEntry::doorbell_buffer_config(values, events);
            match self.admin.execute(told) {
                Ok(_) => self.doorbells.use_shadows(),
                // Doorbells work without.
                Err(AdminError::Failed(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let created = self.create_some(entries_max);
        // Until here queues that are closed count: who asks during a reset is
        // refused by them.
        let (interrupting, polled) = created.unwrap_or((0, 0));
        self.interrupting.store(interrupting, Relaxed);
        self.polled.store(polled, Relaxed);
        created.map(|_| ())
    }

    /// Returns how many queues interrupt and how many are polled.
    fn create_some(&self, entries_max: u16) -> Result<(usize, usize), AdminError> {
        let polled_max = usize::from(self.polled_max);
        // Only those whose doorbells can be rung.
        let within_reach = |queue: &&Arc<Plugged<IoQueue>>| self.doorbells.has(queue.id());
        let wanted = self.queues.iter().take_while(within_reach).count();
        // The count is 0-based.
        let Some(last) = wanted.checked_sub(1) else {
            return Ok((0, 0));
        };
        let last = u32::try_from(last).unwrap_or(0);
        // Both counts are 0-based: submission queues in bits 15:0.
        let answer = self.admin.execute(SubmissionEntry::set_features(
            FeatureId::NumberOfQueues,
            last << 16 | last,
        ))?;
        let allocated = answer.dw0.get();
        let allowed = (allocated & 0xffff).min(allocated >> 16) as usize + 1;
        let entries = self.entries.min(entries_max);
        // The last ones are polled, but one always interrupts.
        let usable = wanted.min(allowed);
        let interrupting = usable.saturating_sub(polled_max).max(1);
        let mut count: usize = 0;
        for queue in self.queues.iter().take(usable) {
            let notice = if count < interrupting {
                Notice::Interrupt
            } else {
                Notice::Poll
            };
            match queue.create(entries, notice) {
                Ok(()) => count += 1,
                // Fewer will do, but not a controller that does not answer.
                Err(AdminError::Failed(_) | AdminError::Busy) if count > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok((count.min(interrupting), count.saturating_sub(interrupting)))
    }

    /// The queue for commands sent from this CPU; none on a controller that has
    /// no I/O queues.
    pub(super) fn here(&self) -> Option<&Arc<Plugged<IoQueue>>> {
        let here = (CpuId::current().as_u32() as usize).checked_rem(self.interrupting.look())?;
        self.queues.get(here)
    }

    /// How many entries each has at most.
    pub(crate) fn entries(&self) -> u16 {
        self.entries
    }

    /// Whether the controller looks for doorbell values by itself.
    pub(crate) fn has_doorbell_buffers(&self) -> bool {
        self.doorbells.has_shadows()
    }

    /// To be asked for before a command is checked.
    pub(super) fn epoch(&self) -> Epoch {
        Epoch(look_acquire(&self.epoch))
    }

    /// The queue for commands sent from this CPU whose ring polls for them, if
    /// there are such queues.
    pub(super) fn here_polled(&self) -> Option<&Arc<Plugged<IoQueue>>> {
        let polled = self.polled.look();
        let here = (CpuId::current().as_u32() as usize).checked_rem(polled)?;
        let interrupting = self.interrupting.look();
        self.queues.get(interrupting.checked_add(here)?)
    }

    /// How many queues the controller has: the first so many.
    pub(crate) fn count(&self) -> usize {
        let interrupting = self.interrupting.look();
        interrupting.saturating_add(self.polled.look())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Plugged<IoQueue>>> {
        self.queues.iter()
    }

    /// The queue with that id.
    pub(super) fn get(&self, id: QueueId) -> Option<&Arc<Plugged<IoQueue>>> {
        self.queues.get(usize::from(id.0).checked_sub(1)?)
    }

    /// All queues as what commands can be sent to.
    pub(super) fn submissions(&self) -> impl Iterator<Item = &dyn Submission> {
        self.queues.iter().map(|queue| queue as &dyn Submission)
    }

    /// Takes no more commands.
    pub(super) fn close(&self) {
        self.restrict(Access::Closed);
    }

    /// As [`Self::close`], for good.
    pub(super) fn retire(&self) {
        self.restrict(Access::Retired);
    }

    fn restrict(&self, access: Access) {
        for queue in &self.queues {
            queue.close(access);
        }
    }

    /// Ends all commands, when the controller is disabled. Sleeps.
    pub(super) fn cancel(&self) {
        for queue in &self.queues {
            queue.cancel();
        }
    }

    /// Waits until the controller works on no I/O command, and keeps it so
    /// until the return value is dropped. Sleeps.
    ///
    /// # Errors
    ///
    /// ERESTARTSYS if a signal arrives first, EINTR if the process is killed.
    pub(super) fn quiesce(self: &Arc<Self>) -> Result<Quiet> {
        self.quiet.take(Blocking::Allowed)?.keep();
        let quiet = Quiet(self.clone());
        self.begin_epoch(IoQueue::freeze);
        for queue in &self.queues {
            queue.drain()?;
        }
        Ok(quiet)
    }

    /// Commands that were checked before this are not to be sent any more.
    fn begin_epoch(&self, begin: impl Fn(&IoQueue, Epoch)) {
        let epoch = Epoch(self.epoch.load(Relaxed).wrapping_add(1));
        for queue in &self.queues {
            begin(queue, epoch);
        }
        self.epoch.store(epoch.0, Release);
    }
}

/// The controller works on no I/O command until this is dropped.
pub(super) struct Quiet(Arc<IoQueues>);

impl Drop for Quiet {
    fn drop(&mut self) {
        self.0.begin_epoch(IoQueue::thaw);
        self.0.quiet.give_back();
    }
}
