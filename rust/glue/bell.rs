// SPDX-License-Identifier: GPL-2.0-only

//! A bell: rung in any context, heard in soft interrupt context.
//!
//! Posting an event must cost the same whoever waits for it, and must be
//! possible under any lock. Waking the waiters is neither. So the poster rings
//! (one `irq_work`, no lock, no allocation), and the listener runs from a
//! bottom-half work item. Rings between two runs are heard once.
//!
//! The `kernel` crate has neither `irq_work` nor a work item that can be
//! waited for.

use core::convert::Infallible;

use kernel::{container_of, prelude::*, types::Opaque};

use super::bindings;

/// Who hears a bell.
pub(crate) trait Listener: Send + Sync {
    /// Something was rung. Soft interrupt context: must not sleep.
    fn heard(&self);
}

/// A bell with its listener.
///
/// # Invariants
///
/// `work` is queued by the callback of `irq_work` and by nobody else, and
/// `irq_work` only through a reference to the bell: once the last reference is
/// gone and both were waited for, neither runs again.
#[pin_data(PinnedDrop)]
pub(crate) struct Bell<L: Listener> {
    #[pin]
    irq_work: Opaque<bindings::irq_work>,
    #[pin]
    work: Opaque<bindings::work_struct>,
    #[pin]
    listener: L,
}

// SAFETY: `irq_work` and `work` are made for use from any thread, and the
// listener is `Send`.
unsafe impl<L: Listener> Send for Bell<L> {}

// SAFETY: `irq_work_queue` and `queue_work` synchronise by themselves, and the
// listener is `Sync`.
unsafe impl<L: Listener> Sync for Bell<L> {}

impl<L: Listener> Bell<L> {
    pub(crate) fn new<E: From<Infallible>>(listener: impl PinInit<L, E>) -> impl PinInit<Self, E> {
        try_pin_init!(Self {
            irq_work <- Opaque::ffi_init(|slot: *mut bindings::irq_work| {
                // SAFETY: `slot` is valid for writes and pinned from here on.
                unsafe { bindings::nvme_rs_init_irq_work(slot, Some(Self::ring_in_interrupt)) }
            }),
            work <- Opaque::ffi_init(|slot: *mut bindings::work_struct| {
                // SAFETY: As above.
                unsafe { bindings::nvme_rs_init_work(slot, Some(Self::ring_in_bottom_half)) }
            }),
            listener <- listener,
        }? E)
    }

    /// Rings. Any context, including under locks and in a hard interrupt.
    pub(crate) fn ring(&self) {
        // SAFETY: Initialised in `new`, valid as long as `self`; the callback
        // is waited for before the bell goes away.
        unsafe { bindings::irq_work_queue(self.irq_work.get()) };
    }

    /// The listener.
    pub(crate) fn listener(&self) -> &L {
        &self.listener
    }

    /// # Safety
    ///
    /// `irq_work` must be the field of a live, pinned `Bell<L>`.
    unsafe extern "C" fn ring_in_interrupt(irq_work: *mut bindings::irq_work) {
        // SAFETY: By the safety requirement. The bell outlives this call: its
        // `drop` waits for the `irq_work`.
        let bell = unsafe { &*container_of!(Opaque::cast_from(irq_work), Self, irq_work) };
        // SAFETY: The queue exists as long as the kernel runs; `work` is
        // initialised, and `drop` cancels it after having waited for us.
        unsafe {
            bindings::queue_work_on(
                bindings::wq_misc_consts_WORK_CPU_UNBOUND as c_int,
                bindings::system_bh_highpri_wq,
                bell.work.get(),
            )
        };
    }

    /// # Safety
    ///
    /// `work` must be the field of a live, pinned `Bell<L>`.
    unsafe extern "C" fn ring_in_bottom_half(work: *mut bindings::work_struct) {
        // SAFETY: By the safety requirement. The bell outlives this call: its
        // `drop` cancels the work and waits for it.
        let bell = unsafe { &*container_of!(Opaque::cast_from(work), Self, work) };
        bell.listener.heard();
    }
}

#[pinned_drop]
impl<L: Listener> PinnedDrop for Bell<L> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: Both are initialised. Nobody can ring any more, `self` being
        // exclusive; the order matters, because the first queues the second.
        unsafe {
            bindings::irq_work_sync(self.irq_work.get());
            bindings::cancel_work_sync(self.work.get());
        }
    }
}
