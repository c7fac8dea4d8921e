// SPDX-License-Identifier: GPL-2.0-only

//! The end of a batch of requests: `struct blk_plug`.
//!
//! A task that submits several requests at a time says so, and has what is due
//! afterwards done once, at the end or before it sleeps.
//!
//! That can be long after the last request was sent, and also after the device is
//! let go: whoever has memory of the device waits for it.

use core::{convert::Infallible, marker::PhantomPinned, mem::size_of, ops::Deref, ptr::NonNull};

use kernel::{
    prelude::*,
    sync::atomic::{Acquire, Atomic, Relaxed, Release},
    time::{delay::fsleep, Delta},
};

use super::bindings;

/// How often to look whether batches have ended.
const LOOK_INTERVAL: Delta = Delta::from_millis(1);

/// What is due once at the end of a batch.
pub(crate) trait Batched: Send + Sync + 'static {
    /// Any process context, also about to sleep: does not sleep itself.
    fn end_of_batch(&self);
}

/// What has to be told of the end of batches. Dropping it waits for those: not in
/// a context that must not sleep.
///
/// # Invariants
///
/// `pending` entries of tasks have it as their target, or will have.
#[pin_data(PinnedDrop)]
pub(crate) struct Plugged<T: Batched> {
    pending: Atomic<usize>,
    #[pin]
    value: T,
    /// Entries have its address.
    #[pin]
    _pinned: PhantomPinned,
}

impl<T: Batched> Plugged<T> {
    pub(crate) fn new<E: From<Infallible>>(value: impl PinInit<T, E>) -> impl PinInit<Self, E> {
        try_pin_init!(Self {
            pending: Atomic::new(0),
            value <- value,
            _pinned: PhantomPinned,
        }? E)
    }
}

impl<T: Batched> Deref for Plugged<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

#[pinned_drop]
impl<T: Batched> PinnedDrop for Plugged<T> {
    fn drop(self: Pin<&mut Self>) {
        // No entry is added any more. A task ends its batch when it has sent all of
        // it, or sleeps: this one, too.
        while self.pending.load(Acquire) > 0 {
            fsleep(LOOK_INTERVAL);
        }
    }
}

/// What the kernel keeps for the task, zeroed at first.
#[repr(C)]
struct Entry<T: Batched> {
    callback: bindings::blk_plug_cb,
    /// Valid from [`Batch::defer`] on: it is pending there.
    target: *const Plugged<T>,
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
    pub(crate) fn defer<T: Batched>(&mut self, target: &Plugged<T>) -> Due {
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

fn defer<T: Batched>(target: &Plugged<T>) -> Due {
    let address = core::ptr::from_ref(target);
    // SAFETY: Called by a task. The entry is at least as large as what it begins
    // with, and `unplug` is for entries of this type.
    let entry = unsafe {
        bindings::blk_check_plugged(
            Some(unplug::<T>),
            address.cast_mut().cast(),
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
            // INVARIANT: One more.
            target.pending.fetch_add(1, Relaxed);
            (*entry.as_ptr()).target = address;
        }
    }
    Due::AtEndOfBatch
}

/// # Safety
///
/// Called once by the kernel for each entry that [`defer`] was given.
unsafe extern "C" fn unplug<T: Batched>(entry: *mut bindings::blk_plug_cb, _from_schedule: bool) {
    // SAFETY: By the safety requirement the entry was completed by `defer`, and is
    // ours to free. The target is pinned, and waits for what is pending before it
    // goes away, which ends with the last access here.
    //
    // INVARIANT: One less, which was counted by `defer`.
    unsafe {
        let target = (*entry.cast::<Entry<T>>()).target;
        bindings::kfree(entry.cast());
        (*target).value.end_of_batch();
        (*target).pending.fetch_sub(1, Release);
    }
}
