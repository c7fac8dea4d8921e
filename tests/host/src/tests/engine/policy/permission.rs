// SPDX-License-Identifier: GPL-2.0-only

//! Every opcode, feature and structure, with every way to open a node.

use proptest::prelude::*;

use super::{entry, with_dwords, ADMIN, IO_SETS, KEY_VALUE, NVM, ZONED};
use crate::{
    engine::policy::{permission, Command, CommandSet, FileMode, Node, Permission},
    spec::{command::SubmissionEntry, effects::CommandEffects},
};

use FileMode::{ReadOnly, ReadWrite};
use Permission::{Administrator, Anyone, Nobody};

const WAYS: [(FileMode, Node); 4] = [
    (ReadOnly, Node::Controller),
    (ReadWrite, Node::Controller),
    (ReadOnly, Node::Namespace),
    (ReadWrite, Node::Namespace),
];

const SUPPORTED: u32 = 1;

/// What the log may say, and that there may be none.
const LOGGED: [Option<u32>; 4] = [None, Some(0), Some(SUPPORTED), Some(u32::MAX)];

fn ask(
    set: CommandSet,
    entry: &SubmissionEntry,
    logged: Option<u32>,
    (mode, node): (FileMode, Node),
) -> Permission {
    permission(
        Command::new(set, entry),
        logged.map(CommandEffects),
        mode,
        node,
    )
}

/// The permission of an admin command, which neither the log nor the node nor
/// the mode changes.
#[track_caller]
fn admin(entry: &SubmissionEntry) -> Permission {
    let answer = ask(ADMIN, entry, None, WAYS[0]);
    for way in WAYS {
        for logged in LOGGED {
            assert_eq!(ask(ADMIN, entry, logged, way), answer);
        }
    }
    answer
}

#[test]
fn every_admin_opcode() {
    for opcode in 0..=u8::MAX {
        let expected = match opcode {
            // Delete and create I/O queues, Asynchronous Event Request,
            // Doorbell Buffer Config.
            0x00 | 0x01 | 0x04 | 0x05 | 0x0c | 0x7c => Nobody,
            // Identify, here with CNS 00h.
            0x06 => Anyone,
            _ => Administrator,
        };
        assert_eq!(admin(&entry(opcode, |_| {})), expected, "{opcode:#x}");
    }
}

#[test]
fn every_structure_to_identify() {
    for cns in 0..=u8::MAX {
        let expected = match cns {
            0x00 | 0x01 | 0x05 | 0x06 | 0x08 => Anyone,
            _ => Administrator,
        };
        // With a controller identifier beside it.
        let entry = with_dwords(0x06, 0x0103_0000 | u32::from(cns), u32::MAX, 0);
        assert_eq!(admin(&entry), expected, "{cns:#x}");
    }
}

#[test]
fn every_feature() {
    for feature in 0..=u8::MAX {
        let expected = match feature {
            // Number of Queues, Autonomous Power State Transition, Host Memory
            // Buffer, Keep Alive Timer, Host Behavior Support.
            0x07 | 0x0c | 0x0d | 0x0f | 0x16 => Nobody,
            _ => Administrator,
        };
        for more in [0, 1 << 31, 0x7fff_ff00] {
            let cdw10 = u32::from(feature) | more;
            assert_eq!(admin(&with_dwords(0x09, cdw10, 0, 0)), expected);
            assert_eq!(admin(&with_dwords(0x0a, cdw10, 0, 0)), Administrator);
        }
    }
}

#[test]
fn every_io_opcode_that_the_log_calls_harmless() {
    for set in IO_SETS {
        for opcode in 0..=u8::MAX {
            let entry = entry(opcode, |_| {});
            let ask = |mode, node| ask(set, &entry, Some(SUPPORTED), (mode, node));

            // Fabrics, vendors', Cancel.
            let restricted = opcode >= 0x7f || opcode == 0x18;
            let for_writers = if restricted { Administrator } else { Anyone };
            let writes = match opcode {
                // Write Uncorrectable, Write Zeroes.
                0x04 | 0x08 => set == NVM || set == ZONED,
                // Delete.
                0x10 => set == KEY_VALUE,
                _ => opcode & 1 != 0,
            };
            let for_readers = if writes { Administrator } else { for_writers };
            let case = format!("{set:?} {opcode:#x}");

            assert_eq!(ask(ReadWrite, Node::Namespace), for_writers, "{case}");
            assert_eq!(ask(ReadOnly, Node::Namespace), for_readers, "{case}");
            for mode in [ReadOnly, ReadWrite] {
                assert_eq!(ask(mode, Node::Controller), Administrator, "{case}");
            }
        }
    }
}

#[test]
fn io_needs_an_administrator_if_the_log_does_not_know_it() {
    for set in IO_SETS {
        for opcode in 0..=u8::MAX {
            for logged in [None, Some(0), Some(!SUPPORTED)] {
                for way in WAYS {
                    let entry = entry(opcode, |_| {});
                    assert_eq!(ask(set, &entry, logged, way), Administrator);
                }
            }
        }
    }
}

#[test]
fn each_effect_of_a_read() {
    for bit in 1..32 {
        let entry = entry(0x02, |_| {});
        let logged = Some(SUPPORTED | (1 << bit));
        let (for_readers, for_writers) = match bit {
            // Logical block content change.
            1 => (Administrator, Anyone),
            // Submission and execution, which no I/O command waits for; UUID
            // selection; scope.
            16..=18 | 19 | 20.. => (Anyone, Anyone),
            _ => (Administrator, Administrator),
        };
        let readers = ask(NVM, &entry, logged, (ReadOnly, Node::Namespace));
        let writers = ask(NVM, &entry, logged, (ReadWrite, Node::Namespace));
        assert_eq!((readers, writers), (for_readers, for_writers), "bit {bit}");
    }
}

proptest! {
    #[test]
    fn write_mode_never_takes_a_permission_away(
        opcode: u8,
        set in prop::sample::select(IO_SETS.to_vec()),
        logged: u32,
    ) {
        let entry = entry(opcode, |_| {});
        let readers = ask(set, &entry, Some(logged), (ReadOnly, Node::Namespace));
        let writers = ask(set, &entry, Some(logged), (ReadWrite, Node::Namespace));
        prop_assert!(writers == readers || (readers == Administrator && writers == Anyone));
    }
}
