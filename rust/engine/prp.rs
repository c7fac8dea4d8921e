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

/// How many memory pages the segments are in, if PRP entries can describe them:
/// if nothing is between them.
pub(crate) fn count_pages(segments: impl IntoIterator<Item = Segment>) -> usize {
    let mut segments = segments.into_iter();
    let Some(first) = segments.next() else {
        return 0;
    };
    let length_bytes = segments.fold(first.length_bytes, |sum, segment| {
        sum.saturating_add(segment.length_bytes)
    });
    let end = (first.address.0 % PAGE_BYTES).saturating_add(length_bytes);
    usize::try_from(end.div_ceil(PAGE_BYTES)).unwrap_or(usize::MAX)
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

/// Describes the segments, which [`count_pages`] counted in `pages`.
///
/// # Errors
///
/// [`Unfit::Misaligned`], [`Unfit::Gap`]; [`Unfit::TooLong`] if `list` has too
/// few pages. What is in the list then means nothing.
pub(crate) fn describe(
    segments: impl IntoIterator<Item = Segment>,
    pages: usize,
    list: &mut impl ListMemory,
) -> Result<DataPointer, Unfit> {
    let mut segments = segments.into_iter();
    let first = segments.next().ok_or(Unfit::Gap)?;
    let prp1 = first.address.0;
    if prp1 % 4 != 0 {
        return Err(Unfit::Misaligned);
    }
    let mut writer = Writer::new(list, pages.saturating_sub(1));
    let mut end = prp1.checked_add(first.length_bytes).ok_or(Unfit::Gap)?;
    let mut next = after_page_of(prp1);
    loop {
        while next < end {
            writer.push(next)?;
            next = after_page_of(next);
        }
        let Some(segment) = segments.next() else {
            break;
        };
        next = segment.address.0;
        if next % PAGE_BYTES != 0 || end % PAGE_BYTES != 0 {
            return Err(Unfit::Gap);
        }
        end = next.checked_add(segment.length_bytes).ok_or(Unfit::Gap)?;
    }
    Ok(DataPointer::prp(prp1, writer.finish()?))
}

fn after_page_of(address: u64) -> u64 {
    (address | (PAGE_BYTES - 1)).saturating_add(1)
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
        self.next = after_page_of(entry);
        Some(entry)
    }
}

/// How many entries are written to a list at a time.
const BATCH: usize = 16;

/// Writes the entries after the first: one into the command, or all into a list.
struct Writer<'a, L: ListMemory> {
    list: &'a mut L,
    batch: [U64; BATCH],
    /// How many entries the batch has, and has room for.
    count: usize,
    room: usize,
    /// Where in the list the batch will be written.
    page: usize,
    index: usize,
    /// How many entries are to come, those of the batch included.
    left: usize,
}

impl<'a, L: ListMemory> Writer<'a, L> {
    fn new(list: &'a mut L, entries: usize) -> Self {
        Self {
            list,
            batch: [U64::ZERO; BATCH],
            count: 0,
            room: BATCH,
            page: 0,
            index: 0,
            left: entries,
        }
    }

    #[inline]
    fn push(&mut self, entry: u64) -> Result<(), Unfit> {
        if self.count == self.room {
            self.make_room()?;
        }
        let place = self.batch.get_mut(self.count).ok_or(Unfit::TooLong)?;
        place.set(entry);
        self.count = self.count.wrapping_add(1);
        Ok(())
    }

    #[cold]
    fn make_room(&mut self) -> Result<(), Unfit> {
        self.flush()?;
        let mut room = (ENTRIES_PER_LIST_PAGE - 1).saturating_sub(self.index);
        if room == 0 && self.left > 1 {
            let page = self.page.wrapping_add(1);
            let next = self.list.address(page).ok_or(Unfit::TooLong)?;
            self.list.write(self.page, self.index, &[U64::new(next.0)]);
            (self.page, self.index) = (page, 0);
            room = ENTRIES_PER_LIST_PAGE - 1;
        }
        // The last entry of all may be where a page would lead to the next.
        self.room = room.clamp(1, BATCH);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Unfit> {
        self.list.address(self.page).ok_or(Unfit::TooLong)?;
        let batch = self.batch.get(..self.count).unwrap_or(&[]);
        self.list.write(self.page, self.index, batch);
        self.index = self.index.saturating_add(self.count);
        self.left = self.left.saturating_sub(self.count);
        self.count = 0;
        Ok(())
    }

    /// The second entry of the command.
    fn finish(mut self) -> Result<u64, Unfit> {
        let written = (self.page, self.index) != (0, 0);
        if !written && self.left <= 1 {
            let only = self.batch.first().filter(|_| self.count > 0);
            return Ok(only.map_or(0, |entry| entry.get()));
        }
        self.flush()?;
        self.list
            .address(0)
            .map_or(Err(Unfit::TooLong), |address| Ok(address.0))
    }
}

/// Describes what the two entries of a command can: as [`describe`], without a
/// list. `None` if they cannot.
pub(super) fn in_command(segment: Segment, next: Option<Segment>) -> Option<DataPointer> {
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
