// SPDX-License-Identifier: GPL-2.0-only

//! A value that many may use and sleep with, until it is taken away.
//!
//! As `kernel::revocable::Revocable`, but its users may sleep: an open file
//! uses the controller through a gate, and unbind closes the gate.

use core::{ops::Deref, pin::Pin};

use pin_init::Wrapper;

use kernel::{
    new_srcu,
    prelude::*,
    sync::{
        atomic::{Atomic, Full},
        srcu::{self, Srcu},
    },
    types::Opaque,
};

use super::look::Look;

/// A value behind a gate that is open until it is closed for good.
///
/// # Invariants
///
/// `value` is initialised until the one call that changes `open` from true to
/// false has waited for all [`Visit`]s. A visit that found the gate open was
/// under `visits` before it looked.
#[pin_data(PinnedDrop)]
pub(crate) struct Gate<T> {
    open: Atomic<bool>,
    #[pin]
    visits: Srcu,
    #[pin]
    value: Opaque<T>,
}

// SAFETY: Whoever has the gate may drop the value, and reach it by reference.
unsafe impl<T: Send> Send for Gate<T> {}

// SAFETY: A shared gate gives out shared references to the value from several
// threads at once, and whoever closes it drops the value.
unsafe impl<T: Send + Sync> Sync for Gate<T> {}

impl<T> Gate<T> {
    /// An open gate before `value`.
    ///
    /// # Errors
    ///
    /// Those of `value`, ENOMEM.
    pub(crate) fn new(value: impl PinInit<T, Error>) -> impl PinInit<Self, Error> {
        // INVARIANT: The value is initialised and the gate open.
        try_pin_init!(Self {
            open: Atomic::new(true),
            visits <- new_srcu!("nvme_rs::Gate::visits"),
            value <- Opaque::pin_init(value),
        }? Error)
    }

    /// Passes the gate, if it is open. [`Self::close`] waits for the visit to
    /// be dropped; the visitor may sleep.
    pub(crate) fn enter(&self) -> Option<Visit<'_, T>> {
        let guard = self.visits.read_lock();
        if !self.open.look() {
            return None;
        }
        // SAFETY: The gate was open after `read_lock`, so that by the type
        // invariant the value stays initialised until `guard` is dropped. It is
        // pinned with the gate, and only ever shared.
        let value = unsafe { Pin::new_unchecked(&*self.value.get()) };
        Some(Visit {
            value,
            _guard: guard,
        })
    }

    /// Closes the gate, waits for all visits to end and drops the value. Does
    /// nothing if the gate was closed before. Sleeps; not to be called from a
    /// visit.
    pub(crate) fn close(&self) {
        if !self.open.xchg(false, Full) {
            return;
        }
        self.visits.synchronize_expedited();
        // SAFETY: The value is initialised by the type invariant. Visits that
        // found the gate open have ended, later ones find it closed, and nobody
        // else gets here: nobody accesses the value any more.
        unsafe { core::ptr::drop_in_place(self.value.get()) };
    }
}

#[pinned_drop]
impl<T> PinnedDrop for Gate<T> {
    fn drop(self: Pin<&mut Self>) {
        self.close();
    }
}

/// Access to the value behind a gate.
pub(crate) struct Visit<'a, T> {
    value: Pin<&'a T>,
    _guard: srcu::Guard<'a>,
}

impl<T> Deref for Visit<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
