// SPDX-License-Identifier: GPL-2.0-only

//! What says where the data of a command is: its DMA mapping and its PRP list.

use kernel::prelude::*;

use crate::{
    engine::prp::{self, DataPointer, ListMemory, Segment, ENTRIES_PER_LIST_PAGE},
    glue::{
        dma::{Buffer, DmaDevice, PAGE_BUFFER_BYTES},
        user_memory::Mapping,
    },
    spec::command::DmaAddress,
};

/// The memory of an outstanding command, and room for the next one's.
pub(super) struct Scratch {
    pub(super) mapping: Mapping,
    list: List,
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

    /// Describes what is mapped; `None` if PRP entries cannot. Sleeps.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn describe(&mut self, device: &DmaDevice) -> Result<Option<DataPointer>> {
        match self
            .list
            .describe(device, self.mapping.segments().iter().copied())
        {
            Ok(pointer) => Ok(Some(pointer)),
            Err(DescribeError::Unfit) => Ok(None),
            Err(DescribeError::Failed(error)) => Err(error),
        }
    }
}

/// Why memory was not described.
pub(super) enum DescribeError {
    /// PRP entries cannot describe it.
    Unfit,
    Failed(Error),
}

/// The pages of a PRP list. They stay for the next command.
#[derive(Default)]
pub(super) struct List(KVec<Buffer>);

impl List {
    /// Describes `segments`, of which there is at least one. Sleeps.
    ///
    /// # Errors
    ///
    /// That PRP entries cannot describe them; ENOMEM.
    pub(super) fn describe(
        &mut self,
        device: &DmaDevice,
        segments: impl IntoIterator<Item = Segment> + Clone,
    ) -> Result<DataPointer, DescribeError> {
        let pages = prp::count_pages(segments.clone()).map_err(|_| DescribeError::Unfit)?;
        while self.0.len() < prp::list_pages(pages) {
            let page = Buffer::new(device, PAGE_BUFFER_BYTES).map_err(DescribeError::Failed)?;
            self.0
                .push(page, GFP_KERNEL)
                .map_err(|error| DescribeError::Failed(error.into()))?;
        }
        prp::describe(segments, self).map_err(|_| DescribeError::Unfit)
    }
}

impl ListMemory for List {
    fn address(&self, page: usize) -> Option<DmaAddress> {
        self.0.get(page).map(Buffer::address)
    }

    fn write(&mut self, page: usize, index: usize, entry: u64) {
        const _: () = assert!(ENTRIES_PER_LIST_PAGE * 8 == PAGE_BUFFER_BYTES);

        if let Some(page) = self.0.get(page) {
            // There is room for every entry of a page.
            let _ = page.copy_from(index * 8, &entry.to_le_bytes());
        }
    }
}
