// SPDX-License-Identifier: GPL-2.0-only

//! `struct completion` with a time limit and a wait that a fatal signal ends.
//!
//! `kernel::sync::Completion` can only wait for ever and cannot be used twice.

use kernel::{prelude::*, task::MAX_SCHEDULE_TIMEOUT, time::Delta, types::Opaque};

use super::{bindings, work::jiffies};

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    Completed,
    TimedOut,
    /// The process is being killed.
    Killed,
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
    pub(crate) fn wait(&self) {
        // SAFETY: Initialised by `new` and valid as long as `self`.
        unsafe { bindings::wait_for_completion(self.inner.get()) }
    }

    /// As [`Self::wait`], at most for `limit`, or until the process is killed.
    pub(crate) fn wait_killable(&self, limit: Option<Delta>) -> Waited {
        let limit = limit.map_or(MAX_SCHEDULE_TIMEOUT as c_ulong, jiffies);
        // SAFETY: Initialised by `new` and valid as long as `self`.
        let left =
            unsafe { bindings::wait_for_completion_killable_timeout(self.inner.get(), limit) };
        match left {
            ..0 => Waited::Killed,
            0 => Waited::TimedOut,
            1.. => Waited::Completed,
        }
    }
}
