// SPDX-License-Identifier: GPL-2.0-only

//! One controller: start, reset, stop.

use kernel::{
    device::{Core, Device},
    fmt, new_mutex, new_spinlock, pci,
    prelude::*,
    str::CString,
    sync::{aref::ARef, Arc, Mutex, SetOnce, SpinLock},
    time::Delta,
};

use crate::{
    engine::{
        lifecycle::{State, Step},
        record::{Lifecycle, Record},
        storm::StormLimits,
    },
    glue::dma::PageBuffer,
    pcie::{
        enable::{self, NotReady},
        registers::Registers,
    },
    spec::{
        command::{NamespaceId, SubmissionEntry},
        feature::{EventConfiguration, FeatureId},
        identify::{printable, Cns, IdentifyController},
    },
};

use super::{
    admin::{AdminError, AdminQueue},
    inquiry::Inquiry,
    io_queue::IoQueue,
    namespaces::Namespaces,
    stream::EventStream,
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
    /// When to leave an event class alone.
    pub(crate) storm: StormLimits,
}

/// Limits on the time a controller has for a shutdown, whatever it asks for.
const SHUTDOWN_MIN: Delta = Delta::from_secs(5);
const SHUTDOWN_MAX: Delta = Delta::from_secs(60);

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
    io_queue: Arc<IoQueue>,
    registers: Arc<Registers>,
    announcer: SetOnce<KBox<dyn Announcer>>,
    #[pin]
    identity: Mutex<Option<KBox<IdentifyController>>>,
    #[pin]
    state: SpinLock<State>,
    #[pin]
    power: Mutex<Power>,
}

/// Held while the controller is started or stopped.
struct Power {
    /// The controller may be enabled.
    on: bool,
    shutdown_limit: Delta,
}

impl Controller {
    /// Prepares for a controller; does not touch it.
    ///
    /// # Errors
    ///
    /// EBUSY if somebody else uses its registers, ENOMEM.
    pub(crate) fn new(
        device: &pci::Device<Core<'_>>,
        stream: Arc<EventStream>,
        settings: Settings,
    ) -> Result<Arc<Self>> {
        let registers = Arc::new(Registers::map(device)?, GFP_KERNEL)?;
        let admin = AdminQueue::new(
            device.as_ref(),
            registers.clone(),
            stream.clone(),
            settings.storm,
        )?;
        let inquiry = Inquiry::new(device.as_ref(), admin.clone())?;
        let io_queue = IoQueue::new(device.as_ref())?;
        let namespaces = Namespaces::new()?;
        let power = Power {
            on: false,
            shutdown_limit: SHUTDOWN_MIN,
        };
        Arc::pin_init(
            pin_init!(Self {
                device: device.as_ref().into(),
                settings,
                stream,
                namespaces,
                admin,
                inquiry,
                io_queue,
                registers,
                announcer: SetOnce::new(),
                identity <- new_mutex!(None, "nvme_rs::Controller::identity"),
                state <- new_spinlock!(State::New, "nvme_rs::Controller::state"),
                power <- new_mutex!(power, "nvme_rs::Controller::power"),
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

    pub(crate) fn inquiry(&self) -> &Inquiry {
        &self.inquiry
    }

    pub(crate) fn registers(&self) -> &Registers {
        &self.registers
    }

    /// What the controller said it is, at its last start.
    pub(crate) fn identity(&self) -> &Mutex<Option<KBox<IdentifyController>>> {
        &self.identity
    }

    pub(crate) fn state(&self) -> State {
        *self.state.lock()
    }

    /// Has `announcer` tell udev from now on.
    pub(crate) fn announce_by(&self, announcer: KBox<dyn Announcer>) {
        self.announcer.populate(announcer);
        if self.state() == State::Live {
            self.announce(fmt!("NVME_EVENT=connected"));
        }
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

    /// Starts the controller for the first time.
    pub(crate) fn start(&self) {
        let mut power = self.power.lock();
        let started = self.power_on(&mut power);
        self.conclude(&mut power, started);
    }

    /// Stops the controller and starts it again, whatever it is doing.
    /// Sleeps, at most as long as the controller's own time limits allow.
    pub(crate) fn reset(&self) -> Result<(), ResetError> {
        if self.step(Step::Reset).is_none() {
            return Err(match self.state() {
                State::Deleting => ResetError::Deleting,
                _ => ResetError::Busy,
            });
        }
        dev_info!(self.device, "resetting\n");
        self.post(Lifecycle::ResetStarted);
        let mut power = self.power.lock();
        let status = self.registers.status();
        if status.is_fatal() && !status.is_gone() {
            self.post(Lifecycle::FatalStatus { status });
        }
        self.admin.close();
        let restarted = enable::disable(&self.registers)
            .map_err(Error::from)
            .and_then(|()| self.power_on(&mut power));
        let outcome = match restarted {
            Ok(()) => Lifecycle::ResetSucceeded,
            Err(_) => Lifecycle::ResetFailed,
        };
        if self.conclude(&mut power, restarted) {
            self.post(outcome);
        }
        drop(power);
        match self.state() {
            State::Live => {
                self.announce(fmt!("NVME_EVENT=connected"));
                Ok(())
            }
            State::Deleting => Err(ResetError::Deleting),
            _ => Err(ResetError::Failed),
        }
    }

    /// Looks after a controller that nobody may be talking to. One that does
    /// not answer any more is declared dead. Returns whether it needs a reset:
    /// it reports a fatal error, or lost the state it was given. Sleeps.
    pub(crate) fn look_after(&self) -> bool {
        let status = self.registers.status();
        if self.state() != State::Live {
            return false;
        }
        if !status.is_gone() {
            return status.is_fatal() || !status.is_ready();
        }
        // A reset under way may be why it did not answer.
        let _power = self.power.lock();
        if self.registers.status().is_gone() && self.step(Step::Lost).is_some() {
            dev_err!(self.device, "controller does not answer\n");
            self.post(Lifecycle::FatalStatus { status });
            self.admin.close();
        }
        false
    }

    /// From now on, nobody gets anything done with the controller. Any context
    /// that may take a spinlock.
    pub(crate) fn delete(&self) {
        self.step(Step::Delete);
        self.admin.retire();
    }

    /// Stops the controller in an orderly way: no more commands, no more
    /// events, no more access to memory. Does nothing the second time. Sleeps.
    pub(crate) fn stop(&self) {
        self.delete();
        let mut power = self.power.lock();
        if core::mem::replace(&mut power.on, false) {
            let stopped = enable::shut_down(&self.registers, power.shutdown_limit)
                .or_else(|_| enable::disable(&self.registers));
            // One that is gone has stopped.
            if !matches!(stopped, Ok(()) | Err(NotReady::Gone)) {
                dev_err!(self.device, "controller did not stop: {:?}\n", stopped);
            }
        }
        self.stream.end();
    }

    /// Enables a controller, in whatever state it is, and has it report events.
    ///
    /// # Errors
    ///
    /// ENODEV if it does not answer or has no page size in common with us, EIO
    /// if it reports a fatal error or refuses Identify, ETIMEDOUT if it exceeds
    /// its own time limits, ENOMEM.
    fn power_on(&self, power: &mut Power) -> Result {
        self.registers.refresh();
        enable::disable(&self.registers)?;
        self.admin.reopen()?;
        self.inquiry.renew();
        power.on = true;
        enable::enable(&self.registers, self.admin.setup())?;
        // What the controller has to say about the rest must not get lost.
        self.admin.want_aers(1);

        let identify: KBox<IdentifyController> = self.inquiry.ask(
            |address| SubmissionEntry::identify(Cns::Controller, NamespaceId::NONE, address),
            PageBuffer::copy_out,
        )?;
        power.shutdown_limit = shutdown_limit(&identify);
        self.admin
            .want_aers(identify.aer_limit().min(self.settings.aers));
        // One that enables no event class still reports what cannot be switched
        // off, and one without I/O queues takes admin commands.
        self.tolerate("no event classes enabled", self.enable_events(&identify))?;
        self.tolerate("no I/O queue", self.io_queue.create(&self.admin))?;
        self.namespaces.rescan(&self.device, &self.inquiry);
        dev_info!(
            self.device,
            "{} {}, NVMe {:#x}, {} asynchronous event requests\n",
            Printable(&identify.model_number),
            Printable(&identify.serial_number),
            self.registers.version(),
            self.admin.aers_outstanding(),
        );
        let old = self.identity.lock().replace(identify);
        // Memory is given back outside the lock.
        drop(old);
        Ok(())
    }

    /// Settles the state after an attempt to start. Returns false if the driver
    /// has begun to let go of the controller meanwhile.
    fn conclude(&self, power: &mut Power, started: Result) -> bool {
        if let Err(error) = started {
            dev_err!(self.device, "controller did not start: {:?}\n", error);
            self.admin.close();
            // What works of it must not touch memory any more.
            power.on = enable::disable(&self.registers).is_err();
        }
        self.step(match started {
            Ok(()) => Step::Started,
            Err(_) => Step::Failed,
        })
        .is_some()
    }

    /// Lets a controller refuse something, but not keep quiet.
    fn tolerate(&self, consequence: &str, outcome: Result<(), AdminError>) -> Result {
        match outcome {
            Ok(()) => Ok(()),
            Err(AdminError::Failed(status)) => {
                dev_warn!(self.device, "{}, status {:#x}\n", consequence, status.0);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Enables every event class the controller has.
    fn enable_events(&self, identify: &IdentifyController) -> Result<(), AdminError> {
        let advertised =
            identify.advertised_events(self.registers.capabilities().persistent_memory_region());
        let value = EventConfiguration::all_advertised(advertised);
        self.admin.execute(SubmissionEntry::set_features(
            FeatureId::AsynchronousEventConfiguration,
            value.0,
        ))?;
        Ok(())
    }

    fn step(&self, step: Step) -> Option<State> {
        let mut state = self.state.lock();
        *state = state.after(step).ok()?;
        Some(*state)
    }

    fn post(&self, event: Lifecycle) {
        self.stream.post(Record::lifecycle(event));
    }
}

fn shutdown_limit(identify: &IdentifyController) -> Delta {
    Delta::from_micros(i64::from(identify.rtd3_entry_latency_us.get()))
        .clamp(SHUTDOWN_MIN, SHUTDOWN_MAX)
}

/// Formats an identification field.
struct Printable<'a>(&'a [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;

        printable(self.0).try_for_each(|character| f.write_char(character))
    }
}
