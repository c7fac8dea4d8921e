// SPDX-License-Identifier: GPL-2.0-only

//! The files in `/sys/class/nvme-generic/ngNnM`.
//!
//! Reading gives ENODEV once the driver has let go of the controller.

use kernel::{error::code::ENODATA, fmt::Write, prelude::*};

use crate::{
    engine::policy::{census::Census, CommandSet, Node},
    glue::class::Attribute,
    user::namespace::NamespaceNode,
};

/// Attributes of the node of a namespace: masks of opcodes.
pub(crate) static ATTRIBUTES: [Attribute<NamespaceNode>; 3] = [
    Attribute::readable(c"io_commands", |node, to| {
        let supported = io_commands(node)?.supported.ok_or(ENODATA)?;
        Ok(writeln!(to, "{}", supported)?)
    }),
    Attribute::readable(c"io_commands_permitted", |node, to| {
        Ok(writeln!(to, "{}", io_commands(node)?.permitted)?)
    }),
    Attribute::readable(c"io_commands_unprivileged", |node, to| {
        Ok(writeln!(to, "{}", io_commands(node)?.unprivileged)?)
    }),
];

fn io_commands(node: &NamespaceNode) -> Result<Census> {
    let binding = node.handle().visit().ok_or(ENODEV)?;
    let set = CommandSet::Io(node.namespace().identity().command_set);
    let effects = binding.controller().effects();
    Ok(effects.census(set, Node::Namespace))
}
