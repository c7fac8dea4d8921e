// SPDX-License-Identifier: GPL-2.0-only

//! Which commands there are and who may send them, a bit for each opcode.

use core::fmt::{Display, Formatter, Result};

use super::{permission, Command, CommandSet, FileMode, Node, Permission};
use crate::spec::{
    command::{NamespaceId, SubmissionEntry},
    effects::CommandEffects,
};

/// A set of opcodes. As text: eight groups of 32 bits in hexadecimal, the
/// highest opcodes first, as the kernel writes such masks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Opcodes([u32; 8]);

impl Opcodes {
    fn insert(&mut self, opcode: u8) {
        if let Some(word) = self.0.get_mut(usize::from(opcode / 32)) {
            *word |= 1 << (opcode % 32);
        }
    }
}

impl Display for Opcodes {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for (place, word) in self.0.iter().rev().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{word:08x}")?;
        }
        Ok(())
    }
}

/// The commands of one command set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    /// The controller says that it has them. `None`: it does not say.
    pub(crate) supported: Option<Opcodes>,
    /// An administrator may send them, with the right parameters.
    pub(crate) permitted: Opcodes,
    /// Anyone may who could open the node for writing, with the right
    /// parameters.
    pub(crate) unprivileged: Opcodes,
}

/// The commands of `set` which can be sent through a `node`. `logged` is what
/// the Commands Supported and Effects log says of one, if there is one.
pub(crate) fn census(
    set: CommandSet,
    node: Node,
    logged: impl Fn(Command<'_>) -> Option<CommandEffects>,
) -> Census {
    let mut census = Census::default();
    for opcode in 0..=u8::MAX {
        // All else is zero: of Identify the one of a namespace, which anyone
        // may send.
        let entry = SubmissionEntry::new(opcode, NamespaceId::NONE);
        let command = Command::new(set, &entry);
        let effects = logged(command);
        if let Some(effects) = effects {
            let supported = census.supported.get_or_insert_default();
            if effects.has(CommandEffects::SUPPORTED) {
                supported.insert(opcode);
            }
        }
        match permission(command, effects, FileMode::ReadWrite, node) {
            Permission::Anyone => {
                census.unprivileged.insert(opcode);
                census.permitted.insert(opcode);
            }
            Permission::Administrator => census.permitted.insert(opcode),
            Permission::Nobody => {}
        }
    }
    census
}
