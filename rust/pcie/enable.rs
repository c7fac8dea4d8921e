// SPDX-License-Identifier: GPL-2.0-only

//! Switching a controller on and off (sections 3.5.1 and 3.6.1).
//!
//! Every wait has the limit that the controller itself names. A controller
//! that does not answer, or reports a fatal error, ends the wait at once. Those
//! limits can be hours, so that the caller can give up where that does no harm.

use kernel::{io::poll::read_poll_timeout, prelude::*, time::Delta};

use crate::spec::{
    command::{DmaAddress, QueueId},
    register::{
        admin_queue_attributes, ready_with_media_timeout_500ms, Capabilities, Configuration,
        ControllerStatus, PAGE_SHIFT,
    },
};

use super::registers::Registers;

/// How often the status is looked at.
const POLL_INTERVAL: Delta = Delta::from_millis(1);

/// Why a controller does not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotReady {
    /// It did not within its own time limit.
    TimedOut,
    /// It reports a fatal error.
    Fatal,
    /// It does not answer.
    Gone,
    /// The caller did not want to wait any longer.
    GivenUp,
    /// It has no memory page size of 4 KiB.
    PageSize,
    /// It has no room for the doorbells of the admin queue.
    Doorbells,
}

impl From<NotReady> for Error {
    fn from(reason: NotReady) -> Self {
        match reason {
            NotReady::TimedOut => ETIMEDOUT,
            NotReady::Fatal => EIO,
            NotReady::Gone | NotReady::GivenUp | NotReady::PageSize | NotReady::Doorbells => ENODEV,
        }
    }
}

/// The admin queues of a controller, in entries and addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdminQueueSetup {
    pub(crate) entries: u16,
    pub(crate) sq: DmaAddress,
    pub(crate) cq: DmaAddress,
}

/// Disables the controller and waits until it is: it then accesses no memory
/// of the host.
pub(crate) fn disable(registers: &Registers) -> Result<(), NotReady> {
    let limit = half_seconds(registers.capabilities().timeout_500ms());
    registers.set_configuration(registers.configuration().disabled());
    wait(
        registers,
        limit,
        |status| !status.is_ready(),
        // A fatal error is what disabling is there to clear.
        |_| false,
        || false,
    )
}

/// Enables a disabled controller with these admin queues and waits until it
/// takes commands, or the caller gives up.
pub(crate) fn enable(
    registers: &Registers,
    queues: AdminQueueSetup,
    given_up: impl Fn() -> bool,
) -> Result<(), NotReady> {
    let capabilities = registers.capabilities();
    if capabilities.page_shift_min() > PAGE_SHIFT {
        return Err(NotReady::PageSize);
    }
    if !registers.has_doorbells(QueueId::ADMIN) {
        return Err(NotReady::Doorbells);
    }
    registers.set_admin_queue(admin_queue_attributes(queues.entries), queues.sq, queues.cq);
    let configuration = Configuration::for_capabilities(capabilities);
    registers.set_configuration(configuration);
    // What CAP and CRTO say may depend on the configuration just written.
    let limit = ready_limit(registers, registers.capabilities());
    registers.set_configuration(configuration.enabled());
    wait(
        registers,
        limit,
        ControllerStatus::is_ready,
        ControllerStatus::is_fatal,
        given_up,
    )
}

/// Has the controller shut down in an orderly way, so that it loses nothing
/// when power goes.
pub(crate) fn shut_down(registers: &Registers, limit: Delta) -> Result<(), NotReady> {
    registers.set_configuration(registers.configuration().shutting_down());
    wait(
        registers,
        limit,
        ControllerStatus::is_shut_down,
        ControllerStatus::is_fatal,
        || false,
    )
}

/// Waits until the controller processes commands again, or the caller gives up:
/// it pauses while it activates firmware.
pub(crate) fn await_processing(
    registers: &Registers,
    limit: Delta,
    given_up: impl Fn() -> bool,
) -> Result<(), NotReady> {
    wait(
        registers,
        limit,
        |status| !status.is_paused(),
        ControllerStatus::is_fatal,
        given_up,
    )
}

fn ready_limit(registers: &Registers, capabilities: Capabilities) -> Delta {
    let mut units = capabilities.timeout_500ms();
    if capabilities.ready_with_media() {
        units = units.max(ready_with_media_timeout_500ms(registers.ready_timeouts()));
    }
    half_seconds(units)
}

/// `units` of 500 ms, and one more: zero means "at once", and clocks differ.
fn half_seconds(units: u16) -> Delta {
    Delta::from_millis((i64::from(units) + 1) * 500)
}

fn wait(
    registers: &Registers,
    limit: Delta,
    reached: impl Fn(ControllerStatus) -> bool,
    hopeless: impl Fn(ControllerStatus) -> bool,
    given_up: impl Fn() -> bool,
) -> Result<(), NotReady> {
    let last = read_poll_timeout(
        || Ok(registers.status()),
        |&status| status.is_gone() || reached(status) || hopeless(status) || given_up(),
        POLL_INTERVAL,
        limit,
    );
    match last {
        Err(_) => Err(NotReady::TimedOut),
        Ok(status) if status.is_gone() => Err(NotReady::Gone),
        Ok(status) if reached(status) => Ok(()),
        Ok(status) if hopeless(status) => Err(NotReady::Fatal),
        Ok(_) => Err(NotReady::GivenUp),
    }
}
