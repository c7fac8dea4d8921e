// SPDX-License-Identifier: GPL-2.0-only

//! Memory that a process may keep from being swapped out: RLIMIT_MEMLOCK.

use kernel::{error::to_result, mm::Mm, prelude::*, sync::aref::ARef};

use super::bindings;

/// Pages charged to a process, until dropped. Dropping sleeps.
///
/// # Invariants
///
/// So many pages are charged to `mm` by way of this.
pub(crate) struct LockedMemory {
    mm: ARef<Mm>,
    pages: usize,
}

impl LockedMemory {
    /// Charges `pages` to the calling process. Sleeps.
    ///
    /// # Errors
    ///
    /// ENOMEM if that is more than it may lock; EINVAL for a task without
    /// memory of a process.
    pub(crate) fn charge(pages: usize) -> Result<Self> {
        let task = kernel::current!();
        let mm: &Mm = task.mm().ok_or(EINVAL)?;
        let mm = ARef::from(mm);
        // SAFETY: There is a reference to it.
        to_result(unsafe { bindings::account_locked_vm(mm.as_raw(), pages, true) })?;
        // INVARIANT: Charged just now.
        Ok(Self { mm, pages })
    }
}

impl Drop for LockedMemory {
    fn drop(&mut self) {
        // SAFETY: There is a reference to it, and so many pages are charged.
        unsafe { bindings::account_locked_vm(self.mm.as_raw(), self.pages, false) };
    }
}
