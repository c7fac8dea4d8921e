// SPDX-License-Identifier: GPL-2.0-only

//! Parts of buffers, read back as a controller reads them.

use proptest::prelude::*;
use zerocopy::little_endian::U64;

use crate::engine::{
    buffer_list::{describe, list_pages, write, Part},
    prp::{Unfit, ENTRIES_PER_LIST_PAGE, PAGE_BYTES},
};

use super::prp::{bytes, controller_reads, Pages};

/// No two pages of a buffer are next to one another.
fn page(index: usize) -> u64 {
    0x10_0000_0000 + index as u64 * 3 * PAGE_BYTES
}

fn buffer(pages: usize) -> (Vec<U64>, Pages) {
    let entries: Vec<U64> = (0..pages).map(|index| U64::new(page(index))).collect();
    let mut list = Pages::new(list_pages(pages));
    write(&entries, &mut list).unwrap();
    (entries, list)
}

/// Where the bytes of a part are.
fn wanted(part: Part) -> Vec<(u64, u64)> {
    let end = part.begin_bytes + part.length_bytes;
    let pages = part.begin_bytes / PAGE_BYTES..=(end - 1) / PAGE_BYTES;
    bytes(pages.map(|index| {
        let begin = part.begin_bytes.max(index * PAGE_BYTES);
        let stop = end.min((index + 1) * PAGE_BYTES);
        (page(index as usize) + begin % PAGE_BYTES, stop - begin)
    }))
}

/// Whether a command for the part was described, after seeing that it was right.
fn check(part: Part, entries: &[U64], list: &Pages) -> bool {
    let Some(pointer) = describe(part, entries, list) else {
        return false;
    };
    let seen = controller_reads(pointer, part.length_bytes, list);
    assert_eq!(bytes(seen), wanted(part), "{part:?}");
    true
}

fn pages_of(first: usize, count: usize) -> Part {
    Part {
        begin_bytes: first as u64 * PAGE_BYTES,
        length_bytes: count as u64 * PAGE_BYTES,
    }
}

#[test]
fn a_part_is_described_unless_its_last_entry_follows_a_link() {
    let entries_a_page = ENTRIES_PER_LIST_PAGE - 1;
    let (entries, list) = buffer(3 * entries_a_page);
    let mut refused = 0;
    for first in (0..8).chain(entries_a_page - 8..entries_a_page + 8) {
        for count in (1..8).chain(entries_a_page - 8..entries_a_page + 8) {
            let last = first + count - 1;
            let after_link = count > 2
                && last % entries_a_page == 0
                && last / entries_a_page > (first + 1) / entries_a_page;
            let described = check(pages_of(first, count), &entries, &list);
            assert_eq!(described, !after_link, "{count} pages from {first}");
            refused += u32::from(!described);
        }
    }
    assert_ne!(refused, 0);
}

#[test]
fn what_is_no_part_is_refused() {
    let (entries, list) = buffer(4);
    for (begin_bytes, length_bytes) in [
        (0, 0),
        (2, 512),
        (4 * PAGE_BYTES, 4),
        (4 * PAGE_BYTES - 4, 8),
        (0, 4 * PAGE_BYTES + 1),
        (u64::MAX - 3, 4),
        (u64::MAX - 3, 8),
    ] {
        let part = Part {
            begin_bytes,
            length_bytes,
        };
        assert_eq!(describe(part, &entries, &list), None, "{part:?}");
    }
    assert!(check(pages_of(0, 4), &entries, &list));
}

#[test]
fn a_list_needs_all_its_pages() {
    let entries: Vec<U64> = (0..ENTRIES_PER_LIST_PAGE)
        .map(|index| U64::new(page(index)))
        .collect();
    assert_eq!(list_pages(entries.len()), 2);
    assert_eq!(write(&entries, &mut Pages::new(1)), Err(Unfit::TooLong));
    assert_eq!(write(&entries, &mut Pages::new(2)), Ok(()));
    assert_eq!(list_pages(ENTRIES_PER_LIST_PAGE - 1), 1);
}

proptest! {
    #[test]
    fn any_part_of_a_buffer(
        pages in 1_usize..1200,
        begin in any::<prop::sample::Index>(),
        length in any::<prop::sample::Index>(),
    ) {
        let (entries, list) = buffer(pages);
        let total = pages * PAGE_BYTES as usize;
        let begin = begin.index(total / 4) * 4;
        let part = Part {
            begin_bytes: begin as u64,
            length_bytes: length.index(total - begin) as u64 + 1,
        };
        check(part, &entries, &list);
    }
}
