// SPDX-License-Identifier: GPL-2.0-only

//! Physical Region Pages: how a command says where its data is (section 4.1.1).
//!
//! The first entry may start anywhere in a memory page, the others are whole
//! pages, in any order in memory. Up to two entries are in the command itself;
//! of more, all but the first are in a list, whose pages are chained by their
//! last entries.

use zerocopy::little_endian::U64;

use crate::spec::{
    command::{DmaAddress, SubmissionEntry},
    register::PAGE_SHIFT,
};

/// The memory page that the driver has controllers use.
pub(crate) const PAGE_BYTES: u64 = 1 << PAGE_SHIFT;

/// How many entries a page of a list has.
pub(crate) const ENTRIES_PER_LIST_PAGE: usize = PAGE_BYTES as usize / 8;

/// Contiguous memory, as the controller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) address: DmaAddress,
    /// Not zero.
    pub(crate) length_bytes: u64,
}

/// Why PRP entries cannot describe some memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It does not start at a dword.
    Misaligned,
    /// A segment starts or ends within a page in the middle of the transfer.
    Gap,
    /// There is more than there is room in the list for.
    TooLong,
}

/// What a data pointer consists of: PSDT of command dword 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum PointerKind {
    Prp = 0b00,
    /// An SGL for data; metadata, if any, is contiguous.
    Sgl = 0b01,
}

/// Where the data of a command is: DPTR, as two words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DataPointer {
    pub(crate) kind: PointerKind,
    pub(crate) first: u64,
    pub(crate) second: u64,
}

impl DataPointer {
    pub(super) fn prp(first: u64, second: u64) -> Self {
        Self {
            kind: PointerKind::Prp,
            first,
            second,
        }
    }

    /// Has `entry`, whose flags say nothing else, name it.
    pub(crate) fn describe_in(self, entry: &mut SubmissionEntry) {
        entry.flags = (self.kind as u8) << 6;
        entry.prp1.set(self.first);
        entry.prp2.set(self.second);
    }
}

/// Memory for a list.
pub(crate) trait ListMemory {
    /// Where the controller finds page `page` of the list, if there is one.
    fn address(&self, page: usize) -> Option<DmaAddress>;

    /// Writes entries from `index` on, up to [`ENTRIES_PER_LIST_PAGE`], of a
    /// page that has an address.
    fn write(&mut self, page: usize, index: usize, entries: &[U64]);
}

/// How many memory pages the segments are in.
///
/// # Errors
///
/// [`Unfit::Misaligned`], [`Unfit::Gap`].
pub(crate) fn count_pages(segments: impl IntoIterator<Item = Segment>) -> Result<usize, Unfit> {
    let mut pages: u64 = 0;
    let mut ended_within_page = false;
    for (index, segment) in segments.into_iter().enumerate() {
        let offset = segment.address.0 % PAGE_BYTES;
        if index == 0 && offset % 4 != 0 {
            return Err(Unfit::Misaligned);
        }
        if index > 0 && (offset != 0 || ended_within_page) {
            return Err(Unfit::Gap);
        }
        let end = offset.checked_add(segment.length_bytes).ok_or(Unfit::Gap)?;
        ended_within_page = end % PAGE_BYTES != 0;
        pages = pages.saturating_add(end.div_ceil(PAGE_BYTES));
    }
    usize::try_from(pages).map_err(|_| Unfit::TooLong)
}

/// How many pages the list for a transfer of `pages` memory pages has.
pub(crate) const fn list_pages(pages: usize) -> usize {
    match pages.saturating_sub(1) {
        0 | 1 => 0,
        entries => {
            // Each page but the last spends one entry on the next.
            let over = entries.saturating_sub(ENTRIES_PER_LIST_PAGE);
            1 + over.div_ceil(ENTRIES_PER_LIST_PAGE - 1)
        }
    }
}

/// Describes the segments, of which there is at least one, and which
/// [`count_pages`] found to be in `pages`.
///
/// # Errors
///
/// [`Unfit::TooLong`] if `list` has too few pages.
pub(crate) fn describe(
    segments: impl IntoIterator<Item = Segment>,
    pages: usize,
    list: &mut impl ListMemory,
) -> Result<DataPointer, Unfit> {
    let mut entries = entries(segments);
    let prp1 = entries.next().unwrap_or(0);
    if pages <= 2 {
        let prp2 = entries.next().unwrap_or(0);
        return Ok(DataPointer::prp(prp1, prp2));
    }
    let prp2 = list.address(0).ok_or(Unfit::TooLong)?.0;
    let mut writer = Writer {
        list,
        page: 0,
        index: 0,
        left: pages.saturating_sub(1),
        batch: [U64::ZERO; BATCH],
        count: 0,
    };
    for entry in entries {
        writer.push(entry)?;
    }
    writer.flush();
    Ok(DataPointer::prp(prp1, prp2))
}

/// The start of each segment, and of every page after that one's.
pub(crate) fn entries(segments: impl IntoIterator<Item = Segment>) -> impl Iterator<Item = u64> {
    Entries {
        segments: segments.into_iter(),
        next: 0,
        end: 0,
    }
}

struct Entries<I: Iterator<Item = Segment>> {
    segments: I,
    next: u64,
    /// Of the present segment.
    end: u64,
}

impl<I: Iterator<Item = Segment>> Iterator for Entries<I> {
    type Item = u64;

    #[inline]
    fn next(&mut self) -> Option<u64> {
        if self.next >= self.end {
            let segment = self.segments.next()?;
            self.next = segment.address.0;
            self.end = self.next.saturating_add(segment.length_bytes);
        }
        let entry = self.next;
        self.next = (entry | (PAGE_BYTES - 1)).saturating_add(1);
        Some(entry)
    }
}

/// How many entries are written to a list at a time.
const BATCH: usize = 16;

/// Writes a list.
struct Writer<'a, L: ListMemory> {
    list: &'a mut L,
    /// Where the batch is written.
    page: usize,
    index: usize,
    /// How many entries are still to come, those of the batch included.
    left: usize,
    batch: [U64; BATCH],
    count: usize,
}

impl<L: ListMemory> Writer<'_, L> {
    #[inline]
    fn push(&mut self, entry: u64) -> Result<(), Unfit> {
        if self.index + self.count == ENTRIES_PER_LIST_PAGE - 1 && self.left > 1 {
            let page = self.page.wrapping_add(1);
            let next = self.list.address(page).ok_or(Unfit::TooLong)?;
            self.put(next.0);
            self.flush();
            (self.page, self.index) = (page, 0);
        }
        self.put(entry);
        self.left = self.left.saturating_sub(1);
        Ok(())
    }

    #[inline]
    fn put(&mut self, entry: u64) {
        if self.count == BATCH {
            self.flush();
        }
        if let Some(place) = self.batch.get_mut(self.count) {
            place.set(entry);
            self.count = self.count.wrapping_add(1);
        }
    }

    fn flush(&mut self) {
        let batch = self.batch.get(..self.count).unwrap_or(&[]);
        self.list.write(self.page, self.index, batch);
        self.index = self.index.saturating_add(self.count);
        self.count = 0;
    }
}

/// Describes what the two entries of a command can: as [`describe`], without a
/// list. `None` if they cannot.
pub(crate) fn in_command(segments: &[Segment]) -> Option<DataPointer> {
    let (segment, next) = match *segments {
        [segment] => (segment, None),
        [segment, next] => (segment, Some(next)),
        _ => return None,
    };
    let first = segment.address.0;
    let page = first - first % PAGE_BYTES;
    let end = (first % PAGE_BYTES).checked_add(segment.length_bytes)?;
    let second = match next {
        None if end <= PAGE_BYTES => 0,
        None if end <= 2 * PAGE_BYTES => page.checked_add(PAGE_BYTES)?,
        Some(next)
            if end == PAGE_BYTES
                && next.address.0 % PAGE_BYTES == 0
                && next.length_bytes <= PAGE_BYTES =>
        {
            next.address.0
        }
        _ => return None,
    };
    (first % 4 == 0).then(|| DataPointer::prp(first, second))
}
