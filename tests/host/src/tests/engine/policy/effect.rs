// SPDX-License-Identifier: GPL-2.0-only

//! What commands disturb, with and without a log of their effects.

use proptest::prelude::*;

use super::{entry, with_dwords, ADMIN, IO_SETS};
use crate::{
    engine::policy::{
        concerns_driver, effect, effect::Effect, Aftermath, Command, CommandSet, Knowledge, Quiesce,
    },
    spec::{
        command::{NamespaceId, SubmissionEntry},
        effects::CommandEffects,
    },
};

use Knowledge::{Stale, Valid};

fn of(set: CommandSet, entry: &SubmissionEntry, logged: Option<u32>) -> Effect {
    effect(Command::new(set, entry), logged.map(CommandEffects))
}

fn is(before: Quiesce, controller: Knowledge, namespaces: Knowledge) -> Effect {
    Effect {
        before,
        after: Aftermath {
            controller,
            namespaces,
        },
    }
}

#[test]
fn every_admin_opcode_without_a_log() {
    for opcode in 0..=u8::MAX {
        let expected = match opcode {
            // Namespace Management, Namespace Attachment, Capacity Management.
            0x0d | 0x15 | 0x20 => is(Quiesce::Nothing, Valid, Stale),
            // Format NVM.
            0x80 => is(Quiesce::All, Valid, Stale),
            // Sanitize.
            0x84 => is(Quiesce::All, Valid, Valid),
            _ => is(Quiesce::Nothing, Valid, Valid),
        };
        for logged in [None, Some(0), Some(1)] {
            let entry = entry(opcode, |_| {});
            assert_eq!(of(ADMIN, &entry, logged), expected, "{opcode:#x}");
        }
    }
}

/// What may be sent without a look at what it changes.
#[test]
fn few_commands_concern_the_driver() {
    let concerns = |set, opcode, logged: Option<u32>| {
        let entry = entry(opcode, |_| {});
        let command = Command::new(set, &entry);
        concerns_driver(command, logged.map(CommandEffects))
    };
    for opcode in 0..=u8::MAX {
        // Set Features, namespaces, firmware, Format NVM, Sanitize.
        let expected = matches!(opcode, 0x09 | 0x0d | 0x10 | 0x15 | 0x20 | 0x80 | 0x84);
        assert_eq!(concerns(ADMIN, opcode, None), expected, "{opcode:#x}");
        assert_eq!(concerns(ADMIN, opcode, Some(1)), expected, "{opcode:#x}");
        for set in IO_SETS {
            assert!(!concerns(set, opcode, Some(1)), "{opcode:#x}");
        }
    }
    // One that the controller says is to be alone.
    assert!(concerns(ADMIN, 0xc1, Some(1 | (2 << 16))));
}

#[test]
fn every_feature_without_a_log() {
    for feature in 0..=u8::MAX {
        let set = with_dwords(0x09, feature.into(), 0, 0);
        let get = with_dwords(0x0a, feature.into(), 0, 0);
        let nothing = is(Quiesce::Nothing, Valid, Valid);
        // I/O Command Set Profile.
        let expected = if feature == 0x19 {
            is(Quiesce::Nothing, Stale, Stale)
        } else {
            nothing
        };
        assert_eq!(of(ADMIN, &set, None), expected, "{feature:#x}");
        assert_eq!(of(ADMIN, &get, None), nothing, "{feature:#x}");
    }
}

#[test]
fn what_the_log_says_of_an_admin_command() {
    let namespace = Quiesce::Namespace(NamespaceId(7));
    // Effects, namespace of the command, what follows.
    let table = [
        // Logical block content, UUID selection, scope: nothing.
        (0xfff8_0003, 7, is(Quiesce::Nothing, Valid, Valid)),
        // Namespace capability, namespace inventory, controller capability.
        (0x0000_0005, 7, is(Quiesce::Nothing, Valid, Stale)),
        (0x0000_0009, 7, is(Quiesce::Nothing, Valid, Stale)),
        (0x0000_0011, 7, is(Quiesce::Nothing, Stale, Valid)),
        // Alone in its namespace.
        (0x0001_0001, 7, is(namespace, Valid, Valid)),
        (0x0001_0001, 0, is(Quiesce::All, Valid, Valid)),
        (0x0001_0001, u32::MAX, is(Quiesce::All, Valid, Valid)),
        // Alone, and values of the future.
        (0x0002_0001, 7, is(Quiesce::All, Valid, Valid)),
        (0x0003_0001, 7, is(Quiesce::All, Valid, Valid)),
        (0x0007_0001, 7, is(Quiesce::All, Valid, Valid)),
        // The restriction is relaxed.
        (0x0002_4001, 7, is(Quiesce::Nothing, Valid, Valid)),
        (0x0001_8001, 7, is(Quiesce::Nothing, Valid, Valid)),
        (0x0007_c01d, 7, is(Quiesce::Nothing, Stale, Stale)),
    ];
    for (logged, nsid, expected) in table {
        // A command of a vendor.
        let entry = entry(0xc1, |entry| entry.nsid = nsid.into());
        assert_eq!(of(ADMIN, &entry, Some(logged)), expected, "{logged:#x}");
    }
}

#[test]
fn format_and_sanitize_have_the_controller_to_themselves_whatever_the_log_says() {
    for logged in [0, 0x0001_0001, 0x0002_0001, 0x0001_4001, 0x0000_c001] {
        for opcode in [0x80, 0x84] {
            let entry = entry(opcode, |entry| entry.nsid = 1.into());
            let effect = of(ADMIN, &entry, Some(logged));
            assert_eq!(effect.before, Quiesce::All, "{opcode:#x} {logged:#x}");
        }
    }
}

#[test]
fn nothing_waits_for_security_receive() {
    let entry = entry(0x82, |_| {});
    for execution in 0..8 {
        let logged = 0x11 | (execution << 16);
        let expected = is(Quiesce::Nothing, Stale, Valid);
        assert_eq!(of(ADMIN, &entry, Some(logged)), expected);
    }
}

proptest! {
    #[test]
    fn io_never_waits_for_io(
        set in prop::sample::select(IO_SETS.to_vec()),
        opcode: u8,
        logged: u32,
        nsid: u32,
    ) {
        let entry = entry(opcode, |entry| entry.nsid = nsid.into());
        let effect = of(set, &entry, Some(logged));
        let stale = |bits| if logged & bits != 0 { Stale } else { Valid };
        prop_assert_eq!(effect, is(Quiesce::Nothing, stale(0x10), stale(0x0c)));
    }
}
