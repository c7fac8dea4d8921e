// SPDX-License-Identifier: GPL-2.0-only

//! Buffers that a process registered with its ring.

use core::{marker::PhantomData, mem::MaybeUninit};

use kernel::{
    error::to_result,
    iov::{IovIterDest, IovIterSource},
    prelude::*,
};

use crate::glue::{
    bindings,
    dma::DmaDevice,
    mapping::{Direction, FewSegments, Mapping},
};

use super::Issue;

impl Issue {
    /// Whether the buffer is a registered one.
    pub(crate) fn is_fixed(&self) -> bool {
        // SAFETY: By the requirement of `new`, the command is valid.
        let flags = unsafe { (*self.command.as_ptr()).flags };
        flags & bindings::IORING_URING_CMD_FIXED != 0
    }

    /// The part of the registered buffer that the addresses name.
    ///
    /// # Errors
    ///
    /// EFAULT if it is not part of the buffer, or may not be accessed so.
    #[inline(always)]
    pub(crate) fn registered(
        &self,
        address: u64,
        length_bytes: usize,
        direction: Direction,
    ) -> Result<RegisteredBuffer<'_>> {
        if direction == Direction::Both {
            self.check_writable(address, length_bytes)?;
        }
        let mut iter = MaybeUninit::uninit();
        let imported = self.import(address, length_bytes, direction, &mut iter);
        // SAFETY: The function says so by what it returns.
        unsafe { self.imported(imported, &iter) }
    }

    /// As [`Self::registered`], of the pieces that `count` vectors at `address`
    /// name. io_uring keeps one list of pieces for a command.
    ///
    /// # Errors
    ///
    /// As [`Self::registered`]; EINVAL for too many pieces.
    #[inline(always)]
    pub(crate) fn registered_pieces(
        &mut self,
        address: u64,
        count: usize,
        direction: Direction,
    ) -> Result<RegisteredBuffer<'_>> {
        if direction == Direction::Both {
            self.check_writable_pieces(address, count)?;
        }
        let mut iter = MaybeUninit::uninit();
        let imported = self.import_pieces(address, count, direction, &mut iter);
        // SAFETY: As in `registered`.
        unsafe { self.imported(imported, &iter) }
    }

    /// io_uring is asked about one way at a time. A buffer that a driver registered
    /// may have one only.
    ///
    /// # Errors
    ///
    /// Those of [`Self::registered`].
    #[cold]
    #[inline(never)]
    fn check_writable(&self, address: u64, length_bytes: usize) -> Result {
        let mut iter = MaybeUninit::uninit();
        to_result(self.import(address, length_bytes, Direction::FromDevice, &mut iter))
    }

    /// As [`Self::check_writable`].
    ///
    /// # Errors
    ///
    /// Those of [`Self::registered_pieces`].
    #[cold]
    #[inline(never)]
    fn check_writable_pieces(&mut self, address: u64, count: usize) -> Result {
        let mut iter = MaybeUninit::uninit();
        to_result(self.import_pieces(address, count, Direction::FromDevice, &mut iter))
    }

    /// Initialises `iter` unless it returns an error.
    #[inline(always)]
    fn import(
        &self,
        address: u64,
        length_bytes: usize,
        direction: Direction,
        iter: &mut MaybeUninit<bindings::iov_iter>,
    ) -> c_int {
        // SAFETY: The command is valid and has IORING_URING_CMD_FIXED, which
        // the callers asked for; `iter` is valid for writes.
        unsafe {
            bindings::io_uring_cmd_import_fixed(
                address,
                length_bytes,
                data_direction(direction),
                iter.as_mut_ptr(),
                self.command.as_ptr(),
                self.flags,
            )
        }
    }

    /// As [`Self::import`].
    #[inline(always)]
    fn import_pieces(
        &mut self,
        address: u64,
        count: usize,
        direction: Direction,
        iter: &mut MaybeUninit<bindings::iov_iter>,
    ) -> c_int {
        // SAFETY: As in `import`. The function checks the addresses.
        unsafe {
            bindings::io_uring_cmd_import_fixed_vec(
                self.command.as_ptr(),
                address as *const bindings::iovec,
                count,
                data_direction(direction),
                iter.as_mut_ptr(),
                self.flags,
            )
        }
    }

    /// # Safety
    ///
    /// If `imported` is no error, io_uring has initialised `iter`.
    unsafe fn imported(
        &self,
        imported: c_int,
        iter: &MaybeUninit<bindings::iov_iter>,
    ) -> Result<RegisteredBuffer<'_>> {
        // Which is a call.
        if imported != 0 {
            to_result(imported)?;
        }
        // SAFETY: By the safety requirement. io_uring makes iterators over
        // `bio_vec`s only.
        //
        // INVARIANT: As io_uring says.
        unsafe {
            let iter = iter.assume_init_ref();
            let memory = iter.__bindgen_anon_1.__bindgen_anon_1.as_ref();
            Ok(RegisteredBuffer {
                list: memory.__bindgen_anon_1.bvec,
                pieces: iter.__bindgen_anon_2.nr_segs,
                skip: iter.iov_offset,
                length_bytes: memory.count,
                is_source: iter.data_source,
                _issue: self,
            })
        }
    }
}

/// Part of a registered buffer. It stays in place until the command that it was
/// registered for is completed.
///
/// # Invariants
///
/// `list` points to so many valid pieces, until the command is completed. They
/// hold `length_bytes` after the first `skip`.
pub(crate) struct RegisteredBuffer<'a> {
    list: *const bindings::bio_vec,
    pieces: usize,
    /// How many bytes of the first piece come before the buffer.
    skip: usize,
    length_bytes: usize,
    /// Whether it was asked for to be read.
    is_source: bool,
    _issue: &'a Issue,
}

impl RegisteredBuffer<'_> {
    /// Where the list of pieces is, from where the buffer begins.
    pub(super) fn list_address(&self) -> usize {
        self.list.addr()
    }

    /// Maps the first bytes of the buffer, at most so many, for a device that
    /// is told to access it only until the command is completed. `None` if they
    /// are in too many places.
    ///
    /// # Errors
    ///
    /// Those of [`FewSegments::map_pinned`].
    pub(crate) fn map_few(
        &self,
        device: &DmaDevice,
        limit_bytes: usize,
        direction: Direction,
    ) -> Result<Option<FewSegments>> {
        if self.pieces > FewSegments::MAX {
            return Ok(None);
        }
        // SAFETY: io_uring keeps the pages of a registered buffer until the
        // command is completed, before which the mapping is undone.
        unsafe { FewSegments::map_pieces(device, self.pieces(limit_bytes), direction) }
    }

    /// As [`Self::map_few`], wherever they are.
    ///
    /// # Errors
    ///
    /// Those of [`Mapping::map_pinned`].
    pub(crate) fn map(
        &self,
        mapping: &mut Mapping,
        limit_bytes: usize,
        direction: Direction,
    ) -> Result {
        // SAFETY: As in `map_few`.
        unsafe { mapping.map_pieces(self.pieces(limit_bytes), direction) }
    }

    pub(crate) fn length_bytes(&self) -> usize {
        self.length_bytes
    }

    /// Reads the buffer, from where it begins.
    pub(crate) fn reader(&self) -> BufferReader<'_> {
        BufferReader {
            // INVARIANT: A source, by what is asked for.
            iter: self.iter(bindings::ITER_SOURCE),
            _buffer: PhantomData,
        }
    }

    /// Writes to the buffer, from where it begins.
    ///
    /// # Errors
    ///
    /// EFAULT if it was asked for to be read.
    pub(crate) fn writer(&self) -> Result<BufferWriter<'_>> {
        if self.is_source {
            return Err(EFAULT);
        }
        Ok(BufferWriter {
            // INVARIANT: A destination, by what is asked for.
            iter: self.iter(bindings::ITER_DEST),
            _buffer: PhantomData,
        })
    }

    /// An iterator over the pieces, which are valid as long as this is borrowed.
    fn iter(&self, way: c_uint) -> bindings::iov_iter {
        let mut iter = MaybeUninit::uninit();
        // SAFETY: `iter` is valid for writes; all of it is written. By the type
        // invariant, there are so many pieces, which hold what is skipped and so
        // many bytes.
        unsafe {
            bindings::iov_iter_bvec(
                iter.as_mut_ptr(),
                way,
                self.list,
                self.pieces,
                self.length_bytes,
            );
            let mut iter = iter.assume_init();
            iter.iov_offset = self.skip;
            iter
        }
    }

    fn pieces(&self, limit_bytes: usize) -> Pieces<'_> {
        Pieces {
            // INVARIANT: By the invariant of the buffer.
            next: self.list,
            skip: self.skip,
            left: self.length_bytes.min(limit_bytes),
            _buffer: self,
        }
    }
}

/// Reads a registered buffer, part by part.
///
/// # Invariants
///
/// `iter` is a source, over memory that is valid for `'a`.
pub(crate) struct BufferReader<'a> {
    iter: bindings::iov_iter,
    _buffer: PhantomData<&'a RegisteredBuffer<'a>>,
}

impl BufferReader<'_> {
    /// Copies the next bytes over `to`.
    ///
    /// # Errors
    ///
    /// EFAULT if there are not so many.
    pub(crate) fn read(&mut self, to: &mut [u8]) -> Result {
        // SAFETY: By the type invariant. The process, or a device, may write to
        // the memory meanwhile: that is for the function to bear, as with all
        // memory of processes.
        let source = unsafe { IovIterSource::from_raw(&raw mut self.iter) };
        all_of(source.copy_from_iter(to), to.len())
    }
}

/// Writes to a registered buffer, part by part.
///
/// # Invariants
///
/// `iter` is a destination, over memory that is valid for `'a` and that io_uring
/// lets the command write to.
pub(crate) struct BufferWriter<'a> {
    iter: bindings::iov_iter,
    _buffer: PhantomData<&'a RegisteredBuffer<'a>>,
}

impl BufferWriter<'_> {
    /// Copies `from` over the next bytes.
    ///
    /// # Errors
    ///
    /// EFAULT if there are not so many.
    pub(crate) fn write(&mut self, from: &[u8]) -> Result {
        // SAFETY: As in `BufferReader::read`.
        let to = unsafe { IovIterDest::from_raw(&raw mut self.iter) };
        all_of(to.copy_to_iter(from), from.len())
    }
}

fn all_of(copied_bytes: usize, length_bytes: usize) -> Result {
    if copied_bytes == length_bytes {
        Ok(())
    } else {
        Err(EFAULT)
    }
}

/// Goes through the pieces of a registered buffer.
///
/// # Invariants
///
/// While `left` is not zero, `next` points to a valid `bio_vec`, and those
/// after it hold as many bytes as are left.
#[derive(Clone)]
struct Pieces<'a> {
    next: *const bindings::bio_vec,
    /// How many bytes of the next piece come before the buffer.
    skip: usize,
    left: usize,
    _buffer: &'a RegisteredBuffer<'a>,
}

impl Iterator for Pieces<'_> {
    type Item = (bindings::phys_addr_t, usize);

    fn next(&mut self) -> Option<Self::Item> {
        while self.left > 0 {
            // SAFETY: By the type invariant.
            let (piece, begin) = unsafe {
                let piece = *self.next;
                (piece, bindings::nvme_rs_page_to_phys(piece.bv_page))
            };
            let skip = core::mem::take(&mut self.skip);
            // SAFETY: At most one past the end, which is not dereferenced as
            // nothing is left then.
            self.next = unsafe { self.next.add(1) };
            let length_bytes = (piece.bv_len as usize).saturating_sub(skip).min(self.left);
            self.left -= length_bytes;
            if length_bytes > 0 {
                let offset = u64::from(piece.bv_offset).wrapping_add(skip as u64);
                return Some((begin.wrapping_add(offset), length_bytes));
            }
        }
        None
    }
}

/// What io_uring is asked for; of both ways, after the other one.
fn data_direction(direction: Direction) -> c_int {
    match direction {
        Direction::FromDevice => bindings::ITER_DEST as c_int,
        Direction::ToDevice | Direction::Both => bindings::ITER_SOURCE as c_int,
    }
}
