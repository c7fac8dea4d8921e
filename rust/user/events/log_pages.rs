// SPDX-License-Identifier: GPL-2.0-only

//! The log pages of events: read, acknowledged, and the SMART log.

use core::mem::size_of;

use kernel::{
    prelude::*,
    uaccess::{UserPtr, UserSlice}, //
};

use zerocopy_derive::Immutable;

use crate::{
    control::stream::{Details, NoPage},
    engine::{event_log::Missing, record::Sequence},
    glue::{
        capability::is_system_administrator,
        clock::boot_ns,
        file_operations::{Blocking, Ioctl},
        uapi,
    },
    spec::log_page::SMART_BYTES,
    user::{file::EventFile, ioctl::read_struct, passthrough::whole},
};

use super::check;

/// `struct nvme_event_fetch`.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
struct Fetch {
    size: u32,
    flags: u32,
    number: u64,
    buffer: u64,
    buffer_bytes: u32,
    offset: u32,
    time_ns: u64,
    captured_ns: u64,
    length: u32,
    kept: u32,
    copied: u32,
    nsid: u32,
    log_page: u8,
    reserved: [u8; 7],
}

const _: () = assert!(size_of::<Fetch>() == size_of::<uapi::nvme_event_fetch>());

/// `struct nvme_event_ack`.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
struct Ack {
    size: u32,
    flags: u32,
    number: u64,
}

const _: () = assert!(size_of::<Ack>() == size_of::<uapi::nvme_event_ack>());

/// `struct nvme_event_smart`.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
struct SmartLog {
    size: u32,
    flags: u32,
    captured_ns: u64,
    age_ns: u64,
    data: [u8; SMART_BYTES],
}

const _: () = assert!(size_of::<SmartLog>() == size_of::<uapi::nvme_event_smart>());

/// `NVME_EVENT_IOCTL_FETCH`.
///
/// # Errors
///
/// EFAULT; EINVAL for another size, flags, reserved words, or an event that has
/// not happened; ESTALE if its record is overwritten; ENODATA if its log page
/// was not kept; EAGAIN if that was not read yet and the caller does not wait;
/// EBADF if the file is open for writing only; ERESTARTSYS.
pub(super) fn fetch(file: &EventFile, call: Ioctl) -> Result {
    let mut fetch: Fetch = read_struct(call.argument)?;
    let flags = fetch.flags & !(uapi::NVME_EVENT_FETCH_NOWAIT | uapi::NVME_EVENT_FETCH_PROVIDER);
    check(fetch.size, size_of::<Fetch>(), flags)?;
    if fetch.reserved != [0; 7] {
        return Err(EINVAL);
    }
    file.reader()?;
    let blocking = match fetch.flags & uapi::NVME_EVENT_FETCH_NOWAIT {
        0 => Blocking::Allowed,
        _ => Blocking::Refused,
    };
    let number = Sequence(fetch.number);
    let details = match fetch.flags & uapi::NVME_EVENT_FETCH_PROVIDER {
        0 => details(file, number, blocking)?,
        _ => file.stream().lane_details(number).map_err(missing)?,
    };
    fetch.time_ns = boot_ns(details.posted);
    fetch.captured_ns = 0;
    fetch.length = 0;
    fetch.kept = 0;
    fetch.copied = 0;
    fetch.nsid = 0;
    fetch.log_page = 0;
    if let Some(wanted) = details.page {
        let page = file.stream().archive().find(&wanted).ok_or(ENODATA)?;
        let rest = page.bytes.get(fetch.offset as usize..).unwrap_or(&[]);
        let room = rest.len().min(fetch.buffer_bytes as usize);
        let part = rest.get(..room).unwrap_or(&[]);
        if let Some(buffer) = whole(call.abi, fetch.buffer, room as u32) {
            UserSlice::new(UserPtr::from_addr(buffer.address), room)
                .writer()
                .write_slice(part)?;
        }
        fetch.captured_ns = boot_ns(page.captured);
        fetch.length = page.full_bytes;
        fetch.kept = page.bytes.len() as u32;
        fetch.copied = room as u32;
        fetch.nsid = wanted.nsid.0;
        fetch.log_page = wanted.page.0;
    }
    write_struct(call.argument, &fetch)
}

/// `NVME_EVENT_IOCTL_ACK`.
///
/// # Errors
///
/// EACCES without CAP_SYS_ADMIN; ENODEV if the driver has let go of the
/// controller; EAGAIN if it is not ready, EIO if it refuses; ENODATA if the
/// event has no log page, or that is not kept; else as [`fetch`].
pub(super) fn ack(file: &EventFile, argument: usize) -> Result {
    let asked: Ack = read_struct(argument)?;
    check(asked.size, size_of::<Ack>(), asked.flags)?;
    if !is_system_administrator() {
        return Err(EACCES);
    }
    let details = details(file, Sequence(asked.number), Blocking::Allowed)?;
    let wanted = details.page.ok_or(ENODATA)?;
    let page = file.stream().archive().find(&wanted).ok_or(ENODATA)?;
    let binding = file.handle().visit().ok_or(ENODEV)?;
    binding.release_class(&wanted, &page)
}

/// `NVME_EVENT_IOCTL_SMART`.
///
/// # Errors
///
/// EFAULT; EINVAL for another size or flags; ENODATA if the log was never read
/// and cannot be; EBADF if the file is open for writing only; ERESTARTSYS.
pub(super) fn smart(file: &EventFile, argument: usize) -> Result {
    let asked: [u32; 2] = read_struct(argument)?;
    let [size, flags] = asked;
    check(
        size,
        size_of::<SmartLog>(),
        flags & !uapi::NVME_EVENT_SMART_KEPT,
    )?;
    file.reader()?;
    if flags & uapi::NVME_EVENT_SMART_KEPT == 0 {
        if let Some(binding) = file.handle().visit() {
            match binding.refresh_smart() {
                Err(error) if error == ERESTARTSYS => return Err(error),
                // What is kept is better than nothing, and has its age.
                Ok(()) | Err(_) => {}
            }
        }
    }
    let smart = file.stream().archive().smart().ok_or(ENODATA)?;
    let log = SmartLog {
        size,
        flags,
        captured_ns: boot_ns(smart.captured),
        age_ns: u64::try_from(smart.captured.elapsed().as_nanos()).unwrap_or(0),
        data: smart.bytes,
    };
    write_struct(argument, &log)
}

/// What is known of an event, its log page having been read.
fn details(file: &EventFile, number: Sequence, blocking: Blocking) -> Result<Details> {
    file.stream()
        .details(number, blocking)
        .map_err(|reason| match reason {
            NoPage::Missing(reason) => missing(reason),
            NoPage::NotYet => EAGAIN,
            NoPage::Interrupted => ERESTARTSYS,
        })
}

fn missing(reason: Missing) -> Error {
    match reason {
        Missing::Overwritten => ESTALE,
        Missing::NotPosted => EINVAL,
    }
}

fn write_struct<T: IntoBytes + zerocopy::Immutable>(argument: usize, value: &T) -> Result {
    UserSlice::new(UserPtr::from_addr(argument), size_of::<T>())
        .writer()
        .write_slice(value.as_bytes())
}
