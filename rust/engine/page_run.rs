// SPDX-License-Identifier: GPL-2.0-only

//! Where in memory the pages of a process are: runs of pages that follow one
//! another, and the pieces of ranges of addresses that are in them.

/// A page of the processor.
pub(crate) const PAGE_BYTES: usize = 4096;

/// A range of addresses in the memory of a process.
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
    pub(crate) fn pages(self) -> usize {
        (self.address % PAGE_BYTES)
            .saturating_add(self.length_bytes)
            .div_ceil(PAGE_BYTES)
    }
}

/// Pages that follow one another in memory: the number of the first, and in the
/// low bits how many. Zero: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct PageRun(u64);

impl PageRun {
    pub(crate) const NONE: Self = Self(0);
    const COUNT_BITS: u32 = 24;
    const COUNT_MAX: u64 = (1 << Self::COUNT_BITS) - 1;

    /// The page of this number.
    pub(crate) fn one(frame: usize) -> Self {
        Self(((frame as u64) << Self::COUNT_BITS) | 1)
    }

    /// What [`Self::word`] gave.
    pub(crate) fn of_word(word: u64) -> Self {
        Self(word)
    }

    pub(crate) fn word(self) -> u64 {
        self.0
    }

    /// How many pages.
    pub(crate) fn count(self) -> u64 {
        self.0 & Self::COUNT_MAX
    }

    /// The physical address of the first.
    pub(crate) fn begin(self) -> u64 {
        (self.0 >> Self::COUNT_BITS).wrapping_mul(PAGE_BYTES as u64)
    }

    pub(crate) fn length_bytes(self) -> usize {
        // CAST: At most 2^24 pages.
        (self.count() as usize).wrapping_mul(PAGE_BYTES)
    }

    /// Adds the page after the last one. False if `page` is not that.
    pub(crate) fn grow(&mut self, page: Self) -> bool {
        let next = self.begin().wrapping_add(self.length_bytes() as u64);
        let grows = self.count() > 0 && self.count() < Self::COUNT_MAX && page.begin() == next;
        if grows {
            self.0 = self.0.wrapping_add(1);
        }
        grows
    }
}

/// Physical addresses and lengths of the pieces of ranges.
#[derive(Clone)]
pub(crate) struct Pieces<'a> {
    runs: core::slice::Iter<'a, PageRun>,
    ranges: core::slice::Iter<'a, UserRange>,
    /// Bytes of the present range that are still to come.
    left: usize,
    /// Where in its first page it begins.
    skip: usize,
}

impl<'a> Pieces<'a> {
    /// Those of `ranges`, one after another in `runs`. No run has pages of two
    /// ranges.
    pub(crate) fn new(runs: &'a [PageRun], ranges: &'a [UserRange]) -> Self {
        Self {
            runs: runs.iter(),
            ranges: ranges.iter(),
            left: 0,
            skip: 0,
        }
    }
}

impl Iterator for Pieces<'_> {
    type Item = (u64, usize);

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            let range = self.ranges.next()?;
            self.left = range.length_bytes;
            self.skip = range.address % PAGE_BYTES;
        }
        let run = self.runs.next()?;
        let skip = core::mem::take(&mut self.skip);
        let length_bytes = run.length_bytes().saturating_sub(skip).min(self.left);
        self.left = self.left.saturating_sub(length_bytes);
        (length_bytes > 0).then_some((run.begin().wrapping_add(skip as u64), length_bytes))
    }
}
