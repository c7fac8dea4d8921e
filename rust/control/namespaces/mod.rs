// SPDX-License-Identifier: GPL-2.0-only

//! Which namespaces are attached to the controller, and what they are like.

mod inspection;

use kernel::{
    device::Device,
    new_mutex, new_spinlock,
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc, Mutex, SetOnce, SpinLock,
    },
};

use crate::{
    glue::look::Look,
    spec::{command::NamespaceId, namespace::Format},
};

use self::inspection::{inspect, scan, Found, Identity, Size};

use super::inquiry::Inquiry;

/// Who makes nodes for namespaces.
pub(crate) trait Publisher: Send + Sync {
    /// Makes what there is to see of a namespace, until the return value is
    /// dropped. Sleeps.
    ///
    /// # Errors
    ///
    /// ENOMEM and others; the namespace then is not to be seen.
    fn publish(&self, namespace: &Arc<Namespace>) -> Result<KBox<dyn Send + Sync>>;
}

/// A namespace that is, or was, attached to the controller.
#[pin_data]
pub(crate) struct Namespace {
    nsid: NamespaceId,
    identity: Identity,
    gone: Atomic<bool>,
    #[pin]
    size: SpinLock<Size>,
    /// The format in `size`, packed, for every command to look at.
    format: Atomic<u64>,
}

impl Namespace {
    fn new(nsid: NamespaceId, found: Found) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                nsid,
                identity: found.identity,
                gone: Atomic::new(false),
                size <- new_spinlock!(found.size, "nvme_rs::Namespace::size"),
                format: Atomic::new(Format::pack(found.size.format)),
            }),
            GFP_KERNEL,
        )
    }

    pub(crate) fn nsid(&self) -> NamespaceId {
        self.nsid
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    pub(crate) fn size(&self) -> Size {
        *self.size.lock()
    }

    /// The format of its logical blocks, if it has some.
    pub(crate) fn format(&self) -> Option<Format> {
        Format::unpack(self.format.look())
    }

    fn update(&self, size: Size) {
        *self.size.lock() = size;
        self.format.store(Format::pack(size.format), Relaxed);
    }

    /// The namespace is not attached any more, or another one has its
    /// identifier.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.look()
    }
}

struct Entry {
    namespace: Arc<Namespace>,
    published: Option<KBox<dyn Send + Sync>>,
}

/// The namespaces of one controller.
#[pin_data]
pub(crate) struct Namespaces {
    publisher: SetOnce<KBox<dyn Publisher>>,
    /// Taken while the list is brought up to date.
    #[pin]
    scan: Mutex<()>,
    /// In ascending order of their identifiers.
    #[pin]
    attached: Mutex<KVec<Entry>>,
}

impl Namespaces {
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                publisher: SetOnce::new(),
                scan <- new_mutex!((), "nvme_rs::Namespaces::scan"),
                attached <- new_mutex!(KVec::new(), "nvme_rs::Namespaces::attached"),
            }),
            GFP_KERNEL,
        )
    }

    /// Has `publisher` show the namespaces there are and those to come. Sleeps.
    pub(crate) fn publish_by(&self, publisher: KBox<dyn Publisher>, device: &Device) {
        let _scan = self.scan.lock();
        self.publisher.populate(publisher);
        self.show_hidden(device);
    }

    /// Shows the namespaces that are not shown yet. While the list is brought
    /// up to date.
    fn show_hidden(&self, device: &Device) {
        let hidden = |above: NamespaceId| {
            let attached = self.attached.lock();
            let mut entries = attached.iter();
            let entry =
                entries.find(|entry| entry.namespace.nsid > above && entry.published.is_none())?;
            Some(entry.namespace.clone())
        };
        let mut last = NamespaceId::NONE;
        while let Some(namespace) = hidden(last) {
            last = namespace.nsid;
            // One that cannot be shown now is tried again at the next rescan.
            let published = self.show(&namespace, device);
            let mut attached = self.attached.lock();
            let mut entries = attached.iter_mut();
            if let Some(entry) = entries.find(|entry| Arc::ptr_eq(&entry.namespace, &namespace)) {
                entry.published = published;
            }
        }
    }

    /// Brings the list up to date with what the controller says. What cannot be
    /// found out stays as it was. Sleeps.
    pub(crate) fn rescan(&self, device: &Device, inquiry: &Inquiry) {
        let _scan = self.scan.lock();
        match self.renew(device, inquiry) {
            Ok(count) => dev_info!(device, "{} active namespaces\n", count),
            Err(error) => dev_warn!(device, "no list of namespaces: {:?}\n", error),
        }
    }

    /// Nobody sees any namespace any more. Sleeps.
    pub(crate) fn withdraw(&self) {
        let _scan = self.scan.lock();
        let all = core::mem::replace(&mut *self.attached.lock(), KVec::new());
        for entry in all {
            entry.namespace.gone.store(true, Relaxed);
            // Takes the node away; outside the lock, as that waits for others.
            drop(entry.published);
        }
    }

    /// The namespaces at this moment, in ascending order.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn all(&self) -> Result<KVec<Arc<Namespace>>> {
        let attached = self.attached.lock();
        let mut all = KVec::with_capacity(attached.len(), GFP_KERNEL)?;
        for entry in attached.iter() {
            all.push(entry.namespace.clone(), GFP_KERNEL)?;
        }
        Ok(all)
    }

    /// The namespace with this identifier, if it is attached.
    pub(crate) fn find(&self, nsid: NamespaceId) -> Option<Arc<Namespace>> {
        let attached = self.attached.lock();
        let entry = attached
            .iter()
            .find(|entry| entry.namespace.nsid() == nsid)?;
        Some(entry.namespace.clone())
    }

    /// The namespace, if there is exactly one.
    pub(crate) fn only(&self) -> Only {
        match &**self.attached.lock() {
            [] => Only::None,
            [entry] => Only::One(entry.namespace.clone()),
            _ => Only::Several,
        }
    }

    /// Calls `each` for every namespace, in ascending order, with a lock held.
    pub(crate) fn for_each(&self, mut each: impl FnMut(&Namespace)) {
        self.attached
            .lock()
            .iter()
            .for_each(|entry| each(&entry.namespace));
    }

    /// Returns how many there are.
    fn renew(&self, device: &Device, inquiry: &Inquiry) -> Result<usize> {
        let active = scan(inquiry)?;
        while let Some(entry) = self.take(|nsid| active.binary_search(&nsid).is_err()) {
            retire(entry, device);
        }
        for &nsid in &active {
            match inspect(inquiry, nsid) {
                Ok(found) => self.update(nsid, found, device)?,
                Err(error) => dev_warn!(device, "namespace {}: {:?}\n", nsid.0, error),
            }
        }
        self.show_hidden(device);
        Ok(active.len())
    }

    /// Makes what was found out about a namespace known.
    fn update(&self, nsid: NamespaceId, found: Found, device: &Device) -> Result {
        let same = self.attached.lock().iter().any(|entry| {
            let same = entry.namespace.nsid == nsid && entry.namespace.identity == found.identity;
            if same {
                entry.namespace.update(found.size);
            }
            same
        });
        if same {
            return Ok(());
        }
        if let Some(entry) = self.take(|other| other == nsid) {
            retire(entry, device);
        }
        let entry = Entry {
            namespace: Namespace::new(nsid, found)?,
            published: None,
        };
        let mut attached = self.attached.lock();
        let place = attached
            .iter()
            .take_while(|entry| entry.namespace.nsid < nsid)
            .count();
        attached.push(entry, GFP_KERNEL)?;
        if let Some(later) = attached.get_mut(place..) {
            later.rotate_right(1);
        }
        Ok(())
    }

    /// Takes the first entry out whose identifier is `unwanted`.
    fn take(&self, unwanted: impl Fn(NamespaceId) -> bool) -> Option<Entry> {
        let mut attached = self.attached.lock();
        let place = attached
            .iter()
            .position(|entry| unwanted(entry.namespace.nsid))?;
        attached.remove(place).ok()
    }

    fn show(&self, namespace: &Arc<Namespace>, device: &Device) -> Option<KBox<dyn Send + Sync>> {
        match self.publisher.as_ref()?.publish(namespace) {
            Ok(published) => Some(published),
            Err(error) => {
                dev_warn!(
                    device,
                    "namespace {} cannot be shown: {:?}\n",
                    namespace.nsid.0,
                    error
                );
                None
            }
        }
    }
}

/// How many namespaces there are, where one is wanted.
pub(crate) enum Only {
    None,
    One(Arc<Namespace>),
    Several,
}

/// Takes what there is to see of a namespace away. Sleeps, and waits for those
/// who look at it: not with a lock held that they take.
fn retire(entry: Entry, device: &Device) {
    dev_info!(device, "namespace {} is gone\n", entry.namespace.nsid.0);
    entry.namespace.gone.store(true, Relaxed);
    drop(entry.published);
}
