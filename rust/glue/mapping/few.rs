// SPDX-License-Identifier: GPL-2.0-only

//! One or two segments, which is what most commands have: nothing is allocated
//! for them.

use kernel::prelude::*;

use crate::{
    engine::prp::Segment,
    glue::{
        dma::DmaDevice,
        pins::{Pins, UserRange},
    },
    spec::command::DmaAddress,
};

use super::{end_of, map_run, part_limit_bytes, unmap, Direction, Run};

/// One or two segments of memory that a device can access. To be
/// [unmapped](Self::unmap) before it is dropped.
///
/// # Invariants
///
/// A segment that is not empty is mapped in `direction`, for the device it was
/// made for.
pub(crate) struct FewSegments {
    // Addresses and lengths apart, as each command moves this around: it is as
    // small as it can be.
    addresses: [u64; Self::MAX],
    lengths_bytes: [u32; Self::MAX],
    pub(super) direction: Direction,
}

impl FewSegments {
    /// Most segments there can be.
    pub(in crate::glue) const MAX: usize = 2;

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
    #[inline(always)]
    pub(in crate::glue) unsafe fn map_pieces(
        device: &DmaDevice,
        pieces: impl Iterator<Item = Run>,
        direction: Direction,
    ) -> Result<Option<Self>> {
        let Some((first, second)) = few_runs(pieces) else {
            return Ok(None);
        };
        if !fits(device, first) || (second.1 > 0 && !fits(device, second)) {
            return Ok(None);
        }
        let mut this = Self {
            addresses: [0; Self::MAX],
            lengths_bytes: [0; Self::MAX],
            direction,
        };
        let [one, other] = &mut this.addresses;
        // SAFETY: By the safety requirement.
        *one = unsafe { map_run(device, first, direction) }?;
        // CAST: It fits, and the limit is no longer than that.
        //
        // INVARIANT: Mapped just now.
        this.lengths_bytes = [first.1 as u32, 0];
        if second.1 > 0 {
            // SAFETY: By the safety requirement.
            match unsafe { map_run(device, second, direction) } {
                Ok(address) => *other = address,
                Err(error) => {
                    this.unmap(device);
                    return Err(error);
                }
            }
            // CAST: It fits.
            //
            // INVARIANT: Mapped just now.
            this.lengths_bytes = [first.1 as u32, second.1 as u32];
        }
        Ok(Some(this))
    }

    /// What the device sees: the first segment, and the second if there is one.
    pub(crate) fn segments(&self) -> (Segment, Option<Segment>) {
        let [first, second] = self.addresses;
        let [first_bytes, second_bytes] = self.lengths_bytes;
        let segment = |address, length_bytes: u32| Segment {
            address: DmaAddress(address),
            length_bytes: length_bytes.into(),
        };
        let second = (second_bytes > 0).then(|| segment(second, second_bytes));
        (segment(first, first_bytes), second)
    }

    /// What has to be kept until the device does not access it any more: nothing
    /// if unmapping would do nothing.
    #[inline]
    pub(crate) fn into_kept(mut self, device: &DmaDevice) -> Option<Self> {
        if device.needs_unmap() {
            return Some(self);
        }
        // As it was mapped before this, it never needs to be.
        self.forget();
        None
    }

    pub(crate) fn length_bytes(&self) -> u64 {
        let [first, second] = self.lengths_bytes;
        u64::from(first) + u64::from(second)
    }

    /// Ends the access of `device`, the one it was made for. Any context.
    pub(crate) fn unmap(&mut self, device: &DmaDevice) {
        let (first, second) = self.segments();
        for segment in [Some(first), second].into_iter().flatten() {
            if segment.length_bytes > 0 {
                // SAFETY: By the type invariant.
                unsafe { unmap(device, segment, self.direction) };
            }
        }
        self.forget();
    }

    /// What is mapped stays so, and is somebody else's.
    pub(super) fn forget(&mut self) {
        self.lengths_bytes = [0; Self::MAX];
    }
}

impl Drop for FewSegments {
    #[inline]
    fn drop(&mut self) {
        if self.lengths_bytes != [0; Self::MAX] {
            pr_err!("bug: memory is still mapped\n");
        }
    }
}

/// Joins pieces that follow one another. `None` if more than two runs are left,
/// or none.
#[inline(always)]
fn few_runs(mut pieces: impl Iterator<Item = Run>) -> Option<(Run, Run)> {
    let mut first = pieces.next()?;
    let mut second: Run = (0, 0);
    for (begin, length_bytes) in pieces {
        let last = if second.1 > 0 {
            &mut second
        } else {
            &mut first
        };
        if begin == end_of(*last) {
            last.1 = last.1.wrapping_add(length_bytes);
        } else if second.1 == 0 {
            second = (begin, length_bytes);
        } else {
            return None;
        }
    }
    Some((first, second))
}

/// Whether a run can be mapped as one of [`FewSegments`].
fn fits(device: &DmaDevice, (begin, length_bytes): Run) -> bool {
    length_bytes <= part_limit_bytes(device, begin)
}
