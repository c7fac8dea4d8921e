// SPDX-License-Identifier: GPL-2.0-only

//! One I/O queue pair.

mod submission;

use kernel::{
    device::{Bound, Device},
    new_condvar, new_spinlock_irq,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{AtomicFlag, Relaxed},
        Arc, CondVar, SpinLockIrq,
    },
    time::Delta,
};

use crate::{
    glue::{
        completion::{Completion, Waited},
        cpu::possible_cpus,
        interrupt::Preference,
        pins::Runs,
        plug::{Batch, Batched, Plugged},
        spare::Spare,
        uring::{Notice, Poller},
    },
    pcie::doorbells::Doorbells,
    spec::command::{CommandId, QueueId, QueueSetup, SubmissionEntry},
};

use super::{
    admin::{AdminError, AdminQueue, Found},
    command_queue::{Access, CommandQueue, Completed},
    outstanding::{Tell, ToFinish},
    stream::EventStream,
    submit::Epoch,
};

/// How often to look whether a frozen queue is empty, in case nobody says so.
const DRAIN_INTERVAL: Delta = Delta::from_millis(100);

struct State {
    queue: CommandQueue,
    unknown_completions: u64,
    timeouts: u32,
    /// How many processes wait for room.
    waiting: u32,
    epoch: Epoch,
    batch: Batch,
}

/// An I/O queue pair of one controller. It has memory that the controller accesses,
/// and goes before the controller is let go.
#[pin_data]
pub(crate) struct IoQueue {
    id: QueueId,
    vector: u16,
    polled: AtomicFlag,
    device: ARef<Device>,
    doorbells: Arc<Doorbells>,
    admin: Arc<AdminQueue>,
    stream: Arc<EventStream>,
    spare_runs: Arc<Spare<Runs>>,
    #[pin]
    state: SpinLockIrq<State>,
    #[pin]
    room: CondVar,
    #[pin]
    drained: Completion,
}

impl IoQueue {
    /// Allocates a queue of at most `entries`, whose interrupts are those of
    /// `vector`.
    ///
    /// # Errors
    ///
    /// ENOMEM, EINVAL if no queue can be that short.
    pub(super) fn new(
        device: &Device<Bound>,
        doorbells: Arc<Doorbells>,
        admin: Arc<AdminQueue>,
        stream: Arc<EventStream>,
        id: QueueId,
        vector: u16,
        entries: u16,
    ) -> Result<Arc<Plugged<Self>>> {
        let spare_runs = Spare::new(entries.into())?;
        let state = State {
            queue: CommandQueue::new(device, entries, 0)?,
            unknown_completions: 0,
            timeouts: 0,
            waiting: 0,
            epoch: Epoch(0),
            batch: Batch::default(),
        };
        Arc::pin_init(
            Plugged::new(pin_init!(Self {
                id,
                vector,
                polled: AtomicFlag::new(false),
                device: device.into(),
                doorbells,
                admin,
                stream,
                spare_runs,
                state <- new_spinlock_irq!(state, "nvme_rs::IoQueue::state"),
                room <- new_condvar!("nvme_rs::IoQueue::room"),
                drained <- Completion::new(),
            })),
            GFP_KERNEL,
        )
    }

    pub(crate) fn vector(&self) -> u16 {
        self.vector
    }

    /// The processor whose commands the queue takes, if its vector is its own.
    pub(super) fn preference(&self) -> Preference {
        if self.vector == self.id.0 && u32::from(self.id.0) <= possible_cpus() {
            Preference::Cpu(u32::from(self.id.0) - 1)
        } else {
            Preference::Any
        }
    }

    /// Has a controller that was just enabled create the queues, `entries`
    /// long, and notify the driver as said. Sleeps.
    ///
    /// # Errors
    ///
    /// Those of [`AdminQueue::execute`].
    pub(super) fn create(&self, entries: u16, notice: Notice) -> Result<(), AdminError> {
        self.polled.store(notice == Notice::Poll, Relaxed);
        let vector = match notice {
            Notice::Interrupt => Some(self.vector),
            Notice::Poll => None,
        };
        let mut state = self.state.lock();
        state.queue.empty(entries).map_err(|_| AdminError::Closed)?;
        let setup = |address| QueueSetup {
            id: self.id,
            entries,
            address,
        };
        let cq = setup(state.queue.cq_address());
        let sq = setup(state.queue.sq_address());
        drop(state);
        let created = self
            .admin
            .execute(SubmissionEntry::create_io_completion_queue(cq, vector))
            .and_then(|_| {
                self.admin
                    .execute(SubmissionEntry::create_io_submission_queue(sq, self.id))
            });
        created?;
        // Not before: a doorbell of a queue that does not exist is an error.
        self.state
            .lock()
            .queue
            .open()
            .map_err(|_| AdminError::Closed)
    }

    /// Handles what the controller has completed. Any context.
    pub(crate) fn process_completions(&self) -> Found {
        self.process(&mut Tell::InTask)
    }

    /// Handles as many completions as can be told of.
    fn process(&self, tell: &mut Tell<'_>) -> Found {
        let mut found = Found::Nothing;
        let mut state = self.state.lock();
        // There cannot be more than were outstanding, but for a controller that
        // makes them up.
        for _ in 0..state.queue.outstanding().saturating_add(1) {
            if matches!(tell, Tell::Poller(list) if list.is_full()) {
                break;
            }
            let Some((_, completed)) = state.queue.complete(tell) else {
                break;
            };
            let this = match completed {
                Completed::ToClear => Found::ToClear,
                Completed::Told | Completed::EventRequest | Completed::Abort(_) => {
                    Found::Completions
                }
                Completed::Unknown(id) => {
                    self.unknown_completion(&mut state, id);
                    Found::Completions
                }
            };
            found = found.max(this);
        }
        if found != Found::Nothing {
            if let Some((old, head)) = state.queue.take_head() {
                self.doorbells.ring_cq(self.id, old, head);
            }
            self.tell_of_room(&state);
        }
        found
    }

    /// Tells those who wait for room, or for the queue to be empty.
    #[inline(always)]
    fn tell_of_room(&self, state: &State) {
        if state.waiting > 0 {
            self.room.notify_all();
        }
        if state.queue.access() == Access::Frozen && state.queue.outstanding() == 0 {
            self.drained.complete();
        }
    }

    /// Has the controller look at what was submitted since this was last done.
    fn ring(&self, state: &mut State) {
        if let Some((old, tail)) = state.queue.take_tail() {
            self.doorbells.ring_sq(self.id, old, tail);
        }
    }

    /// Whether the queue has no interrupt.
    pub(super) fn is_polled(&self) -> bool {
        self.polled.load(Relaxed)
    }

    /// Handles completions for a ring that polls, which learns of its own at
    /// once. Returns how many of rings there were.
    pub(super) fn poll(&self, poller: &Poller) -> usize {
        let mut count: usize = 0;
        loop {
            let mut list = ToFinish::new();
            self.process(&mut Tell::Poller(&mut list));
            let more = list.is_full();
            count = count.saturating_add(list.finish(poller));
            if !more {
                return count;
            }
        }
    }

    /// Lets commands wait that are submitted from now on. Those that were
    /// checked before will be [outdated](super::submit::SubmitError::Outdated).
    pub(super) fn freeze(&self, epoch: Epoch) {
        let mut state = self.state.lock();
        state.queue.freeze(true);
        state.epoch = epoch;
        self.room.notify_all();
    }

    /// Takes commands again. Those that waited are outdated.
    pub(super) fn thaw(&self, epoch: Epoch) {
        let mut state = self.state.lock();
        state.queue.freeze(false);
        state.epoch = epoch;
        self.room.notify_all();
    }

    /// Waits until the controller has completed what was submitted before
    /// [`Self::freeze`]. Sleeps.
    ///
    /// # Errors
    ///
    /// EINTR if the process is killed.
    pub(super) fn drain(&self) -> Result {
        while self.state.lock().queue.outstanding() > 0 {
            if self.drained.wait_killable(Some(DRAIN_INTERVAL)) == Waited::Killed {
                return Err(EINTR);
            }
        }
        Ok(())
    }

    /// Takes no more commands.
    pub(super) fn close(&self, access: Access) {
        self.state.lock().queue.close(access);
        self.room.notify_all();
    }

    fn unknown_completion(&self, state: &mut State, id: CommandId) {
        // Once: a controller that makes up completions makes up many.
        if state.unknown_completions == 0 {
            dev_err!(
                self.device,
                "queue {}: completion of a command that is not outstanding, id {:#06x}\n",
                self.id.0,
                id.0
            );
        }
        state.unknown_completions = state.unknown_completions.saturating_add(1);
    }
}

impl Batched for IoQueue {
    fn end_of_batch(&self) {
        let mut state = self.state.lock();
        state.batch.end();
        self.ring(&mut state);
    }
}
