// SPDX-License-Identifier: GPL-2.0-only

//! What the calling task may do, and whether it will.

use super::bindings;

/// Whether the calling task has CAP_SYS_ADMIN.
pub(crate) fn is_system_administrator() -> bool {
    // SAFETY: No preconditions; called by a task.
    unsafe { bindings::capable(bindings::CAP_SYS_ADMIN as kernel::ffi::c_int) }
}

/// Whether the calling task is being killed, or exits.
pub(crate) fn is_dying() -> bool {
    // SAFETY: No preconditions; called by a task.
    unsafe { bindings::nvme_rs_is_dying() }
}
