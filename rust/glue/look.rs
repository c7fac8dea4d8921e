// SPDX-License-Identifier: GPL-2.0-only

//! Looking at an atomic without a function call.
//!
//! `Atomic::load()` calls a helper in C, as `rust_helper_*()` are not inlined
//! into modules. A command looks at a dozen atomics, and around each call the
//! registers have to be saved.

use core::sync::atomic::{AtomicU32, Ordering};

use kernel::sync::atomic::{Atomic, AtomicType};

/// `Atomic::load()` with an ordering of `Relaxed`, for those that every command
/// looks at.
pub(crate) trait Look {
    type Value;

    fn look(&self) -> Self::Value;
}

impl<T: AtomicType> Look for Atomic<T> {
    type Value = T;

    #[inline(always)]
    fn look(&self) -> T {
        // SAFETY: The pointer is valid and aligned as long as `self`, and what it
        // points to always is a `T`. Others change it by atomic operations only.
        // A volatile read of what a register holds is one access, and all that
        // `atomic_read()` is (READ_ONCE).
        unsafe { self.as_ptr().read_volatile() }
    }
}

/// `Atomic::load()` with an ordering of `Acquire`, likewise.
#[inline(always)]
pub(crate) fn look_acquire(atomic: &Atomic<u32>) -> u32 {
    // SAFETY: As above. Others change it by operations that are single stores of
    // as many bytes to the processor, which is what this is a single load to,
    // with the ordering of `atomic_read_acquire()`.
    unsafe { AtomicU32::from_ptr(atomic.as_ptr()) }.load(Ordering::Acquire)
}
