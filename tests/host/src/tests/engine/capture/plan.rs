// SPDX-License-Identifier: GPL-2.0-only

//! The plans by which log pages are read, from a controller that has a page and
//! returns the parts of it that are asked for.

use crate::{
    engine::capture::CapturePlan,
    spec::{
        command::{LogPageRead, NamespaceId, RetainEvent},
        log_page::LogPageId,
    },
    tests::identify,
};

use super::{
    carry_out, extended, honest, page_of, pending, plan, telemetry, SMART_HEALTH, UNLIMITED,
};

use RetainEvent::{Release, Retain};

/// Reads `page` and checks the commands, and that all of it is kept.
fn assert_read_in_full(plan: CapturePlan, page: &[u8], reads: &[(u32, u32, RetainEvent)]) {
    let reading = carry_out(plan, honest(page));
    assert_eq!(reading.reads, reads);
    assert!(reading.kept == page, "the page is kept as it is");
    assert!(reading.complete);
}

#[test]
fn a_page_of_one_chunk_is_released_by_its_only_read() {
    let controller = extended(|_| {});
    let table = [
        (SMART_HEALTH, 512),
        (LogPageId::CHANGED_NAMESPACE_LIST, 4096),
        (LogPageId::CHANGED_ZONE_LIST, 4096),
        (LogPageId(0xc3), 512),
    ];
    for (page, length) in table {
        let plan = plan(page, &controller, UNLIMITED);
        assert_read_in_full(plan, &page_of(length, &[]), &[(0, length, Release)]);
    }
}

#[test]
fn a_page_of_several_chunks_is_released_by_the_last() {
    let page = LogPageId::ERROR_INFORMATION;
    let table: [(u8, &[_]); 5] = [
        (0, &[(0, 64, Release)]),
        (63, &[(0, 4096, Release)]),
        (64, &[(0, 4096, Retain), (4096, 64, Release)]),
        (127, &[(0, 4096, Retain), (4096, 4096, Release)]),
        (
            255,
            &[
                (0, 4096, Retain),
                (4096, 4096, Retain),
                (8192, 4096, Retain),
                (12288, 4096, Release),
            ],
        ),
    ];
    for (elpe, reads) in table {
        let controller = extended(|identify| identify.elpe = elpe);
        let length = (u32::from(elpe) + 1) * 64;
        let plan = plan(page, &controller, UNLIMITED);
        assert_read_in_full(plan, &page_of(length, &[]), reads);
    }
}

/// A list of groups of so many namespaces, as long as it is.
fn group_list(groups: &[u32]) -> Vec<u8> {
    let length = 16 + groups.iter().map(|members| 32 + members * 4).sum::<u32>();
    let mut page = page_of(length, &[(8, &(groups.len() as u16).to_le_bytes())]);
    let mut at = 16;
    for members in groups {
        page[at + 4..at + 8].copy_from_slice(&members.to_le_bytes());
        at += 32 + *members as usize * 4;
    }
    page
}

/// A controller that refuses to begin to read behind the end of `page`.
fn strict(page: &[u8]) -> impl FnMut(&LogPageRead) -> Vec<u8> + '_ {
    let mut honest = honest(page);
    move |read| {
        assert!((read.offset_bytes as usize) < page.len(), "refused");
        honest(read)
    }
}

/// Whatever Identify says of how many namespaces and groups there can be.
#[test]
fn a_list_of_groups_is_read_to_its_end_and_not_beyond() {
    let controller = extended(|identify| {
        identify.nanagrpid = 128.into();
        identify.nn = (1 << 20).into();
    });
    let table: [(&[u32], &[_]); 6] = [
        (&[], &[(0, 4096, Retain), (0, 4, Release)]),
        (&[1, 0, 3], &[(0, 4096, Retain), (0, 4, Release)]),
        // Exactly a chunk, and a member more.
        (&[1012], &[(0, 4096, Retain), (0, 4, Release)]),
        (&[1013], &[(0, 4096, Retain), (4096, 4, Release)]),
        // The next group begins with the next chunk.
        (
            &[1012, 1],
            &[(0, 4096, Retain), (4096, 4096, Retain), (0, 4, Release)],
        ),
        (
            &[3000, 2, 2000],
            &[
                (0, 4096, Retain),
                (4096, 4096, Retain),
                (8192, 4096, Retain),
                (12288, 4096, Retain),
                (16384, 3736, Release),
            ],
        ),
    ];
    for (groups, reads) in table {
        let page = group_list(groups);
        let plan = plan(
            LogPageId::ASYMMETRIC_NAMESPACE_ACCESS,
            &controller,
            UNLIMITED,
        );
        let reading = carry_out(plan, strict(&page));
        assert_eq!(reading.reads, reads, "{groups:?}");
        assert!(reading.kept == page, "{groups:?}");
        assert!(reading.complete, "{groups:?}");
    }
}

#[test]
fn a_list_of_groups_that_does_not_fit_stays_latched() {
    let page = group_list(&[100, 2000]);
    for (limit_bytes, reads) in [
        (15, &[][..]),
        (4094, &[(0, 4096, Retain)]),
        (page.len() as u32 - 1, &[(0, 4096, Retain)]),
    ] {
        let plan = plan(
            LogPageId::ASYMMETRIC_NAMESPACE_ACCESS,
            &extended(|_| {}),
            limit_bytes,
        );
        let reading = carry_out(plan, strict(&page));
        assert_eq!(reading.reads, reads);
        let kept_bytes = reads.len() * 4096_usize.min(limit_bytes as usize & !3);
        assert!(reading.kept == page[..kept_bytes]);
        assert!(!reading.complete);
    }
}

#[test]
fn without_extended_data_a_list_of_groups_is_complete_if_it_is_a_chunk() {
    for (members, complete) in [(1012, true), (1013, false)] {
        let page = group_list(&[members]);
        let plan = plan(
            LogPageId::ASYMMETRIC_NAMESPACE_ACCESS,
            &identify(|_| {}),
            UNLIMITED,
        );
        let reading = carry_out(plan, strict(&page));
        assert_eq!(reading.reads.first(), Some(&(0, 4096, Retain)));
        assert_eq!(reading.reads.len() > 1, complete);
        assert!(reading.kept == page[..4096]);
        assert_eq!(reading.complete, complete);
    }
}

#[test]
fn the_page_and_namespace_of_the_event_are_read() {
    let wanted = pending(LogPageId::CHANGED_ZONE_LIST, NamespaceId(7), 1, 1);
    let plan = CapturePlan::new(wanted, &extended(|_| {}), UNLIMITED);
    let read = plan.next_read().unwrap();
    assert_eq!(
        (read.page, read.nsid),
        (LogPageId::CHANGED_ZONE_LIST, NamespaceId(7))
    );
}

#[test]
fn without_extended_data_the_first_chunk_is_the_page() {
    let controller = identify(|identify| identify.elpe = 255);
    assert_read_in_full(
        plan(LogPageId::ERROR_INFORMATION, &controller, UNLIMITED),
        &page_of(4096, &[]),
        &[(0, 4096, Release)],
    );
}

#[test]
fn without_extended_data_a_page_behind_a_header_stays_latched() {
    let controller = identify(|_| {});
    let table: [(LogPageId, u32, &[_]); 3] = [
        (
            LogPageId::TELEMETRY_CONTROLLER_INITIATED,
            512,
            &[(12, &[1, 0][..]), (16, &[0; 4])],
        ),
        (LogPageId::LBA_STATUS, 16, &[(0, &[32, 0, 0, 0][..])]),
        (
            LogPageId::ENDURANCE_GROUP_AGGREGATE,
            8,
            &[(0, &[1, 0, 0, 0, 0, 0, 0, 0][..])],
        ),
    ];
    for (id, header_bytes, header) in table {
        let page = page_of(1024, header);
        let reading = carry_out(plan(id, &controller, UNLIMITED), honest(&page));
        assert_eq!(reading.reads, [(0, header_bytes, Retain)], "{id:?}");
        assert_eq!(reading.kept, page[..header_bytes as usize], "{id:?}");
        assert!(!reading.complete, "{id:?}");
    }
}

#[test]
fn telemetry_that_fits_is_released_with_its_last_block() {
    let controller = extended(|_| {});
    let page = telemetry(10);
    let length = 11 * 512;
    // The limit just reached is not exceeded.
    for limit_bytes in [UNLIMITED, length] {
        assert_read_in_full(
            plan(
                LogPageId::TELEMETRY_CONTROLLER_INITIATED,
                &controller,
                limit_bytes,
            ),
            &page,
            &[
                (0, 512, Retain),
                (512, 4096, Retain),
                (4608, length - 4608, Release),
            ],
        );
    }
}

#[test]
fn telemetry_that_does_not_fit_stays_latched() {
    let controller = extended(|_| {});
    let page = telemetry(10);
    for limit_bytes in [0, 512, 11 * 512 - 1] {
        let plan = plan(
            LogPageId::TELEMETRY_CONTROLLER_INITIATED,
            &controller,
            limit_bytes,
        );
        let reading = carry_out(plan, honest(&page));
        assert_eq!(reading.reads, [(0, 512, Retain)], "limit {limit_bytes}");
        assert_eq!(reading.kept, page[..512]);
        assert!(!reading.complete);
    }
}

#[test]
fn a_header_that_is_the_whole_page_is_released_by_the_shortest_read() {
    let controller = extended(|_| {});
    let table = [
        (LogPageId::TELEMETRY_CONTROLLER_INITIATED, 512),
        (LogPageId::LBA_STATUS, 16),
        (LogPageId::PREDICTABLE_LATENCY_AGGREGATE, 8),
        (LogPageId::ENDURANCE_GROUP_AGGREGATE, 8),
    ];
    for (id, header_bytes) in table {
        assert_read_in_full(
            plan(id, &controller, UNLIMITED),
            &vec![0; header_bytes as usize],
            &[(0, header_bytes, Retain), (0, 4, Release)],
        );
    }
}

#[test]
fn aggregates_are_read_for_their_identifiers() {
    let controller = extended(|_| {});
    let aggregates = [
        LogPageId::PREDICTABLE_LATENCY_AGGREGATE,
        LogPageId::ENDURANCE_GROUP_AGGREGATE,
    ];
    for id in aggregates {
        let page = page_of(12, &[(0, &2_u64.to_le_bytes())]);
        assert_read_in_full(
            plan(id, &controller, UNLIMITED),
            &page,
            &[(0, 8, Retain), (8, 4, Release)],
        );
        let page = page_of(8 + 4096, &[(0, &2048_u64.to_le_bytes())]);
        assert_read_in_full(
            plan(id, &controller, UNLIMITED),
            &page,
            &[(0, 8, Retain), (8, 4096, Release)],
        );
        let page = page_of(8 + 4100, &[(0, &2050_u64.to_le_bytes())]);
        assert_read_in_full(
            plan(id, &controller, UNLIMITED),
            &page,
            &[(0, 8, Retain), (8, 4096, Retain), (4104, 4, Release)],
        );
    }
}

#[test]
fn lba_status_is_as_long_as_its_header_says() {
    let page = page_of(0x120, &[(0, &0x120_u32.to_le_bytes())]);
    assert_read_in_full(
        plan(LogPageId::LBA_STATUS, &extended(|_| {}), UNLIMITED),
        &page,
        &[(0, 16, Retain), (16, 0x110, Release)],
    );
}

#[test]
fn a_page_known_to_be_too_long_is_not_read_at_all() {
    let controller = extended(|identify| identify.elpe = 255);
    let plan = plan(LogPageId::ERROR_INFORMATION, &controller, 16 * 1024 - 1);
    let reading = carry_out(plan, |_| panic!("nothing may be read"));
    assert!(!reading.complete);
}

/// Reservation notifications, of which the first read finds `waiting` and
/// each removes one.
fn notifications(mut waiting: u32) -> impl FnMut(&LogPageRead) -> Vec<u8> {
    let mut count = 0_u8;
    move |read| {
        count = count.wrapping_add(1);
        waiting = waiting.saturating_sub(1);
        let mut entry = vec![0; read.length_bytes as usize];
        entry[0] = count;
        entry[9] = waiting.min(255) as u8;
        entry
    }
}

#[test]
fn notifications_are_read_until_none_is_left_and_all_kept() {
    // The first read is needed to see that there is none.
    for (waiting, read_count) in [(0, 1), (1, 1), (2, 2), (3, 3), (255, 255), (256, 256)] {
        let plan = plan(
            LogPageId::RESERVATION_NOTIFICATION,
            &identify(|_| {}),
            UNLIMITED,
        );
        let reading = carry_out(plan, notifications(waiting));
        assert_eq!(reading.reads, vec![(0, 64, Release); read_count]);
        assert_eq!(reading.kept.len(), 64 * read_count);
        // In the order they were read.
        let numbers = reading.kept.chunks(64).map(|entry| entry[0]);
        assert!(numbers.eq((1..=255).chain([0]).take(read_count)));
        assert!(reading.complete);
    }
}

#[test]
fn a_queue_that_never_runs_dry_is_left_after_256_entries() {
    let plan = plan(
        LogPageId::RESERVATION_NOTIFICATION,
        &identify(|_| {}),
        UNLIMITED,
    );
    let reading = carry_out(plan, |_| vec![0xff; 64]);
    assert_eq!(reading.reads.len(), 256);
    assert!(reading.complete);
}

#[test]
fn a_queue_entry_cut_short_says_that_there_is_no_more() {
    let mut plan = plan(
        LogPageId::RESERVATION_NOTIFICATION,
        &identify(|_| {}),
        UNLIMITED,
    );
    assert_eq!(plan.advance(&[0xff; 9]), [0xff; 9]);
    assert_eq!(plan.next_read(), None);
}
