// SPDX-License-Identifier: GPL-2.0-only

//! Memory that the controller reads and writes.
//!
//! Nobody ever holds a reference into it: what comes out is a copy.

use core::mem::size_of;

use kernel::{
    alloc::{
        flags::{GFP_KERNEL_ACCOUNT, __GFP_NOWARN, __GFP_ZERO},
        Flags,
    },
    device::{Bound, Device},
    dma::Coherent,
    io::{io_project, Io},
    page::PAGE_SIZE,
    prelude::*,
    sync::aref::ARef,
};

use super::bindings;

use crate::spec::command::DmaAddress;

/// A device for which memory can be mapped.
///
/// To be used while the device is bound only, and what is mapped or allocated for it
/// is to be given back before it is unbound. Who keeps this for longer, as a ring
/// does that was lent a buffer, may only drop it then: the device itself is still
/// there.
#[derive(Clone)]
pub(crate) struct DmaDevice {
    device: ARef<Device>,
    segment_limit_bytes: usize,
}

impl DmaDevice {
    pub(crate) fn new(device: &Device<Bound>) -> Self {
        let mut this = Self {
            device: device.into(),
            segment_limit_bytes: PAGE_SIZE,
        };
        // SAFETY: The device is bound to us.
        let limit_bytes = unsafe { bindings::dma_max_mapping_size(this.as_raw()) };
        let limit_bytes = limit_bytes.min(u32::MAX as usize);
        this.segment_limit_bytes = (limit_bytes - limit_bytes % PAGE_SIZE).max(PAGE_SIZE);
        this
    }

    pub(super) fn as_raw(&self) -> *mut bindings::device {
        // `Device` is a transparent wrapper of `struct device`, which is shared
        // with C and never accessed through a Rust reference.
        core::ptr::from_ref::<Device>(&self.device)
            .cast_mut()
            .cast()
    }

    /// The longest segment to map at once: whole pages, less than 4 GiB.
    pub(super) fn segment_limit_bytes(&self) -> usize {
        self.segment_limit_bytes
    }

    /// Whether unmapping does anything. Once it does, it always will: what was
    /// mapped while it did not need not be unmapped, but may be.
    pub(super) fn needs_unmap(&self) -> bool {
        // SAFETY: The device is bound to us.
        unsafe { bindings::dma_need_unmap(self.as_raw()) }
    }

    /// Whether what both sides write to mapped memory is seen by the other one
    /// without more ado. Once it is not, it never will be.
    pub(crate) fn stays_in_sync(&self) -> bool {
        // SAFETY: The device is valid.
        unsafe { bindings::nvme_rs_dma_stays_in_sync(self.as_raw()) }
    }

    /// The device, which is bound as long as we are not told otherwise.
    fn bound(&self) -> &Device<Bound> {
        // SAFETY: By the requirement of the type, the device is still bound.
        unsafe { self.device.as_bound() }
    }
}

/// Memory that a controller and the driver share.
pub(crate) struct Buffer(Coherent<[u8]>);

/// Size of a memory page as a [`Buffer`].
pub(crate) const PAGE_BUFFER_BYTES: usize = 4096;

impl Buffer {
    /// Allocates contiguous, zeroed memory, which starts at the start of a
    /// memory page.
    ///
    /// # Errors
    ///
    /// ENOMEM; EINVAL for no bytes.
    pub(crate) fn new(device: &DmaDevice, length_bytes: usize) -> Result<Self> {
        Self::allocate(device, length_bytes, GFP_KERNEL)
    }

    /// As [`Self::new`], for data of the calling process, which is charged for
    /// it (memory cgroup).
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub(crate) fn charged(device: &DmaDevice, length_bytes: usize) -> Result<Self> {
        Self::allocate(device, length_bytes, GFP_KERNEL_ACCOUNT)
    }

    fn allocate(device: &DmaDevice, length_bytes: usize, flags: Flags) -> Result<Self> {
        Ok(Self(Coherent::zeroed_slice(
            device.bound(),
            length_bytes,
            flags | __GFP_NOWARN,
        )?))
    }

    /// Where the controller finds it.
    pub(crate) fn address(&self) -> DmaAddress {
        DmaAddress(self.0.dma_address())
    }

    /// Copies what starts at `offset` over `to`.
    ///
    /// # Errors
    ///
    /// EINVAL if there are fewer bytes than that; `to` is unchanged then.
    pub(crate) fn copy_to(&self, offset: usize, to: &mut [u8]) -> Result {
        let end = offset.checked_add(to.len()).ok_or(EINVAL)?;
        io_project!(self.0, [try: offset..end]).copy_to_slice(to);
        Ok(())
    }

    /// Copies `from` to `offset`.
    ///
    /// # Errors
    ///
    /// EINVAL if there is no room for so many bytes; nothing is copied then.
    pub(crate) fn copy_from(&self, offset: usize, from: &[u8]) -> Result {
        let end = offset.checked_add(from.len()).ok_or(EINVAL)?;
        io_project!(self.0, [try: offset..end]).copy_from_slice(from);
        Ok(())
    }

    /// The first bytes as a `T`, in memory of its own.
    ///
    /// # Errors
    ///
    /// EINVAL if `T` is larger than the buffer, ENOMEM.
    pub(crate) fn copy_out<T: zerocopy::FromBytes + zerocopy::IntoBytes>(&self) -> Result<KBox<T>> {
        let copy = KBox::<T>::new_uninit(GFP_KERNEL | __GFP_ZERO)?;
        // SAFETY: All bytes are zero, and for a `FromBytes` type any bytes are
        // a value.
        let mut copy = unsafe { copy.assume_init() };
        self.copy_to(0, copy.as_mut_bytes())?;
        Ok(copy)
    }
}

const _: () = assert!(size_of::<crate::spec::identify::IdentifyController>() <= PAGE_BUFFER_BYTES);
