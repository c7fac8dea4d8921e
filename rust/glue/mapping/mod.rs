// SPDX-License-Identifier: GPL-2.0-only

//! Memory that a device can access for as long as it is mapped.

mod few;

use kernel::{page::PAGE_SIZE, prelude::*};

use crate::{engine::prp::Segment, spec::command::DmaAddress};

use super::{
    bindings,
    dma::DmaDevice,
    pages::Pages,
    pins::{Pins, UserRange},
};

pub(crate) use self::few::FewSegments;

/// As in `<linux/dma-mapping.h>`, whose definition bindgen cannot read.
const DMA_MAPPING_ERROR: bindings::dma_addr_t = !0;

/// Which way data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The controller reads memory.
    ToDevice,
    /// The controller writes memory.
    FromDevice,
    Both,
}

impl Direction {
    const fn as_raw(self) -> bindings::dma_data_direction {
        match self {
            Self::ToDevice => bindings::dma_data_direction::DMA_TO_DEVICE,
            Self::FromDevice => bindings::dma_data_direction::DMA_FROM_DEVICE,
            Self::Both => bindings::dma_data_direction::DMA_BIDIRECTIONAL,
        }
    }

    pub(crate) const fn writes_memory(self) -> bool {
        !matches!(self, Self::ToDevice)
    }
}

/// Contiguous memory: where it begins and how long it is.
type Run = (bindings::phys_addr_t, usize);

/// How much from `begin` on can be mapped at once. The limit is whole pages, at
/// least one; a part ends where a page does.
fn part_limit_bytes(device: &DmaDevice, begin: u64) -> usize {
    let offset = (begin % PAGE_SIZE as u64) as usize;
    device.segment_limit_bytes().wrapping_sub(offset)
}

/// Memory that a device can access, as long as it is mapped.
///
/// # Invariants
///
/// Each segment is mapped for `device` in `direction`.
pub(crate) struct Mapping {
    device: DmaDevice,
    direction: Direction,
    segments: KVVec<Segment>,
}

impl Mapping {
    pub(crate) fn new(device: &DmaDevice) -> Self {
        Self {
            device: device.clone(),
            direction: Direction::Both,
            segments: KVVec::new(),
        }
    }

    /// What the device sees.
    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub(crate) fn length_bytes(&self) -> u64 {
        self.segments.iter().fold(0, |sum: u64, segment| {
            sum.saturating_add(segment.length_bytes)
        })
    }

    /// Maps `ranges`, which are what was pinned, in as few segments as their
    /// places in memory allow. What was mapped before is not any more.
    ///
    /// # Errors
    ///
    /// ENOMEM, also if the platform has no bus addresses left.
    pub(crate) fn map_pinned(
        &mut self,
        pins: &Pins,
        ranges: &[UserRange],
        direction: Direction,
    ) -> Result {
        // SAFETY: As in `FewSegments::map_pinned`.
        unsafe { self.map_pieces(pins.pieces(ranges), direction) }
    }

    /// As [`Self::map_pinned`], of pages of the driver's own.
    ///
    /// # Errors
    ///
    /// As [`Self::map_pinned`].
    pub(crate) fn map_pages(&mut self, pages: &Pages, direction: Direction) -> Result {
        // SAFETY: Who has the pages keeps them until this is unmapped.
        unsafe { self.map_pieces(pages.pieces(), direction) }
    }

    /// Maps pieces of pages that somebody else keeps in place until
    /// [`Self::unmap`]. What was mapped before is not any more.
    ///
    /// # Safety
    ///
    /// The pieces must be valid memory until [`Self::unmap`].
    ///
    /// # Errors
    ///
    /// As [`Self::map_pinned`].
    pub(super) unsafe fn map_pieces(
        &mut self,
        pieces: impl Iterator<Item = (bindings::phys_addr_t, usize)>,
        direction: Direction,
    ) -> Result {
        self.unmap();
        self.direction = direction;
        // SAFETY: By the safety requirement.
        //
        // INVARIANT: What is noted is mapped like this.
        unsafe { map_runs(&self.device, pieces, direction, &mut self.segments) }
    }

    /// Takes over what is mapped for the same device.
    ///
    /// # Errors
    ///
    /// ENOMEM; nothing is taken over then.
    pub(crate) fn adopt(&mut self, few: &mut FewSegments) -> Result {
        self.unmap();
        self.segments.reserve(FewSegments::MAX, GFP_KERNEL)?;
        self.direction = few.direction;
        let (first, second) = few.segments();
        for segment in [Some(first), second].into_iter().flatten() {
            // There is room.
            //
            // INVARIANT: Mapped, by the invariant of `few`, which forgets it.
            let _ = self.segments.push_within_capacity(segment);
        }
        few.forget();
        Ok(())
    }

    /// Ends the device's access. Any context.
    pub(crate) fn unmap(&mut self) {
        if !self.segments.is_empty() && self.device.needs_unmap() {
            for &segment in &self.segments {
                // SAFETY: By the type invariant.
                unsafe { unmap(&self.device, segment, self.direction) };
            }
        }
        self.segments.truncate(0);
    }

    /// As [`Self::unmap`], where the device has not accessed the memory. It is left
    /// as it is now, also where the platform has made a copy for the device.
    pub(crate) fn discard(&mut self) {
        if self.device.needs_unmap() {
            for &segment in &self.segments {
                // SAFETY: By the type invariant.
                unsafe { unmap_with(&self.device, segment, self.direction, NO_COPY) };
            }
        }
        self.segments.truncate(0);
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.unmap();
    }
}

fn end_of((begin, length_bytes): Run) -> u64 {
    begin.wrapping_add(length_bytes as u64)
}

/// Maps each run of pieces, in parts if it is longer than can be mapped at once.
/// What was noted is mapped, even if this fails.
///
/// # Safety
///
/// The pieces must be valid memory until they are unmapped.
#[inline]
unsafe fn map_runs(
    device: &DmaDevice,
    mut pieces: impl Iterator<Item = Run>,
    direction: Direction,
    notes: &mut KVVec<Segment>,
) -> Result {
    let (mut begin, mut left) = (0_u64, 0_usize);
    loop {
        // No piece is empty.
        let (next, more) = pieces.next().unwrap_or((0, 0));
        if more > 0 && next == end_of((begin, left)) {
            left = left.wrapping_add(more);
            continue;
        }
        while left > 0 {
            let length_bytes = left.min(part_limit_bytes(device, begin));
            if notes.len() == notes.capacity() {
                notes.reserve(1, GFP_KERNEL)?;
            }
            // SAFETY: By the safety requirement.
            let address = unsafe { map_run(device, (begin, length_bytes), direction) }?;
            // There is room.
            let _ = notes.push_within_capacity(Segment {
                address: DmaAddress(address),
                length_bytes: length_bytes as u64,
            });
            begin = begin.wrapping_add(length_bytes as u64);
            left = left.wrapping_sub(length_bytes);
        }
        if more == 0 {
            return Ok(());
        }
        (begin, left) = (next, more);
    }
}

/// # Safety
///
/// The run must be valid memory until it is unmapped, and no longer than can be
/// mapped at once.
///
/// # Errors
///
/// ENOMEM.
#[inline(always)]
unsafe fn map_run(
    device: &DmaDevice,
    (begin, length_bytes): Run,
    direction: Direction,
) -> Result<bindings::dma_addr_t> {
    let raw = device.as_raw();
    // SAFETY: The device is bound to us. The memory is ordinary memory that
    // stays where it is, by the safety requirement, and contiguous.
    let address =
        unsafe { bindings::dma_map_phys(raw, begin, length_bytes, direction.as_raw(), 0) };
    let failed = if cfg!(CONFIG_DMA_API_DEBUG) {
        // It has to see that somebody looks.
        //
        // SAFETY: The device is bound to us, and the address is its.
        unsafe { bindings::nvme_rs_dma_mapping_error(raw, address) != 0 }
    } else {
        address == DMA_MAPPING_ERROR
    };
    if failed {
        Err(ENOMEM)
    } else {
        Ok(address)
    }
}

/// # Safety
///
/// The segment must be mapped in this direction, for this device. It is not any
/// more after this.
unsafe fn unmap(device: &DmaDevice, segment: Segment, direction: Direction) {
    // SAFETY: By the safety requirement.
    unsafe { unmap_with(device, segment, direction, 0) };
}

/// Does not copy back what the device has written to a copy of the platform's.
const NO_COPY: c_ulong = bindings::DMA_ATTR_SKIP_CPU_SYNC as c_ulong;

/// # Safety
///
/// As of [`unmap`].
#[inline(always)]
unsafe fn unmap_with(
    device: &DmaDevice,
    segment: Segment,
    direction: Direction,
    attributes: c_ulong,
) {
    // SAFETY: The device is bound to us. By the safety requirement.
    unsafe {
        bindings::dma_unmap_phys(
            device.as_raw(),
            segment.address.0,
            segment.length_bytes as usize,
            direction.as_raw(),
            attributes,
        )
    };
}
