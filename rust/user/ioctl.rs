// SPDX-License-Identifier: GPL-2.0-only

//! `ioctl()` on `/dev/nvmeN`, but for events and commands.

use core::mem::size_of;

use kernel::{
    prelude::*,
    uaccess::{UserPtr, UserSlice}, //
};

use crate::{
    control::{
        binding::Binding,
        controller::{ResetError, ResetScope},
        handle::Handle,
    },
    glue::{capability::is_system_administrator, file_operations::Ioctl, uapi},
};

use super::passthrough;

/// Runs an ioctl.
///
/// # Errors
///
/// ENOTTY if there is none with this number; else as stated at each.
pub(super) fn run(handle: &Handle, call: Ioctl) -> Result<isize> {
    match call.command {
        uapi::IOCTL_RESET => reset(handle),
        uapi::IOCTL_SUBSYS_RESET => reset_subsystem(handle),
        uapi::IOCTL_RESCAN => rescan(handle),
        _ => passthrough::on_controller(handle, call),
    }
}

/// `NVME_IOCTL_RESET`.
///
/// # Errors
///
/// EACCES without CAP_SYS_ADMIN; those of [`reset_controller`].
fn reset(handle: &Handle) -> Result<isize> {
    if !is_system_administrator() {
        return Err(EACCES);
    }
    reset_controller(handle)?;
    Ok(0)
}

/// `NVME_IOCTL_SUBSYS_RESET`.
///
/// # Errors
///
/// EACCES without CAP_SYS_ADMIN; ENODEV if the driver has let go of the
/// controller; ENOTTY if the subsystem has no such reset; those of
/// [`reset_controller`].
fn reset_subsystem(handle: &Handle) -> Result<isize> {
    if !is_system_administrator() {
        return Err(EACCES);
    }
    let binding = handle.visit().ok_or(ENODEV)?;
    if !binding.controller().has_subsystem_reset() {
        return Err(ENOTTY);
    }
    reset_scope(&binding, ResetScope::Subsystem)?;
    Ok(0)
}

/// `NVME_IOCTL_RESCAN`. The namespaces are up to date when this returns.
///
/// # Errors
///
/// EACCES without CAP_SYS_ADMIN; ENODEV if the driver has let go of the
/// controller.
fn rescan(handle: &Handle) -> Result<isize> {
    if !is_system_administrator() {
        return Err(EACCES);
    }
    rescan_controller(handle)?;
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
    reset_scope(&binding, ResetScope::Controller)
}

/// # Errors
///
/// Those of [`reset_controller`].
fn reset_scope(binding: &Binding, scope: ResetScope) -> Result {
    binding
        .controller()
        .reset(scope)
        .map_err(|error| match error {
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
