// SPDX-License-Identifier: GPL-2.0-only

//! The operations on the files of a character device.
//!
//! `kernel::miscdevice` has no `poll`, no `llseek` and no `fasync`.

use core::marker::PhantomData;

use kernel::{
    fs::File,
    iov::IovIterDest,
    prelude::*,
    sync::{poll::PollTable, Arc},
    types::ForeignOwnable, //
};

use super::{bindings, chardev::Region, fasync::AsyncFiles};

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
}

/// An open file of a character device.
pub(crate) trait FileOperations: Send + Sync + Sized + 'static {
    /// What a node of the device stands for.
    type Node: Send + Sync + 'static;

    /// A file on `node` is opened.
    fn open(node: Arc<Self::Node>) -> impl PinInit<Self, Error>;

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

    /// `ioctl()`, of 32-bit callers too: structs must have one layout for both.
    /// `argument` is the address in user space, or the number, that was given.
    fn ioctl(self: Pin<&Self>, command: u32, argument: usize) -> Result<isize>;

    /// The files that get a signal when there is something to read.
    fn async_files(&self) -> &AsyncFiles;

    /// `poll()` and its relatives. Must register with `table` what wakes the
    /// caller, before it looks.
    fn poll(self: Pin<&Self>, file: &File, table: &PollTable<'_>) -> Readiness;
}

/// The C side of [`FileOperations`].
pub(super) struct Vtable<F>(PhantomData<F>);

impl<F: FileOperations> Vtable<F> {
    pub(super) const OPERATIONS: bindings::file_operations = bindings::file_operations {
        owner: kernel::module::this_module::<crate::LocalModule>().as_ptr(),
        open: Some(Self::open),
        release: Some(Self::release),
        llseek: Some(Self::llseek),
        read_iter: Some(Self::read_iter),
        poll: Some(Self::poll),
        unlocked_ioctl: Some(Self::ioctl),
        compat_ioctl: bindings::compat_ptr_ioctl,
        fasync: Some(Self::fasync),
        ..pin_init::zeroed()
    };

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
        match KBox::pin_init(F::open(node), GFP_KERNEL) {
            Err(error) => error.to_errno(),
            Ok(state) => {
                // SAFETY: The file is being opened, nobody else has it.
                unsafe {
                    (*file).private_data = state.into_foreign();
                    // The kernel keeps no position, `F` does; but there are
                    // positions, so that `lseek()` and `pread()` stay.
                    (*file).f_mode |= bindings::FMODE_STREAM | bindings::FMODE_NOWAIT;
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
    unsafe extern "C" fn ioctl(
        file: *mut bindings::file,
        command: c_uint,
        argument: c_ulong,
    ) -> c_long {
        // SAFETY: Set by `open` and lives until `release`.
        let state = unsafe { Pin::<KBox<F>>::borrow((*file).private_data) };
        match state.ioctl(command, argument) {
            Ok(value) => value,
            Err(error) => error.to_errno() as c_long,
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
        }
    }
}
