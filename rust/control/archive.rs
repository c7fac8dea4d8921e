// SPDX-License-Identifier: GPL-2.0-only

//! What was captured with events: log pages, each one allocation that all
//! readers share, and the newest SMART / Health Information log.

use core::mem::size_of;

use kernel::{
    new_mutex,
    prelude::*,
    sync::{atomic::AtomicFlag, atomic::Relaxed, Arc, Mutex},
    time::{BootTime, Instant},
};

use crate::{
    engine::{
        capture::Pending,
        snapshot::{Snapshot, SnapshotStore},
    },
    spec::log_page::SMART_BYTES,
};

/// No log page is shorter: there is no room in the limit of bytes for more than
/// so many. Payloads of providers may be shorter, and share the places.
const PAGE_BYTES_MIN: usize = 8;

type Storage = KVVec<Option<Snapshot<Arc<Page>>>>;

/// A captured log page.
pub(crate) struct Page {
    pub(crate) bytes: KVVec<u8>,
    /// When its last byte arrived.
    pub(crate) captured: Instant<BootTime>,
    /// How long the page is in the controller.
    pub(crate) full_bytes: u32,
    /// The controller keeps the class masked: not all of the page was read.
    latched: AtomicFlag,
}

impl Page {
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new(bytes: KVVec<u8>, full_bytes: u32, latched: bool) -> Result<Arc<Self>> {
        let page = Self {
            bytes,
            captured: Instant::now(),
            full_bytes,
            latched: AtomicFlag::new(latched),
        };
        Ok(Arc::new(page, GFP_KERNEL)?)
    }

    pub(super) fn is_latched(&self) -> bool {
        self.latched.load(Relaxed)
    }

    pub(super) fn release(&self) {
        self.latched.store(false, Relaxed);
    }
}

/// The SMART / Health Information log, and when it was read.
#[derive(Clone, Copy)]
pub(crate) struct Smart {
    pub(crate) bytes: [u8; SMART_BYTES],
    pub(crate) captured: Instant<BootTime>,
}

struct Kept {
    store: SnapshotStore<Storage>,
    smart: Option<KBox<Smart>>,
    failures: u64,
}

/// Numbers for people who look at the captured log pages from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) used_bytes: usize,
    pub(crate) failures: u64,
}

/// The captured log pages of one controller.
#[pin_data]
pub(crate) struct Archive {
    #[pin]
    kept: Mutex<Kept>,
}

impl Archive {
    /// Keeps so many bytes at most, of so many events: those whose records are
    /// kept.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new(limit_bytes: usize, events: usize) -> Result<impl PinInit<Self>> {
        let pages = events.min(limit_bytes / PAGE_BYTES_MIN).max(1);
        let mut storage = Storage::with_capacity(pages, GFP_KERNEL)?;
        for _ in 0..pages {
            storage.push(None, GFP_KERNEL)?;
        }
        let kept = Kept {
            store: SnapshotStore::new(storage, limit_bytes),
            smart: None,
            failures: 0,
        };
        Ok(pin_init!(Self {
            kept <- new_mutex!(kept, "nvme_rs::Archive::kept"),
        }))
    }

    /// How many bytes are kept at most. What is longer is not.
    pub(super) fn limit_bytes(&self) -> usize {
        self.kept.lock().store.limit_bytes()
    }

    /// Keeps the page that was read for these events; others may have to go.
    pub(super) fn keep(&self, pending: Pending, page: Arc<Page>) {
        let snapshot = Snapshot {
            wanted: pending,
            length_bytes: page.bytes.len(),
            data: page,
        };
        let rejected = self.kept.lock().store.keep(snapshot);
        // Memory is given back outside the lock.
        drop(rejected);
    }

    /// A page could not be read.
    pub(super) fn failed(&self) {
        let mut kept = self.kept.lock();
        kept.failures = kept.failures.saturating_add(1);
    }

    /// The page that was read for this event, if it is still kept.
    pub(crate) fn find(&self, wanted: &Pending) -> Option<Arc<Page>> {
        let kept = self.kept.lock();
        kept.store
            .find(wanted)
            .map(|snapshot| snapshot.data.clone())
    }

    /// Keeps this as the newest SMART log, unless it is too short to be one.
    pub(super) fn keep_smart(&self, bytes: &[u8]) -> Result {
        let Some(bytes) = bytes.first_chunk() else {
            return Ok(());
        };
        let smart = Smart {
            bytes: *bytes,
            captured: Instant::now(),
        };
        let smart = KBox::new(smart, GFP_KERNEL)?;
        let old = self.kept.lock().smart.replace(smart);
        // Memory is given back outside the lock.
        drop(old);
        Ok(())
    }

    /// The newest SMART log.
    pub(crate) fn smart(&self) -> Option<Smart> {
        self.kept.lock().smart.as_deref().copied()
    }

    /// Calls `each` for every kept log page, oldest first.
    pub(crate) fn for_each(&self, each: impl FnMut(&Snapshot<Arc<Page>>)) {
        self.kept.lock().store.iter().for_each(each);
    }

    pub(crate) fn totals(&self) -> Totals {
        let kept = self.kept.lock();
        Totals {
            used_bytes: kept.store.used_bytes(),
            failures: kept.failures,
        }
    }
}

const _: () = assert!(size_of::<Smart>() <= 1024, "it is copied on the stack");
