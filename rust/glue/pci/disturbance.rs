// SPDX-License-Identifier: GPL-2.0-only

//! What else happens to a bound function: it is reset by others, the link to it
//! fails, the system sleeps. `kernel::pci` has no callbacks for these.

use kernel::{
    bindings as kernel_bindings,
    prelude::*, //
};

use super::{bindings, with_data, Driver};

/// What is about to happen to a bound device, or is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disturbance {
    /// Its function or its link is about to be reset. An error may have cut it
    /// off already: then reading it gives all ones.
    BeforeReset,
    /// The system goes to sleep; the function loses its power.
    BeforeSleep,
    /// It works again. What it was told before, it has forgotten.
    Over,
    /// It will not come back.
    Lost,
}

struct Callbacks<T>(core::marker::PhantomData<T>);

impl<T: Driver> Callbacks<T> {
    const ERRORS: kernel_bindings::pci_error_handlers = kernel_bindings::pci_error_handlers {
        error_detected: Some(error_detected::<T>),
        slot_reset: Some(slot_reset),
        resume: Some(resume::<T>),
        reset_prepare: Some(reset_prepare::<T>),
        reset_done: Some(resume::<T>),
        ..pin_init::zeroed()
    };

    /// Sleep and hibernation are the same to a controller: what it held is gone
    /// afterwards, and it is to use no memory in between.
    const SLEEP: kernel_bindings::dev_pm_ops = kernel_bindings::dev_pm_ops {
        suspend: Some(suspend::<T>),
        resume: Some(wake::<T>),
        freeze: Some(suspend::<T>),
        thaw: Some(wake::<T>),
        poweroff: Some(suspend::<T>),
        restore: Some(wake::<T>),
        ..pin_init::zeroed()
    };
}

/// For `pci_driver::err_handler`.
pub(super) const fn error_handlers<T: Driver>() -> *const kernel_bindings::pci_error_handlers {
    &Callbacks::<T>::ERRORS
}

/// For `device_driver::pm`.
pub(super) const fn sleep_operations<T: Driver>() -> *const kernel_bindings::dev_pm_ops {
    &Callbacks::<T>::SLEEP
}

/// # Safety
///
/// Called by the PCI core only: `device` is valid, bound to the driver `T`, and
/// its lock is held.
unsafe extern "C" fn error_detected<T: Driver>(
    device: *mut kernel_bindings::pci_dev,
    channel: kernel_bindings::pci_channel_state_t,
) -> kernel_bindings::pci_ers_result_t {
    let (disturbance, answer) = match channel {
        // It and its link work, a transaction has failed: so has its command.
        bindings::pci_channel_io_normal => {
            return bindings::pci_ers_result_PCI_ERS_RESULT_CAN_RECOVER
        }
        bindings::pci_channel_io_frozen => (
            Disturbance::BeforeReset,
            bindings::pci_ers_result_PCI_ERS_RESULT_NEED_RESET,
        ),
        _ => (
            Disturbance::Lost,
            bindings::pci_ers_result_PCI_ERS_RESULT_DISCONNECT,
        ),
    };
    // SAFETY: By the safety requirement.
    unsafe { with_data::<T>(&raw mut (*device).dev, |data| T::disturb(data, disturbance)) };
    answer
}

/// # Safety
///
/// Called by the PCI core only: `device` is valid, and its lock is held.
unsafe extern "C" fn slot_reset(
    device: *mut kernel_bindings::pci_dev,
) -> kernel_bindings::pci_ers_result_t {
    // SAFETY: `device` is valid by the safety requirement. What is restored was
    // saved when the function was enabled.
    unsafe { bindings::pci_restore_state(device) };
    bindings::pci_ers_result_PCI_ERS_RESULT_RECOVERED
}

/// # Safety
///
/// Called by the PCI core only: `device` is valid, bound to the driver `T`, and
/// its lock is held.
unsafe extern "C" fn reset_prepare<T: Driver>(device: *mut kernel_bindings::pci_dev) {
    // SAFETY: By the safety requirement.
    unsafe {
        with_data::<T>(&raw mut (*device).dev, |data| {
            T::disturb(data, Disturbance::BeforeReset)
        })
    };
}

/// # Safety
///
/// As of [`reset_prepare`].
unsafe extern "C" fn resume<T: Driver>(device: *mut kernel_bindings::pci_dev) {
    // SAFETY: By the safety requirement.
    unsafe {
        with_data::<T>(&raw mut (*device).dev, |data| {
            T::disturb(data, Disturbance::Over)
        })
    };
}

/// # Safety
///
/// Called by the PM core only: `device` is valid, bound to the driver `T`, and
/// its lock is held.
unsafe extern "C" fn suspend<T: Driver>(device: *mut kernel_bindings::device) -> c_int {
    // SAFETY: By the safety requirement.
    unsafe { with_data::<T>(device, |data| T::disturb(data, Disturbance::BeforeSleep)) };
    0
}

/// # Safety
///
/// As of [`suspend`].
unsafe extern "C" fn wake<T: Driver>(device: *mut kernel_bindings::device) -> c_int {
    // SAFETY: By the safety requirement.
    unsafe { with_data::<T>(device, |data| T::disturb(data, Disturbance::Over)) };
    0
}
