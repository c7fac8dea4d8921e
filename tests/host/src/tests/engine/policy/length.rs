// SPDX-License-Identifier: GPL-2.0-only

//! Every opcode, feature and structure, and the arithmetic at its ends.

use proptest::prelude::*;
use zerocopy::FromBytes;

use super::{entry, with_dwords, ADMIN, IO_SETS, KEY_VALUE, NVM, UNKNOWN_SET, ZONED};
use crate::{
    engine::policy::{implied, Command, CommandSet, Implied},
    spec::{
        command::SubmissionEntry,
        namespace::{CommandSetId, Format, MetadataPlace},
    },
};

const UNKNOWN: Implied = Implied::Unknown;

fn data(bytes: u64) -> Implied {
    both(bytes, 0)
}

fn both(data_bytes: u64, metadata_bytes: u64) -> Implied {
    Implied::Known {
        data_bytes,
        metadata_bytes,
    }
}

fn length(set: CommandSet, entry: &SubmissionEntry) -> Implied {
    implied(Command::new(set, entry), None)
}

#[test]
fn every_admin_opcode_with_zero_dwords() {
    for opcode in 0..=u8::MAX {
        let expected = match opcode {
            // Get Log Page, Firmware Image Download, Get LBA Status.
            0x02 | 0x11 | 0x86 => data(4),
            // Identify, Namespace Management, Namespace Attachment.
            0x06 | 0x0d | 0x15 => data(4096),
            // Security Send and Receive.
            0x81 | 0x82 => data(0),
            // Those of the specification that say so in their opcode. Any other
            // one may transfer something, whatever it says: vendors' do.
            0x00 | 0x04 | 0x08 | 0x0c | 0x10 | 0x14 | 0x18 | 0x1c | 0x20 | 0x24 | 0x80 | 0x84 => {
                data(0)
            }
            _ => UNKNOWN,
        };
        assert_eq!(
            length(ADMIN, &entry(opcode, |_| {})),
            expected,
            "{opcode:#x}"
        );
    }
}

#[test]
fn every_io_opcode_with_zero_dwords() {
    for opcode in 0..=u8::MAX {
        // Reservation Register, Report, Acquire, Release; I/O Management
        // Receive and Send.
        let common = match opcode {
            0x0d | 0x11 => data(16),
            0x0e => data(4),
            0x15 => data(8),
            0x12 | 0x1d => data(0),
            // Flush, Cancel.
            0x00 | 0x18 => data(0),
            _ => UNKNOWN,
        };
        let blocks = match opcode {
            // Write, Read, Compare: the format is not known.
            0x01 | 0x02 | 0x05 => UNKNOWN,
            // Dataset Management: one range.
            0x09 => data(16),
            // Copy: one source.
            0x19 => data(32),
            // Write Uncorrectable, Write Zeroes, Verify.
            0x04 | 0x08 | 0x0c => data(0),
            _ => common,
        };
        let zoned = match opcode {
            // Zone Management Receive.
            0x7a => data(4),
            // Zone Management Send with a reserved action, Zone Append.
            0x79 | 0x7d => UNKNOWN,
            _ => blocks,
        };
        let key_value = match opcode {
            // Store, Retrieve, List.
            0x01 | 0x02 | 0x06 => data(0),
            // Delete, Exist.
            0x10 | 0x14 => data(0),
            _ => common,
        };
        let table = [
            (NVM, blocks),
            (ZONED, zoned),
            (KEY_VALUE, key_value),
            (UNKNOWN_SET, common),
        ];
        for (set, expected) in table {
            let case = format!("{set:?} {opcode:#x}");
            assert_eq!(length(set, &entry(opcode, |_| {})), expected, "{case}");
        }
    }
}

#[test]
fn every_structure_to_identify() {
    for cns in 0..=u8::MAX {
        let entry = with_dwords(0x06, u32::from(cns) | 0xffff_0000, u32::MAX, u32::MAX);
        assert_eq!(length(ADMIN, &entry), data(4096), "{cns:#x}");
    }
}

#[test]
fn every_feature() {
    for feature in 0..=u8::MAX {
        // Set, get.
        let (set, get) = match feature {
            0x03 => (data(4096), data(4096)),
            0x0c => (data(256), data(256)),
            0x0d => (data(0), data(4096)),
            0x0e => (data(8), data(8)),
            0x13 => (data(512), data(512)),
            0x16 => (data(512), data(512)),
            0x7d..=0x7f => (data(4096), data(4096)),
            0x81 => (data(8), data(8)),
            // Placement events: none asked for.
            0x1e => (data(0), data(0)),
            0x01..=0x1a | 0x1d | 0x20 | 0x80..=0x84 => (data(0), data(0)),
            // Reserved, later, or of a vendor.
            _ => (UNKNOWN, UNKNOWN),
        };
        let length = |opcode, select: u32| {
            let cdw10 = u32::from(feature) | (select << 8);
            length(ADMIN, &with_dwords(opcode, cdw10, 0, 0))
        };
        assert_eq!(length(0x09, 0), set, "set {feature:#x}");
        // Current, default and saved values.
        for select in [0, 1, 2] {
            assert_eq!(length(0x0a, select), get, "get {feature:#x}");
        }
        assert_eq!(length(0x0a, 3), data(0), "capabilities of {feature:#x}");
    }
}

#[test]
fn admin_commands_by_their_dwords() {
    let max = u32::MAX;
    let dwords_32 = data(4 << 32);
    // Opcode, command dwords 10 to 12.
    let table = [
        // Get Log Page: 128 dwords, 65,537 dwords, all of them.
        (0x02, 0x007f_0002, 0, max, data(512)),
        (0x02, 0x0000_8001, 0xffff_0001, 0, data(0x4_0004)),
        (0x02, max, max, max, dwords_32),
        // Set Features, Get Features: an extended host identifier.
        (0x09, 0x81, 1, 0, data(16)),
        (0x0a, 0x81, max, 0, data(16)),
        (0x0a, 0x81, max & !1, 0, data(8)),
        // Placement events, 255 and 3 of them.
        (0x09, 0x1e, 0x00ff_0000, 0, data(255)),
        (0x0a, 0x1e, 0x0003_ffff, 0, data(6)),
        (0x0a, 0x1e, max, 0, data(510)),
        // Namespace Management: create, delete, reserved.
        (0x0d, 0xffff_fff0, 0, 0, data(4096)),
        (0x0d, 1, 0, 0, data(0)),
        (0x0d, 2, 0, 0, UNKNOWN),
        // Firmware Commit.
        (0x10, max, max, max, data(0)),
        // Firmware Image Download.
        (0x11, 0x3ff, max, max, data(4096)),
        (0x11, max, 0, 0, dwords_32),
        // Namespace Attachment: attach, detach, reserved.
        (0x15, 0, max, max, data(4096)),
        (0x15, 1, 0, 0, data(4096)),
        (0x15, 2, 0, 0, UNKNOWN),
        // Directive Send: enable; streams: release one, release all; other.
        (0x19, max, 0x0001, max, data(0)),
        (0x19, max, 0x0101, max, data(0)),
        (0x19, max, 0x0102, max, data(0)),
        (0x19, 7, 0x0103, 0, UNKNOWN),
        (0x19, 7, 0x0201, 0, UNKNOWN),
        // Directive Receive: parameters; streams: parameters, status, allocate.
        (0x1a, 0x3ff, 0xffff_0001, 0, data(4096)),
        (0x1a, 7, 0x0101, 0, data(32)),
        (0x1a, max, 0x0102, 0, dwords_32),
        (0x1a, max, 0x0103, 0, data(0)),
        (0x1a, 7, 0x0104, 0, UNKNOWN),
        // Security Send, Security Receive.
        (0x81, 0, 513, 0, data(513)),
        (0x82, 0, max, 0, data(0xffff_ffff)),
        // Get LBA Status.
        (0x86, 0, 0, 0x3ff, data(4096)),
        (0x86, 0, 0, max, dwords_32),
    ];
    for (opcode, cdw10, cdw11, cdw12, expected) in table {
        let entry = with_dwords(opcode, cdw10, cdw11, cdw12);
        assert_eq!(length(ADMIN, &entry), expected, "{entry:?}");
    }
}

#[test]
fn io_commands_by_their_dwords() {
    let max = u32::MAX;
    let dwords_32 = data(4 << 32);
    let table = [
        // Dataset Management: 256 ranges.
        (NVM, 0x09, max, max, max, data(4096)),
        (ZONED, 0x09, 1, max, max, data(32)),
        // Copy: formats 0 to 4, with one and with 256 sources.
        (NVM, 0x19, max, max, 0xffff_f0ff, data(8192)),
        (NVM, 0x19, 0, 0, 0x0100, data(40)),
        (NVM, 0x19, 0, 0, 0x01ff, data(10240)),
        (NVM, 0x19, 0, 0, 0x02ff, data(8192)),
        (ZONED, 0x19, 0, 0, 0x0300, data(40)),
        (NVM, 0x19, 0, 0, 0x0400, UNKNOWN),
        // Reservation Report.
        (KEY_VALUE, 0x0e, 0x3ff, max, max, data(4096)),
        (NVM, 0x0e, max, 0, 0, dwords_32),
        // I/O Management Receive: status of reclaim unit handles; other.
        (NVM, 0x12, 0x0000_0001, 0x3ff, 0, data(4096)),
        (NVM, 0x12, 0xffff_ff01, max, 0, dwords_32),
        (NVM, 0x12, 2, 0, 0, UNKNOWN),
        // I/O Management Send: update of reclaim unit handles; other.
        (NVM, 0x1d, 0x0000_0001, max, max, data(2)),
        (NVM, 0x1d, 0xffff_ff01, 0, 0, data(0x2_0000)),
        (NVM, 0x1d, 0xffff_0002, 0, 0, UNKNOWN),
        // Zone Management Receive.
        (ZONED, 0x7a, 0, 0, 0x3ff, data(4096)),
        (ZONED, 0x7a, 0, 0, max, dwords_32),
        // Zone commands mean nothing elsewhere.
        (NVM, 0x7a, 0, 0, 0x3ff, UNKNOWN),
        // Store, Retrieve, List.
        (KEY_VALUE, 0x01, 5, 0, 0, data(5)),
        (KEY_VALUE, 0x02, max, 0, 0, data(0xffff_ffff)),
        (KEY_VALUE, 0x06, 4096, 0, 0, data(4096)),
    ];
    for (set, opcode, cdw10, cdw11, cdw12, expected) in table {
        let entry = with_dwords(opcode, cdw10, cdw11, cdw12);
        assert_eq!(length(set, &entry), expected, "{set:?} {entry:?}");
    }
}

#[test]
fn every_zone_send_action() {
    for action in 0..=u8::MAX {
        let expected = match action {
            1..=5 | 0x11 => data(0),
            _ => UNKNOWN,
        };
        // Select All beside it.
        let entry = entry(0x79, |entry| {
            entry.cdw13 = (0x100 | u32::from(action)).into()
        });
        assert_eq!(length(ZONED, &entry), expected, "{action:#x}");
    }
}

fn format(lba_shift: u32, metadata_bytes: u32, protection_bytes: u32) -> Format {
    Format {
        lba_shift,
        metadata_bytes,
        metadata: MetadataPlace::Separate,
        protection_bytes,
    }
}

fn extended(format: Format) -> Format {
    Format {
        metadata: MetadataPlace::Extended,
        ..format
    }
}

#[test]
fn logical_blocks_by_their_format() {
    let action = 1 << 29;
    // Protection checks, limited retry, force unit access: no matter.
    let others = 0xdfff_0000;
    let table = [
        // Format, command dword 12, length.
        (format(9, 0, 0), 0, data(512)),
        (format(12, 0, 0), 0xffff, data(0x1000_0000)),
        (format(12, 0, 0), others | action | 7, data(32768)),
        // Metadata that is not protection information is always transferred.
        (format(9, 8, 0), 3, both(2048, 32)),
        (format(9, 8, 0), action | 3, both(2048, 32)),
        (extended(format(9, 8, 0)), action | 3, data(2080)),
        // All of the metadata is protection information.
        (format(9, 8, 8), others | 3, both(2048, 32)),
        (format(9, 8, 8), action | 3, data(2048)),
        (extended(format(9, 8, 8)), others | 3, data(2080)),
        (extended(format(9, 8, 8)), action | 3, data(2048)),
        (format(12, 16, 16), action, data(4096)),
        (extended(format(12, 16, 16)), action, data(4096)),
        // Some of it is.
        (format(12, 16, 8), action, both(4096, 16)),
        (extended(format(12, 64, 16)), action | 1, data(8320)),
        // The largest of all.
        (
            extended(format(31, u32::MAX, 0)),
            u32::MAX,
            data(0x1_0000 * (0x8000_0000 + 0xffff_ffff)),
        ),
    ];
    let commands = [
        (NVM, 0x01),
        (NVM, 0x02),
        (NVM, 0x05),
        (ZONED, 0x01),
        (ZONED, 0x02),
        (ZONED, 0x05),
        (ZONED, 0x7d),
    ];
    for (format, cdw12, expected) in table {
        for (set, opcode) in commands {
            let entry = with_dwords(opcode, u32::MAX, u32::MAX, cdw12);
            let length = implied(Command::new(set, &entry), Some(format));
            assert_eq!(
                length, expected,
                "{set:?} {opcode:#x} {format:?} {cdw12:#x}"
            );
        }
    }
    // Verify, Write Zeroes, Write Uncorrectable, Flush name blocks only.
    for opcode in [0x0c, 0x08, 0x04, 0x00] {
        let entry = with_dwords(opcode, 0, 0, 0xffff);
        let command = Command::new(NVM, &entry);
        assert_eq!(implied(command, Some(format(12, 8, 8))), data(0));
    }
}

fn any_format() -> impl Strategy<Value = Format> {
    let place = prop_oneof![Just(MetadataPlace::Separate), Just(MetadataPlace::Extended)];
    (9..=31_u32, any::<u32>(), any::<u32>(), place).prop_map(
        |(lba_shift, metadata_bytes, protection_bytes, metadata)| Format {
            lba_shift,
            metadata_bytes,
            metadata,
            protection_bytes,
        },
    )
}

proptest! {
    #[test]
    fn no_entry_overflows(
        bytes: [u8; 64],
        set in 0..=255_u8,
        format in prop::option::of(any_format()),
    ) {
        let entry = SubmissionEntry::read_from_bytes(&bytes).unwrap();
        let sets = [ADMIN, CommandSet::Io(CommandSetId(set)), IO_SETS[usize::from(set) % 4]];
        for set in sets {
            let command = Command::new(set, &entry);
            if let Implied::Known { data_bytes, metadata_bytes } = implied(command, format) {
                prop_assert!(data_bytes < 1 << 49 && metadata_bytes <= 1 << 48);
            }
        }
    }

    #[test]
    fn blocks_are_counted_exactly(blocks in 1..=65536_u32, action: bool, format in any_format()) {
        let cdw12 = (blocks - 1) | (u32::from(action) << 29);
        let entry = with_dwords(0x02, 0, 0, cdw12);
        let Implied::Known { data_bytes, metadata_bytes } =
            implied(Command::new(NVM, &entry), Some(format))
        else {
            return Err(TestCaseError::fail("unknown"));
        };
        let stripped = action && format.metadata_bytes == format.protection_bytes;
        let metadata = if stripped { 0 } else { u128::from(format.metadata_bytes) };
        let all = u128::from(blocks) * ((1 << format.lba_shift) + metadata);
        prop_assert_eq!(u128::from(data_bytes) + u128::from(metadata_bytes), all);
        prop_assert!(format.metadata == MetadataPlace::Separate || metadata_bytes == 0);
    }
}
