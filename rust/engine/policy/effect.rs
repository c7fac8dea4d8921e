// SPDX-License-Identifier: GPL-2.0-only

//! What a command disturbs: which other commands must not be outstanding at
//! the same time, and what the driver does not know any more afterwards.

use super::{feature, Command, CommandSet};
use crate::spec::{
    command::NamespaceId,
    effects::{CommandEffects, Execution},
};

/// What the driver knows of a command's effects, whatever the log says.
#[derive(Clone, Copy)]
pub(super) enum Known {
    /// These as well.
    Adds(CommandEffects),
    /// Set Features: those of the feature as well.
    ByFeature,
    /// No other command has to wait.
    DisturbsNothing,
}

/// Which I/O has to be complete before a command is sent, and to wait until it
/// has completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quiesce {
    Nothing,
    /// That to one namespace.
    Namespace(NamespaceId),
    /// That to all namespaces.
    All,
}

/// What the driver holds of something it once asked the controller for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knowledge {
    Valid,
    /// To be asked for again.
    Stale,
}

/// What is left of the driver's knowledge after a command, completed with
/// whatever status: one that failed may have changed something before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aftermath {
    /// What Identify Controller says.
    pub(crate) controller: Knowledge,
    /// Which namespaces there are and what they are like.
    pub(crate) namespaces: Knowledge,
}

/// The effects of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    pub(crate) before: Quiesce,
    pub(crate) after: Aftermath,
}

/// Whatever makes an [`Effect`] other than none.
pub(super) const NOT_NOTHING: CommandEffects = CommandEffects::EXECUTION
    .or(CommandEffects::CONTROLLER_CAPABILITY)
    .or(CommandEffects::NAMESPACE_CAPABILITY)
    .or(CommandEffects::NAMESPACE_INVENTORY);

/// The effects of `command`. `logged` is what the Commands Supported and
/// Effects log of its command set says of it, if there is one.
pub(crate) fn effect(command: Command<'_>, logged: Option<CommandEffects>) -> Effect {
    let effects = combined(command, logged);
    let stale_if = |changed| {
        if effects.has(changed) {
            Knowledge::Stale
        } else {
            Knowledge::Valid
        }
    };
    Effect {
        before: quiesce(command, effects),
        after: Aftermath {
            controller: stale_if(CommandEffects::CONTROLLER_CAPABILITY),
            namespaces: stale_if(
                CommandEffects::NAMESPACE_CAPABILITY.or(CommandEffects::NAMESPACE_INVENTORY),
            ),
        },
    }
}

/// What the log says and what is known.
pub(super) fn combined(command: Command<'_>, logged: Option<CommandEffects>) -> CommandEffects {
    let mut effects = logged.unwrap_or_default();
    // An I/O command that waits for I/O to complete would wait for itself. When
    // a controller relaxes its restriction it says in words only, so take it
    // for none. Neither holds against what is known of a command.
    if command.set != CommandSet::Admin || effects.has(CommandEffects::EXECUTION_RELAXATION) {
        effects = effects.without(CommandEffects::EXECUTION);
    }
    match command.row().known {
        Known::Adds(known) => effects.or(known),
        Known::ByFeature => {
            let feature = feature::row(command.feature());
            effects.or(feature.map_or(CommandEffects::NONE, |feature| feature.changes))
        }
        Known::DisturbsNothing => effects.without(CommandEffects::EXECUTION),
    }
}

fn quiesce(command: Command<'_>, effects: CommandEffects) -> Quiesce {
    let namespace = NamespaceId(command.entry.nsid.get());
    match effects.execution() {
        Execution::Unrestricted => Quiesce::Nothing,
        Execution::AloneInNamespace
            if namespace != NamespaceId::NONE && namespace != NamespaceId::BROADCAST =>
        {
            Quiesce::Namespace(namespace)
        }
        Execution::AloneInNamespace | Execution::Alone | Execution::Reserved => Quiesce::All,
    }
}
