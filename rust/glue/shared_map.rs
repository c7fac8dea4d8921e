// SPDX-License-Identifier: GPL-2.0-only

//! Values by number: `MapleTree`, which the `kernel` crate lets one thread use
//! only.

use kernel::{maple_tree::MapleTree, prelude::*, types::ForeignOwnable};

/// Values that threads share, each with a number of its own.
#[pin_data]
pub(crate) struct SharedMap<T: ForeignOwnable> {
    #[pin]
    tree: MapleTree<T>,
}

// SAFETY: The tree owns its values, and nothing in it belongs to a thread.
unsafe impl<T: ForeignOwnable + Send> Send for SharedMap<T> {}

// SAFETY: Each access takes the tree's lock, as with a `SpinLock<T>`: a value is
// lent for as long as the lock is held, and moved otherwise.
unsafe impl<T: ForeignOwnable + Send> Sync for SharedMap<T> {}

impl<T: ForeignOwnable> SharedMap<T> {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            tree <- MapleTree::new(),
        })
    }

    /// Adds a value. Sleeps.
    ///
    /// # Errors
    ///
    /// EEXIST if the number has one; ENOMEM.
    pub(crate) fn insert(&self, number: usize, value: T) -> Result {
        Ok(self.tree.insert(number, value, GFP_KERNEL)?)
    }

    /// Takes out the value of a number. Sleeps.
    pub(crate) fn take(&self, number: usize) -> Option<T> {
        self.tree.erase(number)
    }

    /// Calls `look` with the value of a number, with a spin lock held.
    pub(crate) fn with<R>(
        &self,
        number: usize,
        look: impl FnOnce(T::BorrowedMut<'_>) -> R,
    ) -> Option<R> {
        self.tree.lock().load(number).map(look)
    }

    /// As [`Self::with`], with the value of the lowest number.
    pub(crate) fn with_first<R>(&self, look: impl FnOnce(T::BorrowedMut<'_>) -> R) -> Option<R> {
        let mut tree = self.tree.lock();
        let first = tree.ma_state(0, usize::MAX).find(usize::MAX).map(look);
        first
    }
}
