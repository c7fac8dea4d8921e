// SPDX-License-Identifier: GPL-2.0-only

//! Which namespaces are attached to the controller.

use kernel::{
    device::Device,
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};

use crate::spec::{
    command::{NamespaceId, SubmissionEntry},
    identify::{active_namespaces, Cns, IDENTIFY_BYTES, NAMESPACES_PER_LIST},
};

use super::inquiry::Inquiry;

/// The active namespaces of one controller, in ascending order.
#[pin_data]
pub(crate) struct Namespaces {
    #[pin]
    active: Mutex<KVec<NamespaceId>>,
}

impl Namespaces {
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                active <- new_mutex!(KVec::new(), "nvme_rs::Namespaces::active"),
            }),
            GFP_KERNEL,
        )
    }

    /// Brings the list up to date with what the controller says. The old list
    /// stays if that fails. Sleeps.
    pub(crate) fn rescan(&self, device: &Device, inquiry: &Inquiry) {
        match scan(inquiry) {
            Ok(active) => {
                dev_info!(device, "{} active namespaces\n", active.len());
                let old = core::mem::replace(&mut *self.active.lock(), active);
                // Memory is given back outside the lock.
                drop(old);
            }
            Err(error) => dev_warn!(device, "no list of namespaces: {:?}\n", error),
        }
    }

    /// Calls `each` for every active namespace, in ascending order.
    pub(crate) fn for_each(&self, each: impl FnMut(&NamespaceId)) {
        self.active.lock().iter().for_each(each);
    }
}

/// Asks the controller which namespaces are attached to it.
///
/// # Errors
///
/// Those of [`Inquiry::ask`], ENOMEM, EIO if the controller's list is not in
/// ascending order.
fn scan(inquiry: &Inquiry) -> Result<KVec<NamespaceId>> {
    let mut active = KVec::new();
    let mut list = KVec::<u8>::new();
    list.resize(IDENTIFY_BYTES, 0, GFP_KERNEL)?;
    let mut last = NamespaceId::NONE;
    loop {
        let before = active.len();
        // Lists those above `last`.
        inquiry.ask(
            |address| SubmissionEntry::identify(Cns::ActiveNamespaceList, last, address),
            |page| page.copy_to(&mut list),
        )?;
        for nsid in active_namespaces(&list) {
            if nsid <= last {
                return Err(EIO);
            }
            active.push(nsid, GFP_KERNEL)?;
            last = nsid;
        }
        // Each round ends above the one before, so this comes to an end.
        if active.len() - before < NAMESPACES_PER_LIST {
            return Ok(active);
        }
    }
}
