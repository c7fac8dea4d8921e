// SPDX-License-Identifier: GPL-2.0-only

//! The operations on the files of a character device.
//!
//! `kernel::miscdevice` has no `poll`, no `llseek` and no `fasync`.
//!
//! Here is what all files have: they are opened and closed, tell one another
//! apart, and take `ioctl()`. `ring.rs` adds commands by io_uring, `stream.rs`
//! reading and waiting.

mod ring;
mod stream;

use core::marker::PhantomData;

use kernel::{
    fs::{File, LocalFile},
    prelude::*,
    sync::{aref::ARef, Arc},
    types::ForeignOwnable, //
};

use super::{bindings, chardev::Region};

pub(crate) use self::{
    ring::{Issued, RingOperations},
    stream::{Readiness, Stream, Whence},
};

/// Whether an operation may sleep until there is something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocking {
    Allowed,
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
