// SPDX-License-Identifier: GPL-2.0-only

//! The admin queue: commands of the driver itself, and the Asynchronous Event
//! Requests that are always outstanding.

use kernel::{
    device::{Bound, Device},
    new_spinlock_irq,
    prelude::*,
    sync::{aref::ARef, Arc, SetOnce, SpinLockIrq},
    time::{Delta, Instant, Monotonic},
};

use crate::{
    engine::{
        aer_keeper::{AerKeeper, Outcome},
        capture::{CaptureQueue, Pending},
        command_table::{Claim, CommandTable},
        record::{Lifecycle, Record},
        storm::{EventClass, Moment, StormGuard, StormLimits, Verdict},
    },
    glue::completion::{Completion, Waited},
    pcie::{enable::AdminQueueSetup, queue::QueuePair, registers::Registers},
    spec::{
        command::{CommandId, SubmissionEntry},
        completion::{CompletionEntry, Status},
        event::AsynchronousEvent,
    },
};

use super::stream::EventStream;

/// Length of the admin queues.
const ENTRIES: u16 = 64;

/// How many commands can be outstanding: a queue of n entries holds n - 1.
const COMMANDS: usize = ENTRIES as usize - 1;

/// Most Asynchronous Event Requests the driver keeps outstanding; as many
/// command ids are reserved for them.
pub(crate) const AERS_MAX: u16 = 16;

/// How long a controller may take for an admin command, as with the in-tree
/// driver.
pub(crate) const TIMEOUT: Delta = Delta::from_secs(60);

/// Why a command has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdminError {
    /// Too many commands are outstanding, or there is no memory for one more.
    Busy,
    /// The driver is letting go of the controller.
    Closed,
    /// The controller did not answer. It may still do what it was asked to.
    TimedOut,
    /// The controller refused or failed.
    Failed(Status),
}

impl From<AdminError> for Error {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Busy => EBUSY,
            AdminError::Closed => ENODEV,
            AdminError::TimedOut => ETIMEDOUT,
            AdminError::Failed(_) => EIO,
        }
    }
}

/// What the completion queue had, from harmless to serious.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Found {
    Nothing,
    Completions,
    /// Completions, among them an event.
    Events,
    /// Completions, among them an event after which only a reset helps.
    Fault,
}

/// What is to be done next about events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Duty {
    Nothing,
    /// Something, after this time.
    Later(Delta),
    /// This log page is to be read.
    Capture(Pending),
}

/// Where the answer to a command goes.
#[pin_data]
struct Waiter {
    answer: SetOnce<CompletionEntry>,
    #[pin]
    done: Completion,
}

/// Whose an outstanding command is.
enum Owner {
    AsynchronousEventRequest,
    /// Somebody waits for it.
    Waiter(Arc<Waiter>),
    /// The waiter gave up; the controller may still answer.
    Nobody,
}

struct State {
    queue: QueuePair,
    commands: CommandTable<Owner, COMMANDS>,
    keeper: AerKeeper,
    captures: CaptureQueue,
    storm: StormGuard,
    counts: Counts,
    access: Access,
}

/// What passed through the queue.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Events, by their type.
    pub(crate) events: [u64; 8],
    /// Completions of commands that were not outstanding.
    pub(crate) unknown_completions: u64,
}

/// Who may use the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Open,
    /// Nobody, until it is opened again.
    Closed,
    /// Nobody, for good.
    Retired,
}

/// The admin queue of one controller.
#[pin_data]
pub(crate) struct AdminQueue {
    device: ARef<Device>,
    registers: Arc<Registers>,
    stream: Arc<EventStream>,
    /// What the moments of `storm` count from.
    epoch: Instant<Monotonic>,
    #[pin]
    state: SpinLockIrq<State>,
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
            queue: QueuePair::new(device, ENTRIES)?,
            commands: CommandTable::new(usize::from(AERS_MAX)),
            keeper: AerKeeper::new(),
            captures: CaptureQueue::new(),
            storm: StormGuard::new(storm),
            counts: Counts::default(),
            access: Access::Closed,
        };
        Arc::pin_init(
            pin_init!(Self {
                device: device.into(),
                registers,
                stream,
                epoch: Instant::now(),
                state <- new_spinlock_irq!(state, "nvme_rs::AdminQueue::state"),
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
        state.keeper.want(wanted.min(AERS_MAX));
        self.arm(&mut state);
    }

    /// How many Asynchronous Event Requests the controller holds.
    pub(crate) fn aers_outstanding(&self) -> u16 {
        self.state.lock().keeper.outstanding()
    }

    /// How many event classes are masked.
    pub(crate) fn classes_masked(&self) -> usize {
        self.state.lock().storm.masked()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.state.lock().counts
    }

    /// What is to be done next about events. Ends pauses that are over.
    pub(crate) fn next_duty(&self) -> Duty {
        let now = self.now();
        let mut state = self.state.lock();
        while let Some(class) = state.storm.unmask(now) {
            self.stream
                .post(Record::lifecycle(Lifecycle::ClassUnmasked { class }));
            state.keeper.release();
            self.arm(&mut state);
        }
        let State {
            captures, storm, ..
        } = &mut *state;
        if let Some(pending) = captures.take(|page| !storm.is_masked(page)) {
            return Duty::Capture(pending);
        }
        match storm.next_end() {
            Some(end) => Duty::Later(Delta::from_nanos(
                i64::try_from(end.since_ns(now)).unwrap_or(i64::MAX),
            )),
            None => Duty::Nothing,
        }
    }

    /// How many events found no room in the queue of log pages to read.
    pub(crate) fn captures_dropped(&self) -> u64 {
        self.state.lock().captures.dropped()
    }

    /// Sends a command and waits for its completion. Sleeps. A buffer the
    /// command names must stay until the controller is disabled if this
    /// returns [`AdminError::TimedOut`] or [`AdminError::Closed`].
    pub(crate) fn execute(&self, entry: SubmissionEntry) -> Result<CompletionEntry, AdminError> {
        let waiter = Arc::pin_init(
            pin_init!(Waiter {
                answer: SetOnce::new(),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )
        .map_err(|_| AdminError::Busy)?;
        let id = self.submit(entry, waiter.clone())?;
        let timed_out =
            waiter.done.wait(TIMEOUT) == Waited::TimedOut && self.give_up(id, entry.opcode);
        match waiter.answer.as_ref() {
            Some(answer) if answer.status().is_success() => Ok(*answer),
            Some(answer) => Err(AdminError::Failed(answer.status())),
            None if timed_out => Err(AdminError::TimedOut),
            None => Err(AdminError::Closed),
        }
    }

    /// Handles what the controller has completed. Any context.
    pub(crate) fn process_completions(&self) -> Found {
        let mut found = Found::Nothing;
        let mut state = self.state.lock();
        // There cannot be more than the queue holds, but for a controller that
        // makes them up.
        for _ in 0..ENTRIES {
            let Some(entry) = state.queue.pop() else {
                break;
            };
            found = found.max(Found::Completions);
            match state.commands.remove(entry.command_id()) {
                Ok(Owner::AsynchronousEventRequest) => {
                    found = self.aer_completed(&mut state, entry).max(found);
                }
                Ok(Owner::Waiter(waiter)) => {
                    waiter.answer.populate(entry);
                    waiter.done.complete();
                }
                Ok(Owner::Nobody) => {}
                Err(_) => self.unknown_completion(&mut state, entry.command_id()),
            }
        }
        if found != Found::Nothing {
            self.registers.ring_admin_cq(state.queue.head());
            self.arm(&mut state);
        }
        found
    }

    /// Makes an empty queue for a disabled controller and opens it.
    ///
    /// # Errors
    ///
    /// ENODEV after [`Self::retire`].
    pub(crate) fn reopen(&self) -> Result {
        let mut state = self.state.lock();
        if state.access == Access::Retired {
            return Err(ENODEV);
        }
        let had_stopped = state.keeper.is_stopped();
        state.queue.reset();
        state.commands = CommandTable::new(usize::from(AERS_MAX));
        state.keeper = AerKeeper::new();
        state.captures.clear();
        state.access = Access::Open;
        if had_stopped {
            self.stream.post(Record::lifecycle(Lifecycle::AerResumed));
        }
        Ok(())
    }

    /// Takes no more commands, stops asking for events and sends everybody who
    /// waits for a command home.
    pub(crate) fn close(&self) {
        self.restrict(Access::Closed);
    }

    /// As [`Self::close`], for good.
    pub(crate) fn retire(&self) {
        self.restrict(Access::Retired);
    }

    fn restrict(&self, access: Access) {
        let mut state = self.state.lock();
        if state.access != Access::Retired {
            state.access = access;
        }
        state.keeper.drain();
        state.commands.for_each_mut(|owner| {
            if let Owner::Waiter(waiter) = owner {
                waiter.done.complete();
                *owner = Owner::Nobody;
            }
        });
    }

    fn now(&self) -> Moment {
        Moment(u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(0))
    }

    fn submit(&self, entry: SubmissionEntry, waiter: Arc<Waiter>) -> Result<CommandId, AdminError> {
        let mut state = self.state.lock();
        if state.access != Access::Open {
            return Err(AdminError::Closed);
        }
        let id = state
            .commands
            .insert(Claim::Ordinary, Owner::Waiter(waiter))
            .map_err(|_| AdminError::Busy)?;
        if state.queue.submit(entry, id).is_err() {
            let _ = state.commands.remove(id);
            return Err(AdminError::Busy);
        }
        self.registers.ring_admin_sq(state.queue.tail());
        Ok(id)
    }

    /// The waiter of a command waits no longer. Returns false if it need not
    /// have: the answer came, or the queue was closed, at the last moment.
    fn give_up(&self, id: CommandId, opcode: u8) -> bool {
        let mut state = self.state.lock();
        let abandoned = state.commands.replace(id, Owner::Nobody);
        let waited_for = matches!(abandoned, Ok(Owner::Waiter(_)));
        drop(state);
        if waited_for {
            dev_err!(self.device, "admin command {:#04x} timed out\n", opcode);
            self.stream
                .post(Record::lifecycle(Lifecycle::CommandTimedOut {
                    queue: 0,
                    opcode,
                }));
        }
        waited_for
    }

    /// Submits as many Asynchronous Event Requests as are missing.
    fn arm(&self, state: &mut State) {
        let mut armed = false;
        while state.keeper.missing() > 0 {
            let owner = Owner::AsynchronousEventRequest;
            let Ok(id) = state.commands.insert(Claim::Reserved, owner) else {
                break;
            };
            let entry = SubmissionEntry::asynchronous_event_request();
            if state.queue.submit(entry, id).is_err() {
                let _ = state.commands.remove(id);
                break;
            }
            state.keeper.armed();
            armed = true;
        }
        if armed {
            self.registers.ring_admin_sq(state.queue.tail());
        }
    }

    fn aer_completed(&self, state: &mut State, entry: CompletionEntry) -> Found {
        let status = entry.status();
        match state.keeper.complete(status) {
            Outcome::Event => {
                let event = AsynchronousEvent(entry.dw0.get());
                self.event(state, event, entry.dw1.get(), status)
            }
            Outcome::Failed => {
                dev_warn!(
                    self.device,
                    "asynchronous event request failed, status {:#x}\n",
                    status.0
                );
                Found::Completions
            }
            Outcome::Stopped => {
                dev_err!(
                    self.device,
                    "no more asynchronous events, status {:#x}\n",
                    status.0
                );
                self.stream
                    .post(Record::lifecycle(Lifecycle::AerStopped { status }));
                Found::Completions
            }
            Outcome::Drained => Found::Completions,
        }
    }

    fn event(
        &self,
        state: &mut State,
        event: AsynchronousEvent,
        parameter: u32,
        status: Status,
    ) -> Found {
        let number = self
            .stream
            .post(Record::controller(event, parameter, status));
        state.captures.add(event, parameter, number);
        if let Some(count) = state.counts.events.get_mut(event.event_type() as usize) {
            *count = count.saturating_add(1);
        }
        let class = EventClass::of(event);
        match state.storm.event(class, self.now()) {
            Verdict::Calm => {}
            Verdict::Mask => {
                self.stream
                    .post(Record::lifecycle(Lifecycle::ClassMasked { class }));
            }
            Verdict::Hold => state.keeper.hold(),
        }
        if event.is_persistent_internal_error() {
            Found::Fault
        } else {
            Found::Events
        }
    }

    fn unknown_completion(&self, state: &mut State, id: CommandId) {
        // Once: a controller that makes up completions makes up many.
        if state.counts.unknown_completions == 0 {
            dev_err!(
                self.device,
                "completion of a command that is not outstanding, id {:#06x}\n",
                id.0
            );
        }
        state.counts.unknown_completions = state.counts.unknown_completions.saturating_add(1);
    }
}
