// SPDX-License-Identifier: GPL-2.0-only

//! How much data there was, by what the structures say of themselves.

use proptest::prelude::*;

use super::{entry, with_dwords, ADMIN, IO_SETS, KEY_VALUE, NVM, ZONED};
use crate::{
    engine::policy::{
        extent::{Received, HEAD_BYTES},
        extent_bytes, page_length, Command, CommandSet,
    },
    spec::command::SubmissionEntry,
    tests::identify,
};

/// So much was transferred where nothing else is said.
const TRANSFERRED: u64 = 0x1234;

fn extent(set: CommandSet, entry: &SubmissionEntry, head: &[u8]) -> u64 {
    let controller = identify(|identify| identify.elpe = 3);
    let command = Command::new(set, entry);
    let received = Received {
        dw0: 0x5678,
        transferred_bytes: TRANSFERRED,
        head,
        page: page_length(command, Some(&controller)),
    };
    extent_bytes(command, received)
}

fn log_page(page: u32, offset: u64, head: &[u8]) -> u64 {
    let read = entry(0x02, |entry| {
        entry.cdw10 = (0x03ff_8000 | page).into();
        entry.cdw12 = (offset as u32).into();
        entry.cdw13 = ((offset >> 32) as u32).into();
    });
    extent(ADMIN, &read, head)
}

/// Zeros but for `parts`.
fn head(parts: &[(usize, &[u8])]) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    for (offset, part) in parts {
        head[*offset..*offset + part.len()].copy_from_slice(part);
    }
    head
}

#[test]
fn most_commands_give_what_they_transfer() {
    let zeros = head(&[]);
    for opcode in 0..=u8::MAX {
        let zero = entry(opcode, |_| {});
        if opcode != 0x02 {
            assert_eq!(extent(ADMIN, &zero, &zeros), TRANSFERRED, "{opcode:#x}");
        }
        for set in IO_SETS {
            let own = match opcode {
                0x0e => true,
                0x02 => set == KEY_VALUE,
                0x7a => set == ZONED,
                _ => false,
            };
            assert_eq!(
                extent(set, &zero, &zeros) == TRANSFERRED,
                !own,
                "{opcode:#x}"
            );
        }
    }
}

#[test]
fn log_pages_have_the_length_of_the_specification() {
    let fixed = [
        // Four entries.
        (0x01, 256),
        (0x02, 512),
        (0x03, 512),
        (0x04, 4096),
        (0x05, 4096),
        (0x06, 564),
        (0x1c, 4096),
        (0x80, 64),
        (0x81, 512),
        (0xbf, 4096),
    ];
    for page in 0..=0xff {
        let known = fixed.iter().find(|(fixed, _)| *fixed == page);
        if matches!(page, 0x07 | 0x08 | 0x0b | 0x0d | 0x0e | 0x0f) {
            continue;
        }
        let expected = known.map_or(TRANSFERRED, |(_, bytes)| *bytes);
        assert_eq!(log_page(page, 0, &head(&[])), expected, "{page:#x}");
    }
    assert_eq!(log_page(0x02, 4, &[]), 508);
    assert_eq!(log_page(0x02, 512, &[]), 0);
    assert_eq!(log_page(0x02, 516, &[]), 0);
    assert_eq!(log_page(0x05, u64::MAX - 3, &[]), 0);
}

#[test]
fn log_pages_have_the_length_of_their_header() {
    let telemetry = head(&[(12, &[9, 0])]);
    for page in [0x07, 0x08] {
        assert_eq!(log_page(page, 0, &telemetry), 10 * 512);
        // Not from its beginning, or not enough of it.
        assert_eq!(log_page(page, 4, &telemetry), TRANSFERRED);
        assert_eq!(log_page(page, 0, &telemetry[..511]), TRANSFERRED);
    }
    for page in [0x0b, 0x0f] {
        assert_eq!(log_page(page, 0, &head(&[(0, &[5])])), 8 + 12);
    }
    assert_eq!(log_page(0x0d, 0, &head(&[(8, &[0, 4])])), 1024);
    assert_eq!(log_page(0x0e, 0, &head(&[(0, &[48])])), 48);
}

#[test]
fn an_index_is_no_offset() {
    let read = entry(0x02, |entry| {
        entry.cdw10 = 0x02.into();
        entry.cdw12 = 4.into();
        entry.cdw14 = (1 << 23).into();
    });
    assert_eq!(extent(ADMIN, &read, &[]), TRANSFERRED);
}

#[test]
fn of_an_unknown_controller_the_error_log_has_no_length() {
    let read = with_dwords(0x02, 0x01, 0, 0);
    let command = Command::new(ADMIN, &read);
    let received = Received {
        dw0: 0,
        transferred_bytes: TRANSFERRED,
        head: &[],
        page: page_length(command, None),
    };
    assert_eq!(extent_bytes(command, received), TRANSFERRED);
}

#[test]
fn reports_count_what_is_in_them() {
    let registrants = head(&[(5, &[2, 1])]);
    let short = with_dwords(0x0e, 0, 0, 0);
    assert_eq!(extent(NVM, &short, &registrants), 24 + 258 * 24);
    let extended = with_dwords(0x0e, 0, 1, 0);
    assert_eq!(extent(NVM, &extended, &registrants), 64 + 258 * 64);
    assert_eq!(extent(NVM, &short, &registrants[..23]), TRANSFERRED);

    let zones = head(&[(0, &[3])]);
    let report = |action: u32| entry(0x7a, |entry| entry.cdw13 = action.into());
    assert_eq!(extent(ZONED, &report(0), &zones), 64 + 3 * 64);
    assert_eq!(extent(ZONED, &report(1 << 16), &zones), 64 + 3 * 64);
    assert_eq!(extent(ZONED, &report(1), &zones), TRANSFERRED);
    assert_eq!(extent(ZONED, &report(0), &zones[..63]), TRANSFERRED);
    assert_eq!(
        extent(ZONED, &report(0), &head(&[(0, &[0xff; 8])])),
        u64::MAX
    );
}

#[test]
fn a_value_has_the_length_of_the_completion() {
    assert_eq!(extent(KEY_VALUE, &with_dwords(0x02, 16, 0, 0), &[]), 0x5678);
}

proptest! {
    #[test]
    fn no_data_is_too_strange(
        opcode in any::<u8>(), dwords in any::<[u32; 6]>(), head in prop::collection::vec(any::<u8>(), 0..=HEAD_BYTES),
    ) {
        let entry = entry(opcode, |entry| {
            entry.cdw10 = dwords[0].into();
            entry.cdw11 = dwords[1].into();
            entry.cdw12 = dwords[2].into();
            entry.cdw13 = dwords[3].into();
            entry.cdw14 = dwords[4].into();
        });
        for set in [ADMIN, NVM, KEY_VALUE, ZONED] {
            extent(set, &entry, &head);
        }
    }
}
