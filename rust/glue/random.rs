// SPDX-License-Identifier: GPL-2.0-only

//! Random numbers.

use super::bindings;

/// A number nobody can guess.
pub(crate) fn random_u64() -> u64 {
    // SAFETY: No preconditions.
    unsafe { bindings::get_random_u64() }
}
