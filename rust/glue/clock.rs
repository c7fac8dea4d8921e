// SPDX-License-Identifier: GPL-2.0-only

//! What a clock showed, as a number for user space.
//!
//! `kernel::time::Instant` tells differences only.

use kernel::time::{BootTime, Instant};

/// Nanoseconds since boot, suspend included: CLOCK_BOOTTIME.
pub(crate) fn boot_ns(at: Instant<BootTime>) -> u64 {
    // SAFETY: The type is transparent over the signed number of nanoseconds.
    let nanoseconds: i64 = unsafe { core::mem::transmute(at) };
    nanoseconds.unsigned_abs()
}
