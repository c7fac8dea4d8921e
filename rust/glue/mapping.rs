// SPDX-License-Identifier: GPL-2.0-only

//! Memory that a device can access for as long as it is mapped.

use kernel::{page::PAGE_SIZE, prelude::*};

use crate::{engine::prp::Segment, spec::command::DmaAddress};

use super::{
    bindings,
    dma::DmaDevice,
    pins::{Pins, UserRange},
};

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

/// Where the segments of a mapping are noted.
trait Notes {
    /// Makes room for one more, before it is mapped.
    fn prepare(&mut self) -> Result;
    fn note(&mut self, segment: Segment);
    fn noted(&self) -> &[Segment];
    fn forget(&mut self);
}

impl Notes for KVVec<Segment> {
    #[inline]
    fn prepare(&mut self) -> Result {
        if self.len() < self.capacity() {
            return Ok(());
        }
        Ok(self.reserve(1, GFP_KERNEL)?)
    }

    #[inline]
    fn note(&mut self, segment: Segment) {
        // There is room, by `prepare`.
        let _ = self.push_within_capacity(segment);
    }

    fn noted(&self) -> &[Segment] {
        self
    }

    fn forget(&mut self) {
        self.truncate(0);
    }
}

/// How many segments are noted without memory of their own.
const FEW: usize = 2;

struct Few {
    segments: [Segment; FEW],
    count: u8,
}

impl Notes for Few {
    fn prepare(&mut self) -> Result {
        if usize::from(self.count) < FEW {
            Ok(())
        } else {
            Err(E2BIG)
        }
    }

    fn note(&mut self, segment: Segment) {
        if let Some(place) = self.segments.get_mut(usize::from(self.count)) {
            *place = segment;
            self.count = self.count.wrapping_add(1);
        }
    }

    fn noted(&self) -> &[Segment] {
        self.segments.get(..usize::from(self.count)).unwrap_or(&[])
    }

    fn forget(&mut self) {
        self.count = 0;
    }
}

/// A few segments of memory that a device can access. To be
/// [unmapped](Self::unmap) before it is dropped.
///
/// # Invariants
///
/// Each segment is mapped in `direction`, for the device it was made for.
pub(crate) struct FewSegments {
    few: Few,
    direction: Direction,
}

impl FewSegments {
    /// Most pieces that can be mapped.
    pub(super) const MAX: usize = FEW;

    /// Maps `ranges`, which are what was pinned. `None` if they are in too many
    /// places.
    ///
    /// # Errors
    ///
    /// ENOMEM: the platform has no bus addresses left.
    pub(crate) fn map_pinned(
        device: &DmaDevice,
        pins: &Pins,
        ranges: &[UserRange],
        direction: Direction,
    ) -> Result<Option<Self>> {
        if pins.are_many() {
            return Ok(None);
        }
        // SAFETY: Pinned memory stays where it is; who has the pins keeps them
        // until this is unmapped.
        unsafe { Self::map_pieces(device, pins.pieces(ranges), direction) }
    }

    /// Maps pieces of memory that somebody else keeps in place. `None` if they
    /// turn out to be in too many places.
    ///
    /// # Safety
    ///
    /// The pieces must be valid memory until [`Self::unmap`].
    ///
    /// # Errors
    ///
    /// As [`Self::map_pinned`].
    pub(super) unsafe fn map_pieces(
        device: &DmaDevice,
        pieces: impl Iterator<Item = (bindings::phys_addr_t, usize)>,
        direction: Direction,
    ) -> Result<Option<Self>> {
        let nothing = Segment {
            address: DmaAddress(0),
            length_bytes: 0,
        };
        let mut this = Self {
            few: Few {
                segments: [nothing; FEW],
                count: 0,
            },
            direction,
        };
        // SAFETY: By the safety requirement.
        match unsafe { map_runs(device, pieces, direction, &mut this.few) } {
            Ok(()) => Ok(Some(this)),
            Err(error) => {
                this.unmap(device);
                if error == E2BIG {
                    Ok(None)
                } else {
                    Err(error)
                }
            }
        }
    }

    /// What the device sees.
    pub(crate) fn segments(&self) -> &[Segment] {
        self.few.noted()
    }

    pub(crate) fn length_bytes(&self) -> u64 {
        // Those that are not noted are empty.
        let [first, second] = self.few.segments;
        first.length_bytes.saturating_add(second.length_bytes)
    }

    /// Ends the access of `device`, the one it was made for. Any context.
    pub(crate) fn unmap(&mut self, device: &DmaDevice) {
        unmap(device, self.direction, &mut self.few);
    }
}

impl Drop for FewSegments {
    fn drop(&mut self) {
        if !self.segments().is_empty() {
            pr_err!("bug: memory is still mapped\n");
        }
    }
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
        self.segments.reserve(FEW, GFP_KERNEL)?;
        self.direction = few.direction;
        for &segment in few.segments() {
            // INVARIANT: Mapped, by the invariant of `few`, which forgets it.
            self.segments.note(segment);
        }
        few.few.forget();
        Ok(())
    }

    /// Ends the device's access. Any context.
    pub(crate) fn unmap(&mut self) {
        unmap(&self.device, self.direction, &mut self.segments);
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.unmap();
    }
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
    mut pieces: impl Iterator<Item = (bindings::phys_addr_t, usize)>,
    direction: Direction,
    notes: &mut impl Notes,
) -> Result {
    let raw = device.as_raw();
    let limit_bytes = device.segment_limit_bytes();
    let direction = direction.as_raw();
    let (mut begin, mut left) = (0_u64, 0_usize);
    loop {
        // No piece is empty.
        let (next, more) = pieces.next().unwrap_or((0, 0));
        if more > 0 && next == begin.wrapping_add(left as u64) {
            left = left.wrapping_add(more);
            continue;
        }
        while left > 0 {
            // The limit is whole pages, at least one; a part ends where a page
            // does.
            let offset = (begin % PAGE_SIZE as u64) as usize;
            let length_bytes = left.min(limit_bytes.wrapping_sub(offset));
            notes.prepare()?;
            // SAFETY: The device is bound to us. The memory is ordinary memory
            // that stays where it is, by the safety requirement, and contiguous.
            let address = unsafe { bindings::dma_map_phys(raw, begin, length_bytes, direction, 0) };
            if failed(raw, address) {
                return Err(ENOMEM);
            }
            notes.note(Segment {
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

/// Whether `address`, what mapping gave just now, is none.
#[inline]
fn failed(device: *mut bindings::device, address: bindings::dma_addr_t) -> bool {
    if cfg!(CONFIG_DMA_API_DEBUG) {
        // It has to see that somebody looks.
        //
        // SAFETY: The device is bound to us, and the address is its.
        return unsafe { bindings::nvme_rs_dma_mapping_error(device, address) } != 0;
    }
    address == DMA_MAPPING_ERROR
}

fn unmap(device: &DmaDevice, direction: Direction, notes: &mut impl Notes) {
    if !notes.noted().is_empty() && device.needs_unmap() {
        for segment in notes.noted() {
            // SAFETY: What is noted was mapped like this, for this device.
            unsafe {
                bindings::dma_unmap_phys(
                    device.as_raw(),
                    segment.address.0,
                    segment.length_bytes as usize,
                    direction.as_raw(),
                    0,
                )
            };
        }
    }
    notes.forget();
}
