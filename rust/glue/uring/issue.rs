// SPDX-License-Identifier: GPL-2.0-only

//! A command while it is being issued: what the process asks for, and whose the
//! command is next.

use core::{mem::MaybeUninit, ptr::NonNull};

use kernel::{prelude::*, sync::Arc};

use crate::glue::{
    bindings,
    file_operations::{Abi, Blocking, FileId},
    mapping::Direction,
    pins::{Pins, Room, Runs, UserRange},
    spare::Spare,
};

use super::{
    data_of,
    end::{done, End},
    reply::{Place, Reply, ReplyKind},
    Notice, Outcome, RingCommand,
};

/// A command that is being issued.
pub(crate) struct Issue {
    pub(super) command: NonNull<bindings::io_uring_cmd>,
    pub(super) flags: u32,
    reply: Reply,
}

impl Issue {
    /// # Safety
    ///
    /// The arguments must be those of `->uring_cmd`, which must return
    /// -EIOCBQUEUED if [`Self::queue`] or [`Self::complete`] was called, and
    /// another value otherwise.
    pub(in crate::glue) unsafe fn new(
        command: NonNull<bindings::io_uring_cmd>,
        flags: u32,
    ) -> Self {
        Self {
            command,
            flags,
            reply: Reply::Entry,
        }
    }

    /// The command and the flags for this context.
    pub(in crate::glue) fn parts(&self) -> (NonNull<bindings::io_uring_cmd>, u32) {
        (self.command, self.flags)
    }

    /// A copy of the part of `sqe->cmd` that entries of any size have, made
    /// once.
    pub(crate) fn narrow_payload(&self) -> [u32; 4] {
        self.copy_payload()
    }

    /// The file it is issued on.
    pub(crate) fn file_id(&self) -> FileId {
        // SAFETY: By the requirement of `new`, the command is valid, and has a
        // file.
        FileId::of(unsafe { (*self.command.as_ptr()).file }.cast())
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
        Ok(self.copy_payload())
    }

    /// `T` must be no larger than the payload of the entry.
    #[inline(always)]
    fn copy_payload<T: FromBytes>(&self) -> T {
        // SAFETY: The payload is the end of the command's entry, so large by the
        // callers' checks.
        unsafe { self.copy_entry(bindings::SQE_CMD) }
    }

    /// A copy of what is so many bytes into the entry, each word of it read once:
    /// nobody keeps the process from writing to it.
    ///
    /// # Safety
    ///
    /// The entry must have a `T` there.
    #[inline(always)]
    unsafe fn copy_entry<T: FromBytes>(&self, at_bytes: usize) -> T {
        const { assert!(size_of::<T>() % size_of::<u64>() == 0) };
        // SAFETY: By the requirement of `new`, the command is valid, and its entry
        // is as long as it is being issued.
        let entry = unsafe { (*self.command.as_ptr()).sqe };
        let mut copy = MaybeUninit::<T>::uninit();
        let to = copy.as_mut_ptr().cast::<u64>();
        for word in 0..size_of::<T>() / size_of::<u64>() {
            // SAFETY: By the safety requirement; entries and what is in them are
            // aligned to words. `to` has room for as many.
            unsafe {
                let from = entry.byte_add(at_bytes).cast::<u64>().add(word);
                to.add(word).write_unaligned(from.read_volatile());
            }
        }
        // SAFETY: All of it was written; any bytes are a `T`.
        unsafe { copy.assume_init() }
    }

    /// As [`Self::payload`], of at most the 16 bytes that every entry has.
    pub(crate) fn short_payload<T: FromBytes>(&self) -> T {
        const { assert!(size_of::<T>() <= 16) };
        self.copy_payload()
    }

    /// A copy of the first 64 bytes of the entry, made once.
    pub(crate) fn plain_entry<T: FromBytes>(&self) -> T {
        const { assert!(size_of::<T>() == 64) };
        // SAFETY: No entry is shorter.
        unsafe { self.copy_entry(0) }
    }

    /// Has the result written to the memory of the process. To be called before
    /// memory is [pinned](Self::pin).
    pub(crate) fn reply_to(&mut self, place: Place) {
        self.reply = Reply::Memory(place);
    }

    /// Pins memory for the command, as [`Pins::new`] does.
    ///
    /// # Errors
    ///
    /// As [`Pins::new`].
    pub(crate) fn pin(
        &self,
        ranges: &[UserRange],
        direction: Direction,
        spare: Option<&Arc<Spare<Runs>>>,
    ) -> Result<Pins> {
        let room = match self.reply {
            Reply::Entry => Room::TwoWords,
            Reply::Memory(_) => Room::OneWord,
        };
        Pins::new(ranges, direction, room, spare)
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

    /// Makes the command the driver's until it is completed. `pins` stay until
    /// then; `queue` is for whoever polls.
    #[inline]
    pub(crate) fn queue(self, pins: Option<Pins>, queue: u16) -> RingCommand {
        let (held, mut pins) = Pins::into_raw(pins);
        let reply = match self.reply {
            Reply::Entry if self.is_polled_for() => ReplyKind::EntryPolled,
            Reply::Entry => ReplyKind::Entry,
            // `pin` left room for it.
            Reply::Memory(place) => match pins.put_word(place.result as u64) {
                Ok(()) => place.kind(),
                Err(_) => ReplyKind::Lost,
            },
        };
        self.note_queue(queue);
        // SAFETY: The command is valid, and what is in it for the driver is
        // large enough and aligned, as asserted above. Only `queue` is used by
        // anybody else.
        //
        // INVARIANT: Initialised here.
        unsafe {
            let data = data_of(self.command);
            (&raw mut (*data).result).write(0);
            (&raw mut (*data).res).write(EIO.to_errno());
            (&raw mut (*data).held).write(held);
            (&raw mut (*data).reply).write(reply);
            (&raw mut (*data).pins).write(pins);
        }
        RingCommand {
            command: self.command,
        }
    }

    /// Ends the command here and now.
    pub(crate) fn complete(self, outcome: Outcome) {
        let end = match self.reply {
            Reply::Entry => End::large(outcome),
            // A worker of io_uring has the memory of the submitter's process.
            Reply::Memory(place) => End::small(place.write(outcome)),
        };
        // SAFETY: The command is valid, and completed by nobody else; the flags
        // are those it was issued with.
        unsafe { done(self.command, end, self.flags) };
    }

    pub(super) fn has(&self, flag: bindings::io_uring_cmd_flags) -> bool {
        // CAST: The flags are bits; one is the sign.
        self.flags & flag as u32 != 0
    }
}
