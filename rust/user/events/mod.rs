// SPDX-License-Identifier: GPL-2.0-only

//! `ioctl()` on `/dev/nvmeN` about events: NVME_EVENT_IOCTL_* of
//! `<linux/nvme_event.h>`, which says what each does.
//!
//! Every struct begins with its size and with flags. One of another size, or
//! with flags or reserved words that nobody knows, is EINVAL and changes
//! nothing. Only INFO takes any size from that of its first version on.
//!
//! Here are those about the place of a reader, what it sees and who else reads.
mod log_pages;

use core::mem::size_of;

use kernel::{
    prelude::*,
    uaccess::{UserPtr, UserSlice}, //
};

use zerocopy_derive::Immutable;

use crate::{
    engine::{
        filter::{Filter, Shown, EVENT_TYPES},
        lane::Place,
        record::Sequence,
    },
    glue::{
        capability::is_system_administrator,
        file_operations::{Ioctl, Own},
        uapi,
    },
};

use self::log_pages::{ack, fetch, smart};
use super::{file::EventFile, ioctl::read_struct};

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
    file.reader()?;
    match asked.reading {
        uapi::nvme_event_reading_NVME_EVENT_SHARED => {}
        _ if asked.descriptor != 0 => return Err(EINVAL),
        _ => {}
    }
    match asked.reading {
        // Also if it is alone: a claim ends when its reader is left.
        uapi::nvme_event_reading_NVME_EVENT_BROADCAST => file.part(),
        uapi::nvme_event_reading_NVME_EVENT_EXCLUSIVE => {
            if !is_system_administrator() {
                return Err(EACCES);
            }
            file.stream().claim(|| file.reader_id()).map_err(|_| EBUSY)
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

/// What all structs have in front.
fn check(size: u32, known_bytes: usize, flags: u32) -> Result {
    if size as usize != known_bytes || flags != 0 {
        return Err(EINVAL);
    }
    Ok(())
}
