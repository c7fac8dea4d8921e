// SPDX-License-Identifier: GPL-2.0-only

//! Small commands in the entries of an ordinary ring: identifies a namespace and
//! reads its first block. The same as uring-inline.c.

mod ring;

use std::{fs::File, io, os::fd::AsRawFd};

use ring::{namespace_id, Entry, Ring};

const IDENTIFY: u8 = 0x06;
const READ: u8 = 0x02;

/// NVME_URING_CMD_IO_INLINE and NVME_URING_CMD_ADMIN_INLINE.
const IO_INLINE: u32 = 0x4010_4eb0;
const ADMIN_INLINE: u32 = 0x4010_4eb1;

/// `struct nvme_uring_inline`, with cdw10 to cdw12 of zero.
fn command(opcode: u8, timeout_s: u16) -> [u32; 4] {
    [u32::from(opcode) | u32::from(timeout_s) << 16, 0, 0, 0]
}

/// Sends one command, and waits for it.
fn run(ring: &mut Ring, entry: Entry) -> io::Result<i32> {
    ring.push(entry);
    ring.submit_and_wait()?;
    let completion = ring.take().ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(completion.res)
}

fn main() -> io::Result<()> {
    let path = std::env::args().nth(1).ok_or(io::ErrorKind::InvalidInput)?;
    let file = File::open(path)?;
    let fd = file.as_raw_fd();
    let nsid = namespace_id(fd)?;
    let mut ring = Ring::open(4)?;

    let mut identity = vec![0_u8; 4096];
    let entry = Entry {
        fd,
        operation: ADMIN_INLINE,
        address: identity.as_mut_ptr() as u64,
        length: identity.len() as u32,
        file_index: nsid,
        command: command(IDENTIFY, 5),
        ..Entry::default()
    };
    println!("identify: {}", run(&mut ring, entry)?);
    let blocks = u64::from_le_bytes(identity[..8].try_into().unwrap());
    // LBADS of the format that FLBAS names.
    let block_bytes = 1_usize << identity[128 + 4 * usize::from(identity[26] & 0xf) + 2];
    println!("namespace {nsid}: {blocks} blocks of {block_bytes} bytes");

    let mut block = vec![0_u8; block_bytes];
    let entry = Entry {
        fd,
        operation: IO_INLINE,
        address: block.as_mut_ptr() as u64,
        length: block.len() as u32,
        file_index: nsid,
        command: command(READ, 0),
        ..Entry::default()
    };
    println!("read: {}", run(&mut ring, entry)?);
    print!("block 0:");
    for byte in &block[..16] {
        print!(" {byte:02x}");
    }
    println!();
    Ok(())
}
