// SPDX-License-Identifier: GPL-2.0-only

//! `ioctl()` on `/dev/nvmeN` about events: NVME_EVENT_IOCTL_* of
//! `<linux/nvme_event.h>`, which says what each does.
//!
//! Every struct begins with its size and with flags. One of another size, or
//! with flags or reserved words that nobody knows, is EINVAL and changes
//! nothing.

use core::mem::size_of;

use kernel::{
    prelude::*,
    uaccess::{UserPtr, UserSlice}, //
};

use zerocopy_derive::Immutable;

use crate::{
    control::stream::{Details, NoPage},
    engine::{
        event_log::Missing,
        filter::{Filter, Shown, EVENT_TYPES},
        lane::Place,
        record::Sequence,
    },
    glue::{
        capability::is_system_administrator,
        clock::boot_ns,
        file_operations::{Blocking, Ioctl, Own},
        uapi,
    },
    spec::log_page::SMART_BYTES,
};

use super::{file::EventFile, ioctl::read_struct, passthrough::whole};

/// `struct nvme_event_info`.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
struct Info {
    size: u32,
    flags: u32,
    stream_id: u64,
    oldest: u64,
    newest: u64,
    cursor: u64,
    claim: u32,
    aers_outstanding: u32,
    posted: u64,
    overwritten: u64,
    aer_limit: u32,
    classes_enabled: u32,
    classes_masked: u32,
    types_masked: u32,
    provider_oldest: u64,
    provider_newest: u64,
    provider_cursor: u64,
}

const _: () = assert!(size_of::<Info>() == size_of::<uapi::nvme_event_info>());

/// `struct nvme_event_resume`.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
struct Resume {
    size: u32,
    flags: u32,
    stream_id: u64,
    number: u64,
}

const _: () = assert!(size_of::<Resume>() == size_of::<uapi::nvme_event_resume>());

/// `struct nvme_event_mode`.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
struct Mode {
    size: u32,
    flags: u32,
    reading: u32,
    descriptor: i32,
}

const _: () = assert!(size_of::<Mode>() == size_of::<uapi::nvme_event_mode>());

/// `struct nvme_event_filter`.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
struct Wanted {
    size: u32,
    flags: u32,
    controller: [u32; EVENT_TYPES],
    lifecycle: u32,
    command_effect: u32,
    provider: u32,
    reserved: u32,
}

const _: () = assert!(size_of::<Wanted>() == size_of::<uapi::nvme_event_filter>());

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

/// Runs an ioctl, if it is one of these.
pub(super) fn run(
    file: &EventFile,
    own: &Own<'_, EventFile>,
    call: Ioctl,
) -> Option<Result<isize>> {
    let done = match call.command {
        uapi::EVENT_IOCTL_INFO => info(file, call.argument),
        uapi::EVENT_IOCTL_RESUME => resume(file, call.argument),
        uapi::EVENT_IOCTL_MODE => mode(file, own, call.argument),
        uapi::EVENT_IOCTL_FILTER => filter(file, call.argument),
        uapi::EVENT_IOCTL_FETCH => fetch(file, call),
        uapi::EVENT_IOCTL_ACK => ack(file, call.argument),
        uapi::EVENT_IOCTL_SMART => smart(file, call.argument),
        _ => return None,
    };
    Some(done.map(|()| 0))
}

/// `NVME_EVENT_IOCTL_INFO`. As much as the caller knows of is filled in.
///
/// # Errors
///
/// EFAULT; EINVAL if the caller's struct is shorter than its first version or
/// has flags.
fn info(file: &EventFile, argument: usize) -> Result {
    let known: [u32; 2] = read_struct(argument)?;
    let [size, flags] = known;
    if size < uapi::NVME_EVENT_INFO_SIZE_VER0 || flags != 0 {
        return Err(EINVAL);
    }
    let length = (size as usize).min(size_of::<Info>());
    let totals = file.stream().totals();
    let (provider_oldest, provider_next) = file.stream().lane_range();
    let (cursor, provider_cursor, claim) = match file.reader() {
        Ok(reader) => (
            reader.peek().cursor.number().0,
            reader.peek().lane.number().0,
            file.stream().standing(reader.id()) as u32,
        ),
        // It has no place.
        Err(_) => (0, 0, 0),
    };
    let mut info = Info {
        size: length as u32,
        flags: 0,
        stream_id: file.stream().id().0,
        oldest: totals.oldest.0,
        newest: totals.next.0.wrapping_sub(1),
        cursor,
        claim,
        aers_outstanding: 0,
        posted: totals.next.since(Sequence::FIRST),
        overwritten: totals.overwritten,
        aer_limit: 0,
        classes_enabled: 0,
        classes_masked: 0,
        types_masked: 0,
        provider_oldest: provider_oldest.0,
        provider_newest: provider_next.0.wrapping_sub(1),
        provider_cursor,
    };
    if let Some(binding) = file.handle().visit() {
        let controller = binding.controller();
        let counts = controller.admin().counts();
        info.aers_outstanding = counts.aers_outstanding.into();
        info.classes_masked = u32::try_from(counts.classes_masked).unwrap_or(u32::MAX);
        info.types_masked = counts.masked_types.into();
        if let Some((enabled, limit)) = controller.event_limits() {
            info.classes_enabled = enabled.0;
            info.aer_limit = limit.into();
        }
    }
    UserSlice::new(UserPtr::from_addr(argument), length)
        .writer()
        .write_slice(info.as_bytes().get(..length).ok_or(EINVAL)?)
}

/// `NVME_EVENT_IOCTL_RESUME`.
///
/// # Errors
///
/// EFAULT; EINVAL if the struct has another size or flags, or for a number
/// beyond the next record; ESTALE if the number is of another stream; EBADF if
/// the file is open for writing only; ERESTARTSYS.
fn resume(file: &EventFile, argument: usize) -> Result {
    let asked: Resume = read_struct(argument)?;
    check(asked.size, size_of::<Resume>(), asked.flags)?;
    if asked.stream_id != file.stream().id().0 {
        return Err(ESTALE);
    }
    file.change(|place| {
        let number = Sequence(asked.number);
        let cursor = file.stream().at(number).map_err(|_| EINVAL)?;
        Ok(Place { cursor, ..place })
    })
}

/// `NVME_EVENT_IOCTL_MODE`.
///
/// # Errors
///
/// EFAULT; EINVAL for another size, flags or mode, or if the descriptor is of
/// another device or another controller; EBADF if it is none, or if one of the
/// files is open for writing only; EACCES without CAP_SYS_ADMIN and EBUSY if
/// another reader has the stream to itself, both for an exclusive claim;
/// ENOMEM.
fn mode(file: &EventFile, own: &Own<'_, EventFile>, argument: usize) -> Result {
    let asked: Mode = read_struct(argument)?;
    check(asked.size, size_of::<Mode>(), asked.flags)?;
    let reader = file.reader()?;
    match asked.reading {
        uapi::nvme_event_reading_NVME_EVENT_SHARED => {}
        _ if asked.descriptor != 0 => return Err(EINVAL),
        _ => {}
    }
    match asked.reading {
        // Also if it is alone: a claim ends with its reader.
        uapi::nvme_event_reading_NVME_EVENT_BROADCAST => file.part(),
        uapi::nvme_event_reading_NVME_EVENT_EXCLUSIVE => {
            if !is_system_administrator() {
                return Err(EACCES);
            }
            file.stream().claim(reader.id()).map_err(|_| EBUSY)
        }
        uapi::nvme_event_reading_NVME_EVENT_SHARED => {
            let peer = own.peer(asked.descriptor)?;
            if !core::ptr::eq(&**peer.state().handle(), &**file.handle()) {
                return Err(EINVAL);
            }
            file.become_part_of(peer.state().reader()?);
            Ok(())
        }
        _ => Err(EINVAL),
    }
}

/// `NVME_EVENT_IOCTL_FILTER`.
///
/// # Errors
///
/// EFAULT; EINVAL for another size, flags or reserved words; EBADF if the file
/// is open for writing only; ERESTARTSYS.
fn filter(file: &EventFile, argument: usize) -> Result {
    let wanted: Wanted = read_struct(argument)?;
    check(wanted.size, size_of::<Wanted>(), wanted.flags)?;
    if wanted.reserved != 0 {
        return Err(EINVAL);
    }
    let filter = Filter {
        controller: wanted.controller.map(Shown),
        lifecycle: Shown(wanted.lifecycle),
        command_effect: Shown(wanted.command_effect),
        provider: Shown(wanted.provider),
    };
    file.change(|place| Ok(Place { filter, ..place }))
}

/// `NVME_EVENT_IOCTL_FETCH`.
///
/// # Errors
///
/// EFAULT; EINVAL for another size, flags, reserved words, or an event that has
/// not happened; ESTALE if its record is overwritten; ENODATA if its log page
/// was not kept; EAGAIN if that was not read yet and the caller does not wait;
/// EBADF if the file is open for writing only; ERESTARTSYS.
fn fetch(file: &EventFile, call: Ioctl) -> Result {
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
fn ack(file: &EventFile, argument: usize) -> Result {
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
fn smart(file: &EventFile, argument: usize) -> Result {
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

/// What all structs have in front.
fn check(size: u32, known_bytes: usize, flags: u32) -> Result {
    if size as usize != known_bytes || flags != 0 {
        return Err(EINVAL);
    }
    Ok(())
}
