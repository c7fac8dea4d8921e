// SPDX-License-Identifier: GPL-2.0-only

//! The end of a batch of requests: `struct blk_plug`.
//!
//! A task that submits several requests at a time says so, and has what is due
//! afterwards done once, at the end or before it sleeps.

use core::{mem::size_of, ptr::NonNull};

use kernel::{prelude::*, sync::Arc};

use super::bindings;

/// What is due once at the end of a batch.
pub(crate) trait Batched: Send + Sync + 'static {
    /// Any process context, also about to sleep: does not sleep itself.
    fn end_of_batch(&self);
}

/// What the kernel keeps for the task, zeroed at first.
#[repr(C)]
struct Entry<T> {
    callback: bindings::blk_plug_cb,
    /// A reference, from [`Batch::defer`] on.
    target: *const T,
}

/// When something is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// There is no batch.
    Now,
    /// [`Batched::end_of_batch`] will be called.
    AtEndOfBatch,
}

/// The task at the end of whose batch [`Batched::end_of_batch`] will be called,
/// so that it is asked for only once a batch. Of several such tasks one is known.
///
/// # Invariants
///
/// The address of a task whose batch has not ended and is to call that at its
/// end, or zero.
#[derive(Default)]
pub(crate) struct Batch(usize);

impl Batch {
    /// Has [`Batched::end_of_batch`] of `target`, always the same, be called at
    /// the end of the calling task's batch, if it is in one. One small
    /// allocation a batch. Process context, also in a spinlock.
    #[inline]
    pub(crate) fn defer<T: Batched>(&mut self, target: &Arc<T>) -> Due {
        let task = current();
        if self.0 == task {
            return Due::AtEndOfBatch;
        }
        let due = defer(target);
        if due == Due::AtEndOfBatch {
            // INVARIANT: `end_of_batch` is called in this task.
            self.0 = task;
        }
        due
    }

    /// To be called by [`Batched::end_of_batch`].
    pub(crate) fn end(&mut self) {
        if self.0 == current() {
            self.0 = 0;
        }
    }
}

fn current() -> usize {
    // SAFETY: There always is a task.
    unsafe { bindings::get_current() }.addr()
}

fn defer<T: Batched>(target: &Arc<T>) -> Due {
    // SAFETY: Called by a task. The entry is at least as large as what it begins
    // with, and `unplug` is for entries of this type.
    let entry = unsafe {
        bindings::blk_check_plugged(
            Some(unplug::<T>),
            Arc::as_ptr(target).cast_mut().cast(),
            // CAST: A few words.
            size_of::<Entry<T>>() as c_int,
        )
    };
    let Some(entry) = NonNull::new(entry.cast::<Entry<T>>()) else {
        return Due::Now;
    };
    // SAFETY: The entry is the task's, and nobody else's; it is for this target,
    // by its address.
    unsafe {
        if (*entry.as_ptr()).target.is_null() {
            (*entry.as_ptr()).target = Arc::into_raw(target.clone());
        }
    }
    Due::AtEndOfBatch
}

/// # Safety
///
/// Called once by the kernel for each entry that [`defer`] was given.
unsafe extern "C" fn unplug<T: Batched>(entry: *mut bindings::blk_plug_cb, _from_schedule: bool) {
    // SAFETY: By the safety requirement the entry was completed by `defer`,
    // which left a reference, and is ours to free.
    let target = unsafe {
        let target = Arc::from_raw((*entry.cast::<Entry<T>>()).target);
        bindings::kfree(entry.cast());
        target
    };
    target.end_of_batch();
}
