// SPDX-License-Identifier: GPL-2.0-only

//! The 16-byte event record, `struct nvme_event` of
//! `include/uapi/linux/nvme_event.h`. That header states what each bit means;
//! `user::abi` asserts that both agree.

use crate::spec::{
    command::NamespaceId, completion::Status, event::AsynchronousEvent, register::ControllerStatus,
};

use super::storm::EventClass;

/// Number of an event on its controller: starts at 1, one more each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sequence(pub(crate) u64);

impl Sequence {
    /// The number of the first event.
    pub(crate) const FIRST: Self = Self(1);

    /// The number after this one. 2^64 events do not happen.
    pub(crate) const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// How many events lie between `earlier` and this one.
    pub(crate) const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The number `count` later.
    pub(crate) const fn plus(self, count: u64) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// The number `count` earlier, at least the first.
    pub(crate) const fn minus(self, count: u64) -> Self {
        let number = self.0.saturating_sub(count);
        Self(if number == 0 { 1 } else { number })
    }
}

/// Where the fields of dword 3 are.
pub(crate) mod dw3 {
    pub(crate) const STATUS_SHIFT: u32 = 17;
    pub(crate) const HANDLED: u32 = 1 << 16;
    pub(crate) const PAYLOAD: u32 = 1 << 15;
    pub(crate) const SOURCE_SHIFT: u32 = 12;
    pub(crate) const SOURCE_MASK: u32 = 0x7;
    pub(crate) const LOST_MASK: u32 = 0xfff;
}

/// Where the fields of dword 0 are that have no counterpart in a completion.
pub(crate) mod dw0 {
    pub(crate) const OPCODE_SHIFT: u32 = 24;
}

/// Who speaks in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Source {
    Controller = 0,
    Lifecycle = 1,
    CommandEffect = 2,
    Provider = 3,
}

impl Source {
    const ALL: [Self; 4] = [
        Self::Controller,
        Self::Lifecycle,
        Self::CommandEffect,
        Self::Provider,
    ];
}

/// What the driver reports of a controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifecycle {
    ResetStarted,
    ResetSucceeded,
    ResetFailed,
    /// The controller did not answer a command in time.
    CommandTimedOut {
        queue: u16,
        opcode: u8,
    },
    /// No Asynchronous Event Request is outstanding any more.
    AerStopped {
        status: Status,
    },
    /// Asynchronous Event Requests are outstanding again.
    AerResumed,
    /// A class fired too often.
    ClassMasked {
        class: EventClass,
    },
    /// That class is read again.
    ClassUnmasked {
        class: EventClass,
    },
    /// The controller reports a fatal error.
    FatalStatus {
        status: ControllerStatus,
    },
    /// The system goes to sleep.
    Suspended,
    /// The system woke up, and the controller works again.
    Resumed,
    /// The driver let go of the controller.
    Removed,
}

impl Lifecycle {
    /// `enum nvme_event_lifecycle`.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::ResetStarted => 0x01,
            Self::ResetSucceeded => 0x02,
            Self::ResetFailed => 0x03,
            Self::CommandTimedOut { .. } => 0x04,
            Self::AerStopped { .. } => 0x05,
            Self::AerResumed => 0x06,
            Self::ClassMasked { .. } => 0x07,
            Self::ClassUnmasked { .. } => 0x08,
            Self::FatalStatus { .. } => 0x09,
            Self::Suspended => 0x0a,
            Self::Resumed => 0x0b,
            Self::Removed => 0x0c,
        }
    }

    const fn parameter(self) -> u32 {
        match self {
            Self::CommandTimedOut { queue, opcode } => ((queue as u32) << 16) | opcode as u32,
            Self::AerStopped { status } => status.0 as u32,
            Self::ClassMasked { class } | Self::ClassUnmasked { class } => class.0,
            Self::FatalStatus { status } => status.0,
            Self::ResetStarted
            | Self::ResetSucceeded
            | Self::ResetFailed
            | Self::AerResumed
            | Self::Suspended
            | Self::Resumed
            | Self::Removed => 0,
        }
    }
}

/// A command that changed something all must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CommandEffect {
    pub(crate) kind: EffectKind,
    pub(crate) opcode: u8,
    /// The namespace concerned.
    pub(crate) nsid: NamespaceId,
    /// How the command completed.
    pub(crate) status: Status,
}

/// `enum nvme_event_effect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum EffectKind {
    Formatted = 0x01,
    NamespaceCreated = 0x02,
    NamespaceDeleted = 0x03,
    NamespaceAttached = 0x04,
    NamespaceDetached = 0x05,
    FirmwareCommitted = 0x06,
    Sanitized = 0x07,
}

/// Whether the driver itself acts on a class of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handling {
    /// User space has to act, the driver only reports.
    Reported,
    /// The driver acts.
    Handled,
}

impl Handling {
    /// What the driver does about `event`.
    pub(crate) fn of(event: AsynchronousEvent) -> Self {
        if event.is_namespace_change()
            || event.is_firmware_activation()
            || event.is_namespace_access_change()
            || event.is_persistent_internal_error()
        {
            Self::Handled
        } else {
            Self::Reported
        }
    }
}

/// Whether something belongs to an event that is not in its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    Absent,
    Present,
}

/// One record, in the byte order of the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) dw0: u32,
    pub(crate) dw1: u32,
    pub(crate) dw2: u32,
    pub(crate) dw3: u32,
}

/// Size of a record.
pub(crate) const RECORD_BYTES: usize = 16;

impl Record {
    /// What the controller said in the completion of an Asynchronous Event
    /// Request. The log gives it its number.
    pub(crate) fn controller(event: AsynchronousEvent, parameter: u32, status: Status) -> Self {
        let mut dw3 = (u32::from(status.0) << dw3::STATUS_SHIFT)
            | ((Source::Controller as u32) << dw3::SOURCE_SHIFT);
        if Handling::of(event) == Handling::Handled {
            dw3 |= dw3::HANDLED;
        }
        if event.log_page().is_some() {
            dw3 |= dw3::PAYLOAD;
        }
        Self {
            dw0: event.0,
            dw1: parameter,
            dw2: 0,
            dw3,
        }
    }

    /// What the driver says.
    pub(crate) fn lifecycle(event: Lifecycle) -> Self {
        Self {
            dw0: u32::from(event.code()) << 8,
            dw1: event.parameter(),
            dw2: 0,
            dw3: (Source::Lifecycle as u32) << dw3::SOURCE_SHIFT,
        }
    }

    /// What a user's command did.
    pub(crate) fn command_effect(effect: CommandEffect) -> Self {
        Self {
            dw0: (u32::from(effect.opcode) << dw0::OPCODE_SHIFT) | ((effect.kind as u32) << 8),
            dw1: effect.nsid.0,
            dw2: 0,
            dw3: (u32::from(effect.status.0) << dw3::STATUS_SHIFT)
                | ((Source::CommandEffect as u32) << dw3::SOURCE_SHIFT),
        }
    }

    /// What an event provider says.
    pub(crate) fn provider(dw0: u32, dw1: u32, payload: Payload) -> Self {
        let payload = match payload {
            Payload::Absent => 0,
            Payload::Present => dw3::PAYLOAD,
        };
        Self {
            dw0,
            dw1,
            dw2: 0,
            dw3: payload | ((Source::Provider as u32) << dw3::SOURCE_SHIFT),
        }
    }

    /// Whether a log page or a payload belongs to it.
    pub(crate) fn has_payload(self) -> bool {
        self.dw3 & dw3::PAYLOAD != 0
    }

    /// Who speaks.
    pub(crate) fn source(self) -> Option<Source> {
        let source = (self.dw3 >> dw3::SOURCE_SHIFT) & dw3::SOURCE_MASK;
        Source::ALL.get(source as usize).copied()
    }

    /// What the controller said, if it did.
    pub(crate) fn controller_event(self) -> Option<AsynchronousEvent> {
        (self.source() == Some(Source::Controller)).then_some(AsynchronousEvent(self.dw0))
    }

    /// This record, as seen by a reader that missed `lost` before it.
    pub(crate) fn with_lost(self, lost: u64) -> Self {
        let saturated = u32::try_from(lost).unwrap_or(u32::MAX).min(dw3::LOST_MASK);
        Self {
            dw3: self.dw3 & !dw3::LOST_MASK | saturated,
            ..self
        }
    }

    /// The bytes that `read()` returns.
    pub(crate) fn to_bytes(self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        let words = [self.dw0, self.dw1, self.dw2, self.dw3];
        for (to, word) in bytes.chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }
}
