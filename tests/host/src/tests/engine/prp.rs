// SPDX-License-Identifier: GPL-2.0-only

//! PRP entries, read back as a controller reads them.

use std::collections::HashMap;

use proptest::prelude::*;

use zerocopy::little_endian::U64;

use crate::{
    engine::prp::{
        count_pages, describe, entries, list_pages, DataPointer, ListMemory, Segment, Unfit,
        ENTRIES_PER_LIST_PAGE, PAGE_BYTES,
    },
    spec::command::DmaAddress,
};

const LIST: u64 = 0x7f00_0000_0000;

/// List pages somewhere in memory, not in order.
pub(super) struct Pages {
    count: usize,
    entries: HashMap<u64, u64>,
}

impl Pages {
    pub(super) fn new(count: usize) -> Self {
        Self {
            count,
            entries: HashMap::new(),
        }
    }
}

impl ListMemory for Pages {
    fn address(&self, page: usize) -> Option<DmaAddress> {
        (page < self.count).then(|| DmaAddress(LIST - page as u64 * 3 * PAGE_BYTES))
    }

    fn write(&mut self, page: usize, index: usize, entries: &[U64]) {
        assert!(index + entries.len() <= ENTRIES_PER_LIST_PAGE);
        let page = self.address(page).expect("a page of the list").0;
        for (address, entry) in (page + index as u64 * 8..).step_by(8).zip(entries) {
            let before = self.entries.insert(address, entry.get());
            assert_eq!(before, None, "written once");
        }
    }
}

/// What a controller makes of a data pointer for `length` bytes: the pieces of
/// memory it accesses.
pub(super) fn controller_reads(pointer: DataPointer, length: u64, list: &Pages) -> Vec<(u64, u64)> {
    let mut pieces = Vec::new();
    let first = length.min(PAGE_BYTES - pointer.first % PAGE_BYTES);
    pieces.push((pointer.first, first));
    let mut left = length - first;
    if left == 0 {
        return pieces;
    }
    if left <= PAGE_BYTES {
        assert_eq!(pointer.second % PAGE_BYTES, 0);
        pieces.push((pointer.second, left));
        return pieces;
    }
    let mut at = pointer.second;
    while left > 0 {
        let entry = list.entries[&at];
        let last_of_page = at % PAGE_BYTES == PAGE_BYTES - 8;
        if last_of_page && left > PAGE_BYTES {
            assert_eq!(entry % PAGE_BYTES, 0);
            at = entry;
            continue;
        }
        assert_eq!(entry % PAGE_BYTES, 0);
        let piece = left.min(PAGE_BYTES);
        pieces.push((entry, piece));
        left -= piece;
        at += 8;
    }
    pieces
}

pub(super) fn bytes(pieces: impl IntoIterator<Item = (u64, u64)>) -> Vec<(u64, u64)> {
    // Adjacent pieces joined, so that only the bytes matter.
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (address, length) in pieces {
        match joined.last_mut() {
            Some((start, so_far)) if *start + *so_far == address => *so_far += length,
            _ => joined.push((address, length)),
        }
    }
    joined
}

fn segment(address: u64, length_bytes: u64) -> Segment {
    Segment {
        address: DmaAddress(address),
        length_bytes,
    }
}

fn check(segments: &[Segment]) {
    let length = segments.iter().map(|segment| segment.length_bytes).sum();
    let pages = count_pages(segments.iter().copied());
    let mut list = Pages::new(list_pages(pages));
    let pointer = describe(segments.iter().copied(), pages, &mut list).unwrap();
    let wanted = bytes(
        segments
            .iter()
            .map(|segment| (segment.address.0, segment.length_bytes)),
    );
    let read = controller_reads(pointer, length, &list);
    let entries: Vec<_> = entries(segments.iter().copied()).collect();
    assert!(read.iter().map(|&(begin, _)| begin).eq(entries));
    assert_eq!(bytes(read), wanted);
    // No page of the list was asked for in vain.
    if list.count > 0 {
        let mut shorter = Pages::new(list.count - 1);
        assert_eq!(
            describe(segments.iter().copied(), pages, &mut shorter),
            Err(Unfit::TooLong)
        );
    }
}

#[test]
fn every_length_around_the_ends_of_pages_and_lists() {
    let list_entries = ENTRIES_PER_LIST_PAGE as u64;
    let pages = [0, 1, 2, 3, list_entries - 1, list_entries, list_entries + 1];
    let further = [2 * list_entries - 2, 2 * list_entries, 3 * list_entries + 7];
    for pages in pages.into_iter().chain(further) {
        for offset in [0, 4, 512, 2048, PAGE_BYTES - 4] {
            for more in [0, 4, 512, PAGE_BYTES - offset, PAGE_BYTES - 4] {
                if let length @ 1.. = pages * PAGE_BYTES + more {
                    check(&[segment(0x10_0000 + offset, length)]);
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_described_is_refused() {
    let refused = |segments: &[Segment]| {
        let pages = count_pages(segments.iter().copied());
        describe(segments.iter().copied(), pages, &mut Pages::new(9)).unwrap_err()
    };
    assert_eq!(refused(&[]), Unfit::Gap);
    assert_eq!(refused(&[segment(0x1002, 512)]), Unfit::Misaligned);
    let gaps = [
        [segment(0x1000, 512), segment(0x2000, 512)],
        [segment(0x1000, 4096), segment(0x3004, 512)],
        [segment(0x1000, 4096), segment(u64::MAX - 0xfff, u64::MAX)],
    ];
    for segments in gaps {
        assert_eq!(refused(&segments), Unfit::Gap);
    }
    assert_eq!(refused(&[segment(u64::MAX - 3, u64::MAX)]), Unfit::Gap);
    let pages = [segment(0x1e00, 512), segment(0x9000, 512)];
    assert_eq!(count_pages(pages), 2);
    assert_eq!(count_pages([]), 0);
}

proptest! {
    #[test]
    fn scattered_pages_come_out_as_they_went_in(
        offset in (0_u64..1024).prop_map(|dword| dword * 4),
        middle in prop::collection::vec((0_u64..64, 1_u64..5), 0..300),
        last in 1_u64..20_000,
    ) {
        let mut segments = vec![segment(0x4000_0000 + offset, PAGE_BYTES - offset)];
        for (index, (place, pages)) in middle.into_iter().enumerate() {
            let address = 0x5000_0000 + (index as u64 * 64 + place) * 8 * PAGE_BYTES;
            segments.push(segment(address, pages * PAGE_BYTES));
        }
        segments.push(segment(0x6000_0000, last));
        check(&segments);
    }
}
