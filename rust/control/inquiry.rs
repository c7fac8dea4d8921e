// SPDX-License-Identifier: GPL-2.0-only

//! Admin commands of the driver itself that return data.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};

use crate::{
    glue::dma::{Buffer, DmaDevice, PAGE_BUFFER_BYTES},
    spec::command::{DmaAddress, SubmissionEntry},
};

use super::admin::{AdminError, AdminQueue};

/// One page that the controller writes, and the turn to use it.
#[pin_data]
pub(crate) struct Inquiry {
    admin: Arc<AdminQueue>,
    #[pin]
    page: Mutex<Page>,
}

struct Page {
    buffer: Buffer,
    /// A command was not answered: the controller may write to the page at any
    /// time, so that nothing in it can be trusted any more.
    lost: bool,
}

impl Inquiry {
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(device: &DmaDevice, admin: Arc<AdminQueue>) -> Result<Arc<Self>> {
        let page = Page {
            buffer: Buffer::new(device, PAGE_BUFFER_BYTES)?,
            lost: false,
        };
        Arc::pin_init(
            pin_init!(Self {
                admin,
                page <- new_mutex!(page, "nvme_rs::Inquiry::page"),
            }),
            GFP_KERNEL,
        )
    }

    /// The controller was disabled: what it did to the page is over.
    pub(crate) fn renew(&self) {
        self.page.lock().lost = false;
    }

    /// Sends the command that `entry` makes for a page at that address, and
    /// returns what `take` makes of the page afterwards. Sleeps.
    ///
    /// # Errors
    ///
    /// Those of [`AdminQueue::execute`] and of `take`; EIO once a command was
    /// not answered, until [`Self::renew`].
    pub(crate) fn ask<T>(
        &self,
        entry: impl FnOnce(DmaAddress) -> SubmissionEntry,
        take: impl FnOnce(&Buffer) -> Result<T>,
    ) -> Result<T> {
        self.ask_whether(entry, take)?.ok_or(EIO)
    }

    /// As [`Self::ask`]; `None` if the controller refuses the command or fails.
    pub(crate) fn ask_whether<T>(
        &self,
        entry: impl FnOnce(DmaAddress) -> SubmissionEntry,
        take: impl FnOnce(&Buffer) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut page = self.page.lock();
        if page.lost {
            return Err(EIO);
        }
        let answer = self.admin.execute(entry(page.buffer.address()));
        page.lost = answer == Err(AdminError::Unanswered);
        match answer {
            Ok(_) => take(&page.buffer).map(Some),
            Err(AdminError::Failed(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
