// SPDX-License-Identifier: GPL-2.0-only

//! Who may send a command.
//!
//! The rules are those of the in-tree driver, so that what works for a user
//! there works here, with these differences: commands that would undo the
//! driver's own queues and event requests are refused to all, I/O commands
//! through a controller need an administrator, because a group may have been
//! given its node to read events, and so does Cancel.

use super::{effect, feature, Command, CommandSet};
use crate::spec::{
    effects::CommandEffects,
    identify::Cns,
    opcode::{Direction, FABRICS},
};

/// How a file was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileMode {
    ReadOnly,
    /// For writing, whether for reading as well or not.
    ReadWrite,
}

/// What kind of node it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Controller,
    Namespace,
}

/// Who may send a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    /// Whoever could open the node.
    Anyone,
    /// Who has CAP_SYS_ADMIN.
    Administrator,
    /// Not even those.
    Nobody,
}

/// The rule for a command, in its row.
#[derive(Clone, Copy)]
pub(super) enum Access {
    Nobody,
    Administrator,
    /// Identify: by what is to be identified.
    ByStructure,
    /// Set Features: by the row of the feature.
    ByFeature,
    /// By what the command changes, and how the file was opened.
    ByEffects,
}

/// From here on opcodes need an administrator. Those of vendors start higher,
/// but what lies between deserves no more trust.
const RESTRICTED_OPCODES: u8 = 0x80;

/// What anyone may identify: what is needed to form I/O commands and gives no
/// secret away.
const FOR_ANYONE: [Cns; 5] = [
    Cns::Namespace,
    Cns::Controller,
    Cns::CommandSetNamespace,
    Cns::CommandSetController,
    Cns::CommandSetIndependentNamespace,
];

/// What an I/O command may change and still be sent by anyone.
const HARMLESS: CommandEffects = CommandEffects::SUPPORTED
    .or(CommandEffects::LOGICAL_BLOCK_CONTENT)
    .or(CommandEffects::UUID_SELECTION)
    .or(CommandEffects::SCOPE);

/// Who may send `command` through a `node` opened with this `mode`. `logged` is
/// what the Commands Supported and Effects log of its command set says of it,
/// if there is one.
#[inline(always)]
pub(crate) fn permission(
    command: Command<'_>,
    logged: Option<CommandEffects>,
    mode: FileMode,
    node: Node,
) -> Permission {
    let opcode = command.entry.opcode;
    match command.row().access {
        Access::Nobody => Permission::Nobody,
        _ if opcode >= RESTRICTED_OPCODES || opcode == FABRICS => Permission::Administrator,
        _ if node == Node::Controller && command.set != CommandSet::Admin => {
            Permission::Administrator
        }
        Access::Administrator => Permission::Administrator,
        Access::ByStructure => by_structure(command),
        Access::ByFeature => by_feature(command),
        Access::ByEffects => by_effects(command, logged, mode),
    }
}

fn by_structure(command: Command<'_>) -> Permission {
    // CAST: CNS is the low byte.
    let structure = command.entry.cdw10.get() as u8;
    if FOR_ANYONE.iter().any(|&cns| cns as u8 == structure) {
        Permission::Anyone
    } else {
        Permission::Administrator
    }
}

fn by_feature(command: Command<'_>) -> Permission {
    match feature::row(command.feature()) {
        Some(feature) if matches!(feature.access, Access::Nobody) => Permission::Nobody,
        _ => Permission::Administrator,
    }
}

fn by_effects(command: Command<'_>, logged: Option<CommandEffects>, mode: FileMode) -> Permission {
    let effects = effect::combined(command, logged);
    let writes = Direction::of(command.entry.opcode).writes()
        || effects.has(CommandEffects::LOGICAL_BLOCK_CONTENT);
    if !effects.has(CommandEffects::SUPPORTED)
        || effects.without(HARMLESS) != CommandEffects::NONE
        || (writes && mode == FileMode::ReadOnly)
    {
        Permission::Administrator
    } else {
        Permission::Anyone
    }
}
