// SPDX-License-Identifier: GPL-2.0-only

//! Event providers in Rust: `include/linux/nvme_event_provider.h`, safely.
//!
//! A module of its own crate takes this file as one of its modules:
//!
//! ```ignore
//! #[path = "include/rust/nvme_event_provider.rs"]
//! mod nvme_event_provider;
//! ```

use core::{ffi::c_void, marker::PhantomData, ptr::NonNull};

use kernel::{
    device::Device,
    error::{code::EINVAL, from_err_ptr},
    prelude::*,
};

/// An event.
pub(crate) struct Event {
    /// Dword 0 of its record; bits 15:8 are what filters look at.
    pub(crate) dw0: u32,
    /// Dword 1 of its record.
    pub(crate) dw1: u32,
    /// What belongs to it, if anything does.
    pub(crate) payload: KVec<u8>,
}

/// Where events come from. Called by one thread at a time; may sleep.
pub(crate) trait EventSource: Send + Sync {
    /// The next event, if there is one. Not asked for again before that was
    /// acknowledged.
    fn fetch(&self) -> Option<Event>;

    /// The event is the source's again: a reader has it, or with ENODEV nobody
    /// will; with ENOMEM it could not even be offered.
    fn ack(&self, event: Event, result: Result);
}

#[repr(C)]
struct Provided {
    dw0: u32,
    dw1: u32,
    payload: *const c_void,
    payload_bytes: usize,
}

/// An event that nvme_rs has.
#[repr(C)]
struct Held {
    provided: Provided,
    event: Event,
}

#[repr(C)]
struct Operations {
    fetch: unsafe extern "C" fn(*mut c_void) -> *const Provided,
    ack: unsafe extern "C" fn(*mut c_void, *const Provided, i32),
}

extern "C" {
    fn nvme_event_provider_register(
        controller: *mut c_void,
        ops: *const Operations,
        context: *mut c_void,
    ) -> *mut c_void;
    fn nvme_event_provider_notify(provider: *mut c_void);
    fn nvme_event_provider_unregister(provider: *mut c_void);
}

/// A provider, from registration to drop. Dropping it sleeps.
///
/// # Invariants
///
/// `provider` is registered, with `source` as its context.
pub(crate) struct Registration<T: EventSource> {
    provider: NonNull<c_void>,
    source: NonNull<T>,
    _owned: PhantomData<T>,
}

// SAFETY: A provider may be notified and unregistered on any thread, and the
// source is `Send`.
unsafe impl<T: EventSource> Send for Registration<T> {}

// SAFETY: Notifying synchronises by itself, and the source is `Sync`.
unsafe impl<T: EventSource> Sync for Registration<T> {}

impl<T: EventSource> Registration<T> {
    const OPERATIONS: Operations = Operations {
        fetch: Self::fetch,
        ack: Self::ack,
    };

    /// Has `source` provide events of `controller`, the PCI function of one.
    ///
    /// # Errors
    ///
    /// ENODEV if nvme_rs does not drive it; ENOSPC; ENOMEM.
    pub(crate) fn new(controller: &Device, source: T) -> Result<Self> {
        let operations: &'static Operations = &Self::OPERATIONS;
        let source = KBox::into_raw(KBox::new(source, GFP_KERNEL)?);
        // SAFETY: The device is valid, the operations are static, and the
        // source lives until it is unregistered.
        let registered = from_err_ptr(unsafe {
            nvme_event_provider_register(
                core::ptr::from_ref(controller).cast_mut().cast(),
                operations,
                source.cast(),
            )
        });
        let provider = registered.and_then(|provider| NonNull::new(provider).ok_or(EINVAL));
        match (provider, NonNull::new(source)) {
            // INVARIANT: Registered just now.
            (Ok(provider), Some(source)) => Ok(Self {
                provider,
                source,
                _owned: PhantomData,
            }),
            (result, _) => {
                // SAFETY: From `into_raw`, and nobody uses it.
                drop(unsafe { KBox::from_raw(source) });
                Err(result.err().unwrap_or(EINVAL))
            }
        }
    }

    /// There is something to fetch. Any context but NMI.
    pub(crate) fn notify(&self) {
        // SAFETY: Registered, by the type invariant.
        unsafe { nvme_event_provider_notify(self.provider.as_ptr()) };
    }

    /// # Safety
    ///
    /// `context` is the source.
    unsafe extern "C" fn fetch(context: *mut c_void) -> *const Provided {
        // SAFETY: By the safety requirement.
        let source = unsafe { &*context.cast::<T>() };
        let Some(event) = source.fetch() else {
            return core::ptr::null();
        };
        let payload = match event.payload.len() {
            0 => core::ptr::null(),
            _ => event.payload.as_ptr().cast(),
        };
        let provided = Provided {
            dw0: event.dw0,
            dw1: event.dw1,
            payload,
            payload_bytes: event.payload.len(),
        };
        // The payload's memory stays where it is when the event moves.
        match KBox::new_uninit(GFP_KERNEL) {
            Ok(space) => {
                let held: KBox<Held> = KBox::write(space, Held { provided, event });
                KBox::into_raw(held).cast_const().cast()
            }
            Err(_) => {
                source.ack(event, Err(ENOMEM));
                core::ptr::null()
            }
        }
    }

    /// # Safety
    ///
    /// `context` is the source, and `provided` what `fetch` returned.
    unsafe extern "C" fn ack(context: *mut c_void, provided: *const Provided, result: i32) {
        // SAFETY: By the safety requirement; it is the first field of `Held`.
        let (source, held) = unsafe {
            (
                &*context.cast::<T>(),
                KBox::from_raw(provided.cast_mut().cast::<Held>()),
            )
        };
        let Held { event, .. } = KBox::into_inner(held);
        source.ack(event, kernel::error::to_result(result));
    }
}

impl<T: EventSource> Drop for Registration<T> {
    fn drop(&mut self) {
        // SAFETY: Registered, by the type invariant; nobody calls the source
        // after it, so that it may go.
        unsafe {
            nvme_event_provider_unregister(self.provider.as_ptr());
            drop(KBox::from_raw(self.source.as_ptr()));
        }
    }
}
