// SPDX-License-Identifier: GPL-2.0-only

//! A command in an envelope, by ioctl, without any crate: asks a controller
//! what it is, and how long its SMART log is.
//!
//! usage: call /dev/nvmeN

use std::{env, ffi::c_int, ffi::c_ulong, fs::File, io, os::fd::AsRawFd, process::ExitCode};

const ADMIN_GET_LOG_PAGE: u8 = 0x02;
const ADMIN_IDENTIFY: u8 = 0x06;
const CNS_CONTROLLER: u32 = 0x01;
const LOG_SMART: u32 = 0x02;
const ALL_NAMESPACES: u32 = 0xffff_ffff;

/// `struct nvme_call` of `<linux/nvme_call.h>`.
#[derive(Default)]
#[repr(C)]
struct Call {
    size: u32,
    flags: u32,
    family: u8,
    command: u8,
    reserved: u16,
    nsid: u32,
    tag: u64,
    cdw2: u32,
    cdw3: u32,
    cdw10: u32,
    cdw11: u32,
    cdw12: u32,
    cdw13: u32,
    cdw14: u32,
    cdw15: u32,
    timeout_ms: u32,
    size_in: u32,
    size_out: u32,
    size_metadata: u32,
    fw_size: u32,
    status: u32,
    result: u64,
    completion: [u32; 4],
}

const FAMILY_ADMIN: u8 = 0;
const TRUNCATE: u32 = 1 << 0;

/// `NVME_IOCTL_CALL`: the size in it is that of the first version of the struct.
const IOCTL_CALL: c_ulong = 3 << 30 | 88 << 16 | (b'N' as c_ulong) << 8 | 0xaa;

/// The payload comes right after the struct.
#[repr(C)]
struct Envelope {
    call: Call,
    payload: [u8; 4096],
}

extern "C" {
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
}

/// Sends a command; what there is of the answer once it succeeded.
fn send(file: &File, what: &str, call: Call) -> io::Result<Envelope> {
    let size_out = call.size_out as usize;
    let mut envelope = Envelope {
        call: Call {
            size: size_of::<Call>() as u32,
            ..call
        },
        payload: [0; 4096],
    };
    assert!(size_out <= envelope.payload.len());
    // SAFETY: The driver reads and writes the struct and `size_out` bytes after
    // it, for which there is room.
    if unsafe { ioctl(file.as_raw_fd(), IOCTL_CALL, &raw mut envelope) } != 0 {
        return Err(io::Error::last_os_error());
    }
    match envelope.call.status {
        0 => Ok(envelope),
        status => Err(io::Error::other(format!("{what}: status {status:#x}"))),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run(path: &str) -> io::Result<()> {
    let file = File::open(path)?;
    let identify = Call {
        family: FAMILY_ADMIN,
        command: ADMIN_IDENTIFY,
        cdw10: CNS_CONTROLLER,
        size_out: 4096,
        ..Call::default()
    };
    let identify = send(&file, "Identify", identify)?;
    // Of all there is, no more than the first 16 bytes are wanted here.
    let smart = Call {
        flags: TRUNCATE,
        family: FAMILY_ADMIN,
        command: ADMIN_GET_LOG_PAGE,
        nsid: ALL_NAMESPACES,
        cdw10: LOG_SMART | (512 / 4 - 1) << 16,
        size_out: 16,
        ..Call::default()
    };
    let smart = send(&file, "Get Log Page", smart)?;
    println!("serial number {}", text(&identify.payload[4..24]));
    println!("model {}", text(&identify.payload[24..64]));
    let temperature = u16::from_le_bytes([smart.payload[1], smart.payload[2]]);
    println!(
        "{} bytes of SMART log, temperature {temperature} K",
        smart.call.fw_size
    );
    Ok(())
}

fn main() -> ExitCode {
    let path = env::args().nth(1).unwrap_or("/dev/nvme0".into());
    match run(&path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{path}: {error}");
            ExitCode::FAILURE
        }
    }
}
