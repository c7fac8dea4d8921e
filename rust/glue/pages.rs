// SPDX-License-Identifier: GPL-2.0-only

//! Pages of the driver's own, for data on its way between a process and a device.
//!
//! Other than a [`Buffer`](super::dma::Buffer) they have nothing to do with a
//! device but while they are mapped for it, so that they may outlive it.
//! `kernel::page::Page` has no safe way to its bytes.

use kernel::{
    alloc::flags::{GFP_KERNEL_ACCOUNT, __GFP_NOWARN, __GFP_ZERO},
    page::{Page, PAGE_SIZE},
    prelude::*,
    uaccess::{UserPtr, UserSlice},
};

use super::{bindings, pins::UserRange};

/// How much is copied at a time to a process.
const CHUNK_BYTES: usize = 512;

/// So many bytes, page by page.
pub(crate) struct Pages {
    pages: KVVec<Page>,
    length_bytes: usize,
}

impl Pages {
    /// Room for so many bytes, with the first of `data` in it and zeros after
    /// it. The calling process is charged for it (memory cgroup). Sleeps.
    ///
    /// # Errors
    ///
    /// EFAULT; EINVAL if there is more data than room; ENOMEM.
    pub(crate) fn filled(length_bytes: usize, data: Option<UserRange>) -> Result<Self> {
        let count = length_bytes.div_ceil(PAGE_SIZE);
        let mut pages = KVVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            let page = Page::alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN)?;
            pages.push(page, GFP_KERNEL)?;
        }
        if let Some(data) = data {
            if data.length_bytes > length_bytes {
                return Err(EINVAL);
            }
            let user = UserSlice::new(UserPtr::from_addr(data.address), data.length_bytes);
            let mut reader = user.reader();
            for page in &pages {
                let part_bytes = reader.len().min(PAGE_SIZE);
                if part_bytes == 0 {
                    break;
                }
                // SAFETY: Nobody else has the page yet.
                unsafe { page.copy_from_user_slice_raw(&mut reader, 0, part_bytes)? };
            }
        }
        Ok(Self {
            pages,
            length_bytes,
        })
    }

    /// Copies the first bytes over `to`, as many as there are; how many that is.
    /// No device accesses them any more.
    pub(crate) fn read(&self, to: &mut [u8]) -> usize {
        let length_bytes = to.len().min(self.length_bytes);
        let room = to.get_mut(..length_bytes).unwrap_or(&mut []);
        for (page, part) in self.pages.iter().zip(room.chunks_mut(PAGE_SIZE)) {
            // It is part of a page.
            let _ = copy_out(page, 0, part);
        }
        length_bytes
    }

    /// Copies the first bytes to `to`, which is as long as these are at most. No
    /// device accesses them any more. Sleeps.
    ///
    /// # Errors
    ///
    /// EFAULT; EINVAL if there are not so many.
    pub(crate) fn give(&self, to: UserRange) -> Result {
        if to.length_bytes > self.length_bytes {
            return Err(EINVAL);
        }
        let user = UserSlice::new(UserPtr::from_addr(to.address), to.length_bytes);
        let mut writer = user.writer();
        let mut chunk = [0; CHUNK_BYTES];
        for page in &self.pages {
            for offset in (0..PAGE_SIZE).step_by(CHUNK_BYTES) {
                let part_bytes = writer.len().min(CHUNK_BYTES);
                if part_bytes == 0 {
                    return Ok(());
                }
                let part = chunk.get_mut(..part_bytes).ok_or(EINVAL)?;
                copy_out(page, offset, part)?;
                writer.write_slice(part)?;
            }
        }
        Ok(())
    }

    /// Physical addresses and lengths.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (bindings::phys_addr_t, usize)> + '_ {
        let mut left = self.length_bytes;
        self.pages.iter().map(move |page| {
            let part_bytes = left.min(PAGE_SIZE);
            left = left.wrapping_sub(part_bytes);
            // SAFETY: The page is valid.
            let begin = unsafe { bindings::nvme_rs_page_to_phys(page.as_ptr().cast()) };
            (begin, part_bytes)
        })
    }
}

fn copy_out(page: &Page, offset: usize, to: &mut [u8]) -> Result {
    // SAFETY: `to` is valid for so many bytes. The page is written before
    // anybody has it, and by devices to which it is mapped, but is read only
    // when it is not any more.
    unsafe { page.read_raw(to.as_mut_ptr(), offset, to.len()) }
}
