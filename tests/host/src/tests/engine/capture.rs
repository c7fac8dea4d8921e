// SPDX-License-Identifier: GPL-2.0-only

//! The queue of log pages to read, and the plans by which they are read: from
//! an honest controller, which has a page and returns the parts of it that are
//! asked for, and from one that returns whatever it likes.

use std::collections::VecDeque;

use proptest::{prelude::*, test_runner::TestCaseResult};

use crate::{
    engine::{
        capture::{release_of, CapturePlan, CaptureQueue, Pending, CHUNK_BYTES, PENDING_MAX},
        record::Sequence,
    },
    spec::{
        command::{LogPageRead, NamespaceId, RetainEvent},
        event::AsynchronousEvent,
        identify::IdentifyController,
        log_page::{LogPageId, PageLength},
    },
    tests::identify,
};

use RetainEvent::{Release, Retain};

const SMART_HEALTH: LogPageId = LogPageId(0x02);

/// The event of type SMART / health and the notice whose log page is `page`.
fn smart(page: u8) -> AsynchronousEvent {
    AsynchronousEvent((u32::from(page) << 16) | 1)
}

fn notice(page: u8) -> AsynchronousEvent {
    AsynchronousEvent((u32::from(page) << 16) | 2)
}

/// The event of an I/O command set whose log page is `page`.
fn of_namespace(page: u8) -> AsynchronousEvent {
    AsynchronousEvent((u32::from(page) << 16) | 6)
}

fn pending(page: LogPageId, nsid: NamespaceId, first: u64, last: u64) -> Pending {
    Pending {
        page,
        nsid,
        first: Sequence(first),
        last: Sequence(last),
    }
}

#[test]
fn an_empty_queue_has_nothing_to_read() {
    let mut queue = CaptureQueue::new();
    assert_eq!(queue.take(|_| true), None);
    // An event without a log page changes nothing.
    queue.add(AsynchronousEvent(0x0000_0003), 0, Sequence(1));
    assert_eq!(queue.take(|_| true), None);
    assert_eq!(queue.dropped(), 0);
}

#[test]
fn events_of_one_page_share_one_reading() {
    let mut queue = CaptureQueue::new();
    queue.add(smart(2), 0, Sequence(1));
    queue.add(notice(4), 0, Sequence(2));
    // Another kind of event, but the same page.
    queue.add(notice(2), 99, Sequence(3));
    queue.add(smart(2), 0, Sequence(7));
    let broadcast = NamespaceId::BROADCAST;
    assert_eq!(
        queue.take(|_| true),
        Some(pending(SMART_HEALTH, broadcast, 1, 7))
    );
    assert_eq!(
        queue.take(|_| true),
        Some(pending(LogPageId::CHANGED_NAMESPACE_LIST, broadcast, 2, 2))
    );
    assert_eq!(queue.take(|_| true), None);
    assert_eq!(queue.dropped(), 0);
}

#[test]
fn an_event_while_its_page_is_being_read_asks_for_another_reading() {
    let mut queue = CaptureQueue::new();
    queue.add(smart(2), 0, Sequence(1));
    assert!(queue.take(|_| true).is_some());
    queue.add(smart(2), 0, Sequence(2));
    let again = pending(SMART_HEALTH, NamespaceId::BROADCAST, 2, 2);
    assert_eq!(queue.take(|_| true), Some(again));
}

#[test]
fn a_page_is_pending_until_its_reading_is_over() {
    let mut queue = CaptureQueue::new();
    let wanted = |event, number| Pending::of(event, 0, Sequence(number)).unwrap();
    assert!(!queue.is_pending(&wanted(smart(2), 1)));
    for number in [1, 4] {
        queue.add(smart(2), 0, Sequence(number));
    }
    queue.add(notice(4), 0, Sequence(2));
    for number in 1..=4 {
        assert!(queue.is_pending(&wanted(smart(2), number)), "{number}");
    }
    assert!(!queue.is_pending(&wanted(smart(2), 5)));
    assert!(!queue.is_pending(&wanted(notice(4), 1)));
    assert!(
        !queue.is_pending(&wanted(of_namespace(4), 2)),
        "another namespace's"
    );
    assert!(queue.take(|_| true).is_some());
    queue.add(smart(2), 0, Sequence(6));
    assert!(queue.is_pending(&wanted(smart(2), 4)), "being read");
    // A reset forgets what waits; what is being read will fail by itself.
    queue.clear();
    assert!(queue.is_pending(&wanted(smart(2), 4)));
    assert!(!queue.is_pending(&wanted(smart(2), 6)));
    assert!(!queue.is_pending(&wanted(notice(4), 2)));
    queue.finish();
    assert!(!queue.is_pending(&wanted(smart(2), 4)));
}

#[test]
fn an_event_wants_the_page_it_names() {
    assert_eq!(
        Pending::of(AsynchronousEvent(0x0000_0003), 7, Sequence(1)),
        None
    );
    assert_eq!(
        Pending::of(of_namespace(0xbf), 7, Sequence(3)),
        Some(pending(LogPageId::CHANGED_ZONE_LIST, NamespaceId(7), 3, 3))
    );
    let smart = Pending::of(smart(2), 7, Sequence(5)).unwrap();
    assert_eq!(smart, pending(SMART_HEALTH, NamespaceId::BROADCAST, 5, 5));
    assert!(pending(SMART_HEALTH, NamespaceId::BROADCAST, 4, 6).covers(&smart));
    assert!(!smart.covers(&pending(SMART_HEALTH, NamespaceId::BROADCAST, 4, 6)));
    let release = release_of(&smart);
    assert_eq!(
        (
            release.page,
            release.nsid,
            release.offset_bytes,
            release.length_bytes,
            release.retain
        ),
        (SMART_HEALTH, NamespaceId::BROADCAST, 0, 4, Release)
    );
}

#[test]
fn pages_of_namespaces_are_read_one_by_one() {
    let mut queue = CaptureQueue::new();
    queue.add(of_namespace(0xbf), 3, Sequence(1));
    queue.add(of_namespace(0xbf), 4, Sequence(2));
    queue.add(of_namespace(0xbf), 3, Sequence(3));
    let zones = LogPageId::CHANGED_ZONE_LIST;
    assert_eq!(
        queue.take(|_| true),
        Some(pending(zones, NamespaceId(3), 1, 3))
    );
    assert_eq!(
        queue.take(|_| true),
        Some(pending(zones, NamespaceId(4), 2, 2))
    );
    assert_eq!(queue.take(|_| true), None);
}

#[test]
fn a_page_that_is_not_ready_waits_and_the_others_keep_their_order() {
    let mut queue = CaptureQueue::new();
    for (number, page) in (1..).zip([1, 2, 3, 4]) {
        queue.add(smart(page), 0, Sequence(number));
    }
    let not_2 = |page| page != LogPageId(2);
    let taken: Vec<_> = core::iter::from_fn(|| queue.take(not_2))
        .map(|pending| pending.page.0)
        .collect();
    assert_eq!(taken, [1, 3, 4]);
    assert_eq!(queue.take(|_| true).unwrap().page, LogPageId(2));
    assert_eq!(queue.take(|_| true), None);
}

#[test]
fn a_cleared_queue_is_empty() {
    let mut queue = CaptureQueue::new();
    queue.add(smart(2), 0, Sequence(1));
    queue.clear();
    assert_eq!(queue.take(|_| true), None);
}

#[test]
fn what_finds_no_room_is_counted() {
    let mut queue = CaptureQueue::new();
    let pages = 1..=u8::try_from(PENDING_MAX).unwrap();
    for page in pages.clone() {
        queue.add(notice(page), 0, Sequence(page.into()));
    }
    assert_eq!(queue.dropped(), 0);
    queue.add(notice(0xc0), 0, Sequence(100));
    queue.add(notice(0xc1), 0, Sequence(101));
    assert_eq!(queue.dropped(), 2);
    // Full is no reason not to share a reading.
    queue.add(notice(1), 0, Sequence(102));
    assert_eq!(queue.dropped(), 2);

    let broadcast = NamespaceId::BROADCAST;
    assert_eq!(
        queue.take(|_| true),
        Some(pending(LogPageId(1), broadcast, 1, 102))
    );
    queue.add(notice(0xc0), 0, Sequence(103));
    for page in pages.skip(1) {
        let number = page.into();
        let expected = pending(LogPageId(page), broadcast, number, number);
        assert_eq!(queue.take(|_| true), Some(expected));
    }
    let last = pending(LogPageId(0xc0), broadcast, 103, 103);
    assert_eq!(queue.take(|_| true), Some(last));
    assert_eq!(queue.take(|_| true), None);
}

fn queue_behaves_like_a_list(steps: Vec<Option<(u8, bool, u32)>>) -> TestCaseResult {
    let mut queue = CaptureQueue::new();
    let mut model: VecDeque<Pending> = VecDeque::new();
    let mut dropped = 0;
    for (number, step) in (1..).zip(steps) {
        let Some((page, of_a_namespace, parameter)) = step else {
            prop_assert_eq!(queue.take(|_| true), model.pop_front());
            continue;
        };
        let (event, nsid) = if of_a_namespace {
            (of_namespace(page), NamespaceId(parameter))
        } else {
            (notice(page), NamespaceId::BROADCAST)
        };
        queue.add(event, parameter, Sequence(number));
        let is_full = model.len() == PENDING_MAX;
        let waiting = model
            .iter_mut()
            .find(|pending| pending.page.0 == page && pending.nsid == nsid);
        match waiting {
            _ if page == 0 => {}
            Some(waiting) => waiting.last = Sequence(number),
            None if is_full => dropped += 1,
            None => model.push_back(pending(LogPageId(page), nsid, number, number)),
        }
        prop_assert_eq!(queue.dropped(), dropped);
    }
    while let Some(expected) = model.pop_front() {
        prop_assert_eq!(queue.take(|_| true), Some(expected));
    }
    prop_assert_eq!(queue.take(|_| true), None);
    Ok(())
}

const UNLIMITED: u32 = 1 << 20;

/// A controller with offsets into log pages, and what else `fill` sets.
fn extended(fill: impl FnOnce(&mut IdentifyController)) -> IdentifyController {
    identify(|identify| {
        identify.lpa = 1 << 2;
        fill(identify);
    })
}

fn plan(page: LogPageId, identify: &IdentifyController, limit_bytes: u32) -> CapturePlan {
    let pending = pending(page, NamespaceId::BROADCAST, 1, 1);
    CapturePlan::new(pending, identify, limit_bytes)
}

/// How a plan was carried out.
struct Reading {
    /// Offset, length and release of each read.
    reads: Vec<(u32, u32, RetainEvent)>,
    kept: Vec<u8>,
    complete: bool,
}

/// Carries out `plan` on a `controller` that answers every read in full.
fn carry_out(
    mut plan: CapturePlan,
    mut controller: impl FnMut(&LogPageRead) -> Vec<u8>,
) -> Reading {
    let mut reads = Vec::new();
    let mut kept = Vec::new();
    while let Some(read) = plan.next_read() {
        assert!(!plan.is_complete());
        assert!(reads.len() < 1000, "a plan ends");
        let data = controller(&read);
        assert_eq!(data.len(), read.length_bytes as usize);
        reads.push((read.offset_bytes, read.length_bytes, read.retain));
        kept.extend_from_slice(plan.advance(&data));
    }
    // Over is over.
    assert!(plan.advance(&[0xff; 16]).is_empty());
    assert_eq!(plan.next_read(), None);
    // What was read to its end has the length that it was said to have.
    let length_bytes = plan.page_bytes().filter(|_| plan.is_complete());
    assert!(length_bytes.is_none_or(|length_bytes| length_bytes as usize == kept.len()));
    Reading {
        reads,
        kept,
        complete: plan.is_complete(),
    }
}

/// A controller that has `page` and, as they do, zeroes behind its end.
fn honest(page: &[u8]) -> impl FnMut(&LogPageRead) -> Vec<u8> + '_ {
    |read| {
        page.iter()
            .copied()
            .skip(read.offset_bytes as usize)
            .chain(std::iter::repeat(0))
            .take(read.length_bytes as usize)
            .collect()
    }
}

/// `length` bytes of which no two dwords are alike, but for `header`.
fn page_of(length: u32, header: &[(usize, &[u8])]) -> Vec<u8> {
    let mut page: Vec<u8> = (1..=length / 4).flat_map(u32::to_le_bytes).collect();
    for (offset, part) in header {
        page[*offset..*offset + part.len()].copy_from_slice(part);
    }
    page
}

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

#[test]
fn an_ana_page_is_as_long_as_identify_says() {
    let controller = extended(|identify| {
        identify.nanagrpid = 4.into();
        identify.nn = 1024.into();
    });
    let length = 16 + 4 * 32 + 1024 * 4;
    assert_read_in_full(
        plan(
            LogPageId::ASYMMETRIC_NAMESPACE_ACCESS,
            &controller,
            UNLIMITED,
        ),
        &page_of(length, &[]),
        &[(0, 4096, Retain), (4096, length - 4096, Release)],
    );
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

/// Telemetry whose last block of area 3 is `last_block`.
fn telemetry(last_block: u16) -> Vec<u8> {
    let length = (u32::from(last_block) + 1) * 512;
    page_of(length, &[(12, &last_block.to_le_bytes()), (16, &[0; 4])])
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

fn pages() -> impl Strategy<Value = LogPageId> {
    let known = prop::sample::select(vec![
        LogPageId::ERROR_INFORMATION,
        LogPageId::CHANGED_NAMESPACE_LIST,
        LogPageId::TELEMETRY_CONTROLLER_INITIATED,
        LogPageId::PREDICTABLE_LATENCY_AGGREGATE,
        LogPageId::ASYMMETRIC_NAMESPACE_ACCESS,
        LogPageId::LBA_STATUS,
        LogPageId::ENDURANCE_GROUP_AGGREGATE,
        LogPageId::RESERVATION_NOTIFICATION,
        LogPageId::CHANGED_ZONE_LIST,
    ]);
    prop_oneof![4 => known, 1 => any::<u8>().prop_map(LogPageId)]
}

/// What decides the length of a page.
#[derive(Clone, Copy, Debug)]
struct Properties {
    lpa: u8,
    elpe: u8,
    nanagrpid: u32,
    nn: u32,
}

impl Properties {
    fn identify(self) -> IdentifyController {
        identify(|identify| {
            identify.lpa = self.lpa;
            identify.elpe = self.elpe;
            identify.nanagrpid = self.nanagrpid.into();
            identify.nn = self.nn.into();
        })
    }
}

prop_compose! {
    fn controllers()(
        lpa: u8,
        elpe: u8,
        nanagrpid in prop_oneof![4 => 0_u32..2000, 1 => any::<u32>()],
        nn in prop_oneof![4 => 0_u32..2000, 1 => any::<u32>()],
    ) -> Properties {
        Properties { lpa, elpe, nanagrpid, nn }
    }
}

/// The first bytes of what a controller returns: small numbers, which look
/// like lengths, or noise.
fn first_bytes() -> impl Strategy<Value = Vec<u8>> {
    let small = prop_oneof![3 => Just(0_u8), 1 => 0_u8..40];
    prop_oneof![
        3 => prop::collection::vec(small, 24),
        1 => prop::collection::vec(any::<u8>(), 24),
    ]
}

/// Whatever the controller returns: what is kept is a page from its beginning
/// without a gap, and the class is released at most once and last.
fn obeys_the_rules(
    id: LogPageId,
    controller: &IdentifyController,
    limit_bytes: u32,
    answers: &[Vec<u8>],
) -> TestCaseResult {
    let mut answers = answers.iter().cycle();
    let reading = carry_out(plan(id, controller, limit_bytes), |read| {
        let mut data = answers.next().cloned().unwrap_or_default();
        data.resize(read.length_bytes as usize, 0);
        data
    });

    let length = id.length(controller);
    if let PageLength::Queue { entry_bytes, .. } = length {
        prop_assert!((1..=256).contains(&reading.reads.len()));
        let every = (0, entry_bytes, Release);
        prop_assert!(reading.reads.iter().all(|read| *read == every));
        prop_assert!(reading.complete);
        return Ok(());
    }

    let mut end = 0;
    for (number, (offset, length, retain)) in reading.reads.iter().copied().enumerate() {
        let is_last = number + 1 == reading.reads.len();
        prop_assert!(length % 4 == 0 && (4..=CHUNK_BYTES).contains(&length));
        prop_assert_eq!(retain == Release, is_last && reading.complete);
        if offset == 0 && number > 0 {
            // Everything is there already, only the release is missing.
            prop_assert!(is_last && retain == Release && length == 4);
        } else {
            prop_assert_eq!(offset, end, "a gap or an overlap");
            end += length;
        }
        prop_assert!(controller.extended_log_page_data() || offset == 0);
    }
    prop_assert_eq!(reading.kept.len(), end as usize);

    let header_bytes = match length {
        PageLength::InHeader(header) => header.header_bytes(),
        _ => 0,
    };
    prop_assert!(end <= limit_bytes.max(header_bytes));
    let page_bytes = match length {
        PageLength::InHeader(header) => header.page_bytes(&reading.kept),
        PageLength::Bytes(bytes) if controller.extended_log_page_data() => bytes,
        PageLength::Bytes(bytes) => bytes.min(CHUNK_BYTES),
        PageLength::Queue { .. } => unreachable!("returned above"),
    };
    // Without an offset nothing can be had that follows a header.
    let can_be_had =
        controller.extended_log_page_data() || header_bytes == 0 || page_bytes == header_bytes;
    let fits = can_be_had && page_bytes <= limit_bytes;
    prop_assert_eq!(reading.complete, fits);
    prop_assert_eq!(end, if fits { page_bytes } else { header_bytes });
    Ok(())
}

/// Data shorter than asked for must not confuse a plan either.
fn ends_whatever_comes(
    id: LogPageId,
    controller: &IdentifyController,
    limit_bytes: u32,
    answers: &[Vec<u8>],
) -> TestCaseResult {
    let mut plan = plan(id, controller, limit_bytes);
    let mut reads = 0;
    for answer in answers.iter().cycle() {
        if plan.next_read().is_none() {
            break;
        }
        let kept = plan.advance(answer);
        prop_assert!(kept.is_empty() || kept == answer);
        reads += 1;
        prop_assert!(reads <= 256 + limit_bytes / CHUNK_BYTES, "no end");
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_queue_keeps_order_shares_readings_and_counts_what_it_drops(
        steps in prop::collection::vec(
            prop::option::weighted(0.75, (0_u8..24, any::<bool>(), 0_u32..3)),
            0..150,
        ),
    ) {
        queue_behaves_like_a_list(steps)?;
    }

    #[test]
    fn a_class_is_released_once_and_only_by_the_read_that_completes_its_page(
        page in pages(),
        controller in controllers(),
        limit_bytes in prop_oneof![0_u32..10_000, Just(64 * 1024)],
        answers in prop::collection::vec(first_bytes(), 1..8),
    ) {
        obeys_the_rules(page, &controller.identify(), limit_bytes, &answers)?;
    }

    #[test]
    fn a_plan_ends_even_if_data_is_missing(
        page in pages(),
        controller in controllers(),
        limit_bytes in 0_u32..100_000,
        answers in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..24), 1..8),
    ) {
        ends_whatever_comes(page, &controller.identify(), limit_bytes, &answers)?;
    }

    #[test]
    fn an_honest_page_is_kept_byte_for_byte(last_block in 0_u16..60, elpe: u8) {
        let controller = extended(|identify| identify.elpe = elpe);
        let errors = page_of((u32::from(elpe) + 1) * 64, &[]);
        let telemetry = telemetry(last_block);
        for (id, page) in [
            (LogPageId::ERROR_INFORMATION, errors),
            (LogPageId::TELEMETRY_CONTROLLER_INITIATED, telemetry),
        ] {
            let reading = carry_out(plan(id, &controller, UNLIMITED), honest(&page));
            prop_assert!(reading.complete);
            prop_assert!(reading.kept == page);
        }
    }
}
