// SPDX-License-Identifier: GPL-2.0-only

//! One controller: what is known of it, and what keeps it in order.

mod care;
mod identity;
mod power;

use kernel::{
    device::{Core, Device},
    fmt, new_mutex, new_spinlock, pci,
    prelude::*,
    str::CString,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed, Release},
        Arc, Mutex, SetOnce, SpinLock,
    },
    time::Delta,
};

use crate::{
    engine::{
        lifecycle::{State, Step},
        record::{Lifecycle, Record},
        storm::StormLimits,
    },
    glue::{
        cpu::possible_cpus, dma::DmaDevice, interrupt::Vectors, look::look_acquire, pci::BusMaster,
    },
    pcie::registers::Registers,
    spec::{feature::EventConfiguration, identify::IdentifyController},
};

pub(crate) use self::power::{Hold, ResetScope};
use self::{care::Pauses, power::Power};

use super::{
    admin::AdminQueue,
    buffers::MappedBuffers,
    effects::EffectsLogs,
    inquiry::Inquiry,
    io_queues::{IoQueueLimits, IoQueues},
    namespaces::Namespaces,
    outstanding::Tag,
    stream::EventStream,
    submit::Submission,
};

/// What the administrator chose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// How many event records are kept; a power of two.
    pub(crate) event_ring_entries: usize,
    /// How many bytes of log pages are kept.
    pub(crate) event_snapshot_bytes: u32,
    /// How many Asynchronous Event Requests to keep outstanding at most.
    pub(crate) aers: u16,
    /// How much older the SMART log may get before it is read again for those
    /// who ask.
    pub(crate) smart_interval: Delta,
    /// When to leave an event class alone.
    pub(crate) storm: StormLimits,
    /// How many entries an I/O queue has at most.
    pub(crate) io_queue_depth: u16,
    /// How many I/O queues there are, beside the others, for rings that poll.
    pub(crate) poll_queues: u16,
}

/// Why a reset did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResetError {
    /// Another one is under way.
    Busy,
    /// The driver lets go of the controller.
    Deleting,
    /// The controller did not come back.
    Failed,
}

/// Who tells udev.
pub(crate) trait Announcer: Send + Sync {
    /// Sends a `change` uevent with `variable`, a `NAME=value`. Sleeps.
    fn announce(&self, variable: &CStr);
}

/// One controller.
#[pin_data]
pub(crate) struct Controller {
    device: ARef<Device>,
    settings: Settings,
    stream: Arc<EventStream>,
    namespaces: Arc<Namespaces>,
    admin: Arc<AdminQueue>,
    inquiry: Arc<Inquiry>,
    io_queues: Arc<IoQueues>,
    buffers: Arc<MappedBuffers>,
    dma: DmaDevice,
    bus_master: BusMaster,
    registers: Arc<Registers>,
    announcer: SetOnce<KBox<dyn Announcer>>,
    #[pin]
    effects: EffectsLogs,
    /// Most bytes of data that a command may transfer: MDTS.
    data_limit_bytes: Atomic<u64>,
    /// SGLS of Identify Controller.
    sgls: Atomic<u32>,
    /// How long the activation of firmware may take, in milliseconds: MTFA.
    activation_limit_ms: Atomic<u32>,
    #[pin]
    pauses: Pauses,
    /// The event classes that a process chose, if one did.
    #[pin]
    chosen_events: SpinLock<Option<EventConfiguration>>,
    #[pin]
    identity: Mutex<Option<KBox<IdentifyController>>>,
    #[pin]
    state: SpinLock<State>,
    /// `state`, for every command to look at.
    seen_state: Atomic<u32>,
    #[pin]
    power: Mutex<Power>,
    /// How many wait for `power` to hold the controller.
    holders: Atomic<u32>,
}

impl Controller {
    /// Prepares for a controller with these interrupt vectors; does not change
    /// anything about it.
    ///
    /// # Errors
    ///
    /// EBUSY if somebody else uses its registers, ENOMEM.
    pub(crate) fn new(
        device: &pci::Device<Core<'_>>,
        stream: Arc<EventStream>,
        settings: Settings,
        vectors: &Vectors,
    ) -> Result<Arc<Self>> {
        let registers = Arc::new(Registers::map(device)?, GFP_KERNEL)?;
        let admin = AdminQueue::new(
            device.as_ref(),
            registers.clone(),
            stream.clone(),
            settings.storm,
        )?;
        let bus_master = BusMaster::new(device);
        let dma = DmaDevice::new(device.as_ref());
        let inquiry = Inquiry::new(&dma, admin.clone())?;
        let limits = IoQueueLimits {
            queues: u16::try_from(possible_cpus()).unwrap_or(u16::MAX),
            polled: settings.poll_queues,
            entries: io_queue_entries(&registers, settings),
            vectors: vectors.count(),
            signal: vectors.signal(),
        };
        let io_queues = IoQueues::new(device.as_ref(), &registers, &admin, &stream, limits)?;
        let buffers = MappedBuffers::new(&dma)?;
        let namespaces = Namespaces::new()?;
        let effects = EffectsLogs::new()?;
        let power = Power::off();
        Arc::pin_init(
            pin_init!(Self {
                device: device.as_ref().into(),
                settings,
                stream,
                namespaces,
                admin,
                inquiry,
                io_queues,
                buffers,
                dma,
                bus_master,
                registers,
                announcer: SetOnce::new(),
                effects <- effects,
                data_limit_bytes: Atomic::new(identity::DATA_BYTES_MAX),
                sgls: Atomic::new(0),
                activation_limit_ms: Atomic::new(0),
                pauses <- Pauses::new(),
                chosen_events <- new_spinlock!(None, "nvme_rs::Controller::chosen_events"),
                identity <- new_mutex!(None, "nvme_rs::Controller::identity"),
                state <- new_spinlock!(State::New, "nvme_rs::Controller::state"),
                seen_state: Atomic::new(State::New as u32),
                power <- new_mutex!(power, "nvme_rs::Controller::power"),
                holders: Atomic::new(0),
            }),
            GFP_KERNEL,
        )
    }

    pub(crate) fn device(&self) -> &Device {
        &self.device
    }

    pub(crate) fn settings(&self) -> Settings {
        self.settings
    }

    pub(crate) fn stream(&self) -> &Arc<EventStream> {
        &self.stream
    }

    pub(crate) fn namespaces(&self) -> &Arc<Namespaces> {
        &self.namespaces
    }

    pub(crate) fn admin(&self) -> &Arc<AdminQueue> {
        &self.admin
    }

    pub(crate) fn io_queues(&self) -> &Arc<IoQueues> {
        &self.io_queues
    }

    pub(super) fn buffers(&self) -> &Arc<MappedBuffers> {
        &self.buffers
    }

    pub(crate) fn dma(&self) -> &DmaDevice {
        &self.dma
    }

    pub(crate) fn effects(&self) -> &EffectsLogs {
        &self.effects
    }

    pub(crate) fn inquiry(&self) -> &Inquiry {
        &self.inquiry
    }

    pub(crate) fn registers(&self) -> &Registers {
        &self.registers
    }

    pub(crate) fn state(&self) -> State {
        State::from_number(look_acquire(&self.seen_state))
    }

    /// Has `announcer` tell udev from now on.
    pub(super) fn announce_by(&self, announcer: KBox<dyn Announcer>) {
        self.announcer.populate(announcer);
        if self.state() == State::Live {
            self.announce(fmt!("NVME_EVENT=connected"));
        }
    }

    /// Whether there is somebody who tells udev.
    pub(super) fn has_announcer(&self) -> bool {
        self.announcer.as_ref().is_some()
    }

    /// Sends an uevent with this variable, a `NAME=value`. Sleeps.
    pub(crate) fn announce(&self, variable: fmt::Arguments<'_>) {
        let Some(announcer) = self.announcer.as_ref() else {
            return;
        };
        // Without memory for a line of text udev would not get far either.
        if let Ok(variable) = CString::try_from_fmt(variable) {
            announcer.announce(&variable);
        }
    }

    /// Whether the controller's subsystem can be reset.
    pub(crate) fn has_subsystem_reset(&self) -> bool {
        self.registers.capabilities().subsystem_reset()
    }

    /// Looks after a controller that nobody may be talking to. One that does
    /// not answer any more is declared dead. Returns whether it needs a reset:
    /// it reports a fatal error, or lost the state it was given. Sleeps.
    pub(crate) fn look_after(&self) -> bool {
        if self.state() != State::Live {
            self.look_after_start();
            return false;
        }
        let status = self.registers.status();
        if !status.is_gone() {
            return status.is_fatal() || !status.is_ready();
        }
        // A reset under way may be why it did not answer.
        let Some(_power) = self.power.try_lock() else {
            return false;
        };
        if self.registers.status().is_gone() && self.step(Step::Lost).is_some() {
            dev_err!(self.device, "controller does not answer\n");
            self.post(Lifecycle::FatalStatus { status });
            // It will not complete anything any more.
            let _ = self.power_off();
        }
        false
    }

    /// Has whoever starts the controller give up if it is gone, or lost its
    /// state, instead of waiting until a command has timed out.
    fn look_after_start(&self) {
        // One that sleeps, and takes no commands, is not to be looked at.
        if self.admin.is_open() && self.has_lost_its_state() {
            self.end_start();
        }
    }

    /// Whether somebody waits for the controller to be off. It need not do
    /// anything any more then.
    pub(super) fn is_to_stop(&self) -> bool {
        self.state() == State::Deleting || self.holders.load(Relaxed) > 0
    }

    /// Has whoever starts the controller give up. Returns false, and does
    /// nothing, if it is live.
    fn end_start(&self) -> bool {
        // Under the lock: a controller that goes live has an open queue.
        let state = self.state.lock();
        if *state == State::Live {
            return false;
        }
        self.admin.close();
        true
    }

    /// Whether a controller that was enabled is gone, or is not enabled any
    /// more.
    fn has_lost_its_state(&self) -> bool {
        let status = self.registers.status();
        status.is_gone() || !status.is_ready()
    }

    /// Has the commands aborted that a process names so, as soon as
    /// [`Self::look_after_commands`] is called. Returns how many there are.
    pub(super) fn abort_tagged(&self, tag: Tag) -> usize {
        self.submissions().fold(0, |count, queue| {
            count.saturating_add(queue.abort_tagged(tag))
        })
    }

    /// All queues that commands can be sent to.
    fn submissions(&self) -> impl Iterator<Item = &dyn Submission> {
        Iterator::chain(
            core::iter::once(&*self.admin as &dyn Submission),
            self.io_queues.submissions(),
        )
    }

    /// From now on, nobody gets anything done with the controller. Any context
    /// that may take a spinlock.
    pub(crate) fn delete(&self) {
        self.step(Step::Delete);
        self.admin.retire();
        self.io_queues.retire();
    }

    fn step(&self, step: Step) -> Option<State> {
        self.advance(&mut self.state.lock(), step)
    }

    /// As [`Self::step`], by whoever has the lock of `state`.
    fn advance(&self, state: &mut State, step: Step) -> Option<State> {
        *state = state.after(step).ok()?;
        self.seen_state.store(*state as u32, Release);
        Some(*state)
    }

    fn post(&self, event: Lifecycle) {
        self.stream.post(Record::lifecycle(event));
    }
}

/// How many entries the controller's I/O queues can have.
fn queue_entries_max(registers: &Registers) -> u16 {
    u16::try_from(registers.capabilities().queue_entries_max()).unwrap_or(u16::MAX)
}

fn io_queue_entries(registers: &Registers, settings: Settings) -> u16 {
    match queue_entries_max(registers) {
        // Nonsense: it does not answer. A reset may revive it.
        ..2 => settings.io_queue_depth,
        entries_max => settings.io_queue_depth.min(entries_max),
    }
}
