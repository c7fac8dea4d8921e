// SPDX-License-Identifier: GPL-2.0-only

//! Commands by io_uring: `IORING_OP_URING_CMD`.
//!
//! The `kernel` crate has nothing of it. A command is issued in the task that
//! submits it ([`Issue`]), is the driver's until the controller has completed
//! it ([`RingCommand`]), and gives its result in the task again: only there its
//! pinned memory can be let go and io_uring's caches be used.

use core::{
    mem::{align_of, offset_of, size_of, MaybeUninit},
    ptr::NonNull,
};

use kernel::{error::to_result, prelude::*};

use super::{
    bindings,
    file_operations::{Abi, Blocking},
    user_memory::{Direction, Mapping, Pins},
};

/// What io_uring is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Goes to `cqe->big_cqe[0]`.
    pub(crate) result: u64,
    /// Goes to `cqe->res`: a status, or a negative errno.
    pub(crate) res: i32,
}

impl Outcome {
    pub(crate) fn failed(error: Error) -> Self {
        Self {
            result: 0,
            res: error.to_errno(),
        }
    }
}

/// Who learns of the end of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// Its task, by an interrupt.
    Interrupt,
    /// Its ring, which polls: IORING_SETUP_IOPOLL.
    Poll,
}

/// What the driver keeps in a command that is its own.
///
/// # Invariants
///
/// Initialised from [`Issue::queue`] until the command is completed.
struct Data {
    outcome: Outcome,
    queue: u16,
    pins: Option<KBox<Pins>>,
}

const _: () = {
    let pdu = offset_of!(bindings::io_uring_cmd, pdu);
    assert!(size_of::<Data>() <= offset_of!(bindings::io_uring_cmd, unused) - pdu);
    assert!(pdu % align_of::<Data>() == 0);
};

/// A command that is being issued.
pub(crate) struct Issue {
    command: NonNull<bindings::io_uring_cmd>,
    flags: u32,
}

impl Issue {
    /// # Safety
    ///
    /// The arguments must be those of `->uring_cmd`, which must return
    /// -EIOCBQUEUED if [`Self::queue`] or [`Self::complete`] was called, and
    /// another value otherwise.
    pub(super) unsafe fn new(command: NonNull<bindings::io_uring_cmd>, flags: u32) -> Self {
        Self { command, flags }
    }

    /// `sqe->cmd_op`.
    pub(crate) fn operation(&self) -> u32 {
        // SAFETY: By the requirement of `new`, the command is valid.
        unsafe { (*self.command.as_ptr()).cmd_op }
    }

    /// A copy of `sqe->cmd`, made once: the process may change it meanwhile.
    ///
    /// # Errors
    ///
    /// EOPNOTSUPP if the ring's entries are not large enough for it, or for
    /// what is returned.
    pub(crate) fn payload<T: FromBytes>(&self) -> Result<T> {
        const WIDE: u32 = (bindings::io_uring_cmd_flags_IO_URING_F_SQE128
            | bindings::io_uring_cmd_flags_IO_URING_F_CQE32) as u32;
        const { assert!(size_of::<T>() <= 80) };

        if self.flags & WIDE != WIDE {
            return Err(EOPNOTSUPP);
        }
        let mut copy = T::new_zeroed();
        // SAFETY: The command has an entry of 128 bytes, of which the last 80
        // are the payload. They are read byte by byte as nobody keeps the
        // process from writing to them; any bytes are a `T`.
        unsafe {
            let from = bindings::nvme_rs_uring_cmd_payload(self.command.as_ptr());
            core::ptr::copy_nonoverlapping(
                from.cast::<u8>(),
                (&raw mut copy).cast::<u8>(),
                size_of::<T>(),
            );
        }
        Ok(copy)
    }

    /// Whether issuing may sleep. If not, EAGAIN brings the command back in a
    /// task where it may.
    pub(crate) fn blocking(&self) -> Blocking {
        if self.has(bindings::io_uring_cmd_flags_IO_URING_F_NONBLOCK) {
            Blocking::Refused
        } else {
            Blocking::Allowed
        }
    }

    pub(crate) fn abi(&self) -> Abi {
        if self.has(bindings::io_uring_cmd_flags_IO_URING_F_COMPAT) {
            Abi::Compat
        } else {
            Abi::Native
        }
    }

    pub(crate) fn notice(&self) -> Notice {
        if self.has(bindings::io_uring_cmd_flags_IO_URING_F_IOPOLL) {
            Notice::Poll
        } else {
            Notice::Interrupt
        }
    }

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
    pub(crate) fn registered(
        &self,
        address: u64,
        length_bytes: usize,
        direction: Direction,
    ) -> Result<RegisteredBuffer<'_>> {
        let mut iter = MaybeUninit::uninit();
        // SAFETY: The command is valid and has IORING_URING_CMD_FIXED, which
        // the caller asked for; `iter` is valid for writes.
        to_result(unsafe {
            bindings::io_uring_cmd_import_fixed(
                address,
                length_bytes,
                data_direction(direction),
                iter.as_mut_ptr(),
                self.command.as_ptr(),
                self.flags,
            )
        })?;
        // SAFETY: Initialised, as the function succeeded.
        let iter = unsafe { iter.assume_init() };
        Ok(RegisteredBuffer { iter, _issue: self })
    }

    /// As [`Self::registered`], of the pieces that `count` vectors at `address`
    /// name.
    ///
    /// # Errors
    ///
    /// As [`Self::registered`]; EINVAL for too many pieces.
    pub(crate) fn registered_pieces(
        &self,
        address: u64,
        count: usize,
        direction: Direction,
    ) -> Result<RegisteredBuffer<'_>> {
        let mut iter = MaybeUninit::uninit();
        // SAFETY: As in `registered`. The function checks the addresses.
        to_result(unsafe {
            bindings::io_uring_cmd_import_fixed_vec(
                self.command.as_ptr(),
                address as *const bindings::iovec,
                count,
                data_direction(direction),
                iter.as_mut_ptr(),
                self.flags,
            )
        })?;
        // SAFETY: Initialised, as the function succeeded.
        let iter = unsafe { iter.assume_init() };
        Ok(RegisteredBuffer { iter, _issue: self })
    }

    /// Makes the command the driver's until it is completed. `pins` stay until
    /// then; `queue` is for whoever polls.
    pub(crate) fn queue(self, pins: Option<KBox<Pins>>, queue: u16) -> RingCommand {
        let data = Data {
            outcome: Outcome::failed(EIO),
            queue,
            pins,
        };
        // SAFETY: The command is valid, and what is in it for the driver is
        // large enough and aligned, as asserted above.
        //
        // INVARIANT: Initialised here.
        unsafe { data_of(self.command).write(data) };
        let context = match self.notice() {
            // SAFETY: The command is valid.
            Notice::Poll => unsafe { bindings::nvme_rs_uring_cmd_context(self.command.as_ptr()) },
            Notice::Interrupt => core::ptr::null_mut(),
        };
        RingCommand {
            command: self.command,
            context,
        }
    }

    /// Ends the command here and now.
    pub(crate) fn complete(self, outcome: Outcome) {
        // SAFETY: The command is valid, and completed by nobody else; the flags
        // are those it was issued with.
        unsafe { done(self.command, outcome, self.flags) };
    }

    fn has(&self, flag: bindings::io_uring_cmd_flags) -> bool {
        // CAST: The flags are bits; one is the sign.
        self.flags & flag as u32 != 0
    }
}

/// Part of a registered buffer. It stays in place until the command that it was
/// registered for is completed.
pub(crate) struct RegisteredBuffer<'a> {
    iter: bindings::iov_iter,
    _issue: &'a Issue,
}

impl RegisteredBuffer<'_> {
    pub(crate) fn length_bytes(&self) -> usize {
        // SAFETY: io_uring made the iterator.
        unsafe { self.iter.__bindgen_anon_1.__bindgen_anon_1.as_ref() }.count
    }

    /// Maps the first bytes of the buffer, at most so many, for a device that
    /// is told to access it only until the command is completed.
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
        let pieces = Pieces {
            // SAFETY: io_uring makes iterators over `bio_vec`s only, in memory
            // that lives until the command is completed.
            next: unsafe {
                self.iter
                    .__bindgen_anon_1
                    .__bindgen_anon_1
                    .as_ref()
                    .__bindgen_anon_1
                    .bvec
            },
            skip: self.iter.iov_offset,
            left: self.length_bytes().min(limit_bytes),
            _buffer: self,
        };
        // SAFETY: io_uring keeps the pages of a registered buffer until the
        // command is completed, before which the mapping is undone.
        unsafe { mapping.map_pieces(pieces, direction) }
    }
}

/// Goes through the pieces of a registered buffer.
///
/// # Invariants
///
/// While `left` is not zero, `next` points to a valid `bio_vec`, and those
/// after it hold as many bytes as are left.
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

/// A command that is the driver's until it is completed. Dropping it completes
/// it with ECANCELED.
///
/// # Invariants
///
/// The command is valid, queued, and completed by nobody else.
pub(crate) struct RingCommand {
    command: NonNull<bindings::io_uring_cmd>,
    /// The ring, if it polls.
    context: *mut c_void,
}

// SAFETY: A queued command may be completed from any thread.
unsafe impl Send for RingCommand {}

// SAFETY: No method changes anything through `&self`.
unsafe impl Sync for RingCommand {}

impl RingCommand {
    /// Ends the command. Any context; the task learns of it soon, but for the
    /// ring that polls, which does so at once.
    pub(crate) fn complete(self, outcome: Outcome, poller: Option<&Poller>) {
        let mut this = core::mem::ManuallyDrop::new(self);
        match poller {
            Some(poller) if poller.context == this.context && !this.context.is_null() => {
                let command = this.command;
                // SAFETY: By the type invariant; nobody uses the data after
                // this. The ring that polls has its lock, and issue flags of 0
                // say so.
                unsafe {
                    drop(data_of(command).read().pins);
                    done(command, outcome, 0);
                }
            }
            _ => this.complete_in_task(outcome),
        }
    }

    fn complete_in_task(&mut self, outcome: Outcome) {
        // SAFETY: By the type invariant, the command is valid, and its data is
        // initialised and nobody else's.
        unsafe {
            (*data_of(self.command)).outcome = outcome;
            bindings::nvme_rs_uring_cmd_in_task(self.command.as_ptr());
        }
    }
}

impl Drop for RingCommand {
    fn drop(&mut self) {
        self.complete_in_task(Outcome::failed(ECANCELED));
    }
}

/// A ring that polls for the completion of one of its commands.
pub(crate) struct Poller {
    context: *mut c_void,
    queue: u16,
}

impl Poller {
    /// # Safety
    ///
    /// `command` must be that of a call of `->uring_cmd_iopoll`.
    pub(super) unsafe fn new(command: NonNull<bindings::io_uring_cmd>) -> Self {
        // SAFETY: io_uring polls for commands that were queued and are not
        // completed yet.
        unsafe {
            Self {
                context: bindings::nvme_rs_uring_cmd_context(command.as_ptr()),
                queue: (*data_of(command)).queue,
            }
        }
    }

    /// What [`Issue::queue`] was given.
    pub(crate) fn queue(&self) -> u16 {
        self.queue
    }
}

/// What `->uring_cmd` returns for a command that is completed otherwise.
pub(super) const QUEUED: c_int = -(bindings::EIOCBQUEUED as c_int);

fn data_direction(direction: Direction) -> c_int {
    match direction {
        Direction::FromDevice => bindings::ITER_DEST as c_int,
        Direction::ToDevice | Direction::Both => bindings::ITER_SOURCE as c_int,
    }
}

fn data_of(command: NonNull<bindings::io_uring_cmd>) -> *mut Data {
    // SAFETY: Only an address in the command is computed.
    unsafe { (&raw mut (*command.as_ptr()).pdu).cast() }
}

/// # Safety
///
/// The command must be valid and not completed yet, and `flags` what io_uring
/// gave for this context.
unsafe fn done(command: NonNull<bindings::io_uring_cmd>, outcome: Outcome, flags: u32) {
    // SAFETY: By the safety requirement.
    unsafe {
        bindings::__io_uring_cmd_done(command.as_ptr(), outcome.res, outcome.result, flags, true)
    }
}

/// The last part of [`RingCommand::complete`], in the task of the command or in
/// one that stands in for it.
///
/// # Safety
///
/// Called once for each `nvme_rs_uring_cmd_in_task()`, by io_uring.
#[no_mangle]
unsafe extern "C" fn nvme_rs_uring_cmd_finish(command: *mut bindings::io_uring_cmd, flags: u32) {
    let Some(command) = NonNull::new(command) else {
        return;
    };
    // SAFETY: By the safety requirement the command is one whose data is
    // initialised; nobody uses the data after this.
    let data = unsafe { data_of(command).read() };
    drop(data.pins);
    // SAFETY: The command is completed here only.
    unsafe { done(command, data.outcome, flags) };
}
