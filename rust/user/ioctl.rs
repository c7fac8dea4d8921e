// SPDX-License-Identifier: GPL-2.0-only

//! `ioctl()` on `/dev/nvmeN`, but for commands.

use core::mem::size_of;

use kernel::{
    prelude::*,
    uaccess::{UserPtr, UserSlice}, //
};

use zerocopy_derive::Immutable;

use crate::{
    control::{controller::ResetError, handle::Handle},
    engine::record::Sequence,
    glue::{capability::is_system_administrator, file_operations::Ioctl, uapi},
};

use super::{file::EventFile, passthrough};

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

/// Runs an ioctl.
///
/// # Errors
///
/// ENOTTY if there is none with this number; else as stated at each.
pub(super) fn run(file: &EventFile, call: Ioctl) -> Result<isize> {
    match call.command {
        uapi::EVENT_IOCTL_INFO => info(file, call.argument),
        uapi::EVENT_IOCTL_RESUME => resume(file, call.argument),
        uapi::IOCTL_RESET => reset(file),
        uapi::IOCTL_SUBSYS_RESET => reset_subsystem(file),
        uapi::IOCTL_RESCAN => rescan(file),
        _ => passthrough::on_controller(file.handle(), call),
    }
}

/// `NVME_EVENT_IOCTL_INFO`.
///
/// # Errors
///
/// EFAULT; EINVAL if the caller's struct is too short or has flags.
fn info(file: &EventFile, argument: usize) -> Result<isize> {
    let asked: Info = read_struct(argument)?;
    if (asked.size as usize) < size_of::<Info>() || asked.flags != 0 {
        return Err(EINVAL);
    }
    let totals = file.stream().totals();
    let info = Info {
        size: size_of::<Info>() as u32,
        flags: 0,
        stream_id: file.stream().id().0,
        oldest: totals.oldest.0,
        newest: totals.next.0.wrapping_sub(1),
        cursor: file.cursor().number().0,
    };
    UserSlice::new(UserPtr::from_addr(argument), size_of::<Info>())
        .writer()
        .write_slice(info.as_bytes())?;
    Ok(0)
}

/// `NVME_EVENT_IOCTL_RESUME`.
///
/// # Errors
///
/// EFAULT; EINVAL if the struct has another size or flags, or for a number
/// beyond the next record; ESTALE if the number is of another stream;
/// ERESTARTSYS.
fn resume(file: &EventFile, argument: usize) -> Result<isize> {
    let asked: Resume = read_struct(argument)?;
    if asked.size as usize != size_of::<Resume>() || asked.flags != 0 {
        return Err(EINVAL);
    }
    if asked.stream_id != file.stream().id().0 {
        return Err(ESTALE);
    }
    file.go_to(Sequence(asked.number))?;
    Ok(0)
}

/// `NVME_IOCTL_RESET`.
///
/// # Errors
///
/// EACCES without CAP_SYS_ADMIN; those of [`reset_controller`].
fn reset(file: &EventFile) -> Result<isize> {
    if !is_system_administrator() {
        return Err(EACCES);
    }
    reset_controller(file.handle())?;
    Ok(0)
}

/// `NVME_IOCTL_SUBSYS_RESET`.
///
/// # Errors
///
/// EACCES without CAP_SYS_ADMIN; ENODEV if the driver has let go of the
/// controller; ENOTTY if the subsystem has no such reset; those of
/// [`reset_controller`].
fn reset_subsystem(file: &EventFile) -> Result<isize> {
    if !is_system_administrator() {
        return Err(EACCES);
    }
    let binding = file.handle().visit().ok_or(ENODEV)?;
    if !binding.controller().has_subsystem_reset() {
        return Err(ENOTTY);
    }
    binding.controller().reset_subsystem();
    drop(binding);
    reset_controller(file.handle())?;
    Ok(0)
}

/// `NVME_IOCTL_RESCAN`. The namespaces are up to date when this returns.
///
/// # Errors
///
/// EACCES without CAP_SYS_ADMIN; ENODEV if the driver has let go of the
/// controller.
fn rescan(file: &EventFile) -> Result<isize> {
    if !is_system_administrator() {
        return Err(EACCES);
    }
    rescan_controller(file.handle())?;
    Ok(0)
}

/// Asks a controller which namespaces it has, on behalf of an ioctl or of
/// sysfs.
///
/// # Errors
///
/// ENODEV if the driver has let go of it.
pub(super) fn rescan_controller(handle: &Handle) -> Result {
    handle.visit().ok_or(ENODEV)?.controller().rescan();
    Ok(())
}

/// Resets a controller, on behalf of an ioctl or of sysfs.
///
/// # Errors
///
/// EBUSY if it is being reset already; ENODEV if the driver has let go of it;
/// ENETRESET if it did not come back.
pub(super) fn reset_controller(handle: &Handle) -> Result {
    let binding = handle.visit().ok_or(ENODEV)?;
    binding.controller().reset().map_err(|error| match error {
        ResetError::Busy => EBUSY,
        ResetError::Deleting => ENODEV,
        ResetError::Failed => ENETRESET,
    })
}

/// Copies a struct in, once.
///
/// # Errors
///
/// EFAULT.
pub(super) fn read_struct<T: FromBytes + IntoBytes>(argument: usize) -> Result<T> {
    let mut copy = T::new_zeroed();
    UserSlice::new(UserPtr::from_addr(argument), size_of::<T>())
        .reader()
        .read_slice(copy.as_mut_bytes())?;
    Ok(copy)
}
