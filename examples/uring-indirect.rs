// SPDX-License-Identifier: GPL-2.0-only

//! Commands in memory, from an ordinary ring: asks a controller for a feature,
//! whose value comes back in the command, and reads twice, the second time only
//! if the first one succeeds, which it does not. The same as uring-indirect.c.

mod ring;

use std::{cell::UnsafeCell, fs::File, io, mem::size_of, os::fd::AsRawFd};

use ring::{namespace_id, Entry, Ring};

const GET_FEATURES: u8 = 0x0a;
const TEMPERATURE_THRESHOLD: u32 = 4;
const READ: u8 = 0x02;

/// NVME_URING_CMD_IO_INDIRECT and NVME_URING_CMD_ADMIN_INDIRECT.
const IO_INDIRECT: u32 = 0xc050_4eb2;
const ADMIN_INDIRECT: u32 = 0xc050_4eb4;
const LINK_ERR: u32 = 1; // NVME_URING_LINK_ERR
const LINK: u8 = 1 << 2; // IOSQE_IO_LINK

/// `struct nvme_passthru_cmd64`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Command {
    opcode: u8,
    flags: u8,
    reserved: u16,
    nsid: u32,
    cdw2: [u32; 2],
    metadata: u64,
    address: u64,
    metadata_bytes: u32,
    data_bytes: u32,
    cdw10: [u32; 6],
    timeout_ms: u32,
    status: u32,
    result: u64,
}

/// A command that the kernel writes to until it has ended.
struct Shared(UnsafeCell<Command>);

impl Shared {
    fn new(command: Command) -> Self {
        Self(UnsafeCell::new(command))
    }

    fn entry(&self, fd: i32, operation: u32, flags: u32) -> Entry {
        Entry {
            fd,
            operation,
            address: self.0.get() as u64,
            length: size_of::<Command>() as u32,
            command: [flags, 0, 0, 0],
            ..Entry::default()
        }
    }

    /// What came of it, once it has ended.
    fn ended(self) -> Command {
        self.0.into_inner()
    }
}

fn main() -> io::Result<()> {
    let path = std::env::args().nth(1).ok_or(io::ErrorKind::InvalidInput)?;
    let file = File::open(path)?;
    let fd = file.as_raw_fd();
    let nsid = namespace_id(fd)?;
    let mut ring = Ring::open(4)?;
    let take = |ring: &mut Ring| -> io::Result<i32> {
        Ok(ring.take().ok_or(io::ErrorKind::UnexpectedEof)?.res)
    };

    let feature = Shared::new(Command {
        opcode: GET_FEATURES,
        cdw10: [TEMPERATURE_THRESHOLD, 0, 0, 0, 0, 0],
        ..Command::default()
    });
    ring.push(feature.entry(fd, ADMIN_INDIRECT, 0));
    ring.submit_and_wait()?;
    let res = take(&mut ring)?;
    println!(
        "get features: {res}, threshold {} K",
        feature.ended().result
    );

    let mut block = vec![0_u8; 4096];
    let read = Command {
        opcode: READ,
        nsid,
        address: block.as_mut_ptr() as u64,
        data_bytes: block.len() as u32,
        ..Command::default()
    };
    let beyond = Shared::new(Command {
        cdw10: [0, 0xffff, 0, 0, 0, 0],
        ..read
    });
    let second = Shared::new(read);
    ring.push(Entry {
        flags: LINK,
        ..beyond.entry(fd, IO_INDIRECT, LINK_ERR)
    });
    ring.push(second.entry(fd, IO_INDIRECT, LINK_ERR));
    ring.submit_and_wait()?;
    let error = io::Error::from_raw_os_error(-take(&mut ring)?);
    let status = beyond.ended().status;
    println!("read beyond the end: {error}, status {status:#x}");
    let error = io::Error::from_raw_os_error(-take(&mut ring)?);
    println!("linked read: {error}");
    Ok(())
}
