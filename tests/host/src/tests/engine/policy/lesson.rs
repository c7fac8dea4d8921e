// SPDX-License-Identifier: GPL-2.0-only

//! What is learned from each command, and what is told of it.

use proptest::prelude::*;

use super::{entry, with_dwords, ADMIN, IO_SETS};
use crate::{
    engine::{
        policy::{lesson, lesson::Lesson, Activation, Change, Command},
        record::{CommandEffect, EffectKind, Record},
    },
    spec::{
        command::{NamespaceId, SubmissionEntry},
        completion::Status,
        feature::EventConfiguration,
    },
};

const SUCCESS: Status = Status(0);
const NOTHING: Lesson = Lesson {
    event: None,
    change: Change::Nothing,
};

fn learned(entry: &SubmissionEntry, status: Status) -> Lesson {
    lesson(Command::new(ADMIN, entry), status, 0x55)
}

/// That `kind` is told of namespace `nsid`.
fn told(kind: EffectKind, opcode: u8, nsid: u32) -> Lesson {
    Lesson {
        event: Some(CommandEffect {
            kind,
            opcode,
            nsid: NamespaceId(nsid),
            status: SUCCESS,
        }),
        ..NOTHING
    }
}

#[test]
fn every_admin_opcode_with_zero_dwords() {
    for opcode in 0..=u8::MAX {
        let expected = match opcode {
            // The namespace created is in the completion.
            0x0d => told(EffectKind::NamespaceCreated, opcode, 0x55),
            0x10 => Lesson {
                change: Change::Firmware(Activation::NotRequested),
                ..told(EffectKind::FirmwareCommitted, opcode, 3)
            },
            0x15 => told(EffectKind::NamespaceAttached, opcode, 3),
            0x80 => told(EffectKind::Formatted, opcode, 3),
            0x84 => told(EffectKind::Sanitized, opcode, 3),
            _ => NOTHING,
        };
        let entry = entry(opcode, |entry| entry.nsid = 3.into());
        assert_eq!(learned(&entry, SUCCESS), expected, "{opcode:#x}");
        // More, and Do Not Retry, with Invalid Field.
        assert_eq!(learned(&entry, Status(0x6002)), NOTHING, "{opcode:#x}");
    }
}

#[test]
fn every_feature() {
    for feature in 0..=u8::MAX {
        let set = with_dwords(0x09, feature.into(), 0x31f, 0);
        let get = with_dwords(0x0a, feature.into(), 0x31f, 0);
        let expected = if feature == 0x0b {
            Lesson {
                change: Change::EventConfiguration(EventConfiguration(0x31f)),
                ..NOTHING
            }
        } else {
            NOTHING
        };
        assert_eq!(learned(&set, SUCCESS), expected, "{feature:#x}");
        assert_eq!(learned(&set, Status(0x10e)), NOTHING, "{feature:#x}");
        assert_eq!(learned(&get, SUCCESS), NOTHING, "{feature:#x}");
    }
}

#[test]
fn operations_on_namespaces() {
    let table = [
        (0x0d, 0, Some((EffectKind::NamespaceCreated, 0x55))),
        (0x0d, 1, Some((EffectKind::NamespaceDeleted, u32::MAX))),
        (0x0d, 2, None),
        (0x15, 0, Some((EffectKind::NamespaceAttached, u32::MAX))),
        (0x15, 1, Some((EffectKind::NamespaceDetached, u32::MAX))),
        (0x15, 0xf, None),
    ];
    for (opcode, select, expected) in table {
        let entry = entry(opcode, |entry| {
            entry.nsid = u32::MAX.into();
            entry.cdw10 = (0xffff_fff0 | select).into();
        });
        let expected = expected.map_or(NOTHING, |(kind, nsid)| told(kind, opcode, nsid));
        assert_eq!(learned(&entry, SUCCESS), expected, "{opcode:#x} {select}");
    }
}

#[test]
fn every_commit_action() {
    use Activation::*;

    let by_action = [
        NotRequested,
        ControllerReset,
        ControllerReset,
        Done,
        NotRequested,
        NotRequested,
        NotRequested,
        NotRequested,
    ];
    for (action, expected) in (0..8_u32).zip(by_action) {
        // Into slot 7.
        let entry = with_dwords(0x10, 0xffff_ffc7 | (action << 3), 0, 0);
        let table = [
            (Status(0), Some(expected)),
            // Some statuses say what is missing; here with Do Not Retry.
            (Status(0x410b), Some(ConventionalReset)),
            (Status(0x110), Some(SubsystemReset)),
            (Status(0x111), Some(ControllerReset)),
            // Invalid slot, invalid image, maximum time violation, prohibited.
            (Status(0x106), None),
            (Status(0x107), None),
            (Status(0x112), None),
            (Status(0x113), None),
        ];
        for (status, activation) in table {
            let lesson = learned(&entry, status);
            let change = activation.map_or(Change::Nothing, Change::Firmware);
            assert_eq!(lesson.change, change, "{action} {status:?}");
            let kind = lesson.event.map(|event| (event.kind, event.status));
            let expected = activation.map(|_| (EffectKind::FirmwareCommitted, status));
            assert_eq!(kind, expected, "{action} {status:?}");
        }
    }
}

#[test]
fn records_say_what_the_command_did() {
    let table = [
        (EffectKind::Formatted, 0x80, 1, 0, 0x8000_0100, 0x2000),
        (
            EffectKind::NamespaceCreated,
            0x0d,
            2,
            0,
            0x0d00_0200,
            0x2000,
        ),
        (
            EffectKind::NamespaceDeleted,
            0x0d,
            u32::MAX,
            0,
            0x0d00_0300,
            0x2000,
        ),
        (
            EffectKind::NamespaceAttached,
            0x15,
            3,
            0,
            0x1500_0400,
            0x2000,
        ),
        (
            EffectKind::NamespaceDetached,
            0x15,
            3,
            0,
            0x1500_0500,
            0x2000,
        ),
        (
            EffectKind::FirmwareCommitted,
            0x10,
            0,
            0x4110,
            0x1000_0600,
            0x8220_2000,
        ),
        (EffectKind::Sanitized, 0x84, 0, 0, 0x8400_0700, 0x2000),
    ];
    for (kind, opcode, nsid, status, dw0, dw3) in table {
        let effect = CommandEffect {
            kind,
            opcode,
            nsid: NamespaceId(nsid),
            status: Status(status),
        };
        let expected = Record {
            dw0,
            dw1: nsid,
            dw2: 0,
            dw3,
        };
        let record = Record::command_effect(effect);
        assert_eq!(record, expected, "{kind:?}");
        assert_eq!(record.controller_event(), None, "{kind:?}");
    }
}

proptest! {
    #[test]
    fn nothing_is_learned_from_io(
        set in prop::sample::select(IO_SETS.to_vec()),
        opcode: u8,
        cdw10: u32,
        status in 0..0x8000_u16,
        result: u32,
    ) {
        let entry = with_dwords(opcode, cdw10, 0, 0);
        let command = Command::new(set, &entry);
        prop_assert_eq!(lesson(command, Status(status), result), NOTHING);
    }
}
