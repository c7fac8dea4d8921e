// SPDX-License-Identifier: GPL-2.0-only

//! Scatter Gather Lists: how a command says where its data is if PRP entries
//! cannot, or less shortly (section 4.1.2).
//!
//! A descriptor of 16 bytes names an address, a length and a type. One data
//! block is described in the command itself. More are in a list of one segment,
//! to which the command points. Longer lists are not made: what is in that many
//! pieces is copied as fast, and controllers differ in what they make of them.

use zerocopy::little_endian::U64;

use super::prp::{DataPointer, ListMemory, PointerKind, Segment, Unfit, PAGE_BYTES};

/// Size of a descriptor.
const DESCRIPTOR_BYTES: usize = 16;

/// Most data blocks of a command: what a page has room for.
pub(crate) const SEGMENTS_MAX: usize = PAGE_BYTES as usize / DESCRIPTOR_BYTES;

/// What SGL data blocks of a controller must be multiples of, if it takes SGLs
/// at all: SGLS bits 1:0 of Identify Controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SglSupport {
    None,
    Bytes,
    Dwords,
}

impl SglSupport {
    pub(crate) const fn of(sgls: u32) -> Self {
        match sgls & 0b11 {
            0b01 => Self::Bytes,
            0b10 => Self::Dwords,
            _ => Self::None,
        }
    }

    /// Whether a data block can be described.
    pub(crate) const fn takes(self, segment: Segment) -> bool {
        match self {
            Self::None => false,
            Self::Bytes => true,
            Self::Dwords => (segment.address.0 | segment.length_bytes) % 4 == 0,
        }
    }
}

/// Descriptor types, with subtype 0: an address.
#[derive(Clone, Copy)]
enum Type {
    DataBlock = 0x0,
    LastSegment = 0x3,
}

/// A descriptor as two little endian words.
fn descriptor(address: u64, length_bytes: u64, kind: Type) -> Result<[u64; 2], Unfit> {
    let length_bytes = u32::try_from(length_bytes).map_err(|_| Unfit::TooLong)?;
    Ok([address, u64::from(length_bytes) | ((kind as u64) << 60)])
}

/// How many pages the list of so many data blocks has.
pub(crate) const fn list_pages(segments: usize) -> usize {
    match segments {
        0 | 1 => 0,
        _ => 1,
    }
}

/// Describes the segments, of which there are `count`, at least one and at most
/// [`SEGMENTS_MAX`].
///
/// # Errors
///
/// [`Unfit::TooLong`] if `list` has too few pages, or a segment too many bytes.
pub(crate) fn describe(
    segments: impl IntoIterator<Item = Segment>,
    count: usize,
    list: &mut impl ListMemory,
) -> Result<DataPointer, Unfit> {
    let mut segments = segments.into_iter();
    if count <= 1 {
        return one_block(segments.next().ok_or(Unfit::Gap)?);
    }
    let address = list.address(0).ok_or(Unfit::TooLong)?.0;
    for (index, segment) in segments.take(SEGMENTS_MAX).enumerate() {
        write(list, index, block(segment)?);
    }
    let list_bytes = count.saturating_mul(DESCRIPTOR_BYTES);
    Ok(by(descriptor(
        address,
        list_bytes as u64,
        Type::LastSegment,
    )?))
}

/// Describes a segment without a list.
///
/// # Errors
///
/// [`Unfit::TooLong`].
pub(crate) fn one_block(segment: Segment) -> Result<DataPointer, Unfit> {
    Ok(by(block(segment)?))
}

fn block(segment: Segment) -> Result<[u64; 2], Unfit> {
    descriptor(segment.address.0, segment.length_bytes, Type::DataBlock)
}

fn by([first, second]: [u64; 2]) -> DataPointer {
    DataPointer {
        kind: PointerKind::Sgl,
        first,
        second,
    }
}

fn write(list: &mut impl ListMemory, index: usize, [low, high]: [u64; 2]) {
    list.write(0, index * 2, &[U64::new(low), U64::new(high)]);
}
