// SPDX-License-Identifier: GPL-2.0-only

//! How many CPUs there are.
//!
//! `kernel::cpu` tells only how large their numbers can get.

use super::bindings;

/// How many CPUs there can ever be on this machine.
pub(crate) fn possible_cpus() -> u32 {
    // SAFETY: No preconditions.
    unsafe { bindings::nvme_rs_num_possible_cpus() }
}
