// SPDX-License-Identifier: GPL-2.0-only

//! A work item that is waited for before it goes away, and the queue it runs
//! on.
//!
//! `kernel::workqueue::Work` has no cancel and no flush: a queued item owns a
//! reference and may outlive both the device and the module.

use core::convert::Infallible;

use kernel::{container_of, prelude::*, sync::Arc, time::Delta, types::Opaque};

use super::bindings;

/// What comes after a run of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing, until the item is queued again.
    Done,
    /// Another run after this time, or earlier if the item is queued.
    Again(Delta),
}

/// What a work item does.
pub(crate) trait Task: Send + Sync {
    /// Process context, may sleep. Runs on one CPU at a time.
    fn run(&self) -> Next;
}

/// A workqueue of the module. Its items run in process context and may sleep.
pub(crate) struct Queue(*mut bindings::workqueue_struct);

// SAFETY: A workqueue may be used and destroyed from any thread.
unsafe impl Send for Queue {}

// SAFETY: `queue_work_on` synchronises by itself.
unsafe impl Sync for Queue {}

impl Queue {
    /// Makes a queue with this name.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(name: &'static CStr) -> Result<Self> {
        const FLAGS: u32 = bindings::wq_flags_WQ_UNBOUND | bindings::wq_flags_WQ_MEM_RECLAIM;
        // SAFETY: The format takes one string, which `name` is. Zero asks for
        // the default number of workers.
        let queue = unsafe {
            bindings::alloc_workqueue_noprof(c"%s".as_char_ptr(), FLAGS, 0, name.as_char_ptr())
        };
        if queue.is_null() {
            return Err(ENOMEM);
        }
        Ok(Self(queue))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: Made by `new`. Items hold a reference to the queue, so none
        // is left: this has nothing to drain.
        unsafe { bindings::destroy_workqueue(self.0) }
    }
}

/// A work item: `context.run()` happens once after each [`WorkItem::queue`],
/// or once for several of them.
#[pin_data(PinnedDrop)]
pub(crate) struct WorkItem<C: Task> {
    #[pin]
    work: Opaque<bindings::delayed_work>,
    queue: Arc<Queue>,
    #[pin]
    context: C,
}

// SAFETY: A work item may be queued and cancelled from any thread, and the
// context is `Send`.
unsafe impl<C: Task> Send for WorkItem<C> {}

// SAFETY: Queueing synchronises by itself, and the context is `Sync`.
unsafe impl<C: Task> Sync for WorkItem<C> {}

impl<C: Task> WorkItem<C> {
    const ANY_CPU: c_int = bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int;

    pub(crate) fn new<E: From<Infallible>>(
        queue: Arc<Queue>,
        context: impl PinInit<C, E>,
    ) -> impl PinInit<Self, E> {
        try_pin_init!(Self {
            work <- Opaque::ffi_init(|slot: *mut bindings::delayed_work| {
                // SAFETY: `slot` is valid for writes and pinned from here on.
                unsafe { bindings::nvme_rs_init_delayed_work(slot, Some(Self::run)) }
            }),
            queue,
            context <- context,
        }? E)
    }

    /// What the task works on.
    pub(crate) fn context(&self) -> &C {
        &self.context
    }

    /// Has the task run soon. Any context but NMI.
    pub(crate) fn queue(&self) {
        // SAFETY: The queue is alive, we hold a reference; `work` is
        // initialised, and cancelled before it goes away.
        unsafe { bindings::mod_delayed_work_on(Self::ANY_CPU, self.queue.0, self.work.get(), 0) };
    }

    /// Waits for a running task and prevents any later one. Sleeps.
    pub(crate) fn disable(&self) {
        // SAFETY: `work` is initialised and valid as long as `self`.
        unsafe { bindings::disable_delayed_work_sync(self.work.get()) };
    }

    /// # Safety
    ///
    /// `work` must belong to a live, pinned `WorkItem<C>`.
    unsafe extern "C" fn run(work: *mut bindings::work_struct) {
        // SAFETY: By the safety requirement. The item outlives this call: its
        // `drop` waits for the work.
        let item = unsafe {
            let work = container_of!(work, bindings::delayed_work, work);
            &*container_of!(Opaque::cast_from(work), Self, work)
        };
        if let Next::Again(delay) = item.context.run() {
            // SAFETY: As in `queue`. Disabling the item waits for this call and
            // keeps what it queues from running.
            unsafe {
                bindings::queue_delayed_work_on(
                    Self::ANY_CPU,
                    item.queue.0,
                    item.work.get(),
                    jiffies(delay),
                )
            };
        }
    }
}

#[pinned_drop]
impl<C: Task> PinnedDrop for WorkItem<C> {
    fn drop(self: Pin<&mut Self>) {
        self.disable();
    }
}

/// `span` in clock ticks, at least one.
pub(super) fn jiffies(span: Delta) -> c_ulong {
    let milliseconds = u32::try_from(span.as_millis()).unwrap_or(u32::MAX);
    // SAFETY: No preconditions.
    unsafe { bindings::__msecs_to_jiffies(milliseconds) }.max(1)
}
