// SPDX-License-Identifier: GPL-2.0-only

//! As much of io_uring as an example needs, by system calls: entries of 64
//! bytes, completions of 16. Nothing but `std`, which has the C library with it.

use std::{
    ffi::{c_int, c_long, c_ulong, c_void},
    io, ptr,
    sync::atomic::{AtomicU32, Ordering},
};

extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn mmap(
        at: *mut c_void,
        bytes: usize,
        access: c_int,
        flags: c_int,
        fd: c_int,
        from: i64,
    ) -> *mut c_void;
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
}

const SYS_IO_URING_SETUP: c_long = 425;
const SYS_IO_URING_ENTER: c_long = 426;
const READ_WRITE: c_int = 3; // PROT_READ | PROT_WRITE
const SHARED: c_int = 1; // MAP_SHARED
const OFF_SQES: i64 = 0x1000_0000; // IORING_OFF_SQES
const ENTER_GETEVENTS: u32 = 1;
const NVME_IOCTL_ID: c_ulong = 0x4e40;

/// IORING_OP_URING_CMD.
const OP_URING_CMD: u8 = 46;

/// `struct io_sqring_offsets` and `struct io_cqring_offsets`, as far as they are alike.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Offsets {
    head: u32,
    tail: u32,
    mask: u32,
    entries: u32,
    /// Of the submission queue: flags, dropped, array. Of the other: overflow, cqes, flags.
    more: [u32; 3],
    reserved: [u32; 3],
}

/// `struct io_uring_params`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Parameters {
    sq_entries: u32,
    cq_entries: u32,
    flags: u32,
    rest: [u32; 7],
    sq: Offsets,
    cq: Offsets,
}

/// `struct io_uring_sqe` of a command.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct Entry {
    pub opcode: u8,
    pub flags: u8,
    pub ioprio: u16,
    pub fd: i32,
    pub operation: u32,
    pub pad: u32,
    pub address: u64,
    pub length: u32,
    pub uring_flags: u32,
    pub tag: u64,
    pub buffer: u16,
    pub personality: u16,
    pub file_index: u32,
    pub command: [u32; 4],
}

/// `struct io_uring_cqe`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Completion {
    pub tag: u64,
    pub res: i32,
    flags: u32,
}

pub struct Ring {
    fd: c_int,
    parameters: Parameters,
    memory: *mut u8,
    entries: *mut Entry,
    tail: u32,
    to_submit: u32,
}

impl Ring {
    pub fn open(entries: u32) -> io::Result<Self> {
        let mut parameters = Parameters::default();
        // SAFETY: The kernel fills in the structure, which has its size.
        let fd = unsafe { syscall(SYS_IO_URING_SETUP, entries, &mut parameters) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        let fd = fd as c_int;
        let [_, _, array] = parameters.sq.more;
        let [_, cqes, _] = parameters.cq.more;
        let bytes = (array + 4 * parameters.sq_entries).max(cqes + 16 * parameters.cq_entries);
        Ok(Self {
            fd,
            parameters,
            memory: map(fd, bytes as usize, 0)?.cast(),
            entries: map(fd, 64 * parameters.sq_entries as usize, OFF_SQES)?.cast(),
            tail: 0,
            to_submit: 0,
        })
    }

    fn word(&self, offset: u32) -> &AtomicU32 {
        // SAFETY: The offsets are the kernel's, in memory that stays mapped, of
        // words which both sides access as atomic ones.
        unsafe { &*self.memory.add(offset as usize).cast() }
    }

    /// Adds a command.
    pub fn push(&mut self, entry: Entry) {
        let index = self.tail & (self.parameters.sq_entries - 1);
        let [_, _, array] = self.parameters.sq.more;
        // SAFETY: There are so many entries, and the kernel looks at this one
        // only after `submit_and_wait`.
        unsafe {
            self.entries.add(index as usize).write(Entry {
                opcode: OP_URING_CMD,
                ..entry
            })
        };
        self.word(array + 4 * index).store(index, Ordering::Relaxed);
        self.tail = self.tail.wrapping_add(1);
        self.to_submit += 1;
    }

    /// Submits all commands, and waits until as many are over.
    pub fn submit_and_wait(&mut self) -> io::Result<()> {
        let count = std::mem::take(&mut self.to_submit);
        self.word(self.parameters.sq.tail)
            .store(self.tail, Ordering::Release);
        let none = ptr::null_mut::<c_void>();
        // SAFETY: What the entries point to is the caller's affair.
        let entered = unsafe {
            syscall(
                SYS_IO_URING_ENTER,
                self.fd,
                count,
                count,
                ENTER_GETEVENTS,
                none,
                0usize,
            )
        };
        if entered < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Takes a completion, if there is one.
    pub fn take(&mut self) -> Option<Completion> {
        let head = self.word(self.parameters.cq.head).load(Ordering::Relaxed);
        if head == self.word(self.parameters.cq.tail).load(Ordering::Acquire) {
            return None;
        }
        let [_, cqes, _] = self.parameters.cq.more;
        let index = head & (self.parameters.cq_entries - 1);
        // SAFETY: The kernel has filled it in, and there are so many.
        let completion = unsafe {
            self.memory
                .add(cqes as usize)
                .cast::<Completion>()
                .add(index as usize)
                .read()
        };
        self.word(self.parameters.cq.head)
            .store(head.wrapping_add(1), Ordering::Release);
        Some(completion)
    }
}

fn map(fd: c_int, bytes: usize, from: i64) -> io::Result<*mut c_void> {
    // SAFETY: A new mapping, which nothing else is in the place of.
    let at = unsafe { mmap(ptr::null_mut(), bytes, READ_WRITE, SHARED, fd, from) };
    if at as isize == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(at)
}

/// The number of the namespace that a file is open on.
pub fn namespace_id(fd: c_int) -> io::Result<u32> {
    // SAFETY: The ioctl has no argument.
    u32::try_from(unsafe { ioctl(fd, NVME_IOCTL_ID) }).map_err(|_| io::Error::last_os_error())
}
