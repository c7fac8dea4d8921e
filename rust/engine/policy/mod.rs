// SPDX-License-Identifier: GPL-2.0-only

//! What the driver makes of a user's command: who may send it, how much it
//! transfers, what it disturbs, and what the driver learns from it.
//!
//! All ways in which commands arrive ask here, and nobody else looks into a
//! user's command. What differs between commands stands in two tables: a
//! command is a row of [`table`], a feature a row of [`feature`].
//!
//! - [`permission()`]: nobody, an administrator, or anyone.
//! - [`implied`]: how long the buffers of the command have to be.
//! - [`extent_bytes`], [`page_length`]: how much data the controller had.
//! - [`census`]: all opcodes at once, for those who want to know beforehand.
//! - [`OpcodeFacts`]: what holds for an opcode, to be known beforehand.
//! - [`effect()`]: what must be quiet meanwhile, what is stale afterwards.
//! - [`lesson()`]: what a completed command changed for the driver and for those
//!   who read events.
//! - [`event_configuration`] and [`abort_target`]: what the driver has to look
//!   at before it passes the command on.

pub(crate) mod census;
pub(crate) mod effect;
pub(crate) mod extent;
mod feature;
mod length;
pub(crate) mod lesson;
mod opcode_facts;
mod permission;
mod table;

pub(crate) use self::{
    effect::{effect, Aftermath, Knowledge, Quiesce},
    extent::{extent_bytes, page_length},
    length::{blocks, implied, Implied},
    lesson::{lesson, Activation, Change},
    opcode_facts::OpcodeFacts,
    permission::{permission, FileMode, Node, Permission},
};

use crate::spec::{
    command::{CommandId, QueueId, SubmissionEntry},
    effects::CommandEffects,
    feature::{EventConfiguration, FeatureId},
    namespace::CommandSetId,
    opcode::AdminOpcode,
};

/// Whose opcodes a command has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommandSet {
    Admin,
    /// The command set of the namespace.
    Io(CommandSetId),
}

/// A user's command.
#[derive(Clone, Copy)]
pub(crate) struct Command<'a> {
    pub(crate) set: CommandSet,
    pub(crate) entry: &'a SubmissionEntry,
    row: &'static table::Row,
}

impl<'a> Command<'a> {
    pub(crate) fn new(set: CommandSet, entry: &'a SubmissionEntry) -> Self {
        Self {
            set,
            entry,
            row: table::row(set, entry.opcode),
        }
    }

    fn is_admin(self, opcode: AdminOpcode) -> bool {
        self.set == CommandSet::Admin && self.entry.opcode == opcode as u8
    }

    fn row(self) -> &'static table::Row {
        self.row
    }

    /// The feature that Set Features or Get Features names: FID.
    fn feature(self) -> u8 {
        // CAST: the field is the low byte.
        self.entry.cdw10.get() as u8
    }
}

/// Whether the driver has something to do about a command besides passing it
/// on: before, because it disturbs others, or afterwards.
pub(crate) fn concerns_driver(command: Command<'_>, logged: Option<CommandEffects>) -> bool {
    let effects = effect::combined(command, logged);
    effects.has(effect::NOT_NOTHING) || !matches!(command.row().teaches, lesson::Teaches::Nothing)
}

/// The value of a Set Features for Asynchronous Event Configuration. To be
/// replaced by [`EventConfiguration::merged`] before the command is passed on;
/// merging what is merged changes nothing.
pub(crate) fn event_configuration(command: Command<'_>) -> Option<EventConfiguration> {
    let feature = FeatureId::AsynchronousEventConfiguration as u8;
    (command.is_admin(AdminOpcode::SetFeatures) && command.feature() == feature)
        .then(|| EventConfiguration(command.entry.cdw11.get()))
}

/// Which command an Abort command (section 5.1) is to abort. One of the
/// driver's own may not be.
pub(crate) fn abort_target(command: Command<'_>) -> Option<(QueueId, CommandId)> {
    let target = command.entry.cdw10.get();
    // CAST: SQID are the low 16 bits, CID the high ones.
    command
        .is_admin(AdminOpcode::Abort)
        .then_some((QueueId(target as u16), CommandId((target >> 16) as u16)))
}
