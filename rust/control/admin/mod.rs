// SPDX-License-Identifier: GPL-2.0-only

//! The admin queue: commands of the driver itself and of processes, Aborts, and
//! the Asynchronous Event Requests that are always outstanding.

mod own;
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
        aborts::{Aborts, ABORTS_MAX},
        storm::StormLimits,
    },
    glue::{pins::Runs, spare::Spare},
    pcie::{enable::AdminQueueSetup, registers::Registers},
    spec::command::{CommandId, QueueId},
};

pub(crate) use self::own::AdminError;

use super::{
    command_queue::{Access, CommandQueue, Completed},
    events::{Duty, Events},
    outstanding::Tell,
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
    /// What was found by somebody who does not follow it.
    left: Found,
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
            left: Found::Nothing,
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

    /// The controller was started. If event requests had stopped, the stream
    /// says that they are outstanding again.
    pub(crate) fn started(&self) {
        self.state.lock().events.started();
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

    /// As [`Self::process_completions`], which tells its next caller of events
    /// among them.
    pub(super) fn process_last_completions(&self) {
        // After a fault a reset was needed; this is part of one.
        let found = self.process_completions().min(Found::Events);
        self.state.lock().left = found;
    }

    /// Handles what the controller has completed. Any context.
    pub(crate) fn process_completions(&self) -> Found {
        let mut state = self.state.lock();
        let mut found = core::mem::replace(&mut state.left, Found::Nothing);
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
            self.tell_of_room(&state);
        }
        found
    }

    fn tell_of_room(&self, state: &State) {
        if state.waiting > 0 {
            self.room.notify_all();
        }
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
    /// EBUSY before [`Submission::cancel`](super::submit::Submission).
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

    /// Whether commands are taken at this moment.
    pub(crate) fn is_open(&self) -> bool {
        self.state.lock().queue.access() == Access::Open
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
