// SPDX-License-Identifier: GPL-2.0-only

//! Event providers: other modules, which call us and which we call, as
//! `include/linux/nvme_event_provider.h` says.
//!
//! A provider names a controller by its device, so that there is one list of
//! all controllers. It is the module's only global variable, but for the flag that
//! it was made.

use core::{ffi::c_void, ptr::NonNull};

use kernel::{
    device::Device,
    prelude::*,
    sync::Arc, //
};

use super::bindings;

kernel::sync::global_lock! {
    // SAFETY: Initialised by `Hosting::start`, which the module calls before
    // anything is bound. Providers are modules that need our symbols: the
    // kernel does not let them start before our initialisation is over.
    unsafe(uninit) static HOSTS: Mutex<KVec<Hosted>> = KVec::new();
}

/// Prepares for providers.
///
/// # Safety
///
/// To be called once, before everything else here.
unsafe fn initialise_list() {
    // SAFETY: By the safety requirement.
    unsafe { HOSTS.init() };
}

/// The right to have hosts. There is one in the life of the module.
pub(crate) struct Hosting(());

impl Hosting {
    /// Prepares for providers; does so once.
    ///
    /// # Errors
    ///
    /// EBUSY the second time.
    pub(crate) fn start() -> Result<Self> {
        use kernel::sync::atomic::{AtomicFlag, Full};

        static STARTED: AtomicFlag = AtomicFlag::new(false);
        if STARTED.xchg(true, Full) {
            return Err(EBUSY);
        }
        // SAFETY: Once, as the flag says; hosts are listed only with a
        // `Hosting`, and providers find them only in the list.
        unsafe { initialise_list() };
        Ok(Self(()))
    }

    /// Lets providers register on `device` until the listing is dropped.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn list(&self, device: &Device, host: Arc<dyn Host>) -> Result<Listing> {
        // `Device` is its C counterpart.
        let device = core::ptr::from_ref(device) as usize;
        HOSTS.lock().push(Hosted { device, host }, GFP_KERNEL)?;
        Ok(Listing { device })
    }
}

/// A controller in the list.
struct Hosted {
    device: usize,
    host: Arc<dyn Host>,
}

/// A place in the list, until dropped.
pub(crate) struct Listing {
    device: usize,
}

impl Drop for Listing {
    fn drop(&mut self) {
        let mut hosts = HOSTS.lock();
        let index = hosts.iter().position(|hosted| hosted.device == self.device);
        let removed = index.and_then(|index| {
            let last = hosts.len().checked_sub(1)?;
            hosts.swap(index, last);
            hosts.pop()
        });
        // Nobody drops the list itself when the module goes.
        let unused = hosts
            .is_empty()
            .then(|| core::mem::replace(&mut *hosts, KVec::new()));
        drop(hosts);
        drop((removed, unused));
    }
}

/// What takes providers.
pub(crate) trait Host: Send + Sync {
    /// # Errors
    ///
    /// ENODEV, ENOSPC, ENOMEM.
    fn register(&self, callbacks: Callbacks) -> Result<Arc<dyn Registration>>;
}

/// A provider that is registered.
pub(crate) trait Registration: Send + Sync {
    /// There is something to fetch. Any context but NMI.
    fn notify(&self);

    /// Waits for the end of what runs; nothing runs after it. Sleeps.
    fn end(&self);
}

/// How to call a provider.
///
/// # Invariants
///
/// `ops` is valid, with both callbacks, until the registration has ended.
pub(crate) struct Callbacks {
    ops: NonNull<bindings::nvme_event_provider_ops>,
    context: *mut c_void,
}

// SAFETY: Providers are called from any thread, one at a time.
unsafe impl Send for Callbacks {}

// SAFETY: As above; who has them sees to "one at a time".
unsafe impl Sync for Callbacks {}

/// An event that a provider gave and that was not acknowledged yet.
///
/// # Invariants
///
/// Valid and unchanging, with its payload, until it is acknowledged.
pub(crate) struct Provided(NonNull<bindings::nvme_provided_event>);

// SAFETY: It is only read, and acknowledged from any thread.
unsafe impl Send for Provided {}

impl Callbacks {
    /// The provider's next event. Sleeps.
    pub(crate) fn fetch(&self) -> Option<Provided> {
        // SAFETY: By the type invariant.
        let event = unsafe {
            let fetch = (*self.ops.as_ptr()).fetch?;
            fetch(self.context)
        };
        // INVARIANT: So the provider promises.
        NonNull::new(event.cast_mut()).map(Provided)
    }

    /// Gives an event back. Sleeps.
    pub(crate) fn acknowledge(&self, event: Provided, result: Result) {
        let result = match result {
            Ok(()) => 0,
            Err(error) => error.to_errno(),
        };
        // SAFETY: By the type invariants; the event is not used after this.
        unsafe {
            if let Some(ack) = (*self.ops.as_ptr()).ack {
                ack(self.context, event.0.as_ptr(), result);
            }
        }
    }
}

impl Provided {
    /// Dwords 0 and 1 of its record.
    pub(crate) fn dwords(&self) -> (u32, u32) {
        // SAFETY: By the type invariant.
        unsafe { ((*self.0.as_ptr()).dw0, (*self.0.as_ptr()).dw1) }
    }

    /// How long its payload is, if it has any.
    pub(crate) fn payload_bytes(&self) -> Option<usize> {
        // SAFETY: By the type invariant.
        let (data, length_bytes) =
            unsafe { ((*self.0.as_ptr()).payload, (*self.0.as_ptr()).payload_bytes) };
        (!data.is_null()).then_some(length_bytes)
    }

    /// A copy of its payload; nothing if it has none.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn payload(&self) -> Result<KVVec<u8>> {
        let Some(length_bytes) = self.payload_bytes() else {
            return Ok(KVVec::new());
        };
        // SAFETY: By the type invariant, the event is valid, and unchanging with
        // its payload: this is only read, for the time of the copy.
        let bytes = unsafe {
            core::slice::from_raw_parts((*self.0.as_ptr()).payload.cast::<u8>(), length_bytes)
        };
        let mut copy = KVVec::with_capacity(length_bytes, GFP_KERNEL)?;
        copy.extend_from_slice(bytes, GFP_KERNEL)?;
        Ok(copy)
    }
}

/// What the pointer that a provider gets points to.
type Handed = KBox<Arc<dyn Registration>>;

/// # Safety
///
/// As the header says of `nvme_event_provider_register()`.
#[no_mangle]
unsafe extern "C" fn nvme_rs_provider_register(
    controller: *mut kernel::bindings::device,
    ops: *const bindings::nvme_event_provider_ops,
    context: *mut c_void,
) -> *mut bindings::nvme_event_provider {
    let device = controller as usize;
    // SAFETY: By the safety requirement, if it is not null.
    let complete = |ops: &NonNull<bindings::nvme_event_provider_ops>| unsafe {
        let ops = ops.as_ptr();
        (*ops).fetch.is_some() && (*ops).ack.is_some()
    };
    let registered = NonNull::new(ops.cast_mut())
        .filter(complete)
        .ok_or(EINVAL)
        .and_then(|ops| {
            let host = HOSTS
                .lock()
                .iter()
                .find(|hosted| hosted.device == device)
                .map(|hosted| hosted.host.clone())
                .ok_or(ENODEV)?;
            // INVARIANT: Checked above, and by the safety requirement.
            let registration = host.register(Callbacks { ops, context })?;
            match KBox::new(registration.clone(), GFP_KERNEL) {
                Ok(handed) => Ok(handed),
                Err(error) => {
                    registration.end();
                    Err(error.into())
                }
            }
        });
    match registered {
        Ok(handed) => Handed::into_raw(handed).cast(),
        Err(error) => error.to_ptr(),
    }
}

/// # Safety
///
/// As the header says of `nvme_event_provider_notify()`.
#[no_mangle]
unsafe extern "C" fn nvme_rs_provider_notify(provider: *mut bindings::nvme_event_provider) {
    // SAFETY: By the safety requirement it comes from `register`, and was not
    // unregistered.
    let registration = unsafe { &*provider.cast::<Arc<dyn Registration>>() };
    registration.notify();
}

/// # Safety
///
/// As the header says of `nvme_event_provider_unregister()`.
#[no_mangle]
unsafe extern "C" fn nvme_rs_provider_unregister(provider: *mut bindings::nvme_event_provider) {
    // SAFETY: By the safety requirement it comes from `register`, and is not
    // used any more.
    let handed = unsafe { Handed::from_raw(provider.cast()) };
    handed.end();
}
