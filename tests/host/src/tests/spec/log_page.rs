// SPDX-License-Identifier: GPL-2.0-only

use proptest::prelude::*;

use crate::{
    spec::log_page::{GroupList, Header, LogPageId, PageLength},
    tests::identify,
};

/// Pages whose length the header tells.
const HEADERS: [Header; 4] = [
    Header::Telemetry,
    Header::LbaStatus,
    Header::PersistentEvent,
    Header::Aggregate,
];

/// Every length is one of whole dwords; this is where they saturate.
const LONGEST: u32 = 0xffff_fffc;

/// A header of `length` bytes, zero but for `parts`.
fn header(length: usize, parts: &[(usize, &[u8])]) -> Vec<u8> {
    let mut header = vec![0; length];
    for (offset, part) in parts {
        header[*offset..*offset + part.len()].copy_from_slice(part);
    }
    header
}

#[test]
fn pages_have_the_lengths_of_the_specification() {
    let controller = identify(|identify| identify.elpe = 63);
    let table = [
        (LogPageId::ERROR_INFORMATION, PageLength::Bytes(64 * 64)),
        // SMART, firmware slots, sanitize status, vendor specific.
        (LogPageId(0x02), PageLength::Bytes(512)),
        (LogPageId::FIRMWARE_SLOT, PageLength::Bytes(512)),
        (LogPageId(0x81), PageLength::Bytes(512)),
        (LogPageId(0xc0), PageLength::Bytes(512)),
        (LogPageId::CHANGED_NAMESPACE_LIST, PageLength::Bytes(4096)),
        (LogPageId::CHANGED_ZONE_LIST, PageLength::Bytes(4096)),
        (
            LogPageId::CHANGED_ALLOCATED_NAMESPACE_LIST,
            PageLength::Bytes(4096),
        ),
        (LogPageId::ASYMMETRIC_NAMESPACE_ACCESS, PageLength::Groups),
        (LogPageId::REACHABILITY_GROUPS, PageLength::Groups),
        (LogPageId::REACHABILITY_ASSOCIATIONS, PageLength::Groups),
        (
            LogPageId::TELEMETRY_CONTROLLER_INITIATED,
            PageLength::InHeader(Header::Telemetry),
        ),
        (
            LogPageId::LBA_STATUS,
            PageLength::InHeader(Header::LbaStatus),
        ),
        (
            LogPageId::PREDICTABLE_LATENCY_AGGREGATE,
            PageLength::InHeader(Header::Aggregate),
        ),
        (
            LogPageId::ENDURANCE_GROUP_AGGREGATE,
            PageLength::InHeader(Header::Aggregate),
        ),
        (
            LogPageId::RESERVATION_NOTIFICATION,
            PageLength::Queue {
                entry_bytes: 64,
                available_at: 9,
            },
        ),
    ];
    for (page, length) in table {
        assert_eq!(page.length(&controller), length, "{page:?}");
    }
}

#[test]
fn pages_have_the_numbers_of_the_specification() {
    let table = [
        (LogPageId::ERROR_INFORMATION, 0x01),
        (LogPageId::CHANGED_NAMESPACE_LIST, 0x04),
        (LogPageId::TELEMETRY_CONTROLLER_INITIATED, 0x08),
        (LogPageId::PREDICTABLE_LATENCY_AGGREGATE, 0x0b),
        (LogPageId::ASYMMETRIC_NAMESPACE_ACCESS, 0x0c),
        (LogPageId::LBA_STATUS, 0x0e),
        (LogPageId::ENDURANCE_GROUP_AGGREGATE, 0x0f),
        (LogPageId::REACHABILITY_GROUPS, 0x1a),
        (LogPageId::REACHABILITY_ASSOCIATIONS, 0x1b),
        (LogPageId::CHANGED_ALLOCATED_NAMESPACE_LIST, 0x1c),
        (LogPageId::RESERVATION_NOTIFICATION, 0x80),
        (LogPageId::CHANGED_ZONE_LIST, 0xbf),
    ];
    for (page, number) in table {
        assert_eq!(page, LogPageId(number));
    }
}

#[test]
fn error_page_has_one_entry_more_than_elpe() {
    for (elpe, bytes) in [(0, 64), (3, 256), (63, 4096), (64, 4160), (255, 16384)] {
        let controller = identify(|identify| identify.elpe = elpe);
        assert_eq!(
            LogPageId::ERROR_INFORMATION.length(&controller),
            PageLength::Bytes(bytes)
        );
    }
}

/// A list of groups with so many members each.
fn group_list(groups: &[u32]) -> Vec<u8> {
    let mut page = header(16, &[(8, &(groups.len() as u16).to_le_bytes())]);
    for (number, members) in (1_u32..).zip(groups) {
        page.extend(number.to_le_bytes());
        page.extend(members.to_le_bytes());
        page.extend([0xee; 24]);
        page.extend((1..=*members).flat_map(u32::to_le_bytes));
    }
    page
}

/// What is known of `page` after each look at so many bytes of it.
fn looks(page: &[u8], length_bytes: u32) -> Vec<(Option<u32>, u32)> {
    let mut list = GroupList::new();
    let mut found = Vec::new();
    for (offset, chunk) in (0..)
        .step_by(length_bytes as usize)
        .zip(page.chunks(length_bytes as usize))
    {
        list.look(offset, length_bytes, chunk);
        found.push((list.page_bytes(), list.bytes_min()));
    }
    found
}

#[test]
fn a_list_ends_with_the_last_member_of_its_last_group() {
    let mut list = GroupList::new();
    assert_eq!((list.page_bytes(), list.bytes_min()), (None, 16));
    list.look(0, 4096, &[]);
    assert_eq!((list.page_bytes(), list.bytes_min()), (Some(16), 16));

    for groups in [&[][..], &[0], &[1], &[5, 0, 7]] {
        let page = group_list(groups);
        let length = page.len() as u32;
        assert_eq!(looks(&page, 4096), [(Some(length), length)], "{groups:?}");
    }
}

#[test]
fn a_list_is_looked_at_in_pieces() {
    // Headers at 16, 68, 100 and 144, a member list from 176 to 212.
    let page = group_list(&[5, 0, 3, 9]);
    assert_eq!(page.len(), 212);
    assert_eq!(
        looks(&page, 72),
        [(None, 76), (None, 152), (Some(212), 212)],
        "one number of members is just not there"
    );
    assert_eq!(looks(&page, 76)[0], (None, 108), "and just there");
    // Known before all of it was seen.
    assert_eq!(looks(&page, 152), [(Some(212), 212), (Some(212), 212)]);
}

#[test]
fn a_list_of_absurd_length_is_one_of_whole_dwords() {
    let page = header(64, &[(8, &[2, 0]), (20, &[0xff; 4])]);
    assert_eq!(looks(&page, 64), [(None, u32::MAX)]);
    let page = header(64, &[(8, &[1, 0]), (20, &[0xff; 4])]);
    assert_eq!(looks(&page, 64), [(Some(LONGEST), LONGEST)]);
    // As many groups as can be, all without members.
    let page = header(64, &[(8, &[0xff, 0xff])]);
    let mut list = GroupList::new();
    list.look(0, 1 << 30, &page);
    assert_eq!(list.page_bytes(), Some(16 + 32 * 65535));
}

#[test]
fn headers_tell_the_length_of_their_page() {
    let (telemetry, lba_status, aggregate) =
        (Header::Telemetry, Header::LbaStatus, Header::Aggregate);
    let events = Header::PersistentEvent;
    let table: [(Header, Vec<u8>, u32); 17] = [
        // Telemetry: no data, area 3, the larger of areas 3 and 4, the most.
        (telemetry, header(512, &[]), 512),
        (telemetry, header(512, &[(12, &[10, 0])]), 11 * 512),
        (telemetry, header(512, &[(12, &[0xff, 0xff])]), 65536 * 512),
        (
            telemetry,
            header(512, &[(12, &[10, 0]), (16, &[0, 0, 1, 0])]),
            65537 * 512,
        ),
        (
            telemetry,
            header(512, &[(12, &[10, 0]), (16, &[9, 0, 0, 0])]),
            11 * 512,
        ),
        (telemetry, header(512, &[(16, &[0xff; 4])]), LONGEST),
        // LBA status: a length in bytes, which may leave out the header or
        // end within a dword.
        (lba_status, header(16, &[]), 16),
        (lba_status, header(16, &[(0, &[17])]), 20),
        (lba_status, header(16, &[(0, &[0x20, 0x10])]), 0x1020),
        (lba_status, header(16, &[(0, &[0xff; 4])]), LONGEST),
        // Persistent events: a length of 64 bits.
        (events, header(16, &[]), 16),
        (events, header(16, &[(8, &[0, 1])]), 256),
        (events, header(16, &[(8, &[0xff; 8])]), LONGEST),
        // Aggregates: a count of identifiers of two bytes.
        (aggregate, header(8, &[]), 8),
        (aggregate, header(8, &[(0, &[1])]), 12),
        (aggregate, header(8, &[(0, &[2])]), 12),
        (aggregate, header(8, &[(0, &[0xff; 8])]), LONGEST),
    ];
    for (kind, bytes, length) in table {
        let start = &bytes[..bytes.len().min(20)];
        assert_eq!(kind.page_bytes(&bytes), length, "{kind:?} {start:x?}");
    }
}

#[test]
fn missing_header_bytes_count_as_zero() {
    for kind in HEADERS {
        assert_eq!(kind.page_bytes(&[]), kind.header_bytes(), "{kind:?}");
    }
    // Area 3 is cut in two, area 4 is not there.
    let cut = header(13, &[(12, &[3])]);
    assert_eq!(Header::Telemetry.page_bytes(&cut), 4 * 512);
    assert_eq!(Header::LbaStatus.page_bytes(&[0x00, 0x10]), 0x1000);
    assert_eq!(Header::Aggregate.page_bytes(&[0x00, 0x01, 0x00]), 520);
}

#[test]
fn headers_are_whole_dwords_that_one_read_can_transfer() {
    for (kind, bytes) in [
        (Header::Telemetry, 512),
        (Header::LbaStatus, 16),
        (Header::PersistentEvent, 16),
        (Header::Aggregate, 8),
    ] {
        assert_eq!(kind.header_bytes(), bytes);
    }
}

proptest! {
    #[test]
    fn any_header_gives_whole_dwords_and_at_least_itself(
        kind in prop::sample::select(&HEADERS[..]),
        bytes in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let length = kind.page_bytes(&bytes);
        prop_assert_eq!(length % 4, 0);
        prop_assert!(length >= kind.header_bytes());
    }

    #[test]
    fn aggregates_hold_all_their_identifiers(count: u64) {
        let length = Header::Aggregate.page_bytes(&count.to_le_bytes());
        let wanted = 8 + 2 * u128::from(count);
        let exact = u128::from(length) >= wanted && u128::from(length) < wanted + 4;
        prop_assert!(exact || length == LONGEST);
    }

    #[test]
    fn a_list_is_as_long_in_pieces_as_in_one(
        groups in prop::collection::vec(0_u32..40, 0..30),
        dwords in 4_u32..200,
    ) {
        let page = group_list(&groups);
        let length = page.len() as u32;
        prop_assert_eq!(looks(&page, 1 << 20), [(Some(length), length)]);
        let pieces = looks(&page, dwords * 4);
        prop_assert_eq!(pieces.last().copied(), Some((Some(length), length)));
        for (number, (known, least)) in (1..).zip(pieces) {
            prop_assert!(known.is_none_or(|known| known == length));
            prop_assert!(least <= length);
            // What comes next is of the page.
            prop_assert!(known.is_some() || least > number * dwords * 4);
        }
    }
}
