// SPDX-License-Identifier: GPL-2.0-only

//! Memory that the controller reads and writes.
//!
//! Nobody ever holds a reference into it: what comes out is a copy.

use core::mem::size_of;

use kernel::{
    alloc::flags::__GFP_ZERO,
    device::{Bound, Device},
    dma::Coherent,
    io::{io_project, Io},
    prelude::*,
    transmute,
};

use crate::spec::{
    command::{DmaAddress, SubmissionEntry},
    completion::CompletionEntry,
};

// SAFETY: `SubmissionEntry` derives zerocopy's `IntoBytes`, which refuses types
// with padding or interior mutability.
unsafe impl transmute::AsBytes for SubmissionEntry {}
// SAFETY: `SubmissionEntry` derives zerocopy's `FromBytes`: every bit pattern
// is a value.
unsafe impl transmute::FromBytes for SubmissionEntry {}
// SAFETY: As for `SubmissionEntry`.
unsafe impl transmute::AsBytes for CompletionEntry {}
// SAFETY: As for `SubmissionEntry`.
unsafe impl transmute::FromBytes for CompletionEntry {}

/// One memory page for what a command returns.
pub(crate) struct PageBuffer(Coherent<[u8]>);

/// Size of a [`PageBuffer`].
pub(crate) const PAGE_BUFFER_BYTES: usize = 4096;

impl PageBuffer {
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(device: &Device<Bound>) -> Result<Self> {
        Ok(Self(Coherent::zeroed_slice(
            device,
            PAGE_BUFFER_BYTES,
            GFP_KERNEL,
        )?))
    }

    /// Where the controller finds it; the start of a memory page.
    pub(crate) fn address(&self) -> DmaAddress {
        DmaAddress(self.0.dma_address())
    }

    /// Copies the first bytes of the page over `to`.
    ///
    /// # Errors
    ///
    /// EINVAL if `to` is longer than the page; it is unchanged then.
    pub(crate) fn copy_to(&self, to: &mut [u8]) -> Result {
        let length_bytes = to.len();
        io_project!(self.0, [try: 0..length_bytes]).copy_to_slice(to);
        Ok(())
    }

    /// The first bytes of the page as a `T`, in memory of its own.
    ///
    /// # Errors
    ///
    /// EINVAL if `T` is larger than the page, ENOMEM.
    pub(crate) fn copy_out<T: zerocopy::FromBytes + zerocopy::IntoBytes>(&self) -> Result<KBox<T>> {
        let copy = KBox::<T>::new_uninit(GFP_KERNEL | __GFP_ZERO)?;
        // SAFETY: All bytes are zero, and for a `FromBytes` type any bytes are
        // a value.
        let mut copy = unsafe { copy.assume_init() };
        self.copy_to(copy.as_mut_bytes())?;
        Ok(copy)
    }
}

const _: () = assert!(size_of::<crate::spec::identify::IdentifyController>() <= PAGE_BUFFER_BYTES);
