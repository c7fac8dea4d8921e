// SPDX-License-Identifier: GPL-2.0-only

//! Runs of pages, and the pieces of ranges in them, byte by byte.

use proptest::prelude::*;

use crate::engine::page_run::{PageRun, Pieces, UserRange, PAGE_BYTES};

/// A range, and the numbers of the page frames that its pages are in.
#[derive(Clone, Debug)]
struct Pinned {
    range: UserRange,
    frames: Vec<usize>,
}

/// Frames that often follow one another.
fn pinned() -> impl Strategy<Value = Pinned> {
    let range = (0..4 * PAGE_BYTES, 1..6 * PAGE_BYTES);
    range.prop_flat_map(|(address, length_bytes)| {
        let range = UserRange {
            address,
            length_bytes,
        };
        let steps = prop_oneof![3 => Just(1), 1 => 2_usize..1000];
        (
            0..1_usize << 39,
            prop::collection::vec(steps, range.pages()),
        )
            .prop_map(move |(first, steps)| {
                let mut frame = first;
                let frames = steps.iter().map(|step| {
                    frame += step;
                    frame
                });
                Pinned {
                    range,
                    frames: frames.collect(),
                }
            })
    })
}

/// As few runs as possible, none of which has pages of two ranges.
fn runs(all: &[Pinned]) -> Vec<PageRun> {
    let mut runs: Vec<PageRun> = Vec::new();
    for pinned in all {
        let mut run = PageRun::NONE;
        for &frame in &pinned.frames {
            let page = PageRun::one(frame);
            if !run.grow(page) {
                runs.extend((run != PageRun::NONE).then_some(run));
                run = page;
            }
        }
        runs.push(run);
    }
    runs
}

/// Where the byte of `pinned` is.
fn physical(pinned: &Pinned, byte: usize) -> u64 {
    let offset = pinned.range.address % PAGE_BYTES + byte;
    (pinned.frames[offset / PAGE_BYTES] * PAGE_BYTES + offset % PAGE_BYTES) as u64
}

proptest! {
    #[test]
    fn pieces_are_the_bytes_of_the_ranges_in_order(all in prop::collection::vec(pinned(), 1..4)) {
        let runs = runs(&all);
        let ranges: Vec<_> = all.iter().map(|pinned| pinned.range).collect();
        let pieces: Vec<_> = Pieces::new(&runs, &ranges).collect();
        prop_assert_eq!(pieces.len(), runs.len());
        let bytes = |&(begin, length): &(u64, usize)| (begin..).take(length);
        let told = pieces.iter().flat_map(bytes);
        let expected = all.iter().flat_map(|pinned| {
            (0..pinned.range.length_bytes).map(|byte| physical(pinned, byte))
        });
        prop_assert!(told.eq(expected));
    }

    #[test]
    fn a_run_is_its_word(frame in 0..1_usize << 40, count in 1..100_usize) {
        let mut run = PageRun::one(frame);
        for next in 1..count {
            prop_assert!(!run.grow(PageRun::one(frame.wrapping_sub(1))));
            prop_assert!(run.grow(PageRun::one(frame + next)));
        }
        prop_assert_eq!(PageRun::of_word(run.word()), run);
        prop_assert_eq!(run.count(), count as u64);
        prop_assert_eq!(run.begin(), (frame * PAGE_BYTES) as u64);
        prop_assert_eq!(run.length_bytes(), count * PAGE_BYTES);
    }

    #[test]
    fn a_range_touches_the_pages_of_its_bytes(address in 0..3 * PAGE_BYTES, length_bytes in 1..3 * PAGE_BYTES) {
        let range = UserRange { address, length_bytes };
        let last = address + length_bytes - 1;
        prop_assert_eq!(range.pages(), last / PAGE_BYTES - address / PAGE_BYTES + 1);
    }
}

#[test]
fn nothing_does_not_grow() {
    let mut run = PageRun::NONE;
    assert!(!run.grow(PageRun::one(0)));
    assert_eq!(run, PageRun::NONE);
    assert_eq!((run.word(), run.count(), run.length_bytes()), (0, 0, 0));
}

#[test]
fn a_run_that_is_full_does_not_grow() {
    const MOST: usize = (1 << 24) - 1;

    let mut run = PageRun::of_word(PageRun::one(7).word() - 1 + MOST as u64);
    assert_eq!(run.count(), MOST as u64);
    assert!(!run.grow(PageRun::one(7 + MOST)));
    assert_eq!(run.begin(), 7 * PAGE_BYTES as u64);
}

#[test]
fn pieces_end_with_what_there_is() {
    let range = UserRange {
        address: 0,
        length_bytes: 2 * PAGE_BYTES,
    };
    let one = [PageRun::one(3)];
    let piece = (3 * PAGE_BYTES as u64, PAGE_BYTES);
    assert_eq!(Pieces::new(&one, &[range]).collect::<Vec<_>>(), [piece]);
    assert_eq!(Pieces::new(&one, &[]).next(), None);
    assert_eq!(Pieces::new(&[PageRun::NONE], &[range]).next(), None);
}

#[test]
fn the_front_of_a_range() {
    let range = UserRange {
        address: 10,
        length_bytes: 100,
    };
    assert_eq!(range.up_to(0), None);
    assert_eq!(range.up_to(100), Some(range));
    assert_eq!(range.up_to(usize::MAX), Some(range));
    let front = UserRange {
        length_bytes: 99,
        ..range
    };
    assert_eq!(range.up_to(99), Some(front));
}
