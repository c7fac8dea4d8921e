// SPDX-License-Identifier: GPL-2.0-only

//! Memory of a process that a controller reads or writes in place: pinned for
//! as long as the process is to keep it, mapped for as long as the controller
//! accesses it.
//!
//! The `kernel` crate cannot pin user pages.

use kernel::{
    alloc::flags::__GFP_NOWARN,
    error::to_result,
    page::PAGE_SIZE,
    prelude::*, //
};

use crate::{engine::prp::Segment, spec::command::DmaAddress};

use super::{bindings, dma::DmaDevice};

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

/// A range of addresses in the memory of the calling process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UserRange {
    pub(crate) address: usize,
    pub(crate) length_bytes: usize,
}

impl UserRange {
    /// The first bytes of the range, at most so many; `None`: nothing.
    pub(crate) fn up_to(self, limit_bytes: usize) -> Option<Self> {
        let length_bytes = self.length_bytes.min(limit_bytes);
        (length_bytes > 0).then_some(Self {
            length_bytes,
            ..self
        })
    }

    /// How many pages the range touches.
    fn pages(self) -> usize {
        (self.address % PAGE_SIZE)
            .saturating_add(self.length_bytes)
            .div_ceil(PAGE_SIZE)
    }
}

/// How many pages [`Pins`] holds without memory of its own.
const INLINE: usize = 2;

/// Pinned pages of a process, until dropped.
///
/// To be dropped in process context, when no device accesses them any more.
///
/// # Invariants
///
/// Each of the pages is pinned.
pub(crate) struct Pins {
    pages: Pages,
    written: bool,
}

enum Pages {
    Few([*mut bindings::page; INLINE], u8),
    Many(KVVec<*mut bindings::page>),
}

// SAFETY: Pinned pages belong to no task; they may be released on any thread.
unsafe impl Send for Pins {}

// SAFETY: No method changes anything through `&self`.
unsafe impl Sync for Pins {}

impl Pins {
    /// Pins `ranges`, none of which is empty. Sleeps.
    ///
    /// # Errors
    ///
    /// EFAULT if the process may not access the memory in that way; ENOMEM.
    pub(crate) fn new(ranges: &[UserRange], direction: Direction) -> Result<Self> {
        let mut this = Self {
            pages: Pages::Few([core::ptr::null_mut(); INLINE], 0),
            written: direction.writes_memory(),
        };
        let count: usize = ranges
            .iter()
            .fold(0, |sum: usize, range| sum.saturating_add(range.pages()));
        if count > INLINE {
            this.pages = Pages::Many(KVVec::with_capacity(count, GFP_KERNEL | __GFP_NOWARN)?);
        }
        for &range in ranges {
            this.pin(range)?;
        }
        Ok(this)
    }

    fn pin(&mut self, range: UserRange) -> Result {
        let mut address = range.address - range.address % PAGE_SIZE;
        let mut missing = range.pages();
        while missing > 0 {
            let pinned = self.pin_some(address, missing)?;
            address = address.wrapping_add(pinned.saturating_mul(PAGE_SIZE));
            missing = missing.saturating_sub(pinned);
        }
        Ok(())
    }

    /// Pins pages from `address` on, at most `wanted`. Returns how many.
    fn pin_some(&mut self, address: usize, wanted: usize) -> Result<usize> {
        let mut flags = 0;
        if self.written {
            flags |= bindings::FOLL_WRITE;
        }
        let space = match &mut self.pages {
            Pages::Few(pages, count) => pages.get_mut(usize::from(*count)..).ok_or(EINVAL)?,
            Pages::Many(pages) => {
                let spare = pages.spare_capacity_mut();
                // SAFETY: Only written to, and only by the call below.
                unsafe { core::slice::from_raw_parts_mut(spare.as_mut_ptr().cast(), spare.len()) }
            }
        };
        let wanted = wanted.min(space.len()).min(c_int::MAX as usize);
        // SAFETY: `space` has room for `wanted` pointers. The function checks
        // the addresses.
        let pinned = unsafe {
            bindings::pin_user_pages_fast(address, wanted as c_int, flags, space.as_mut_ptr())
        };
        // Addresses beyond those of a process come out as EOVERFLOW.
        to_result(pinned).map_err(|error| match error {
            EOVERFLOW => EFAULT,
            error => error,
        })?;
        let pinned = pinned.unsigned_abs() as usize;
        if pinned == 0 {
            return Err(EFAULT);
        }
        // INVARIANT: So many more are pinned.
        match &mut self.pages {
            // CAST: At most `INLINE`.
            Pages::Few(_, count) => *count += pinned as u8,
            // SAFETY: So many elements of the spare capacity were initialised.
            Pages::Many(pages) => unsafe { pages.inc_len(pinned) },
        }
        Ok(pinned)
    }

    fn pages(&self) -> &[*mut bindings::page] {
        match &self.pages {
            Pages::Few(pages, count) => pages.get(..usize::from(*count)).unwrap_or(&[]),
            Pages::Many(pages) => pages,
        }
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        let written = self.written;
        let pages = self.pages();
        if pages.is_empty() {
            return;
        }
        // SAFETY: All of these pages are pinned, by the type invariant, and no
        // device accesses them any more. The list is only read.
        unsafe {
            bindings::unpin_user_pages_dirty_lock(pages.as_ptr().cast_mut(), pages.len(), written)
        };
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
        self.unmap();
        self.direction = direction;
        let mut pages = pins.pages().iter();
        for range in ranges {
            let mut left = range.length_bytes;
            let mut offset = range.address % PAGE_SIZE;
            let mut run = Run::default();
            while left > 0 {
                let page = *pages.next().ok_or(EINVAL)?;
                let here = left.min(PAGE_SIZE - offset);
                // SAFETY: The page is pinned, so that it is valid.
                let address = unsafe { bindings::nvme_rs_page_to_phys(page) } + offset as u64;
                self.add(&mut run, address, here)?;
                left -= here;
                offset = 0;
            }
            self.map_run(&run)?;
        }
        Ok(())
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
        let mut run = Run::default();
        for (address, length_bytes) in pieces {
            self.add(&mut run, address, length_bytes)?;
        }
        self.map_run(&run)
    }

    /// Lets `run` grow by a piece, or maps it and begins another one.
    fn add(
        &mut self,
        run: &mut Run,
        address: bindings::phys_addr_t,
        length_bytes: usize,
    ) -> Result {
        let limit = self.device.segment_limit_bytes();
        let grown = run.length_bytes.saturating_add(length_bytes);
        if run.length_bytes > 0 && run.end() == address && grown <= limit {
            run.length_bytes = grown;
            return Ok(());
        }
        self.map_run(run)?;
        *run = Run {
            begin: address,
            length_bytes,
        };
        Ok(())
    }

    fn map_run(&mut self, run: &Run) -> Result {
        if run.length_bytes == 0 {
            return Ok(());
        }
        // Before mapping, so that nothing mapped is forgotten.
        self.segments.reserve(1, GFP_KERNEL)?;
        let device = self.device.as_raw();
        let direction = self.direction.as_raw();
        // SAFETY: The device is bound to us. The memory is ordinary memory that
        // stays where it is, and contiguous.
        let address = unsafe {
            let address = bindings::dma_map_phys(device, run.begin, run.length_bytes, direction, 0);
            to_result(bindings::nvme_rs_dma_mapping_error(device, address))?;
            address
        };
        // INVARIANT: Mapped just now.
        self.segments.push(
            Segment {
                address: DmaAddress(address),
                length_bytes: run.length_bytes as u64,
            },
            GFP_KERNEL,
        )?;
        Ok(())
    }

    /// Ends the device's access. Any context.
    pub(crate) fn unmap(&mut self) {
        let direction = self.direction.as_raw();
        for segment in &self.segments {
            // SAFETY: Mapped like this, by the type invariant.
            unsafe {
                bindings::dma_unmap_phys(
                    self.device.as_raw(),
                    segment.address.0,
                    segment.length_bytes as usize,
                    direction,
                    0,
                )
            };
        }
        self.segments.truncate(0);
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.unmap();
    }
}

/// Contiguous memory.
#[derive(Clone, Copy, Default)]
struct Run {
    begin: bindings::phys_addr_t,
    length_bytes: usize,
}

impl Run {
    fn end(&self) -> bindings::phys_addr_t {
        self.begin + self.length_bytes as u64
    }
}
