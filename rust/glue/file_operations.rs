// SPDX-License-Identifier: GPL-2.0-only

//! The operations on the files of a character device.
//!
//! `kernel::miscdevice` has no `poll`, no `llseek` and no `fasync`.

use core::{marker::PhantomData, ptr::NonNull};

use kernel::{
    fs::{File, LocalFile},
    iov::IovIterDest,
    prelude::*,
    sync::{aref::ARef, poll::PollTable, Arc},
    types::ForeignOwnable, //
};

use super::{
    bindings,
    chardev::Region,
    fasync::AsyncFiles,
    subscription::{self, Subscribable},
    uring::{self, Cancellation, Issue, Poller},
};

/// Whether an operation may sleep until there is something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocking {
    Allowed,
    Refused,
}

/// Where `lseek()` counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whence {
    Set,
    Current,
    End,
}

/// What `poll()` is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// A read would wait.
    Nothing,
    /// A read would return data.
    Readable,
    /// There is nothing to read and there will not be anything any more.
    Gone,
    /// There is something to read, and nothing comes after it.
    ReadableThenGone,
    /// A read would fail.
    Refused,
}

/// Whether a file was opened for writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenMode {
    ReadOnly,
    Writable,
    /// For writing and not for reading.
    WriteOnly,
}

impl OpenMode {
    fn of(mode: bindings::fmode_t) -> Self {
        match (
            mode & bindings::FMODE_READ != 0,
            mode & bindings::FMODE_WRITE != 0,
        ) {
            (_, false) => Self::ReadOnly,
            (true, true) => Self::Writable,
            (false, true) => Self::WriteOnly,
        }
    }
}

/// What kind of process calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abi {
    Native,
    /// One with 32-bit pointers.
    Compat,
}

impl Abi {
    /// The address in a field of 64 bits.
    pub(crate) const fn address(self, field: u64) -> usize {
        match self {
            // CAST: As wide.
            Self::Native => field as usize,
            // CAST: Only the lower half means something.
            Self::Compat => field as u32 as usize,
        }
    }
}

/// Tells open files apart, for as long as they are open. All descriptors that
/// were duplicated from one another have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId(usize);

impl FileId {
    pub(super) fn of(file: *const bindings::file) -> Self {
        // CAST: Only compared.
        Self(file as usize)
    }
}

/// A call of `ioctl()`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ioctl {
    pub(crate) command: u32,
    /// The address in user space, or the number, that was given.
    pub(crate) argument: usize,
    pub(crate) mode: OpenMode,
    pub(crate) abi: Abi,
    /// The file it is called on.
    pub(crate) file: FileId,
}

/// An open file of a character device.
pub(crate) trait FileOperations: Send + Sync + Sized + 'static {
    /// What a node of the device stands for.
    type Node: Send + Sync + 'static;

    /// What can be done with the files: [`Operations::commands`] or
    /// [`Operations::stream`].
    const OPERATIONS: Operations<Self>;

    /// A file on `node` is opened.
    fn open(node: Arc<Self::Node>, mode: OpenMode) -> impl PinInit<Self, Error>;

    /// `ioctl()`. Returns what the system call returns.
    fn ioctl(self: Pin<&Self>, own: Own<'_, Self>, call: Ioctl) -> Result<isize>;
}

/// The file that an operation is called on.
///
/// # Invariants
///
/// The file was opened by [`Operations::open`] of `F`.
pub(crate) struct Own<'a, F> {
    file: &'a File,
    _state: PhantomData<fn(F)>,
}

impl<F: FileOperations> Own<'_, F> {
    /// Another file of the same device, that the calling process has open.
    ///
    /// # Errors
    ///
    /// EBADF if it has no such descriptor; EINVAL if the file is of another
    /// device.
    pub(crate) fn peer(&self, descriptor: i32) -> Result<Peer<F>> {
        let file = LocalFile::fget(u32::try_from(descriptor).map_err(|_| EBADF)?)?;
        // SAFETY: Both files are open, and what they can do does not change.
        let same = unsafe { (*file.as_ptr()).f_op == (*self.file.as_ptr()).f_op };
        if !same {
            return Err(EINVAL);
        }
        // INVARIANT: Only `Operations::open` of `F` is in the table with which
        // both files were opened.
        Ok(Peer {
            file,
            _state: PhantomData,
        })
    }
}

/// An open file, kept from being released.
///
/// # Invariants
///
/// The file was opened by [`Operations::open`] of `F`.
pub(crate) struct Peer<F> {
    file: ARef<LocalFile>,
    _state: PhantomData<fn(F)>,
}

impl<F: FileOperations> Peer<F> {
    pub(crate) fn state(&self) -> Pin<&F> {
        // SAFETY: By the type invariant, `open` set the private data, which
        // lives until the file is released; the reference to the file prevents
        // that.
        unsafe { Pin::<KBox<F>>::borrow((*self.file.as_ptr()).private_data) }
    }
}

/// An open file that is a stream: it can be read and waited for, and remembers
/// itself where it stands.
pub(crate) trait Stream: FileOperations {
    /// `read()` and its relatives, io_uring's included. `position` is zero for
    /// `read()`; io_uring also says -1. Returns the number of bytes put into
    /// `to`.
    fn read(
        self: Pin<&Self>,
        position: i64,
        to: &mut IovIterDest<'_>,
        blocking: Blocking,
    ) -> Result<usize>;

    /// `lseek()`. Returns the new position.
    fn seek(self: Pin<&Self>, origin: Whence, offset_bytes: i64) -> Result<i64>;

    /// The files that get a signal when there is something to read.
    fn async_files(&self) -> &AsyncFiles;

    /// `poll()` and its relatives. Must register with `table` what wakes the
    /// caller, before it looks.
    fn poll(self: Pin<&Self>, file: &File, table: &PollTable<'_>) -> Readiness;
}

/// What became of a command that was issued.
pub(crate) enum Issued {
    /// It was [queued](Issue::queue).
    Sent,
    /// It was completed, or stays.
    Settled,
}

/// An open file that takes commands by io_uring.
pub(crate) trait RingOperations: FileOperations {
    /// A command is issued.
    ///
    /// # Errors
    ///
    /// EAGAIN to be issued again where it may sleep; any other ends the
    /// command. Not once it is [`Issued`].
    fn issue(self: Pin<&Self>, issue: Issue, mode: OpenMode) -> Result<Issued>;

    /// A command that was sent, or is about to be, is to end soon.
    fn cancel(self: Pin<&Self>, cancellation: Cancellation);

    /// Looks for completions of commands that are polled for. Returns how many
    /// there were.
    fn poll_commands(self: Pin<&Self>, poller: &Poller) -> usize;
}

/// The C side of [`FileOperations`].
pub(crate) struct Operations<F> {
    table: bindings::file_operations,
    /// Bits of `f_mode` that an open file gets.
    mode: bindings::fmode_t,
    _file: PhantomData<fn(F)>,
}

impl<F: FileOperations> Operations<F> {
    /// `ioctl()`.
    pub(crate) const fn commands() -> Self {
        Self {
            table: bindings::file_operations {
                owner: kernel::module::this_module::<crate::LocalModule>().as_ptr(),
                open: Some(Self::open),
                release: Some(Self::release),
                unlocked_ioctl: Some(Self::ioctl),
                compat_ioctl: bindings::compat_ptr_ioctl,
                ..pin_init::zeroed()
            },
            mode: 0,
            _file: PhantomData,
        }
    }

    pub(super) const TABLE: bindings::file_operations = F::OPERATIONS.table;

    /// # Safety
    ///
    /// `inode` and `file` are valid, and `inode` belongs to a [`Region<F>`].
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY:
        // - The inode is valid, and its `cdev` is the one of a region: nobody
        //   else registers these operations.
        // - The file system took a reference to the module before it called
        //   us, and the region lives as long as the module.
        let region = unsafe { Region::<F>::from_cdev(bindings::nvme_rs_inode_cdev(inode)) };
        // SAFETY: The inode is valid.
        let number = unsafe { (*inode).i_rdev };
        let Some(node) = region.find(number) else {
            return ENXIO.to_errno();
        };
        // SAFETY: The file is being opened, nobody else has it.
        let mode = OpenMode::of(unsafe { (*file).f_mode });
        match KBox::pin_init(F::open(node, mode), GFP_KERNEL) {
            Err(error) => error.to_errno(),
            Ok(state) => {
                // SAFETY: The file is being opened, nobody else has it.
                unsafe {
                    (*file).private_data = state.into_foreign();
                    (*file).f_mode |= F::OPERATIONS.mode;
                }
                0
            }
        }
    }

    /// # Safety
    ///
    /// `file` was opened by [`Self::open`] and nobody uses it any more.
    unsafe extern "C" fn release(_: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: Set by `open`, and this is the last use of it.
        drop(unsafe { Pin::<KBox<F>>::from_foreign((*file).private_data) });
        0
    }

    /// # Safety
    ///
    /// `file` is valid and was opened by [`Self::open`].
    unsafe extern "C" fn ioctl(
        file: *mut bindings::file,
        command: c_uint,
        argument: c_ulong,
    ) -> c_long {
        // SAFETY: The private data was set by `open` and lives until `release`;
        // the mode does not change in between.
        let (state, mode) =
            unsafe { (Pin::<KBox<F>>::borrow((*file).private_data), (*file).f_mode) };
        // SAFETY: No preconditions; called by a task.
        let compat = unsafe { bindings::nvme_rs_in_compat_syscall() };
        let call = Ioctl {
            command,
            argument,
            mode: OpenMode::of(mode),
            abi: if compat { Abi::Compat } else { Abi::Native },
            file: FileId::of(file),
        };
        // SAFETY: The file is valid during this call, and an ioctl does not use
        // the file position.
        //
        // INVARIANT: By the safety requirement.
        let file = unsafe { File::from_raw_file(file) };
        let own = Own {
            file,
            _state: PhantomData,
        };
        match state.ioctl(own, call) {
            Ok(value) => value,
            Err(error) => error.to_errno() as c_long,
        }
    }
}

impl<F: RingOperations> Operations<F> {
    /// Adds those of [`RingOperations`].
    pub(crate) const fn by_ring(mut self) -> Self {
        self.table.uring_cmd = Some(Self::uring_cmd);
        self.table.uring_cmd_iopoll = Some(Self::uring_cmd_iopoll);
        self
    }

    /// # Safety
    ///
    /// Called by io_uring only, with a valid command on a file that was opened
    /// by [`Self::open`].
    unsafe extern "C" fn uring_cmd(
        command: *mut kernel::bindings::io_uring_cmd,
        flags: c_uint,
    ) -> c_int {
        let Some(command) = NonNull::new(command.cast::<bindings::io_uring_cmd>()) else {
            return EINVAL.to_errno();
        };
        // SAFETY: The command has a file, whose private data was set by `open`
        // and lives until `release`.
        let (state, mode) = unsafe {
            let file = (*command.as_ptr()).file;
            (Pin::<KBox<F>>::borrow((*file).private_data), (*file).f_mode)
        };
        // CAST: The flags are bits; one is the sign.
        if flags & bindings::io_uring_cmd_flags_IO_URING_F_CANCEL as u32 != 0 {
            // SAFETY: io_uring cancels what was offered to it and is not
            // completed; the value does not outlive this call.
            state.cancel(unsafe { Cancellation::new(command) });
            return 0;
        }
        // SAFETY: The arguments are those of the operation; what is returned is
        // as required.
        let issue = unsafe { Issue::new(command, flags) };
        match state.issue(issue, OpenMode::of(mode)) {
            Ok(Issued::Sent) => {
                // CAST: As above.
                if flags & bindings::io_uring_cmd_flags_IO_URING_F_UNLOCKED as u32 == 0 {
                    // SAFETY: The ring's lock is held, without which no command
                    // is finished, so that it is still valid; its queue was
                    // noted.
                    unsafe { uring::offer(command, flags) };
                }
                uring::QUEUED
            }
            Ok(Issued::Settled) => uring::QUEUED,
            // SAFETY: The command is neither queued nor completed.
            Err(error) => unsafe { uring::refused(command, flags, error) },
        }
    }

    /// # Safety
    ///
    /// As [`Self::uring_cmd`], of a command that is polled for.
    unsafe extern "C" fn uring_cmd_iopoll(
        command: *mut kernel::bindings::io_uring_cmd,
        _: *mut bindings::io_comp_batch,
        _: c_uint,
    ) -> c_int {
        let Some(command) = NonNull::new(command.cast::<bindings::io_uring_cmd>()) else {
            return 0;
        };
        // SAFETY: As in `uring_cmd`.
        let (state, poller) = unsafe {
            let file = (*command.as_ptr()).file;
            (
                Pin::<KBox<F>>::borrow((*file).private_data),
                Poller::new(command),
            )
        };
        c_int::try_from(state.poll_commands(&poller)).unwrap_or(c_int::MAX)
    }
}

impl<F: Subscribable> Operations<F> {
    /// Adds those of [`Subscribable`].
    pub(crate) const fn subscribable(mut self) -> Self {
        self.table.uring_cmd = Some(Self::uring_cmd_or_cancel);
        self
    }

    /// # Safety
    ///
    /// As [`Self::uring_cmd`].
    unsafe extern "C" fn uring_cmd_or_cancel(
        command: *mut kernel::bindings::io_uring_cmd,
        flags: c_uint,
    ) -> c_int {
        // CAST: The flags are bits; one is the sign.
        if flags & bindings::io_uring_cmd_flags_IO_URING_F_CANCEL as u32 == 0 {
            // SAFETY: As required of our caller.
            return unsafe { Self::uring_cmd(command, flags) };
        }
        let Some(cancelled) = NonNull::new(command.cast::<bindings::io_uring_cmd>()) else {
            return 0;
        };
        // SAFETY: io_uring cancels what was marked for that and is not completed.
        if unsafe { (*cancelled.as_ptr()).cmd_op } != F::OPERATION {
            // SAFETY: As required of our caller.
            return unsafe { Self::uring_cmd(command, flags) };
        }
        // SAFETY: As above; of commands with this operation only subscriptions
        // are marked.
        unsafe { subscription::cancel::<F>(cancelled, flags) };
        0
    }
}

impl<F: Stream> Operations<F> {
    /// All of [`Stream`].
    pub(crate) const fn stream() -> Self {
        let mut this = Self::commands();
        this.table.llseek = Some(Self::llseek);
        this.table.read_iter = Some(Self::read_iter);
        this.table.poll = Some(Self::poll);
        this.table.fasync = Some(Self::fasync);
        // The kernel keeps no position, `F` does; but there are positions, so
        // that `lseek()` and `pread()` stay.
        this.mode = bindings::FMODE_STREAM | bindings::FMODE_NOWAIT;
        this
    }

    /// # Safety
    ///
    /// `kiocb` and `iter` are valid, and the file was opened by [`Self::open`].
    unsafe extern "C" fn read_iter(
        kiocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: The request, its file and the iterator are valid for the
        // duration of this call; a read has a destination. The private data
        // was set by `open` and lives until `release`.
        let (state, position, to, nonblocking) = unsafe {
            let file = (*kiocb).ki_filp;
            (
                Pin::<KBox<F>>::borrow((*file).private_data),
                (*kiocb).ki_pos,
                IovIterDest::from_raw(iter),
                (*kiocb).ki_flags & bindings::IOCB_NOWAIT != 0
                    || (*file).f_flags & bindings::O_NONBLOCK != 0,
            )
        };
        let blocking = if nonblocking {
            Blocking::Refused
        } else {
            Blocking::Allowed
        };
        match state.read(position, to, blocking) {
            // CAST: A read is at most `isize::MAX` bytes long.
            Ok(length_bytes) => length_bytes as isize,
            Err(error) => error.to_errno() as isize,
        }
    }

    /// # Safety
    ///
    /// `file` is valid and was opened by [`Self::open`].
    unsafe extern "C" fn llseek(
        file: *mut bindings::file,
        offset_bytes: bindings::loff_t,
        whence: c_int,
    ) -> bindings::loff_t {
        let whence = match whence as u32 {
            bindings::SEEK_SET => Whence::Set,
            bindings::SEEK_CUR => Whence::Current,
            bindings::SEEK_END => Whence::End,
            _ => return EINVAL.to_errno().into(),
        };
        // SAFETY: Set by `open` and lives until `release`.
        let state = unsafe { Pin::<KBox<F>>::borrow((*file).private_data) };
        match state.seek(whence, offset_bytes) {
            Ok(position) => position,
            Err(error) => error.to_errno().into(),
        }
    }

    /// # Safety
    ///
    /// `file` is valid and was opened by [`Self::open`].
    unsafe extern "C" fn fasync(descriptor: c_int, file: *mut bindings::file, on: c_int) -> c_int {
        // SAFETY: The private data was set by `open` and lives until `release`,
        // and so does the list in it. The arguments are those of the operation.
        let updated = unsafe {
            let state = Pin::<KBox<F>>::borrow((*file).private_data);
            state.async_files().update(descriptor, file, on)
        };
        match updated {
            Ok(()) => 0,
            Err(error) => error.to_errno(),
        }
    }

    /// # Safety
    ///
    /// `file` and `table` are valid, and the file was opened by [`Self::open`].
    unsafe extern "C" fn poll(
        file: *mut bindings::file,
        table: *mut bindings::poll_table,
    ) -> bindings::__poll_t {
        // SAFETY: All are valid for the duration of this call. `poll` is called
        // without a file position being in use. The private data was set by
        // `open` and lives until `release`.
        let readiness = unsafe {
            let state = Pin::<KBox<F>>::borrow((*file).private_data);
            state.poll(File::from_raw_file(file), &PollTable::from_raw(table))
        };
        match readiness {
            Readiness::Nothing => 0,
            Readiness::Readable => bindings::POLL_READABLE,
            Readiness::Gone => bindings::POLL_GONE,
            Readiness::ReadableThenGone => bindings::POLL_READABLE | bindings::POLL_GONE,
            Readiness::Refused => bindings::POLL_REFUSED,
        }
    }
}
