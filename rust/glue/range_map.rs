// SPDX-License-Identifier: GPL-2.0-only

//! Values by ranges of numbers: `MapleTree`, which the `kernel` crate lets one
//! thread use only.

use core::ops::RangeInclusive;

use kernel::{maple_tree::MapleTree, prelude::*, types::ForeignOwnable};

/// Values that threads share, each for a range of numbers of its own.
#[pin_data]
pub(crate) struct RangeMap<T: ForeignOwnable> {
    #[pin]
    tree: MapleTree<T>,
}

// SAFETY: The tree owns its values, and nothing in it belongs to a thread.
unsafe impl<T: ForeignOwnable + Send> Send for RangeMap<T> {}

// SAFETY: Each access takes the tree's lock, as with a `SpinLock<T>`: a value is
// lent for as long as the lock is held, and moved otherwise.
unsafe impl<T: ForeignOwnable + Send> Sync for RangeMap<T> {}

impl<T: ForeignOwnable> RangeMap<T> {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            tree <- MapleTree::new(),
        })
    }

    /// Adds a value. Sleeps.
    ///
    /// # Errors
    ///
    /// EEXIST if a number of the range has a value; ENOMEM.
    pub(crate) fn insert(&self, range: RangeInclusive<usize>, value: T) -> Result {
        Ok(self.tree.insert_range(range, value, GFP_KERNEL)?)
    }

    /// Takes out the value for a number. Sleeps.
    pub(crate) fn take(&self, number: usize) -> Option<T> {
        self.tree.erase(number)
    }

    /// Calls `look` with the value for a number, with a spin lock held.
    pub(crate) fn with<R>(
        &self,
        number: usize,
        look: impl FnOnce(T::BorrowedMut<'_>) -> R,
    ) -> Option<R> {
        self.tree.lock().load(number).map(look)
    }

    /// As [`Self::with`], with the value of the lowest range.
    pub(crate) fn with_first<R>(&self, look: impl FnOnce(T::BorrowedMut<'_>) -> R) -> Option<R> {
        let mut tree = self.tree.lock();
        let first = tree.ma_state(0, usize::MAX).find(usize::MAX).map(look);
        first
    }
}
