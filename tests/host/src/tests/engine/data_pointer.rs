// SPDX-License-Identifier: GPL-2.0-only

//! The choice between PRP entries and SGLs, and SGLs read back as a controller
//! reads them.

use std::collections::HashMap;

use proptest::prelude::*;
use zerocopy::FromZeros;

use zerocopy::little_endian::U64;

use crate::{
    engine::{
        data_pointer::{describe, in_command, list_pages},
        prp::{self, DataPointer, ListMemory, PointerKind, Segment, Unfit, PAGE_BYTES},
        sgl::{self, SglSupport, SEGMENTS_MAX},
    },
    spec::command::{DmaAddress, SubmissionEntry},
};

const LIST: u64 = 0x7f00_0000_0000;

/// At most so many list pages.
struct Pages {
    count: usize,
    words: HashMap<u64, u64>,
}

impl Pages {
    fn new(count: usize) -> Self {
        Self {
            count,
            words: HashMap::new(),
        }
    }
}

impl ListMemory for Pages {
    fn address(&self, page: usize) -> Option<DmaAddress> {
        (page < self.count).then(|| DmaAddress(LIST + page as u64 * PAGE_BYTES))
    }

    fn write(&mut self, page: usize, index: usize, entries: &[U64]) {
        assert!(index + entries.len() <= PAGE_BYTES as usize / 8);
        let page = self.address(page).expect("a page of the list").0;
        for (address, entry) in (page + index as u64 * 8..).step_by(8).zip(entries) {
            // Over what PRP entries may have left.
            self.words.insert(address, entry.get());
        }
    }
}

fn segment(address: u64, length_bytes: u64) -> Segment {
    Segment {
        address: DmaAddress(address),
        length_bytes,
    }
}

/// With as many pages of a list as it takes.
fn described(segments: &[Segment], sgl: SglSupport) -> (Result<DataPointer, Unfit>, Pages) {
    let mut list = Pages::new(list_pages(segments.iter().copied(), sgl));
    let pointer = describe(segments.iter().copied(), sgl, &mut list);
    (pointer, list)
}

/// Which kind of pointer is chosen, and with how many pages of a list.
fn plan(segments: &[Segment], sgl: SglSupport) -> Result<(PointerKind, usize), Unfit> {
    let (pointer, list) = described(segments, sgl);
    pointer.map(|pointer| (pointer.kind, list.count))
}

/// What a controller makes of an SGL: the data blocks.
fn data_blocks(pointer: DataPointer, list: &Pages) -> Vec<Segment> {
    assert_eq!(pointer.kind, PointerKind::Sgl);
    let length = pointer.second & 0xffff_ffff;
    assert_eq!((pointer.second >> 32) & 0x00ff_ffff, 0, "reserved");
    match pointer.second >> 56 {
        0x00 => vec![segment(pointer.first, length)],
        0x30 => (0..length / 16)
            .map(|index| {
                let low = list.words[&(pointer.first + index * 16)];
                let high = list.words[&(pointer.first + index * 16 + 8)];
                assert_eq!(high >> 32, 0, "data blocks only");
                segment(low, high)
            })
            .collect(),
        other => panic!("descriptor of type {other:#x}"),
    }
}

#[test]
fn what_a_controller_says_of_sgls() {
    assert_eq!(SglSupport::of(0x8_0001), SglSupport::Bytes);
    assert_eq!(SglSupport::of(2), SglSupport::Dwords);
    assert_eq!(SglSupport::of(0x8_0000), SglSupport::None);
    assert_eq!(SglSupport::of(3), SglSupport::None);
    assert!(SglSupport::Bytes.takes(segment(0x1001, 3)));
    assert!(!SglSupport::Dwords.takes(segment(0x1001, 4)));
    assert!(!SglSupport::Dwords.takes(segment(0x1000, 5)));
    assert!(!SglSupport::None.takes(segment(0x1000, 4)));
}

#[test]
fn the_shortest_pointer_is_chosen() {
    let one_page = [segment(0x1000, 512)];
    let two_pages = [segment(0x1e00, 512), segment(0x9000, 512)];
    for sgl in [SglSupport::None, SglSupport::Bytes, SglSupport::Dwords] {
        assert_eq!(plan(&one_page, sgl), Ok((PointerKind::Prp, 0)));
        assert_eq!(plan(&two_pages, sgl), Ok((PointerKind::Prp, 0)));
    }
    // One block needs no list; many pages need a shorter one as PRP entries.
    let huge = [segment(0x20_0000, 1 << 16)];
    assert_eq!(plan(&huge, SglSupport::Bytes), Ok((PointerKind::Sgl, 0)));
    assert_eq!(plan(&huge, SglSupport::None), Ok((PointerKind::Prp, 1)));
    let pages: Vec<_> = (0..16).map(|page| segment(page << 20, 4096)).collect();
    assert_eq!(plan(&pages, SglSupport::Bytes), Ok((PointerKind::Prp, 1)));
}

#[test]
fn an_sgl_is_for_what_prp_entries_cannot_describe() {
    let gap = [segment(0x1000, 512), segment(0x9000, 512)];
    assert_eq!(plan(&gap, SglSupport::None), Err(Unfit::Gap));
    assert_eq!(plan(&gap, SglSupport::Dwords), Ok((PointerKind::Sgl, 1)));
    let late_gap = [
        segment(0x1000, 1 << 14),
        segment(0x9000, 512),
        segment(0xa000, 512),
    ];
    let (pointer, list) = described(&late_gap, SglSupport::Dwords);
    assert_eq!(data_blocks(pointer.unwrap(), &list), late_gap);
    let odd = [segment(0x1001, 512)];
    assert_eq!(plan(&odd, SglSupport::None), Err(Unfit::Misaligned));
    assert_eq!(plan(&odd, SglSupport::Dwords), Err(Unfit::Misaligned));
    assert_eq!(plan(&odd, SglSupport::Bytes), Ok((PointerKind::Sgl, 0)));
}

#[test]
fn a_list_is_one_page_at_most() {
    let gaps = |count: usize| -> Vec<Segment> {
        let place = |index| segment(index as u64 * 0x2000, 8);
        (0..count).map(place).collect()
    };
    assert_eq!(
        plan(&gaps(SEGMENTS_MAX), SglSupport::Bytes),
        Ok((PointerKind::Sgl, 1))
    );
    assert_eq!(
        plan(&gaps(SEGMENTS_MAX + 1), SglSupport::Bytes),
        Err(Unfit::Gap)
    );
    assert_eq!(sgl::list_pages(1), 0);
}

#[test]
fn what_there_is_no_room_for_is_refused() {
    let gap = [segment(0x1000, 512), segment(0x9000, 512)];
    let without_list = describe(gap, SglSupport::Bytes, &mut Pages::new(0));
    assert_eq!(without_list, Err(Unfit::TooLong));
    let long = [segment(0x1001, 1 << 32)];
    let too_long = describe(long, SglSupport::Bytes, &mut Pages::new(1));
    assert_eq!(too_long, Err(Unfit::TooLong));
}

#[test]
fn a_command_says_which_it_is() {
    let mut entry = SubmissionEntry::new_zeroed();
    DataPointer {
        kind: PointerKind::Sgl,
        first: 0x1122,
        second: 0x3344,
    }
    .describe_in(&mut entry);
    assert_eq!(entry.flags, 0x40);
    assert_eq!((entry.prp1.get(), entry.prp2.get()), (0x1122, 0x3344));
    let (pointer, _) = described(&[segment(0x1000, 512)], SglSupport::Bytes);
    let pointer = pointer.unwrap();
    let mut entry = SubmissionEntry::new_zeroed();
    pointer.describe_in(&mut entry);
    assert_eq!((entry.flags, entry.prp1.get()), (0, 0x1000));
}

proptest! {
    #[test]
    fn an_sgl_names_the_same_memory(
        places in prop::collection::vec((0_u64..1 << 12, 1_u64..70_000), 1..SEGMENTS_MAX),
    ) {
        let segments: Vec<_> = places
            .iter()
            .enumerate()
            .map(|(index, &(offset, length))| segment(((index as u64) << 20) | offset, length))
            .collect();
        let mut list = Pages::new(1);
        let pointer = sgl::describe(segments.iter().copied(), segments.len(), &mut list).unwrap();
        prop_assert_eq!(data_blocks(pointer, &list), segments);
    }

    /// The short cut leads to the same place.
    #[test]
    fn what_a_command_can_say_by_itself(
        offset in 0_u64..PAGE_BYTES,
        first in 1_u64..3 * PAGE_BYTES,
        second in prop::option::of((0_u64..4, 1_u64..2 * PAGE_BYTES)),
        aligned: bool,
        ends_with_page: bool,
        sgl in prop::sample::select(vec![SglSupport::None, SglSupport::Bytes, SglSupport::Dwords]),
    ) {
        let offset = if aligned { offset & !3 } else { offset };
        let first = if ends_with_page { PAGE_BYTES - offset } else { first };
        let mut segments = vec![segment(0x10_0000 + offset, first)];
        segments.extend(second.map(|(page, length)| segment(0x20_0000 + page * 0x400, length)));
        let pages = prp::count_pages(segments.iter().copied());
        let by_entries = prp::describe(segments.iter().copied(), pages, &mut Pages::new(0));
        let by_block = match segments[..] {
            [segment] if sgl.takes(segment) => sgl::one_block(segment),
            _ => Err(Unfit::Gap),
        };
        let in_command = in_command(segments[0], segments.get(1).copied(), || sgl);
        prop_assert_eq!(in_command, by_entries.or(by_block).ok());
    }
}
