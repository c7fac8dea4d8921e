// SPDX-License-Identifier: GPL-2.0-only

//! What a completed command changed for the driver, and for all who read
//! events.

use super::{event_configuration, Command};
use crate::{
    engine::record::{CommandEffect, EffectKind},
    spec::{command::NamespaceId, completion::Status, feature::EventConfiguration},
};

/// What kind of lesson a command can be, in its row.
#[derive(Clone, Copy)]
pub(super) enum Teaches {
    Nothing,
    Feature,
    Management,
    Attachment,
    Firmware,
    Format,
    Sanitize,
}

/// What a completed command changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lesson {
    /// For those who read events.
    pub(crate) event: Option<CommandEffect>,
    /// For the driver. What it has to ask the controller for again is in
    /// [`Aftermath`](super::Aftermath).
    pub(crate) change: Change,
}

/// A change the driver has to know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Nothing,
    /// Somebody chose event classes, to be chosen again after each reset.
    EventConfiguration(EventConfiguration),
    /// A firmware slot or a boot partition was written or selected.
    Firmware(Activation),
}

/// What makes committed firmware run (section 5.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// Another Firmware Commit: this one stored an image only, or was about a
    /// boot partition, which the controller does not run.
    NotRequested,
    /// The next reset of the controller, any of them.
    ControllerReset,
    /// The next Conventional Reset. The driver's own resets will not do.
    ConventionalReset,
    /// The next NVM Subsystem Reset.
    SubsystemReset,
    /// Nothing more, it runs: what the controller said of itself is stale.
    Done,
}

/// What `command` changed, completed with `status` and dword 0 `result`.
pub(crate) fn lesson(command: Command<'_>, status: Status, result: u32) -> Lesson {
    let action = command.entry.cdw10.get();
    let namespace = NamespaceId(command.entry.nsid.get());
    let told = |kind, nsid| Lesson {
        event: Some(CommandEffect {
            kind,
            opcode: command.entry.opcode,
            nsid,
            status,
        }),
        change: Change::Nothing,
    };
    match command.row().teaches {
        Teaches::Firmware => {
            firmware(action, status).map_or(Lesson::NOTHING, |activation| Lesson {
                change: Change::Firmware(activation),
                ..told(EffectKind::FirmwareCommitted, namespace)
            })
        }
        _ if !status.is_success() => Lesson::NOTHING,
        Teaches::Nothing => Lesson::NOTHING,
        Teaches::Feature => Lesson {
            event: None,
            change: event_configuration(command)
                .map_or(Change::Nothing, Change::EventConfiguration),
        },
        // SEL. The identifier of a new namespace is in the completion.
        Teaches::Management => match action & 0xf {
            0 => told(EffectKind::NamespaceCreated, NamespaceId(result)),
            1 => told(EffectKind::NamespaceDeleted, namespace),
            _ => Lesson::NOTHING,
        },
        Teaches::Attachment => match action & 0xf {
            0 => told(EffectKind::NamespaceAttached, namespace),
            1 => told(EffectKind::NamespaceDetached, namespace),
            _ => Lesson::NOTHING,
        },
        Teaches::Format => told(EffectKind::Formatted, namespace),
        Teaches::Sanitize => told(EffectKind::Sanitized, namespace),
    }
}

impl Lesson {
    const NOTHING: Self = Self {
        event: None,
        change: Change::Nothing,
    };
}

/// What makes firmware run after a Firmware Commit with this dword 10; `None`
/// if nothing was committed. Some statuses that are not success say that it
/// was, and what is missing.
fn firmware(cdw10: u32, status: Status) -> Option<Activation> {
    if status.same_code(Status::ACTIVATION_NEEDS_CONVENTIONAL_RESET) {
        return Some(Activation::ConventionalReset);
    }
    if status.same_code(Status::ACTIVATION_NEEDS_SUBSYSTEM_RESET) {
        return Some(Activation::SubsystemReset);
    }
    if status.same_code(Status::ACTIVATION_NEEDS_CONTROLLER_RESET) {
        return Some(Activation::ControllerReset);
    }
    if !status.is_success() {
        return None;
    }
    // Commit Action.
    Some(match (cdw10 >> 3) & 0b111 {
        0b001 | 0b010 => Activation::ControllerReset,
        0b011 => Activation::Done,
        _ => Activation::NotRequested,
    })
}
