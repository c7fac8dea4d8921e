// SPDX-License-Identifier: GPL-2.0-only

//! The queue of log pages to read.

use std::collections::VecDeque;

use proptest::{prelude::*, test_runner::TestCaseResult};

use crate::{
    engine::{
        capture::{release_of, CaptureQueue, Pending, PENDING_MAX},
        record::Sequence,
    },
    spec::{
        command::{NamespaceId, RetainEvent},
        event::AsynchronousEvent,
        log_page::LogPageId,
    },
};

use super::{pending, SMART_HEALTH};

use RetainEvent::Release;

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
}
