// SPDX-License-Identifier: GPL-2.0-only

//! Admin commands of the driver itself that return data.

use kernel::{
    device::{Bound, Device},
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};

use crate::{
    glue::dma::PageBuffer,
    spec::command::{DmaAddress, SubmissionEntry},
};

use super::admin::{AdminError, AdminQueue};

/// One page that the controller writes, and the turn to use it.
#[pin_data]
pub(crate) struct Inquiry {
    admin: Arc<AdminQueue>,
    #[pin]
    buffer: Mutex<Buffer>,
}

struct Buffer {
    page: PageBuffer,
    /// A command timed out: the controller may write to the page at any time,
    /// so that nothing in it can be trusted any more.
    lost: bool,
}

impl Inquiry {
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(device: &Device<Bound>, admin: Arc<AdminQueue>) -> Result<Arc<Self>> {
        let buffer = Buffer {
            page: PageBuffer::new(device)?,
            lost: false,
        };
        Arc::pin_init(
            pin_init!(Self {
                admin,
                buffer <- new_mutex!(buffer, "nvme_rs::Inquiry::buffer"),
            }),
            GFP_KERNEL,
        )
    }

    /// The controller was disabled: what it did to the page is over.
    pub(crate) fn renew(&self) {
        self.buffer.lock().lost = false;
    }

    /// Sends the command that `entry` makes for a page at that address, and
    /// returns what `take` makes of the page afterwards. Sleeps.
    ///
    /// # Errors
    ///
    /// Those of [`AdminQueue::execute`] and of `take`; EIO once a command timed
    /// out, until [`Self::renew`].
    pub(crate) fn ask<T>(
        &self,
        entry: impl FnOnce(DmaAddress) -> SubmissionEntry,
        take: impl FnOnce(&PageBuffer) -> Result<T>,
    ) -> Result<T> {
        let mut buffer = self.buffer.lock();
        if buffer.lost {
            return Err(EIO);
        }
        let answer = self.admin.execute(entry(buffer.page.address()));
        buffer.lost = answer == Err(AdminError::TimedOut);
        answer?;
        take(&buffer.page)
    }
}
