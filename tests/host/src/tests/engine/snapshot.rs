// SPDX-License-Identifier: GPL-2.0-only

use std::collections::VecDeque;

use proptest::{prelude::*, test_runner::TestCaseResult};

use crate::{
    engine::{
        capture::Pending,
        record::Sequence,
        snapshot::{Snapshot, SnapshotStore},
    },
    spec::{command::NamespaceId, log_page::LogPageId},
};

type Store = SnapshotStore<Vec<Option<Snapshot<u64>>>>;

fn store(count_limit: usize, limit_bytes: usize) -> Store {
    SnapshotStore::new(vec![None; count_limit], limit_bytes)
}

fn wanted(page: LogPageId, first: u64, last: u64) -> Pending {
    Pending {
        page,
        nsid: NamespaceId::BROADCAST,
        first: Sequence(first),
        last: Sequence(last),
    }
}

/// The snapshot of event `number`.
fn snapshot(number: u64, length_bytes: usize) -> Snapshot<u64> {
    Snapshot {
        wanted: wanted(LogPageId(0x02), number, number),
        data: number,
        length_bytes,
    }
}

fn kept(store: &Store) -> Vec<u64> {
    store.iter().map(|snapshot| snapshot.data).collect()
}

#[test]
fn a_snapshot_is_kept_as_it_was_given() {
    let given = Snapshot {
        wanted: wanted(LogPageId::CHANGED_NAMESPACE_LIST, 3, 9),
        data: 42,
        length_bytes: 4096,
    };
    let mut store = store(2, 4096);
    assert_eq!(store.keep(given.clone()), None);
    assert_eq!(store.iter().collect::<Vec<_>>(), [&given]);
    assert_eq!(store.used_bytes(), 4096);
    assert_eq!(store.limit_bytes(), 4096);
}

/// Both have an event with this number.
#[test]
fn what_a_provider_said_is_not_taken_for_a_log_page() {
    let mut store = store(4, usize::MAX);
    let of_provider = Pending::of_provider(Sequence(7));
    store.keep(snapshot(7, 16));
    assert_eq!(store.find(&of_provider), None);
    store.keep(Snapshot {
        wanted: of_provider,
        data: 70,
        length_bytes: 16,
    });
    assert_eq!(store.find(&of_provider).map(|found| found.data), Some(70));
    let of_controller = wanted(LogPageId(0x02), 7, 7);
    assert_eq!(store.find(&of_controller).map(|found| found.data), Some(7));
    assert_eq!(store.find(&Pending::of_provider(Sequence(8))), None);
}

#[test]
fn the_oldest_goes_when_the_number_is_reached() {
    let mut store = store(3, usize::MAX);
    for number in 1..=5 {
        assert_eq!(store.keep(snapshot(number, 10)), None);
    }
    assert_eq!(kept(&store), [3, 4, 5]);
    assert_eq!(store.used_bytes(), 30);
}

#[test]
fn as_many_of_the_oldest_go_as_the_new_one_needs() {
    let mut store = store(8, 100);
    for number in 1..=4 {
        assert_eq!(store.keep(snapshot(number, 25)), None);
    }
    assert_eq!(kept(&store), [1, 2, 3, 4], "exactly full is not too full");
    assert_eq!(store.keep(snapshot(5, 26)), None);
    assert_eq!(kept(&store), [3, 4, 5]);
    assert_eq!(store.keep(snapshot(6, 100)), None);
    assert_eq!(kept(&store), [6]);
}

#[test]
fn one_that_is_too_long_is_given_back_and_releases_nothing() {
    let mut store = store(2, 100);
    assert_eq!(store.keep(snapshot(1, 50)), None);
    assert_eq!(store.keep(snapshot(2, 50)), None);
    assert_eq!(store.keep(snapshot(3, 101)), Some(snapshot(3, 101)));
    assert_eq!(kept(&store), [1, 2]);
}

#[test]
fn a_store_without_room_gives_everything_back() {
    assert_eq!(store(0, 100).keep(snapshot(1, 0)), Some(snapshot(1, 0)));
    let mut no_bytes = store(2, 0);
    assert_eq!(no_bytes.keep(snapshot(1, 1)), Some(snapshot(1, 1)));
    assert_eq!(no_bytes.keep(snapshot(2, 0)), None);
    assert_eq!(kept(&no_bytes), [2]);
}

#[test]
fn a_snapshot_is_found_by_any_of_its_events() {
    let mut store = store(4, 4096);
    let page = LogPageId::CHANGED_NAMESPACE_LIST;
    for (first, last, data) in [(3, 9, 42), (11, 11, 43)] {
        let snapshot = Snapshot {
            wanted: wanted(page, first, last),
            data,
            length_bytes: 8,
        };
        assert_eq!(store.keep(snapshot), None);
    }
    for (number, data) in [
        (2, None),
        (3, Some(42)),
        (9, Some(42)),
        (10, None),
        (11, Some(43)),
    ] {
        let event = wanted(page, number, number);
        assert_eq!(store.find(&event).map(|snapshot| snapshot.data), data);
        // One of another class in between.
        assert!(store
            .find(&wanted(LogPageId::SMART, number, number))
            .is_none());
        let elsewhere = Pending {
            nsid: NamespaceId(1),
            ..event
        };
        assert!(store.find(&elsewhere).is_none());
    }
}

fn behaves_like_a_bounded_queue(
    count_limit: usize,
    limit_bytes: usize,
    lengths: Vec<usize>,
) -> TestCaseResult {
    let mut store = store(count_limit, limit_bytes);
    let mut model: VecDeque<(u64, usize)> = VecDeque::new();

    for (number, length_bytes) in (1..).zip(lengths) {
        let given_back = store.keep(snapshot(number, length_bytes));
        if length_bytes > limit_bytes || count_limit == 0 {
            prop_assert_eq!(given_back, Some(snapshot(number, length_bytes)));
        } else {
            prop_assert_eq!(given_back, None);
            model.push_back((number, length_bytes));
        }
        let bytes = |model: &VecDeque<(u64, usize)>| model.iter().map(|(_, bytes)| bytes).sum();
        while model.len() > count_limit || bytes(&model) > limit_bytes {
            model.pop_front();
        }
        prop_assert_eq!(
            kept(&store),
            model.iter().map(|(number, _)| *number).collect::<Vec<_>>()
        );
        prop_assert_eq!(store.used_bytes(), bytes(&model));
    }
    Ok(())
}

proptest! {
    #[test]
    fn keeps_the_newest_that_fit(
        count_limit in 0_usize..10,
        limit_bytes in 0_usize..200,
        lengths in prop::collection::vec(0_usize..100, 0..60),
    ) {
        behaves_like_a_bounded_queue(count_limit, limit_bytes, lengths)?;
    }
}
