// SPDX-License-Identifier: GPL-2.0-only

//! The admin queue: commands of the driver itself and of processes, Aborts, and
//! the Asynchronous Event Requests that are always outstanding.

mod submission;

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
        storm::StormLimits,
    },
    glue::{pins::Runs, spare::Spare},
    pcie::{enable::AdminQueueSetup, registers::Registers},
    spec::{
        command::{CommandId, QueueId, SubmissionEntry},
        completion::{CompletionEntry, Status},
    },
};

use super::{
    command_queue::{Access, CommandQueue, Completed, Refusal},
    events::{Duty, Events},
    outstanding::{Ending, Owner, Patience, Tell, Waiter},
    stream::EventStream,
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
    /// The types that have such classes, a bit each.
    pub(crate) masked_types: u8,
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
    spare_runs: Arc<Spare<Runs>>,
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
        let spare_runs = Spare::new(ENTRIES.into())?;
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
                spare_runs,
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
            masked_types: state.events.masked_types(),
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
    pub(crate) fn execute(
        &self,
        mut entry: SubmissionEntry,
    ) -> Result<CompletionEntry, AdminError> {
        let waiter = Waiter::new().map_err(|_| AdminError::Busy)?;
        let patience = Patience {
            abort_after: Some(TIMEOUT),
            reset_after: ABORT_TIMEOUT,
        };
        let mut state = self.state.lock();
        state
            .queue
            .submit(
                &mut entry,
                Claim::Reserved,
                Owner::Driver(waiter.clone()),
                patience,
            )
            .map_err(|refusal| match refusal {
                Refusal::NotNow => AdminError::Busy,
                Refusal::Closed => AdminError::Closed,
            })?;
        self.ring(&mut state);
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
        let mut entry = SubmissionEntry::abort(target.queue, target.command);
        let sent = state
            .queue
            .submit(&mut entry, Claim::Reserved, Owner::Abort(slot), patience);
        if sent.is_err() {
            state.aborts.release(slot);
            return false;
        }
        self.ring(state);
        true
    }

    /// An Abort that is over. Each is returned once.
    pub(super) fn take_abort(&self) -> Option<Target> {
        self.state.lock().aborts.take_over()
    }

    /// Handles what the controller has completed. Any context.
    pub(crate) fn process_completions(&self) -> Found {
        let mut found = Found::Nothing;
        let mut state = self.state.lock();
        // There cannot be more than the queue holds, but for a controller that
        // makes them up.
        for _ in 0..ENTRIES {
            let Some((entry, completed)) = state.queue.complete(&mut Tell::InTask) else {
                break;
            };
            let this = match completed {
                Completed::Told => Found::Completions,
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
        }
        if found != Found::Nothing {
            if let Some((_, head)) = state.queue.take_head() {
                self.registers.ring_cq(QueueId::ADMIN, head);
            }
            self.arm(&mut state);
            if state.waiting > 0 {
                self.room.notify_all();
            }
        }
        found
    }

    /// Has the controller look at what was submitted since this was last done.
    fn ring(&self, state: &mut State) {
        if let Some((_, tail)) = state.queue.take_tail() {
            self.registers.ring_sq(QueueId::ADMIN, tail);
        }
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

    /// Submits as many Asynchronous Event Requests as are missing.
    fn arm(&self, state: &mut State) {
        let for_ever = Patience {
            abort_after: None,
            reset_after: Delta::ZERO,
        };
        let mut armed = false;
        while state.events.keeper.missing() > 0 {
            let mut entry = SubmissionEntry::asynchronous_event_request();
            let sent =
                state
                    .queue
                    .submit(&mut entry, Claim::Reserved, Owner::EventRequest, for_ever);
            if sent.is_err() {
                break;
            }
            state.events.keeper.armed();
            armed = true;
        }
        if armed {
            self.ring(state);
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
