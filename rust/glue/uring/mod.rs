// SPDX-License-Identifier: GPL-2.0-only

//! Commands by io_uring: `IORING_OP_URING_CMD`.
//!
//! The `kernel` crate has nothing of it. A command is issued in the task that
//! submits it ([`Issue`]), is the driver's until the controller has completed
//! it ([`RingCommand`]), and gives its result in the task again: only there its
//! pinned memory can be let go and io_uring's caches be used.

mod cancel;
mod lend;
mod registered;
mod reply;

pub(crate) use cancel::Cancellation;
pub(super) use cancel::{is_offered, offer};
pub(crate) use lend::{BufferPlace, Lender};
pub(crate) use reply::{Failure, Place, Reply};

use core::{
    mem::{align_of, offset_of, size_of},
    ptr::NonNull,
};

use kernel::{prelude::*, sync::Arc};

use self::reply::ReplyKind;
use super::{
    bindings,
    file_operations::{Abi, Blocking, FileId},
    mapping::Direction,
    pins::{Pins, RawPins, RawPinsKind, Room, Runs, UserRange},
    spare::Spare,
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
/// Initialised from [`Issue::queue`] until the command is completed. Together,
/// `held` and `pins` are what [`Pins::into_raw`] gave, but that `pins` keeps the
/// address of the [`Place`] as its word if the reply is in memory.
#[repr(C)]
struct Data {
    result: u64,
    res: i32,
    queue: u16,
    held: RawPinsKind,
    reply: ReplyKind,
    pins: RawPins,
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
    reply: Reply,
}

impl Issue {
    /// # Safety
    ///
    /// The arguments must be those of `->uring_cmd`, which must return
    /// -EIOCBQUEUED if [`Self::queue`] or [`Self::complete`] was called, and
    /// another value otherwise.
    pub(super) unsafe fn new(command: NonNull<bindings::io_uring_cmd>, flags: u32) -> Self {
        Self {
            command,
            flags,
            reply: Reply::Entry,
        }
    }

    /// The command and the flags for this context.
    pub(super) fn parts(&self) -> (NonNull<bindings::io_uring_cmd>, u32) {
        (self.command, self.flags)
    }

    /// A copy of the part of `sqe->cmd` that entries of any size have, made
    /// once.
    pub(crate) fn narrow_payload(&self) -> [u32; 4] {
        // SAFETY: An entry has 16 bytes of payload at least; see `payload`.
        unsafe {
            bindings::nvme_rs_uring_cmd_payload(self.command.as_ptr())
                .cast::<[u32; 4]>()
                .read_unaligned()
        }
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
    fn copy_payload<T: FromBytes>(&self) -> T {
        let mut copy = T::new_zeroed();
        // SAFETY: The payload is the end of the command's entry, so large by
        // the callers' checks. It is read byte by byte as nobody keeps the
        // process from writing to it; any bytes are a `T`.
        unsafe {
            let from = bindings::nvme_rs_uring_cmd_payload(self.command.as_ptr());
            core::ptr::copy_nonoverlapping(
                from.cast::<u8>(),
                (&raw mut copy).cast::<u8>(),
                size_of::<T>(),
            );
        }
        copy
    }

    /// As [`Self::payload`], of at most the 16 bytes that every entry has.
    pub(crate) fn short_payload<T: FromBytes>(&self) -> T {
        const { assert!(size_of::<T>() <= 16) };
        self.copy_payload()
    }

    /// A copy of the first 64 bytes of the entry, made once.
    pub(crate) fn plain_entry<T: FromBytes>(&self) -> T {
        const { assert!(size_of::<T>() == 64) };
        let mut copy = T::new_zeroed();
        // SAFETY: The entry of a command that is being issued is valid, and no
        // entry is shorter. As for the rest, see `copy_payload`.
        unsafe {
            core::ptr::copy_nonoverlapping(
                (*self.command.as_ptr()).sqe.cast::<u8>(),
                (&raw mut copy).cast::<u8>(),
                size_of::<T>(),
            );
        }
        copy
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

    fn has(&self, flag: bindings::io_uring_cmd_flags) -> bool {
        // CAST: The flags are bits; one is the sign.
        self.flags & flag as u32 != 0
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
}

// SAFETY: A queued command may be completed from any thread.
unsafe impl Send for RingCommand {}

// SAFETY: No method changes anything through `&self`.
unsafe impl Sync for RingCommand {}

impl RingCommand {
    /// Ends the command. Any context; the task learns of it soon.
    pub(crate) fn complete(self, outcome: Outcome) {
        core::mem::ManuallyDrop::new(self).complete_in_task(outcome);
    }

    /// The command has ended and is to be [finished](Finished::finish), in a
    /// context without locks.
    pub(crate) fn finished(self, outcome: Outcome) -> Finished {
        self.note(outcome);
        Finished(core::mem::ManuallyDrop::new(self))
    }

    fn note(&self, outcome: Outcome) {
        let data = data_of(self.command);
        // SAFETY: By the type invariant, the command is valid, and its data is
        // initialised and nobody else's.
        unsafe {
            (*data).result = outcome.result;
            (*data).res = outcome.res;
        }
    }

    fn complete_in_task(&self, outcome: Outcome) {
        self.note(outcome);
        // SAFETY: By the type invariant.
        unsafe { bindings::nvme_rs_uring_cmd_in_task(self.command.as_ptr()) };
    }
}

impl Drop for RingCommand {
    fn drop(&mut self) {
        self.complete_in_task(Outcome::failed(ECANCELED));
    }
}

/// A command that has ended, of which its ring has to be told.
pub(crate) struct Finished(core::mem::ManuallyDrop<RingCommand>);

impl Finished {
    /// Tells the ring that polls at once, any other one soon. Process context,
    /// without locks.
    pub(crate) fn finish(self, poller: &Poller) {
        let command = self.0.command;
        // SAFETY: By the invariant of `RingCommand`. The ring that polls has
        // its lock, and issue flags of 0 say so.
        unsafe {
            if bindings::nvme_rs_uring_cmd_context(command.as_ptr()) == poller.context {
                finish(command, 0, Finisher::Other);
            } else {
                bindings::nvme_rs_uring_cmd_in_task(command.as_ptr());
            }
        }
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

fn data_of(command: NonNull<bindings::io_uring_cmd>) -> *mut Data {
    // SAFETY: Only an address in the command is computed.
    unsafe { (&raw mut (*command.as_ptr()).pdu).cast() }
}

/// What goes to the completion queue.
struct End {
    res: i32,
    result: u64,
    /// An entry of 32 bytes, where the ring has a choice.
    large: bool,
}

impl End {
    fn large(outcome: Outcome) -> Self {
        Self {
            res: outcome.res,
            result: outcome.result,
            large: true,
        }
    }

    fn small(res: i32) -> Self {
        Self {
            res,
            result: 0,
            large: false,
        }
    }
}

/// # Safety
///
/// The command must be valid and not completed yet, and `flags` what io_uring
/// gave for this context.
unsafe fn done(command: NonNull<bindings::io_uring_cmd>, end: End, flags: u32) {
    // SAFETY: By the safety requirement.
    unsafe {
        bindings::__io_uring_cmd_done(command.as_ptr(), end.res, end.result, flags, end.large)
    }
}

/// Ends a command that was refused. Returns what `->uring_cmd` has to.
///
/// # Safety
///
/// The command must be valid, neither queued nor completed, and `flags` those it
/// was issued with.
pub(super) unsafe fn refused(
    command: NonNull<bindings::io_uring_cmd>,
    flags: u32,
    error: Error,
) -> c_int {
    // SAFETY: By the safety requirement.
    if !unsafe { is_offered(command) } {
        return error.to_errno();
    }
    // io_uring would not take it off its list.
    let end = End::small(error.to_errno());
    // SAFETY: By the safety requirement.
    unsafe { done(command, end, flags) };
    QUEUED
}

/// Who finishes a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Finisher {
    /// The task that submitted it, as far as io_uring says.
    Submitter,
    Other,
}

impl Finisher {
    /// Whether the memory of the process that submitted the command is at hand.
    /// The task has the memory it had then: before it executes another program,
    /// io_uring waits for its commands.
    ///
    /// # Safety
    ///
    /// `command` must be valid.
    unsafe fn has_memory(self, command: NonNull<bindings::io_uring_cmd>) -> bool {
        if self == Self::Other {
            return false;
        }
        // SAFETY: By the safety requirement.
        unsafe { bindings::nvme_rs_uring_cmd_is_in_task(command.as_ptr()) }
    }
}

/// Lets go of the memory of a command, and completes it with what was noted.
///
/// # Safety
///
/// The command must be the driver's; nobody uses it after this. `flags` as for
/// [`done`]. Process context.
unsafe fn finish(command: NonNull<bindings::io_uring_cmd>, flags: u32, finisher: Finisher) {
    // SAFETY: The data is initialised, as the command is the driver's, and this
    // is its last use.
    let mut data = unsafe { data_of(command).read() };
    if data.reply != ReplyKind::EntryPolled {
        // SAFETY: Only commands of rings that poll are not offered before they
        // are finished; the ring's lock is held here.
        unsafe { cancel::restore(command) };
    }
    let kind = data.reply;
    let place = match kind {
        ReplyKind::Entry | ReplyKind::EntryPolled => 0,
        _ => data.pins.take_word(),
    };
    // SAFETY: By the invariant of `Data`; this is the only use.
    drop(unsafe { Pins::from_raw(data.held, data.pins) });
    let outcome = Outcome {
        result: data.result,
        res: data.res,
    };
    let end = match kind {
        ReplyKind::Entry | ReplyKind::EntryPolled => End::large(outcome),
        // CAST: It was an address.
        //
        // SAFETY: By the safety requirement.
        kind => unsafe { in_memory(command, kind.at(place as usize), outcome, finisher) },
    };
    // SAFETY: By the safety requirement.
    unsafe { done(command, end, flags) };
}

/// Gives a result to a process that wants it in its memory.
///
/// # Safety
///
/// `command` must be valid.
#[cold]
unsafe fn in_memory(
    command: NonNull<bindings::io_uring_cmd>,
    place: Option<Place>,
    outcome: Outcome,
    finisher: Finisher,
) -> End {
    End::small(match place {
        None => EFAULT.to_errno(),
        // SAFETY: By the safety requirement.
        Some(place) if unsafe { finisher.has_memory(command) } => place.write(outcome),
        Some(_) => ECANCELED.to_errno(),
    })
}

/// The last part of [`RingCommand::complete`], in the task of the command or,
/// where that is `dying`, in one that stands in for it.
///
/// # Safety
///
/// Called once for each `nvme_rs_uring_cmd_in_task()`, by io_uring.
#[no_mangle]
unsafe extern "C" fn nvme_rs_uring_cmd_finish(
    command: *mut bindings::io_uring_cmd,
    flags: u32,
    dying: bool,
) {
    if let Some(command) = NonNull::new(command) {
        let finisher = if dying {
            Finisher::Other
        } else {
            Finisher::Submitter
        };
        // SAFETY: By the safety requirement the command is one that was given
        // to the driver, which has no other use of it any more.
        unsafe { finish(command, flags, finisher) };
    }
}
