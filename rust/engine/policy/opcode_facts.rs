// SPDX-License-Identifier: GPL-2.0-only

//! What holds for all commands with one opcode, in a word: worked out when the
//! controller is asked for its effects, looked up for every command.

use super::{
    concerns_driver,
    length::Length,
    permission::{permission, FileMode, Node, Permission},
    Command, CommandSet,
};
use crate::spec::{
    command::{NamespaceId, SubmissionEntry},
    effects::CommandEffects,
};

/// What is known of an opcode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OpcodeFacts(u64);

/// There are effects, in the low half.
const LOGGED: u64 = 1 << 32;
/// [`OpcodeFacts::is_routine`] in a file opened for reading.
const ROUTINE_READ_ONLY: u64 = 1 << 33;
/// The same in one opened for writing.
const ROUTINE_READ_WRITE: u64 = 1 << 34;

impl OpcodeFacts {
    /// What is to be known of an opcode, given what the Commands Supported and
    /// Effects log of its command set says of it.
    pub(crate) fn new(set: CommandSet, opcode: u8, logged: CommandEffects) -> Self {
        let mut facts = LOGGED | u64::from(logged.0);
        // The rest of a command does not matter where only its row is asked.
        let entry = SubmissionEntry::new(opcode, NamespaceId::NONE);
        let command = Command::new(set, &entry);
        let logged = Some(logged);
        let plain = matches!(command.row().length, Length::LogicalBlocks)
            && !concerns_driver(command, logged);
        for (mode, routine) in [
            (FileMode::ReadOnly, ROUTINE_READ_ONLY),
            (FileMode::ReadWrite, ROUTINE_READ_WRITE),
        ] {
            let permission = permission(command, logged, mode, Node::Namespace);
            if plain && permission == Permission::Anyone {
                facts |= routine;
            }
        }
        Self(facts)
    }

    /// As one word; zero: nothing is known.
    pub(crate) const fn word(self) -> u64 {
        self.0
    }

    /// From [`Self::word`].
    pub(crate) const fn from_word(word: u64) -> Self {
        Self(word)
    }

    /// What the log says.
    pub(crate) fn logged(self) -> Option<CommandEffects> {
        // CAST: The low half.
        (self.0 & LOGGED != 0).then_some(CommandEffects(self.0 as u32))
    }

    /// Whether anyone may send these commands through the node of a namespace
    /// opened so, they transfer logical blocks, and the driver has nothing to do
    /// about them but to pass them on.
    #[inline]
    pub(crate) fn is_routine(self, mode: FileMode) -> bool {
        let routine = match mode {
            FileMode::ReadOnly => ROUTINE_READ_ONLY,
            FileMode::ReadWrite => ROUTINE_READ_WRITE,
        };
        self.0 & routine != 0
    }
}
