// SPDX-License-Identifier: GPL-2.0-only

//! The admin queue: commands of the driver itself and of processes, Aborts, and
//! the Asynchronous Event Requests that are always outstanding.

use kernel::{
    device::{Bound, Device},
    new_condvar, new_spinlock_irq,
    prelude::*,
    sync::{aref::ARef, Arc, CondVar, SpinLockIrq},
    time::Delta,
};

use crate::{
    engine::{
        aborts::{Aborts, Target, ABORTS_MAX},
        command_table::Claim,
        policy::{self, Command, CommandSet},
        record::{Lifecycle, Record},
        storm::StormLimits,
    },
    glue::{dma::DmaDevice, file_operations::Blocking},
    pcie::{enable::AdminQueueSetup, registers::Registers},
    spec::{
        command::{CommandId, QueueId, SubmissionEntry},
        completion::{CompletionEntry, Status},
    },
};

use super::{
    command_queue::{
        Access, CommandQueue, Completed, Ending, Overdue, Owner, Patience, Refusal, ToTell, Waiter,
    },
    events::{Duty, Events},
    scratch::Scratch,
    stream::EventStream,
    submit::{Epoch, Prepared, Submission, SubmitError},
    transfer::Transfer,
};

/// Length of the admin queues.
const ENTRIES: u16 = 64;

/// Most Asynchronous Event Requests the driver keeps outstanding.
pub(crate) const AERS_MAX: u16 = 16;

/// How many commands can always be outstanding beside those of processes.
const RESERVED: usize = AERS_MAX as usize + ABORTS_MAX + OWN_MAX;

/// Most commands of the driver's own at a time.
const OWN_MAX: usize = 4;

/// How long a controller may take for an admin command, as with the in-tree
/// driver.
pub(crate) const TIMEOUT: Delta = Delta::from_secs(60);

/// How long a controller may take for a command that was aborted.
pub(super) const ABORT_TIMEOUT: Delta = Delta::from_secs(5);

/// Why a command has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdminError {
    /// There is no room for one more command.
    Busy,
    /// The queue takes no commands.
    Closed,
    /// There is no answer: the driver is letting go of the controller, or has
    /// given up on it. The command may still be executed.
    Unanswered,
    /// The controller refused or failed.
    Failed(Status),
}

impl From<AdminError> for Error {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Busy => EBUSY,
            AdminError::Closed | AdminError::Unanswered => ENODEV,
            AdminError::Failed(_) => EIO,
        }
    }
}

/// What the completion queue had, from harmless to serious.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Found {
    Nothing,
    Completions,
    /// Completions, and something to be cleared away after them.
    ToClear,
    /// Completions, among them an event.
    Events,
    /// Completions, among them an event after which only a reset helps.
    Fault,
}

struct State {
    queue: CommandQueue,
    events: Events,
    aborts: Aborts,
    unknown_completions: u64,
    timeouts: u32,
    /// How many processes wait for room.
    waiting: u32,
}

impl State {
    /// Whether it is a command of the driver's own.
    fn owns(&mut self, (queue, command): (QueueId, CommandId)) -> bool {
        queue == QueueId::ADMIN && self.queue.is_own(command)
    }
}

/// What passed through the queue.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Events, by their type.
    pub(crate) events: [u64; 8],
    /// Completions of commands that were not outstanding.
    pub(crate) unknown_completions: u64,
    /// Event classes that are masked.
    pub(crate) classes_masked: usize,
    /// Asynchronous Event Requests that the controller holds.
    pub(crate) aers_outstanding: u16,
    /// Events that found no room in the queue of log pages to read.
    pub(crate) captures_dropped: u64,
}

/// The admin queue of one controller.
#[pin_data]
pub(crate) struct AdminQueue {
    device: ARef<Device>,
    registers: Arc<Registers>,
    stream: Arc<EventStream>,
    #[pin]
    state: SpinLockIrq<State>,
    #[pin]
    room: CondVar,
}

impl AdminQueue {
    /// Allocates the queue of a disabled controller.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(
        device: &Device<Bound>,
        registers: Arc<Registers>,
        stream: Arc<EventStream>,
        storm: StormLimits,
    ) -> Result<Arc<Self>> {
        let state = State {
            queue: CommandQueue::new(device, ENTRIES, RESERVED)?,
            events: Events::new(stream.clone(), storm),
            aborts: Aborts::new(),
            unknown_completions: 0,
            timeouts: 0,
            waiting: 0,
        };
        Arc::pin_init(
            pin_init!(Self {
                device: device.into(),
                registers,
                stream,
                state <- new_spinlock_irq!(state, "nvme_rs::AdminQueue::state"),
                room <- new_condvar!("nvme_rs::AdminQueue::room"),
            }),
            GFP_KERNEL,
        )
    }

    /// What a controller has to be told about the queue to be enabled with it.
    pub(crate) fn setup(&self) -> AdminQueueSetup {
        let state = self.state.lock();
        AdminQueueSetup {
            entries: ENTRIES,
            sq: state.queue.sq_address(),
            cq: state.queue.cq_address(),
        }
    }

    /// Keeps `wanted` Asynchronous Event Requests outstanding from now on.
    pub(crate) fn want_aers(&self, wanted: u16) {
        let mut state = self.state.lock();
        state.events.keeper.want(wanted.min(AERS_MAX));
        self.arm(&mut state);
    }

    /// The controller takes as many Aborts at a time as its Abort Command
    /// Limit, 0-based, says.
    pub(crate) fn limit_aborts(&self, acl: u8) {
        self.state.lock().aborts.set_limit(acl);
    }

    pub(crate) fn counts(&self) -> Counts {
        let state = self.state.lock();
        Counts {
            events: state.events.by_type(),
            unknown_completions: state.unknown_completions,
            classes_masked: state.events.classes_masked(),
            aers_outstanding: state.events.keeper.outstanding(),
            captures_dropped: state.events.captures_dropped(),
        }
    }

    /// What is to be done next about events. Ends pauses that are over.
    pub(crate) fn next_duty(&self) -> Duty {
        let mut state = self.state.lock();
        let duty = state.events.next_duty();
        self.arm(&mut state);
        duty
    }

    /// Sends a command of the driver's own and waits for its completion.
    /// Sleeps. A buffer the command names must not be used again before the
    /// controller is disabled if this returns [`AdminError::Unanswered`].
    ///
    /// A controller that does not answer is looked after by whoever calls
    /// [`Self::look_for_overdue`].
    pub(crate) fn execute(&self, entry: SubmissionEntry) -> Result<CompletionEntry, AdminError> {
        let waiter = Waiter::new().map_err(|_| AdminError::Busy)?;
        let patience = Patience {
            abort_after: Some(TIMEOUT),
            reset_after: ABORT_TIMEOUT,
        };
        let mut state = self.state.lock();
        state
            .queue
            .submit(
                entry,
                Claim::Reserved,
                Owner::Driver(waiter.clone()),
                patience,
            )
            .map_err(|refusal| match refusal {
                Refusal::NotNow => AdminError::Busy,
                Refusal::Closed => AdminError::Closed,
            })?;
        self.registers.ring_sq(QueueId::ADMIN, state.queue.tail());
        drop(state);
        match waiter.wait() {
            Ending::Completed(answer) if answer.status().is_success() => Ok(answer),
            Ending::Completed(answer) => Err(AdminError::Failed(answer.status())),
            Ending::Cancelled => Err(AdminError::Unanswered),
        }
    }

    /// Sends an Abort, if the controller takes one more.
    pub(super) fn abort(&self, target: Target) -> bool {
        self.send_abort(&mut self.state.lock(), target)
    }

    fn send_abort(&self, state: &mut State, target: Target) -> bool {
        let Some(slot) = state.aborts.claim(target) else {
            return false;
        };
        // What an Abort that is not answered needs is a reset, not an Abort.
        let patience = Patience {
            abort_after: None,
            reset_after: ABORT_TIMEOUT,
        };
        let entry = SubmissionEntry::abort(target.queue, target.command);
        let sent = state
            .queue
            .submit(entry, Claim::Reserved, Owner::Abort(slot), patience);
        if sent.is_err() {
            state.aborts.release(slot);
            return false;
        }
        self.registers.ring_sq(QueueId::ADMIN, state.queue.tail());
        true
    }

    /// An Abort that is over. Each is returned once.
    pub(super) fn take_abort(&self) -> Option<Target> {
        self.state.lock().aborts.take_over()
    }

    /// Handles what the controller has completed. Any context.
    pub(crate) fn process_completions(&self) -> Found {
        let mut found = Found::Nothing;
        loop {
            let mut to_tell = ToTell::new();
            found = found.max(self.process_some(&mut to_tell));
            let more = to_tell.is_full();
            to_tell.tell(None);
            if !more {
                return found;
            }
        }
    }

    /// Handles as many completions as there is room in `to_tell`.
    fn process_some(&self, to_tell: &mut ToTell) -> Found {
        let mut found = Found::Nothing;
        let mut state = self.state.lock();
        // There cannot be more than the queue holds, but for a controller that
        // makes them up.
        for _ in 0..ENTRIES {
            let Some((entry, completed)) = state.queue.complete() else {
                break;
            };
            let this = match completed {
                Completed::Told => Found::Completions,
                Completed::ToTell(command, outcome) => {
                    to_tell.push(command, outcome);
                    Found::Completions
                }
                Completed::ToClear => Found::ToClear,
                Completed::EventRequest => state.events.completed(&self.device, entry),
                Completed::Abort(slot) => {
                    state.aborts.answered(slot);
                    Found::ToClear
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
            self.registers.ring_cq(QueueId::ADMIN, state.queue.head());
            self.arm(&mut state);
            if state.waiting > 0 {
                self.room.notify_all();
            }
        }
        found
    }

    /// Makes a closed queue an empty one, for a disabled controller.
    ///
    /// # Errors
    ///
    /// EBUSY before [`Self::cancel`].
    pub(crate) fn empty(&self) -> Result {
        let mut state = self.state.lock();
        state.queue.empty(ENTRIES)?;
        state.aborts.clear();
        state.events.restart();
        Ok(())
    }

    /// Opens an empty queue to everybody. The controller must be enabled: it
    /// takes no notice of commands that come before.
    ///
    /// # Errors
    ///
    /// ENODEV after [`Self::retire`].
    pub(crate) fn open(&self) -> Result {
        self.state.lock().queue.open()
    }

    /// Takes no more commands, stops asking for events, and sends the driver's
    /// own commands home.
    pub(crate) fn close(&self) {
        self.restrict(Access::Closed);
    }

    /// As [`Self::close`], for good.
    pub(crate) fn retire(&self) {
        self.restrict(Access::Retired);
    }

    fn restrict(&self, access: Access) {
        let mut state = self.state.lock();
        state.events.keeper.drain();
        state.queue.close(access);
        self.room.notify_all();
    }

    /// Ends all commands of a closed queue whose controller is disabled. Sleeps.
    pub(crate) fn cancel(&self) {
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

    /// Submits as many Asynchronous Event Requests as are missing.
    fn arm(&self, state: &mut State) {
        let for_ever = Patience {
            abort_after: None,
            reset_after: Delta::ZERO,
        };
        let mut armed = false;
        while state.events.keeper.missing() > 0 {
            let entry = SubmissionEntry::asynchronous_event_request();
            let sent = state
                .queue
                .submit(entry, Claim::Reserved, Owner::EventRequest, for_ever);
            if sent.is_err() {
                break;
            }
            state.events.keeper.armed();
            armed = true;
        }
        if armed {
            self.registers.ring_sq(QueueId::ADMIN, state.queue.tail());
        }
    }

    fn unknown_completion(&self, state: &mut State, id: CommandId) {
        // Once: a controller that makes up completions makes up many.
        if state.unknown_completions == 0 {
            dev_err!(
                self.device,
                "completion of a command that is not outstanding, id {:#06x}\n",
                id.0
            );
        }
        state.unknown_completions = state.unknown_completions.saturating_add(1);
    }
}

impl Submission for AdminQueue {
    fn submit(
        &self,
        entry: SubmissionEntry,
        waiter: &Arc<Waiter>,
        patience: Patience,
        _: Epoch,
    ) -> Result<CommandId, SubmitError> {
        let aborted = aborted_by(&entry);
        let mut state = self.state.lock();
        loop {
            if aborted.is_some_and(|target| state.owns(target)) {
                return Err(SubmitError::Forbidden);
            }
            let owner = Owner::Process(waiter.clone());
            match state.queue.submit(entry, Claim::Ordinary, owner, patience) {
                Ok(id) => {
                    self.registers.ring_sq(QueueId::ADMIN, state.queue.tail());
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
        _: Epoch,
    ) -> Result<(), SubmitError> {
        let Some(blocking) = command.as_ref().map(|command| command.issue.blocking()) else {
            return Ok(());
        };
        let aborted = command
            .as_ref()
            .and_then(|command| aborted_by(&command.entry));
        let mut state = self.state.lock();
        loop {
            if aborted.is_some_and(|target| state.owns(target)) {
                return Err(SubmitError::Forbidden);
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
            let owner = command.own(QueueId::ADMIN);
            // If it were refused in spite of `admit`, the ring would be told.
            let _ = state.queue.submit(entry, Claim::Ordinary, owner, patience);
            self.registers.ring_sq(QueueId::ADMIN, state.queue.tail());
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
        let mut state = self.state.lock();
        let mut timeouts = state.timeouts;
        let overdue = state.queue.look_for_overdue(|opcode| {
            // Fewer and fewer lines: anybody can choose a short time.
            timeouts = timeouts.wrapping_add(1);
            if timeouts.is_power_of_two() {
                dev_err!(
                    self.device,
                    "admin command {:#04x} timed out, as did {} before\n",
                    opcode,
                    timeouts - 1
                );
            }
            self.stream
                .post(Record::lifecycle(Lifecycle::CommandTimedOut {
                    queue: QueueId::ADMIN.0,
                    opcode,
                }));
        });
        state.timeouts = timeouts;
        while let Some(command) = state.queue.wants_abort() {
            let target = Target {
                queue: QueueId::ADMIN,
                command,
            };
            if !self.send_abort(&mut state, target) {
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

/// Which command an admin command is to abort, if it is an Abort.
fn aborted_by(entry: &SubmissionEntry) -> Option<(QueueId, CommandId)> {
    policy::abort_target(Command {
        set: CommandSet::Admin,
        entry,
    })
}
