// SPDX-License-Identifier: GPL-2.0-only

//! `struct completion` with a time limit.
//!
//! `kernel::sync::Completion` can only wait for ever and cannot be used twice.

use kernel::{prelude::*, time::Delta, types::Opaque};

use super::{bindings, work::jiffies};

/// Whether something happened within a time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    Completed,
    TimedOut,
}

/// A flag that is set once for each waiter and can be waited for.
#[pin_data]
pub(crate) struct Completion {
    #[pin]
    inner: Opaque<bindings::completion>,
}

// SAFETY: `struct completion` is protected by its own lock.
unsafe impl Send for Completion {}

// SAFETY: As above; every method takes `&self` and goes through that lock.
unsafe impl Sync for Completion {}

impl Completion {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            inner <- Opaque::ffi_init(|slot: *mut bindings::completion| {
                // SAFETY: `slot` is valid for writes and pinned from here on.
                unsafe { bindings::init_completion(slot) }
            }),
        })
    }

    /// Sets the flag and wakes one waiter. Any context.
    pub(crate) fn complete(&self) {
        // SAFETY: Initialised by `new` and valid as long as `self`.
        unsafe { bindings::complete(self.inner.get()) }
    }

    /// Waits until the flag is set and clears it. Sleeps, not interruptible.
    pub(crate) fn wait(&self, limit: Delta) -> Waited {
        // SAFETY: Initialised by `new` and valid as long as `self`.
        let left =
            unsafe { bindings::wait_for_completion_timeout(self.inner.get(), jiffies(limit)) };
        if left == 0 {
            Waited::TimedOut
        } else {
            Waited::Completed
        }
    }
}
