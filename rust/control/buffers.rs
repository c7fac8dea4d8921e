// SPDX-License-Identifier: GPL-2.0-only

//! Buffers of rings that stay mapped for a controller.
//!
//! A buffer's pages belong to the ring it is registered with; how the
//! controller sees them is kept here, by where io_uring keeps the list of the
//! pages, until the ring lets go of the buffer or the driver of the controller.

use zerocopy::little_endian::U64;

use kernel::{
    fs::File,
    new_mutex,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed},
        Arc, Mutex,
    },
};

use crate::{
    engine::{
        buffer_list::{self, Part},
        prp::{self, DataPointer},
    },
    glue::{
        dma::DmaDevice,
        locked_memory::LockedMemory,
        look::Look,
        mapping::{Direction, Mapping},
        pins::{Pins, UserRange},
        shared_map::SharedMap,
        uring::{BufferPlace, Issue, Lender},
    },
};

use super::scratch::List;

/// Largest buffer, as with other registered buffers.
const BUFFER_BYTES_MAX: usize = 1 << 30;

/// How the controller sees a buffer. It is mapped until this is dropped.
struct Image {
    place: BufferPlace,
    length_bytes: u64,
    /// How far from the start of its first page the buffer begins.
    head_bytes: u64,
    view: View,
}

/// Where the controller sees what is mapped.
struct View {
    /// Each of its memory pages.
    pages: KVVec<U64>,
    list: List,
    _mapping: Mapping,
}

impl Image {
    fn describe(&self, begin: u64, length_bytes: u64, limit_bytes: u64) -> Option<DataPointer> {
        if begin.checked_add(length_bytes)? > self.length_bytes {
            return None;
        }
        let part = Part {
            begin_bytes: self.head_bytes.checked_add(begin)?,
            length_bytes: length_bytes.min(limit_bytes),
        };
        buffer_list::describe(part, &self.view.pages, &self.view.list)
    }
}

/// The buffers that are mapped for one controller.
#[pin_data]
pub(crate) struct MappedBuffers {
    device: DmaDevice,
    /// How many there are, so that those who use none need not look.
    count: Atomic<usize>,
    /// By place.
    #[pin]
    images: SharedMap<Arc<Image>>,
    /// Held from taking an image out until it is dropped: a buffer is unmapped when
    /// its ring may unpin it, and all are when the controller is let go.
    #[pin]
    unmapping: Mutex<()>,
}

/// What a ring has of a buffer, dropped in the order of the fields.
struct Loan {
    buffers: Arc<MappedBuffers>,
    _locked: LockedMemory,
    /// Keeps the module.
    _file: ARef<File>,
}

impl Lender for Loan {
    fn returned(&self, place: BufferPlace) {
        self.buffers.unmap(place);
    }
}

impl MappedBuffers {
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new(device: &DmaDevice) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                device: device.clone(),
                count: Atomic::new(0),
                images <- SharedMap::new(),
                unmapping <- new_mutex!((), "nvme_rs::MappedBuffers::unmapping"),
            }),
            GFP_KERNEL,
        )
    }

    /// Registers `range` as the buffer that `issue` names. Sleeps.
    ///
    /// # Errors
    ///
    /// EINVAL for an empty range or one that is too long; EFAULT if the process
    /// may not read and write it; ENOMEM, also for more than the process may
    /// lock; those of [`Issue::lend`].
    pub(super) fn register(self: &Arc<Self>, issue: &Issue, range: UserRange) -> Result {
        if range.length_bytes == 0 || range.length_bytes > BUFFER_BYTES_MAX {
            return Err(EINVAL);
        }
        let loan = Loan {
            buffers: self.clone(),
            _locked: LockedMemory::charge(range.pages())?,
            _file: issue.file(),
        };
        let pins = Pins::lasting(range)?;
        let view = self.map(&pins, range)?;
        let place = issue.lend(pins, range, loan)?;
        let Some(view) = view else {
            return Ok(());
        };
        let image = Image {
            place,
            length_bytes: range.length_bytes as u64,
            head_bytes: (range.address % PAGE_SIZE) as u64,
            view,
        };
        self.keep(image).inspect_err(|_| issue.take_back())
    }

    /// Maps a buffer. `None` where the controller would see a copy of it: that is
    /// made anew for each command.
    fn map(&self, pins: &Pins, range: UserRange) -> Result<Option<View>> {
        if !self.device.stays_in_sync() {
            return Ok(None);
        }
        let mut mapping = Mapping::new(&self.device);
        let mapped = mapping.map_pinned(pins, &[range], Direction::Both);
        // This is how the platform says that it made copies.
        if !self.device.stays_in_sync() {
            // The process may have changed its memory meanwhile.
            mapping.discard();
            return Ok(None);
        }
        mapped?;
        let (pages, list) = describe(&self.device, &mapping)?;
        Ok(Some(View {
            pages,
            list,
            _mapping: mapping,
        }))
    }

    fn keep(&self, image: Image) -> Result {
        let BufferPlace(number) = image.place;
        self.images.insert(number, Arc::new(image, GFP_KERNEL)?)?;
        self.count.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Describes the bytes from `begin` on of the buffer that `issue` names, at
    /// most `limit_bytes` of them. `None` if it is none of these, is not so long,
    /// or cannot be described so.
    pub(super) fn describe(
        &self,
        issue: &Issue,
        direction: Direction,
        begin: u64,
        length_bytes: usize,
        limit_bytes: usize,
    ) -> Option<DataPointer> {
        if self.count.look() == 0 || !self.device.stays_in_sync() {
            return None;
        }
        let BufferPlace(number) = issue.lent(direction)?;
        self.images
            .with(number, |image| {
                image.describe(begin, length_bytes as u64, limit_bytes as u64)
            })
            .flatten()
    }

    /// The buffer is not mapped any more after this, whoever unmaps it. Sleeps.
    fn unmap(&self, place: BufferPlace) {
        let unmapping = self.unmapping.lock();
        let image = self.images.take(place.0);
        if image.is_some() {
            self.count.fetch_sub(1, Relaxed);
        }
        drop(image);
        drop(unmapping);
    }

    /// Unmaps all of them, before the controller is let go. No command may use
    /// one any more, and none is registered. Sleeps.
    pub(super) fn unmap_all(&self) {
        while let Some(place) = self.images.with_first(|image| image.place) {
            self.unmap(place);
        }
        // Who returned the last one may not have unmapped it yet.
        drop(self.unmapping.lock());
    }
}

/// Where the controller sees the memory pages of what is mapped, and a list of
/// them.
fn describe(device: &DmaDevice, mapping: &Mapping) -> Result<(KVVec<U64>, List)> {
    let mut pages = KVVec::new();
    for entry in prp::entries(mapping.segments().iter().copied()) {
        let page = entry - entry % prp::PAGE_BYTES;
        pages.push(U64::new(page), GFP_KERNEL)?;
    }
    let mut list = List::with_pages(device, buffer_list::list_pages(pages.len()))?;
    buffer_list::write(&pages, &mut list).map_err(|_| EINVAL)?;
    Ok((pages, list))
}
