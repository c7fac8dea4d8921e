// SPDX-License-Identifier: GPL-2.0-only

//! One I/O queue pair.

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
    engine::{
        aborts::Target,
        command_table::Claim,
        record::{Lifecycle, Record},
    },
    glue::{
        completion::{Completion, Waited},
        dma::DmaDevice,
        file_operations::Blocking,
        uring::{Notice, Poller},
    },
    pcie::registers::Registers,
    spec::command::{CommandId, QueueId, QueueSetup, SubmissionEntry},
};

use super::{
    admin::{AdminError, AdminQueue, Found},
    command_queue::{
        Access, CommandQueue, Completed, Overdue, Owner, Patience, Refusal, ToTell, Waiter,
    },
    scratch::Scratch,
    stream::EventStream,
    submit::{Epoch, Prepared, Submission, SubmitError},
    transfer::Transfer,
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
}

/// An I/O queue pair of one controller.
#[pin_data]
pub(crate) struct IoQueue {
    id: QueueId,
    vector: u16,
    polled: AtomicFlag,
    device: ARef<Device>,
    registers: Arc<Registers>,
    admin: Arc<AdminQueue>,
    stream: Arc<EventStream>,
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
        registers: Arc<Registers>,
        admin: Arc<AdminQueue>,
        stream: Arc<EventStream>,
        id: QueueId,
        vector: u16,
        entries: u16,
    ) -> Result<Arc<Self>> {
        let state = State {
            queue: CommandQueue::new(device, entries, 0)?,
            unknown_completions: 0,
            timeouts: 0,
            waiting: 0,
            epoch: Epoch(0),
        };
        Arc::pin_init(
            pin_init!(Self {
                id,
                vector,
                polled: AtomicFlag::new(false),
                device: device.into(),
                registers,
                admin,
                stream,
                state <- new_spinlock_irq!(state, "nvme_rs::IoQueue::state"),
                room <- new_condvar!("nvme_rs::IoQueue::room"),
                drained <- Completion::new(),
            }),
            GFP_KERNEL,
        )
    }

    pub(crate) fn vector(&self) -> u16 {
        self.vector
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
    /// The ring that polls, if one does, learns of its own at once.
    pub(crate) fn process_completions(&self, poller: Option<&Poller>) -> Found {
        let mut found = Found::Nothing;
        loop {
            let mut to_tell = ToTell::new();
            found = found.max(self.process_some(&mut to_tell));
            let more = to_tell.is_full();
            to_tell.tell(poller);
            if !more {
                return found;
            }
        }
    }

    /// Handles as many completions as there is room in `to_tell`.
    fn process_some(&self, to_tell: &mut ToTell) -> Found {
        let mut found = Found::Nothing;
        let mut state = self.state.lock();
        // There cannot be more than were outstanding, but for a controller that
        // makes them up.
        for _ in 0..=state.queue.outstanding() {
            let Some((_, completed)) = state.queue.complete() else {
                break;
            };
            let this = match completed {
                Completed::ToTell(command, outcome) => {
                    to_tell.push(command, outcome);
                    Found::Completions
                }
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
            if to_tell.is_full() {
                break;
            }
        }
        if found != Found::Nothing {
            self.registers.ring_cq(self.id, state.queue.head());
            if state.waiting > 0 {
                self.room.notify_all();
            }
            if state.queue.access() == Access::Frozen && state.queue.outstanding() == 0 {
                self.drained.complete();
            }
        }
        found
    }

    /// Whether the queue has no interrupt.
    pub(super) fn is_polled(&self) -> bool {
        self.polled.load(Relaxed)
    }

    /// Handles completions for a ring that polls. Returns how many there were,
    /// as far as that is known: some or none.
    pub(super) fn poll(&self, poller: &Poller) -> usize {
        match self.process_completions(Some(poller)) {
            Found::Nothing => 0,
            _ => 1,
        }
    }

    /// Lets commands wait that are submitted from now on. Those that were
    /// checked before will be [`SubmitError::Outdated`].
    pub(super) fn freeze(&self, epoch: Epoch) {
        let mut state = self.state.lock();
        state.queue.freeze(true);
        state.epoch = epoch;
        self.room.notify_all();
    }

    /// Takes commands again. Those that waited are [`SubmitError::Outdated`].
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

    /// Ends all commands of a closed queue whose controller is disabled. Sleeps.
    pub(super) fn cancel(&self) {
        let mut index = 0;
        loop {
            let cancelled = self.state.lock().queue.cancel(index);
            match cancelled {
                Some(Some(owner)) => owner.end(),
                Some(None) => {}
                None => return,
            }
            index += 1;
        }
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

impl Submission for IoQueue {
    fn submit(
        &self,
        entry: SubmissionEntry,
        waiter: &Arc<Waiter>,
        patience: Patience,
        epoch: Epoch,
    ) -> Result<CommandId, SubmitError> {
        let mut state = self.state.lock();
        loop {
            if state.epoch != epoch {
                return Err(SubmitError::Outdated);
            }
            let owner = Owner::Process(waiter.clone());
            match state.queue.submit(entry, Claim::Ordinary, owner, patience) {
                Ok(id) => {
                    self.registers.ring_sq(self.id, state.queue.tail());
                    return Ok(id);
                }
                Err(Refusal::Closed) => return Err(SubmitError::Closed),
                Err(Refusal::NotNow) => {}
            }
            state.waiting += 1;
            let interrupted = self.room.wait_interruptible(&mut state);
            state.waiting -= 1;
            if interrupted {
                return Err(SubmitError::Interrupted);
            }
        }
    }

    fn start(
        &self,
        command: &mut Option<Prepared>,
        patience: Patience,
        epoch: Epoch,
    ) -> Result<(), SubmitError> {
        let Some(blocking) = command.as_ref().map(|command| command.issue.blocking()) else {
            return Ok(());
        };
        let mut state = self.state.lock();
        loop {
            if state.epoch != epoch {
                return Err(SubmitError::Outdated);
            }
            match state.queue.admit(Claim::Ordinary) {
                Ok(()) => break,
                Err(Refusal::Closed) => return Err(SubmitError::Closed),
                Err(Refusal::NotNow) if blocking == Blocking::Refused => {
                    return Err(SubmitError::WouldWait)
                }
                Err(Refusal::NotNow) => {}
            }
            state.waiting += 1;
            let interrupted = self.room.wait_interruptible(&mut state);
            state.waiting -= 1;
            if interrupted {
                return Err(SubmitError::Interrupted);
            }
        }
        if let Some(command) = command.take() {
            let entry = command.entry;
            let owner = command.own(self.id);
            // If it were refused in spite of `admit`, the ring would be told.
            let _ = state.queue.submit(entry, Claim::Ordinary, owner, patience);
            self.registers.ring_sq(self.id, state.queue.tail());
        }
        Ok(())
    }

    fn take_scratch(&self, device: &DmaDevice) -> Result<KBox<Scratch>> {
        let spare = self.state.lock().queue.take_scratch();
        spare.map_or_else(|| Scratch::new(device), Ok)
    }

    fn keep_scratch(&self, scratch: KBox<Scratch>) {
        let surplus = self.state.lock().queue.keep_scratch(scratch);
        // Memory is given back outside the lock.
        drop(surplus);
    }

    fn abandon(&self, id: CommandId, transfer: KBox<Transfer>) {
        let rejected = self.state.lock().queue.abandon(id, transfer);
        // Memory is given back outside the lock.
        drop(rejected);
    }

    fn has_transfers(&self) -> bool {
        self.state.lock().queue.has_transfers()
    }

    fn look_for_overdue(&self) -> Overdue {
        // What nobody polls for, and what an interrupt got lost of.
        self.process_completions(None);
        let mut state = self.state.lock();
        let mut timeouts = state.timeouts;
        let overdue = state.queue.look_for_overdue(|opcode| {
            // Fewer and fewer lines: anybody can choose a short time.
            timeouts = timeouts.wrapping_add(1);
            if timeouts.is_power_of_two() {
                dev_err!(
                    self.device,
                    "queue {}: command {:#04x} timed out, as did {} before\n",
                    self.id.0,
                    opcode,
                    timeouts - 1
                );
            }
            self.stream
                .post(Record::lifecycle(Lifecycle::CommandTimedOut {
                    queue: self.id.0,
                    opcode,
                }));
        });
        state.timeouts = timeouts;
        // Under the lock, so that the id still is the command's when the Abort
        // is sent.
        while let Some(command) = state.queue.wants_abort() {
            let target = Target {
                queue: self.id,
                command,
            };
            if !self.admin.abort(target) {
                break;
            }
            state.queue.abort_sent(command);
        }
        overdue
    }

    fn abort_over(&self, id: CommandId) {
        self.state.lock().queue.abort_over(id);
    }

    fn clear_away(&self) {
        loop {
            let buried = self.state.lock().queue.take_buried();
            // Memory is given back outside the lock.
            match buried {
                Some(remains) => drop(remains),
                None => return,
            }
        }
    }
}
