// SPDX-License-Identifier: GPL-2.0-only

use super::{ADMIN, IO_SETS, NVM};
use crate::{
    engine::policy::{
        census::{census, Census},
        CommandSet, Node,
    },
    spec::effects::CommandEffects,
};

const ALL: &str = "ffffffff,ffffffff,ffffffff,ffffffff,ffffffff,ffffffff,ffffffff,ffffffff";
const NONE: &str = "00000000,00000000,00000000,00000000,00000000,00000000,00000000,00000000";

/// Of a controller that supports these opcodes and changes nothing by them.
fn supporting(set: CommandSet, node: Node, supported: &[u8]) -> Census {
    census(set, node, |command| {
        let supported = supported.contains(&command.entry.opcode);
        Some(CommandEffects(u32::from(supported)))
    })
}

#[test]
fn a_bit_stands_for_an_opcode() {
    let supported = supporting(
        ADMIN,
        Node::Controller,
        &[0x02, 0x06, 0x1f, 0x20, 0x80, 0xff],
    );
    assert_eq!(
        supported.supported.unwrap().to_string(),
        "80000000,00000000,00000000,00000001,00000000,00000000,00000001,80000044"
    );
    let nothing = supporting(ADMIN, Node::Controller, &[]);
    assert_eq!(nothing.supported.unwrap().to_string(), NONE);
    assert_eq!(census(ADMIN, Node::Controller, |_| None).supported, None);
}

#[test]
fn of_admin_commands_some_are_nobodys_and_identify_is_anyones() {
    for node in [Node::Controller, Node::Namespace] {
        let admin = supporting(ADMIN, node, &[0x06]);
        // All but 00h, 01h, 04h, 05h, 0Ch and 7Ch.
        assert_eq!(
            admin.permitted.to_string(),
            "ffffffff,ffffffff,ffffffff,ffffffff,efffffff,ffffffff,ffffffff,ffffefcc"
        );
        assert_eq!(
            admin.unprivileged.to_string(),
            "00000000,00000000,00000000,00000000,00000000,00000000,00000000,00000040"
        );
    }
}

#[test]
fn of_io_commands_anyone_has_what_is_supported_on_the_node_of_the_namespace() {
    for set in IO_SETS {
        let all = supporting(set, Node::Controller, &[0, 1, 2]);
        assert_eq!(all.permitted.to_string(), ALL);
        assert_eq!(all.unprivileged.to_string(), NONE);
    }
    let some = supporting(NVM, Node::Namespace, &[0x00, 0x01, 0x02, 0x18, 0x7f, 0xc0]);
    assert_eq!(some.permitted.to_string(), ALL);
    // Not Cancel, Fabrics and what vendors add.
    assert!(some.unprivileged.to_string().ends_with(",00000007"));
    assert!(some
        .unprivileged
        .to_string()
        .starts_with("00000000,00000000,00000000,00000000,00000000"));
    // Without a log nobody knows what a command does.
    let unknown = census(NVM, Node::Namespace, |_| None);
    assert_eq!(unknown.unprivileged.to_string(), NONE);
}
