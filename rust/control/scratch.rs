// SPDX-License-Identifier: GPL-2.0-only

//! What says where the data of a command is: its DMA mapping and, if it takes
//! one, a list.

use zerocopy::{little_endian::U64, IntoBytes};

use kernel::prelude::*;

use crate::{
    engine::{
        data_pointer,
        prp::{DataPointer, ListMemory, Segment, ENTRIES_PER_LIST_PAGE},
        sgl::SglSupport,
    },
    glue::{
        dma::{Buffer, DmaDevice, PAGE_BUFFER_BYTES},
        mapping::{FewSegments, Mapping},
    },
    spec::command::DmaAddress,
};

use super::ring_call::RingCall;

/// Where the data of an outstanding command of a ring is.
pub(super) enum Memory {
    /// There is none, or nothing has to be done about it when the command ends.
    Nowhere,
    /// In a few places, which the command itself names, and to be unmapped.
    Few(FewSegments),
    Scratch(KBox<Scratch>),
    /// In pages of the driver's: the command came in an envelope.
    Call(KBox<RingCall>),
}

impl Memory {
    pub(super) fn length_bytes(&self) -> u64 {
        match self {
            Self::Nowhere => 0,
            Self::Few(few) => few.length_bytes(),
            Self::Scratch(scratch) => scratch.mapping.length_bytes(),
            Self::Call(call) => call
                .scratch()
                .map_or(0, |scratch| scratch.mapping.length_bytes()),
        }
    }

    /// What came in an envelope, if it did; once.
    #[inline]
    pub(super) fn take_call(&mut self) -> Option<RingCall> {
        if !matches!(self, Self::Call(_)) {
            return None;
        }
        match core::mem::replace(self, Self::Nowhere) {
            Self::Call(call) => Some(KBox::into_inner(call)),
            Self::Nowhere | Self::Few(_) | Self::Scratch(_) => None,
        }
    }

    /// Ends the controller's access. Any context. `device` is the one it is
    /// mapped for.
    #[inline]
    pub(super) fn unmap(&mut self, device: &DmaDevice) {
        match self {
            Self::Nowhere => {}
            Self::Few(few) => few.unmap(device),
            Self::Scratch(scratch) => scratch.mapping.unmap(),
            Self::Call(call) => call.unmap(),
        }
    }

    /// As [`Self::unmap`]. Returns the room for another command, if it had some.
    #[inline]
    pub(super) fn release(&mut self, device: &DmaDevice) -> Option<KBox<Scratch>> {
        self.unmap(device);
        match core::mem::replace(self, Self::Nowhere) {
            Self::Scratch(scratch) => Some(scratch),
            Self::Call(call) => KBox::into_inner(call).into_scratch(),
            Self::Nowhere | Self::Few(_) => None,
        }
    }
}

/// The mapping of an outstanding command and the list that describes it, and
/// room for the next one's.
pub(super) struct Scratch {
    pub(super) mapping: Mapping,
    pub(super) list: List,
}

impl Scratch {
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new(device: &DmaDevice) -> Result<KBox<Self>> {
        let this = Self {
            mapping: Mapping::new(device),
            list: List::default(),
        };
        Ok(KBox::new(this, GFP_KERNEL)?)
    }

    /// Describes what is mapped. Sleeps.
    ///
    /// # Errors
    ///
    /// Those of [`List::describe`].
    pub(super) fn describe(
        &mut self,
        device: &DmaDevice,
        sgl: SglSupport,
    ) -> Result<DataPointer, DescribeError> {
        let segments = self.mapping.segments().iter().copied();
        self.list.describe(device, segments, sgl)
    }
}

/// Why memory was not described.
pub(super) enum DescribeError {
    /// Neither PRP entries nor, if the controller takes one, an SGL can.
    Unfit,
    Failed(Error),
}

/// The pages of a list. They stay for the next command.
#[derive(Default)]
pub(super) struct List(KVec<Buffer>);

impl List {
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn with_pages(device: &DmaDevice, pages: usize) -> Result<Self> {
        let mut list = Self::default();
        list.extend_to(device, pages)?;
        Ok(list)
    }

    fn extend_to(&mut self, device: &DmaDevice, pages: usize) -> Result {
        while self.0.len() < pages {
            let page = Buffer::new(device, PAGE_BUFFER_BYTES)?;
            self.0.push(page, GFP_KERNEL)?;
        }
        Ok(())
    }

    /// Describes `segments`, of which there is at least one. Sleeps.
    ///
    /// # Errors
    ///
    /// That they cannot be described; ENOMEM.
    pub(super) fn describe(
        &mut self,
        device: &DmaDevice,
        segments: impl IntoIterator<Item = Segment> + Clone,
        sgl: SglSupport,
    ) -> Result<DataPointer, DescribeError> {
        self.extend_to(device, data_pointer::list_pages(segments.clone(), sgl))
            .map_err(DescribeError::Failed)?;
        data_pointer::describe(segments, sgl, self).map_err(|_| DescribeError::Unfit)
    }
}

impl ListMemory for List {
    fn address(&self, page: usize) -> Option<DmaAddress> {
        self.0.get(page).map(Buffer::address)
    }

    fn write(&mut self, page: usize, index: usize, entries: &[U64]) {
        const _: () = assert!(ENTRIES_PER_LIST_PAGE * 8 == PAGE_BUFFER_BYTES);

        if let Some(page) = self.0.get(page) {
            // There is room for every entry of a page.
            let _ = page.copy_from(index * size_of::<U64>(), entries.as_bytes());
        }
    }
}
