// SPDX-License-Identifier: GPL-2.0-only

//! Time in clock ticks: coarse, and cheap enough for every command.
//!
//! `kernel::time` has no jiffies to read.

use kernel::{prelude::*, time::Delta};

use super::bindings;

/// A moment, accurate to a few milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticks(c_ulong);

impl Ticks {
    pub(crate) fn now() -> Self {
        // SAFETY: The kernel's counter is always there; it is a word, which
        // others write at any time.
        Self(unsafe { core::ptr::read_volatile(&raw const bindings::jiffies) })
    }

    /// The time since then.
    pub(crate) fn elapsed(self) -> Delta {
        let ticks = Self::now().0.wrapping_sub(self.0);
        // SAFETY: No preconditions.
        let milliseconds = unsafe { bindings::jiffies64_to_msecs(ticks as u64) };
        Delta::from_millis(i64::try_from(milliseconds).unwrap_or(i64::MAX))
    }
}
