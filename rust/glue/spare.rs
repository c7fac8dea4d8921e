// SPDX-License-Identifier: GPL-2.0-only

//! Memory that was used and will be needed again.

use kernel::{new_spinlock, prelude::*, sync::Arc, sync::SpinLock};

/// Boxes for the next who needs one: a bounded stack.
///
/// For process context.
#[pin_data]
pub(crate) struct Spare<T> {
    #[pin]
    boxes: SpinLock<KVVec<KBox<T>>>,
}

impl<T> Spare<T> {
    /// Keeps at most `limit` boxes.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(limit: usize) -> Result<Arc<Self>> {
        let boxes = KVVec::with_capacity(limit, GFP_KERNEL)?;
        Arc::pin_init(
            pin_init!(Self {
                boxes <- new_spinlock!(boxes, "nvme_rs::Spare::boxes"),
            }),
            GFP_KERNEL,
        )
    }

    /// A box that was given, if there is one.
    pub(crate) fn take(&self) -> Option<KBox<T>> {
        self.boxes.lock().pop()
    }

    /// Keeps the box for the next who takes one.
    pub(crate) fn give(&self, spare: KBox<T>) {
        let mut boxes = self.boxes.lock();
        if boxes.len() < boxes.capacity() {
            // There is room, so nothing is allocated, and nothing fails.
            let _ = boxes.push(spare, GFP_NOWAIT);
        }
    }
}
