// SPDX-License-Identifier: GPL-2.0-only

//! Files that are streams: they are read, and waited for in every way there is.

use kernel::{
    fs::File,
    iov::IovIterDest,
    prelude::*,
    sync::poll::PollTable,
    types::ForeignOwnable, //
};

use crate::glue::{bindings, fasync::AsyncFiles};

use super::{Blocking, FileOperations, Operations};

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
