// SPDX-License-Identifier: GPL-2.0-only

//! PRP entries for a whole buffer, written once. A command for part of the
//! buffer points into them.
//!
//! The last entry of each page of the list always leads to the next page. Where
//! it would be the last one that a command needs, the controller takes it for
//! one of the data: such a command needs a list of its own.

use zerocopy::little_endian::U64;

use super::prp::{DataPointer, ListMemory, Unfit, ENTRIES_PER_LIST_PAGE, PAGE_BYTES};

/// How many entries of a page of the list are of the buffer.
const ENTRIES: usize = ENTRIES_PER_LIST_PAGE - 1;

/// How many pages the list has for a buffer in so many memory pages.
pub(crate) const fn list_pages(pages: usize) -> usize {
    pages.div_ceil(ENTRIES)
}

/// Writes the list of a buffer in these memory pages.
///
/// # Errors
///
/// [`Unfit::TooLong`] if `list` has too few pages.
pub(crate) fn write(pages: &[U64], list: &mut impl ListMemory) -> Result<(), Unfit> {
    for (index, entries) in pages.chunks(ENTRIES).enumerate() {
        list.address(index).ok_or(Unfit::TooLong)?;
        list.write(index, 0, entries);
        if let Some(next) = list.address(index.wrapping_add(1)) {
            list.write(index, ENTRIES, &[U64::new(next.0)]);
        }
    }
    Ok(())
}

/// A part of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Where it begins, from the start of the first memory page.
    pub(crate) begin_bytes: u64,
    pub(crate) length_bytes: u64,
}

/// Describes part of a buffer in these memory pages, of which `list` is the
/// list. `None` if it is not part of it, or cannot be described so.
pub(crate) fn describe(part: Part, pages: &[U64], list: &impl ListMemory) -> Option<DataPointer> {
    let end = part.begin_bytes.checked_add(part.length_bytes)?;
    let offset = part.begin_bytes % PAGE_BYTES;
    if part.length_bytes == 0 || offset % 4 != 0 {
        return None;
    }
    let first = usize::try_from(part.begin_bytes / PAGE_BYTES).ok()?;
    let last = usize::try_from((end - 1) / PAGE_BYTES).ok()?;
    let begin = pages.get(first)?.get().checked_add(offset)?;
    pages.get(last)?;
    let second = match last - first {
        0 => 0,
        1 => pages.get(last)?.get(),
        others => {
            let next = first + 1;
            let index = next % ENTRIES;
            if ends_at_link(index, others) {
                return None;
            }
            let entry_bytes = (index * size_of::<U64>()) as u64;
            list.address(next / ENTRIES)?.0.checked_add(entry_bytes)?
        }
    };
    Some(DataPointer::prp(begin, second))
}

/// Whether the last of `count` entries from `index` on would be the first one
/// of a page of the list.
fn ends_at_link(index: usize, count: usize) -> bool {
    count
        .checked_sub(ENTRIES - index)
        .is_some_and(|after| after % ENTRIES == 1)
}
