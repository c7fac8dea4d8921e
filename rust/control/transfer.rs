// SPDX-License-Identifier: GPL-2.0-only

//! The memory of one command of a process: in place where the command can say
//! where it is, otherwise through a copy.

use kernel::{
    prelude::*,
    uaccess::{UserPtr, UserSlice}, //
};

use crate::{
    engine::{
        prp::{DataPointer, Segment},
        sgl::SglSupport,
    },
    glue::{
        dma::{Buffer, DmaDevice, PAGE_BUFFER_BYTES},
        mapping::{Direction, Mapping},
        pins::{Pins, Room, UserRange},
    },
    spec::command::SubmissionEntry,
};

use super::scratch::{DescribeError, List};

/// Most metadata a command can have: it has to be contiguous in memory.
pub(super) const METADATA_BYTES_MAX: usize = 1 << 20;

/// How much is copied at a time between memory of a process and a [`Buffer`].
pub(super) const CHUNK_BYTES: usize = 512;

/// Memory that a controller may access until the command is over.
///
/// To be dropped in process context, when it is.
pub(crate) struct Transfer {
    data: Option<Data>,
    metadata: Option<Metadata>,
}

struct Data {
    memory: DataMemory,
    pointer: DataPointer,
    _list: List,
}

enum DataMemory {
    /// In this order: unmapped, then let go.
    InPlace { _mapping: Mapping, _pins: Pins },
    /// A copy, and whose.
    Copied(KVVec<Buffer>, KVec<UserRange>),
}

struct Metadata {
    buffer: Buffer,
    range: UserRange,
}

impl Transfer {
    /// Makes memory of the calling process available to the controller. Sleeps.
    ///
    /// # Errors
    ///
    /// EFAULT if the process may not access the memory in that way; EINVAL for
    /// more metadata than [`METADATA_BYTES_MAX`]; ENOMEM.
    pub(super) fn new(
        device: &DmaDevice,
        data: &[UserRange],
        metadata: Option<UserRange>,
        direction: Direction,
        sgl: SglSupport,
    ) -> Result<KBox<Self>> {
        let transfer = Self {
            data: match data {
                [] => None,
                data => Some(Data::new(device, data, direction, sgl)?),
            },
            metadata: match metadata {
                None => None,
                Some(range) => Some(Metadata::new(device, range, direction)?),
            },
        };
        Ok(KBox::new(transfer, GFP_KERNEL)?)
    }

    /// Gives the controller a copy of memory of the calling process: `data`,
    /// and zeros after it, `length_bytes` in all. What becomes of it is to be
    /// asked for with [`Self::read`] and [`Self::give`]. Sleeps.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub(super) fn copied(
        device: &DmaDevice,
        data: Option<UserRange>,
        length_bytes: usize,
        metadata: Option<UserRange>,
        direction: Direction,
    ) -> Result<KBox<Self>> {
        Self::filled(device, length_bytes, metadata, direction, |pages| {
            copy_to_pages(pages, data.as_slice())
        })
    }

    /// As [`Self::copied`], but `fill` copies to the pages, which are zero, and
    /// what becomes of them is seen by [`Self::pages`].
    ///
    /// # Errors
    ///
    /// As [`Self::new`]; those of `fill`.
    pub(super) fn filled(
        device: &DmaDevice,
        length_bytes: usize,
        metadata: Option<UserRange>,
        direction: Direction,
        fill: impl FnOnce(&[Buffer]) -> Result,
    ) -> Result<KBox<Self>> {
        let data = match length_bytes {
            0 => None,
            _ => {
                let pages = pages_of(device, length_bytes)?;
                fill(&pages)?;
                Some(Data::copied(
                    device,
                    pages,
                    KVec::new(),
                    length_bytes,
                    &mut List::default(),
                )?)
            }
        };
        let metadata = match metadata {
            None => None,
            Some(range) => Some(Metadata::new(device, range, direction)?),
        };
        Ok(KBox::new(Self { data, metadata }, GFP_KERNEL)?)
    }

    /// The pages that data was copied to, if it was.
    pub(super) fn pages(&self) -> &[Buffer] {
        match &self.data {
            Some(Data {
                memory: DataMemory::Copied(pages, _),
                ..
            }) => pages,
            _ => &[],
        }
    }

    /// The first bytes of what was [copied](Self::copied), which the controller
    /// may have written, at most as many as `to` has; how many there are.
    pub(super) fn read(&self, to: &mut [u8]) -> Result<usize> {
        let mut done = 0;
        for (page, part) in self.pages().iter().zip(to.chunks_mut(PAGE_BUFFER_BYTES)) {
            page.copy_to(0, part)?;
            done += part.len();
        }
        Ok(done)
    }

    /// Gives the process the first bytes of what was [copied](Self::copied), as
    /// many as `to` is long, and all of its metadata. The command is over.
    /// Sleeps.
    ///
    /// # Errors
    ///
    /// EFAULT; EINVAL if there is not that much.
    pub(super) fn give(&self, to: Option<UserRange>, direction: Direction) -> Result {
        if !direction.writes_memory() {
            return Ok(());
        }
        if let Some(to) = to.filter(|_| self.data.is_some()) {
            copy_from_pages(self.pages(), &[to])?;
        }
        match &self.metadata {
            None => Ok(()),
            Some(metadata) => metadata.copy_back(),
        }
    }

    /// Has `entry` point to the memory.
    pub(super) fn describe_in(&self, entry: &mut SubmissionEntry) {
        if let Some(data) = &self.data {
            data.pointer.describe_in(entry);
        }
        if let Some(metadata) = &self.metadata {
            entry.mptr.set(metadata.buffer.address().0);
        }
    }

    /// Copies to the process what the controller wrote, as far as that was not
    /// in place. The command is over. Sleeps.
    ///
    /// # Errors
    ///
    /// EFAULT.
    pub(super) fn finish(&self, direction: Direction) -> Result {
        if !direction.writes_memory() {
            return Ok(());
        }
        if let Some(Data {
            memory: DataMemory::Copied(pages, data),
            ..
        }) = &self.data
        {
            copy_from_pages(pages, data)?;
        }
        if let Some(metadata) = &self.metadata {
            metadata.copy_back()?;
        }
        Ok(())
    }
}

impl Data {
    fn new(
        device: &DmaDevice,
        ranges: &[UserRange],
        direction: Direction,
        sgl: SglSupport,
    ) -> Result<Self> {
        let mut list = List::default();
        let pins = Pins::new(ranges, direction, Room::TwoWords, None)?;
        let mut mapping = Mapping::new(device);
        mapping.map_pinned(&pins, ranges, direction)?;
        match list.describe(device, mapping.segments().iter().copied(), sgl) {
            Ok(pointer) => {
                return Ok(Self {
                    memory: DataMemory::InPlace {
                        _mapping: mapping,
                        _pins: pins,
                    },
                    pointer,
                    _list: list,
                })
            }
            Err(DescribeError::Failed(error)) => return Err(error),
            Err(DescribeError::Unfit) => {}
        }
        drop(mapping);
        let length_bytes = ranges
            .iter()
            .fold(0_usize, |sum, range| sum.saturating_add(range.length_bytes));
        let pages = pages_of(device, length_bytes)?;
        // Also where the controller is to write: what it does not stays as it
        // was.
        copy_to_pages(&pages, ranges)?;
        let mut whose = KVec::with_capacity(ranges.len(), GFP_KERNEL)?;
        whose.extend_from_slice(ranges, GFP_KERNEL)?;
        Self::copied(device, pages, whose, length_bytes, &mut list)
    }

    /// Describes the copy of so many bytes.
    fn copied(
        device: &DmaDevice,
        pages: KVVec<Buffer>,
        whose: KVec<UserRange>,
        length_bytes: usize,
        list: &mut List,
    ) -> Result<Self> {
        let segments = pages.iter().enumerate().map(|(number, page)| Segment {
            address: page.address(),
            length_bytes: length_bytes
                .saturating_sub(number.saturating_mul(PAGE_BUFFER_BYTES))
                .min(PAGE_BUFFER_BYTES) as u64,
        });
        let pointer =
            list.describe(device, segments, SglSupport::None)
                .map_err(|error| match error {
                    DescribeError::Failed(error) => error,
                    DescribeError::Unfit => EINVAL,
                })?;
        Ok(Self {
            memory: DataMemory::Copied(pages, whose),
            pointer,
            _list: core::mem::take(list),
        })
    }
}

impl Metadata {
    fn new(device: &DmaDevice, range: UserRange, direction: Direction) -> Result<Self> {
        if range.length_bytes > METADATA_BYTES_MAX {
            return Err(EINVAL);
        }
        // Only to see whether the process may access it so.
        drop(Pins::new(&[range], direction, Room::TwoWords, None)?);
        let buffer = Buffer::charged(device, range.length_bytes)?;
        // What the controller does not write stays as it was.
        copy(
            core::slice::from_ref(&buffer),
            &[range],
            |buffer, offset, chunk, user| {
                user.reader().read_slice(chunk)?;
                buffer.copy_from(offset, chunk)
            },
        )?;
        Ok(Self { buffer, range })
    }

    fn copy_back(&self) -> Result {
        copy(
            core::slice::from_ref(&self.buffer),
            &[self.range],
            |buffer, offset, chunk, user| {
                buffer.copy_to(offset, chunk)?;
                user.writer().write_slice(chunk)
            },
        )
    }
}

/// Room for so many bytes, all of it zero.
fn pages_of(device: &DmaDevice, length_bytes: usize) -> Result<KVVec<Buffer>> {
    let mut pages = KVVec::new();
    for _ in 0..length_bytes.div_ceil(PAGE_BUFFER_BYTES) {
        pages.push(Buffer::charged(device, PAGE_BUFFER_BYTES)?, GFP_KERNEL)?;
    }
    Ok(pages)
}

fn copy_to_pages(pages: &[Buffer], ranges: &[UserRange]) -> Result {
    copy(pages, ranges, |page, offset, chunk, user| {
        user.reader().read_slice(chunk)?;
        page.copy_from(offset, chunk)
    })
}

fn copy_from_pages(pages: &[Buffer], ranges: &[UserRange]) -> Result {
    copy(pages, ranges, |page, offset, chunk, user| {
        page.copy_to(offset, chunk)?;
        user.writer().write_slice(chunk)
    })
}

/// Calls `each` for pieces of `ranges`: the buffer that a piece belongs to, the
/// place in it, room for a copy, and the piece. All buffers but the last are
/// pages.
fn copy(
    buffers: &[Buffer],
    ranges: &[UserRange],
    mut each: impl FnMut(&Buffer, usize, &mut [u8], UserSlice) -> Result,
) -> Result {
    let mut chunk = [0; CHUNK_BYTES];
    let mut at: usize = 0;
    for range in ranges {
        let mut done = 0;
        while done < range.length_bytes {
            let (buffer, offset) = match buffers {
                [only] => (only, at),
                pages => {
                    let page = pages.get(at / PAGE_BUFFER_BYTES).ok_or(EINVAL)?;
                    (page, at % PAGE_BUFFER_BYTES)
                }
            };
            let to_boundary = PAGE_BUFFER_BYTES - offset % PAGE_BUFFER_BYTES;
            let length_bytes = (range.length_bytes - done)
                .min(to_boundary)
                .min(CHUNK_BYTES);
            let user = UserSlice::new(
                UserPtr::from_addr(range.address.wrapping_add(done)),
                length_bytes,
            );
            let room = chunk.get_mut(..length_bytes).ok_or(EINVAL)?;
            each(buffer, offset, room, user)?;
            done += length_bytes;
            at += length_bytes;
        }
    }
    Ok(())
}
