// SPDX-License-Identifier: GPL-2.0-only

//! Memory that the driver registers with a ring, as one of its buffers.

use core::ffi::c_void;

use kernel::{
    error::to_result,
    fs::File,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{Atomic, Relaxed},
    },
};

use crate::glue::{
    bindings,
    mapping::Direction,
    pins::{Pins, UserRange},
};

use super::Issue;

/// Which buffer of which ring it is: where io_uring keeps the list of its
/// pieces, which is nowhere else for as long as the buffer is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BufferPlace(pub(crate) usize);

/// Who lends memory to a ring.
pub(crate) trait Lender: Send + Sync + 'static {
    /// The ring, and all commands that used the buffer, are done with it. The
    /// memory is unpinned after this. Process context.
    fn returned(&self, place: BufferPlace);
}

/// What io_uring keeps for the driver. Dropped in the order of the fields.
struct Lent<T: Lender> {
    /// The [`BufferPlace`]; zero until it is known.
    place: Atomic<usize>,
    _pins: Pins,
    lender: T,
}

impl Issue {
    /// The file the command came through. It keeps the module as well.
    pub(crate) fn file(&self) -> ARef<File> {
        // SAFETY: The command is valid and has a file, which io_uring holds
        // until the command is completed.
        unsafe { File::from_raw_file((*self.command.as_ptr()).file.cast()) }.into()
    }

    /// Registers pinned memory, the pages of `range`, as the buffer that the
    /// command names, which must be none yet. The pins are kept with it.
    ///
    /// # Errors
    ///
    /// - EINVAL: the ring has no buffer of that number, or the command names
    ///   none;
    /// - EBUSY: there is a buffer already;
    /// - EOPNOTSUPP: the command is issued by a worker of io_uring;
    /// - ENOMEM.
    pub(crate) fn lend<T: Lender>(
        &self,
        pins: Pins,
        range: UserRange,
        lender: T,
    ) -> Result<BufferPlace> {
        // A worker does not hold the ring's lock, so that somebody else might
        // replace the buffer before its place is known.
        if self.has(bindings::io_uring_cmd_flags_IO_URING_F_UNLOCKED) {
            return Err(EOPNOTSUPP);
        }
        if !self.is_fixed() {
            return Err(EINVAL);
        }
        let pieces = pieces_of(&pins, range)?;
        let lent = Lent {
            place: Atomic::new(0),
            _pins: pins,
            lender,
        };
        let lent = KBox::into_raw(KBox::new(lent, GFP_KERNEL)?);
        // SAFETY: The command is valid. The pieces are copied; their pages are
        // pinned for as long as `lent` lives. `release` is called with it once,
        // if this succeeds.
        let registered = to_result(unsafe {
            bindings::io_buffer_register_bvec(
                self.command.as_ptr(),
                pieces.as_ptr(),
                // CAST: No more than a range has pages.
                pieces.len() as u32,
                Some(release::<T>),
                lent.cast(),
                BOTH_WAYS,
                self.buffer_index(),
                self.flags,
            )
        });
        if let Err(error) = registered {
            // SAFETY: Nobody else has it.
            drop(unsafe { KBox::from_raw(lent) });
            return Err(error);
        }
        let Some(place) = self.lent(Direction::FromDevice) else {
            self.take_back();
            return Err(EINVAL);
        };
        // SAFETY: The ring's lock is held, so that it was not released yet.
        unsafe { (*lent).place.store(place.0, Relaxed) };
        Ok(place)
    }

    /// The place of the buffer that the command names, if it is one that a
    /// driver registered: only in these address 0 is the first byte. It keeps it
    /// until the command is completed.
    pub(crate) fn lent(&self, direction: Direction) -> Option<BufferPlace> {
        let buffer = self.registered(0, 1, direction).ok()?;
        Some(BufferPlace(buffer.list_address()))
    }

    /// Unregisters what was just [lent](Self::lend).
    pub(crate) fn take_back(&self) {
        // SAFETY: The command is valid. There is a buffer that the driver
        // registered, so that this cannot fail.
        unsafe {
            bindings::io_buffer_unregister(self.command.as_ptr(), self.buffer_index(), self.flags)
        };
    }

    /// `sqe->buf_index`, as io_uring took it.
    fn buffer_index(&self) -> u32 {
        // SAFETY: The command is valid.
        unsafe { bindings::nvme_rs_uring_cmd_buffer_index(self.command.as_ptr()) }
    }
}

/// The controller may read and write.
const BOTH_WAYS: u8 = 1 << bindings::ITER_SOURCE | 1 << bindings::ITER_DEST;

/// The pinned pages as io_uring lists them.
fn pieces_of(pins: &Pins, range: UserRange) -> Result<KVVec<bindings::bio_vec>> {
    let ranges = [range];
    let mut pieces = KVVec::new();
    for (begin, length_bytes) in pins.pieces(&ranges) {
        let piece = bindings::bio_vec {
            // SAFETY: Pinned memory has pages.
            bv_page: unsafe { bindings::nvme_rs_phys_to_page(begin) },
            bv_len: u32::try_from(length_bytes).map_err(|_| EINVAL)?,
            // CAST: Less than a page.
            bv_offset: (begin % PAGE_SIZE as u64) as u32,
        };
        pieces.push(piece, GFP_KERNEL)?;
    }
    Ok(pieces)
}

/// # Safety
///
/// Called once by io_uring for what was [lent](Issue::lend), in process context.
unsafe extern "C" fn release<T: Lender>(lent: *mut c_void) {
    // SAFETY: By the safety requirement, nobody else has it any more.
    let lent = unsafe { KBox::from_raw(lent.cast::<Lent<T>>()) };
    let place = lent.place.load(Relaxed);
    if place != 0 {
        lent.lender.returned(BufferPlace(place));
    }
}
