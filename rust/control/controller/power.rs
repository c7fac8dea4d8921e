// SPDX-License-Identifier: GPL-2.0-only

//! How a controller is started, reset and stopped.

use kernel::{fmt, prelude::*, sync::atomic::Relaxed, time::Delta};

use crate::{
    control::{
        admin::AdminError,
        submit::Submission, //
    },
    engine::{
        lifecycle::{State, Step},
        record::Lifecycle,
    },
    glue::dma::Buffer,
    pcie::enable::{self, NotReady},
    spec::{
        command::{NamespaceId, SubmissionEntry},
        feature::FeatureId,
        identify::{printable, Cns, IdentifyController},
    },
};

use super::{queue_entries_max, Controller, ResetError};

/// Limits on the time a controller has for a shutdown, whatever it asks for.
const SHUTDOWN_MIN: Delta = Delta::from_secs(5);
const SHUTDOWN_MAX: Delta = Delta::from_secs(60);

/// Held while the controller is started or stopped.
pub(super) struct Power {
    /// The controller may be enabled.
    on: bool,
    /// It is not to be started before [`Controller::release`].
    held: Option<Hold>,
    shutdown_limit: Delta,
}

impl Power {
    /// The controller is off, and not to be trusted with anything yet.
    pub(super) fn off() -> Self {
        Self {
            on: false,
            held: None,
            shutdown_limit: SHUTDOWN_MIN,
        }
    }
}

/// What is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResetScope {
    Controller,
    /// First of all the controller's subsystem, which has to have such a reset.
    /// Every other controller in it needs one of its own afterwards.
    Subsystem,
}

/// Why a controller is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Its PCI function is reset by others, or the link to it.
    FunctionReset,
    /// The system goes to sleep.
    Sleep,
}

impl Hold {
    const fn began(self) -> Lifecycle {
        match self {
            Self::FunctionReset => Lifecycle::ResetStarted,
            Self::Sleep => Lifecycle::Suspended,
        }
    }

    const fn succeeded(self) -> Lifecycle {
        match self {
            Self::FunctionReset => Lifecycle::ResetSucceeded,
            Self::Sleep => Lifecycle::Resumed,
        }
    }
}

impl Controller {
    /// Starts the controller for the first time.
    pub(crate) fn start(&self) {
        let mut power = self.power.lock();
        let started = self.power_on(&mut power);
        if let Some(Err(_)) = self.conclude(&mut power, started) {
            self.post(Lifecycle::ResetFailed);
        }
    }

    /// Stops the controller and starts it again, whatever it is doing.
    /// Sleeps, at most as long as the controller's own time limits allow.
    pub(crate) fn reset(&self, scope: ResetScope) -> Result<(), ResetError> {
        if self.step(Step::Reset).is_none() {
            return Err(match self.state() {
                State::Deleting => ResetError::Deleting,
                _ => ResetError::Busy,
            });
        }
        dev_info!(self.device, "resetting\n");
        self.post(Lifecycle::ResetStarted);
        let mut power = self.power.lock();
        if power.held.is_some() {
            // Whoever holds the controller starts it.
            return Err(ResetError::Busy);
        }
        let status = self.registers.status();
        if status.is_fatal() && !status.is_gone() {
            self.post(Lifecycle::FatalStatus { status });
        }
        if scope == ResetScope::Subsystem {
            self.registers.reset_subsystem();
            // The write is over when a read returns.
            self.registers.status();
        }
        let restarted = self
            .power_off()
            .map_err(Error::from)
            .and_then(|()| self.power_on(&mut power));
        self.restarted(&mut power, restarted, Lifecycle::ResetSucceeded);
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

    /// Stops the controller, and has nobody start it before [`Self::release`]
    /// or [`Self::give_up`]. It is "resetting" meanwhile. Sleeps.
    pub(crate) fn hold(&self, reason: Hold) {
        self.holders.fetch_add(1, Relaxed);
        let mut power = self.power.lock();
        self.holders.fetch_sub(1, Relaxed);
        if self.state() == State::Deleting || power.held.is_some() {
            return;
        }
        // A reset that comes too late now has said already that it began.
        if self.step(Step::Reset).is_some() || reason == Hold::Sleep {
            self.post(reason.began());
        }
        power.held = Some(reason);
        if core::mem::replace(&mut power.on, false) && reason == Hold::Sleep {
            // What fails here shows when it is started again.
            let _ = enable::shut_down(&self.registers, power.shutdown_limit);
        }
        let _ = self.power_off();
    }

    /// Starts a controller that is held. Sleeps.
    pub(crate) fn release(&self) {
        self.end_hold(|power| self.power_on(power));
    }

    /// Declares a controller that is held dead.
    pub(crate) fn give_up(&self) {
        self.end_hold(|_| Err(EIO));
    }

    fn end_hold(&self, start: impl FnOnce(&mut Power) -> Result) {
        let mut power = self.power.lock();
        let Some(reason) = power.held.take() else {
            return;
        };
        // Nobody is to use one that the driver lets go of.
        if self.state() == State::Deleting {
            return;
        }
        let started = start(&mut power);
        self.restarted(&mut power, started, reason.succeeded());
        drop(power);
        if self.state() == State::Live {
            self.announce(fmt!("NVME_EVENT=connected"));
        }
    }

    /// Settles the state after another start, and tells of it.
    fn restarted(&self, power: &mut Power, started: Result, success: Lifecycle) {
        match self.conclude(power, started) {
            Some(Ok(())) => self.post(success),
            Some(Err(_)) => self.post(Lifecycle::ResetFailed),
            None => {}
        }
    }

    /// Stops the controller in an orderly way: no more commands, no more
    /// events, no more access to memory. Does nothing the second time. Sleeps.
    pub(crate) fn stop(&self) {
        self.delete();
        let mut power = self.power.lock();
        if core::mem::replace(&mut power.on, false) {
            let mut stopped = enable::shut_down(&self.registers, power.shutdown_limit);
            // Only a disabled controller is done with the commands it has.
            if stopped.is_err() || self.submissions().any(|queue| queue.has_transfers()) {
                stopped = enable::disable(&self.registers);
            }
            // One that is gone has stopped.
            if !matches!(stopped, Ok(()) | Err(NotReady::Gone)) {
                dev_err!(self.device, "controller did not stop: {:?}\n", stopped);
            }
        }
        self.end_commands();
        self.stream.end();
    }

    /// Stops the controller at once: no more commands, no more access to
    /// memory. All commands have ended when this returns. Sleeps.
    ///
    /// # Errors
    ///
    /// [`NotReady`]: it did not stop. It cannot access memory nevertheless.
    pub(super) fn power_off(&self) -> Result<(), NotReady> {
        self.admin.close();
        self.io_queues.close();
        let disabled = enable::disable(&self.registers);
        self.end_commands();
        disabled
    }

    /// Ends what is outstanding on closed queues.
    fn end_commands(&self) {
        // Also a controller that did not stop must not access the memory of
        // processes any more, which is theirs again after this.
        self.bus_master.clear();
        // What it has completed by now ends so, and not as one that got lost.
        self.admin.process_last_completions();
        for queue in self.io_queues.iter() {
            queue.process_completions();
        }
        self.take_consequences(|consequences| consequences.draw_at_stop(self));
        self.admin.cancel();
        self.io_queues.cancel();
    }

    /// Enables a controller, in whatever state it is, and has it report events.
    ///
    /// # Errors
    ///
    /// ENODEV if it does not answer, has no page size in common with us, or
    /// somebody waits for it to be off; EIO
    /// if it reports a fatal error or refuses Identify, ETIMEDOUT if it exceeds
    /// its own time limits, ENOMEM.
    fn power_on(&self, power: &mut Power) -> Result {
        self.registers.refresh();
        enable::disable(&self.registers)?;
        self.bus_master.set();
        self.admin.empty()?;
        self.inquiry.renew();
        power.on = true;
        enable::enable(&self.registers, self.admin.setup(), || self.is_to_stop())?;
        self.admin.open()?;
        // What the controller has to say about the rest must not get lost.
        self.admin.want_aers(1);

        let identify: KBox<IdentifyController> = self.inquiry.ask(
            |address| SubmissionEntry::identify(Cns::Controller, NamespaceId::NONE, address),
            Buffer::copy_out,
        )?;
        power.shutdown_limit = shutdown_limit(&identify);
        self.admin.limit_aborts(identify.acl);
        self.admin
            .want_aers(identify.aer_limit().min(self.settings.aers));
        // One that enables no event class still reports what cannot be switched
        // off, and one without I/O queues takes admin commands.
        self.tolerate("no event classes enabled", self.enable_events(&identify))?;
        if identify.has_io_queues() {
            let doorbell_buffers = identify.doorbell_buffers();
            let entries = queue_entries_max(&self.registers);
            let created = self.io_queues.create(entries, doorbell_buffers);
            self.tolerate("no I/O queues", created)?;
        }
        dev_info!(
            self.device,
            "{} {}, NVMe {:#x}, {} I/O queues, {} asynchronous event requests\n",
            Printable(&identify.model_number),
            Printable(&identify.serial_number),
            self.registers.version(),
            self.io_queues.count(),
            self.admin.counts().aers_outstanding,
        );
        self.renew_identity(identify);
        // That nothing could be found out may be because it went meanwhile.
        if self.has_lost_its_state() {
            return Err(ENODEV);
        }
        Ok(())
    }

    /// Settles the state after an attempt to start. Returns how that ended;
    /// `None` if the driver has begun to let go of the controller meanwhile.
    fn conclude(&self, power: &mut Power, started: Result) -> Option<Result> {
        match started.and_then(|()| self.go_live()) {
            Ok(state) => state.map(|_| {
                self.admin.started();
                Ok(())
            }),
            Err(error) => {
                dev_err!(self.device, "controller did not start: {:?}\n", error);
                power.on = self.power_off().is_err();
                self.step(Step::Failed).map(|_| Err(error))
            }
        }
    }

    /// Ends a start in which the controller did all it had to.
    ///
    /// # Errors
    ///
    /// ENODEV if it left a command without an answer that it had not to carry
    /// out: nobody opens the admin queue again that was closed for that.
    fn go_live(&self) -> Result<Option<State>> {
        let mut state = self.state.lock();
        if *state != State::Deleting && !self.admin.is_open() {
            return Err(ENODEV);
        }
        Ok(self.advance(&mut state, Step::Started))
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

    /// Enables the event classes that a process chose, or every one the
    /// controller has.
    fn enable_events(&self, identify: &IdentifyController) -> Result<(), AdminError> {
        let value = self.wanted_events(identify);
        self.admin.execute(SubmissionEntry::set_features(
            FeatureId::AsynchronousEventConfiguration,
            value.0,
        ))?;
        Ok(())
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
