// SPDX-License-Identifier: GPL-2.0-only

//! Character devices: a range of device numbers and the nodes in it.
//!
//! `kernel::miscdevice` has one node of a fixed name.
//!
//! One `cdev` covers the whole range and lives as long as the module. A node
//! is an entry in a table, so that a node can go away under an open, or in the
//! middle of one, without anybody waiting for anybody: who opens it later gets
//! ENXIO, who has it open keeps what the table's `Arc` pointed to.

use core::ptr::NonNull;

use kernel::{
    container_of,
    device::Device,
    error::{from_err_ptr, to_result},
    new_mutex,
    prelude::*,
    str::CString,
    sync::{Arc, Mutex},
    types::Opaque, //
};

use super::{
    bindings,
    class::{kobject_of, Class},
    file_operations::{FileOperations, Operations},
    kobject::InSysfs, //
};

/// Most nodes a range can have.
pub(crate) const NODES_MAX: usize = 1024;

/// A range of device numbers whose files behave as `F` says.
///
/// # Invariants
///
/// `cdev` is initialised and covers [`NODES_MAX`] numbers from `first` on. It
/// is live from the end of `new` to the start of `drop`.
#[pin_data(PinnedDrop)]
pub(crate) struct Region<F: FileOperations> {
    first: bindings::dev_t,
    #[pin]
    nodes: Mutex<KVec<Option<Arc<F::Node>>>>,
    #[pin]
    cdev: Opaque<bindings::cdev>,
}

// SAFETY: The table is behind a lock, the rest does not change until `drop`,
// which may happen on any thread.
unsafe impl<F: FileOperations> Send for Region<F> {}

// SAFETY: As above.
unsafe impl<F: FileOperations> Sync for Region<F> {}

impl<F: FileOperations> Region<F> {
    /// Takes a range of device numbers; `name` shows in `/proc/devices`.
    ///
    /// To live as long as the module: an open file pins the module, which is
    /// what keeps the `cdev` alive under it.
    ///
    /// # Errors
    ///
    /// EBUSY if no range is free, ENOMEM.
    pub(crate) fn new(name: &'static CStr) -> Result<Arc<Self>> {
        let mut first = 0;
        // SAFETY: `first` is valid for writes, `name` lives for ever.
        to_result(unsafe {
            bindings::alloc_chrdev_region(&mut first, 0, NODES_MAX as u32, name.as_char_ptr())
        })?;
        let region = Arc::pin_init(
            try_pin_init!(Self {
                first,
                nodes <- new_mutex!(KVec::new(), "nvme_rs::chardev::nodes"),
                cdev <- Opaque::ffi_init(|slot: *mut bindings::cdev| {
                    // SAFETY: `slot` is valid for writes and pinned from here
                    // on; the operations live as long as the module.
                    unsafe {
                        bindings::cdev_init(slot, &Operations::<F>::TABLE);
                        (*slot).owner = Operations::<F>::TABLE.owner;
                    }
                }),
            }),
            GFP_KERNEL,
        );
        let added = region.and_then(|region: Arc<Self>| {
            // SAFETY: Initialised just now; the numbers are ours.
            to_result(unsafe { bindings::cdev_add(region.cdev.get(), first, NODES_MAX as u32) })?;
            Ok(region)
        });
        if added.is_err() {
            // SAFETY: Allocated above, and no `cdev` uses it.
            unsafe { bindings::unregister_chrdev_region(first, NODES_MAX as u32) };
        }
        added
    }

    /// Puts `node` at the lowest free place from `lowest` on and returns that.
    fn insert(&self, lowest: usize, node: Arc<F::Node>) -> Result<usize> {
        let mut nodes = self.nodes.lock();
        let taken = nodes.iter().skip(lowest).take_while(|slot| slot.is_some());
        let index = lowest.saturating_add(taken.count());
        if index >= NODES_MAX {
            return Err(ENOSPC);
        }
        while nodes.len() <= index {
            nodes.push(None, GFP_KERNEL)?;
        }
        if let Some(slot) = nodes.get_mut(index) {
            *slot = Some(node);
        }
        Ok(index)
    }

    fn remove(&self, index: usize) {
        let removed = self.nodes.lock().get_mut(index).and_then(Option::take);
        // Outside the lock: this may be the last reference.
        drop(removed);
    }

    /// # Safety
    ///
    /// `cdev` must be the field of a live region.
    pub(super) unsafe fn from_cdev<'a>(cdev: *mut bindings::cdev) -> &'a Self {
        // SAFETY: By the safety requirement.
        unsafe { &*container_of!(Opaque::cast_from(cdev), Self, cdev) }
    }

    pub(super) fn find(&self, number: bindings::dev_t) -> Option<Arc<F::Node>> {
        let index = number.checked_sub(self.first)? as usize;
        self.nodes.lock().get(index)?.clone()
    }
}

#[pinned_drop]
impl<F: FileOperations> PinnedDrop for Region<F> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant. An open file would pin the module and
        // with it the region, so there is none.
        unsafe {
            bindings::cdev_del(self.cdev.get());
            bindings::unregister_chrdev_region(self.first, NODES_MAX as u32);
        }
    }
}

/// A node in `/dev` and in `/sys/class`, from creation to drop.
///
/// # Invariants
///
/// `device` is registered in `_class`, with `node` as its data.
pub(crate) struct Node<F: FileOperations> {
    entry: Entry<F>,
    _class: Arc<Class<F::Node>>,
    device: NonNull<bindings::device>,
    node: Arc<F::Node>,
}

// SAFETY: A registered device may be used and unregistered on any thread.
unsafe impl<F: FileOperations> Send for Node<F> {}

// SAFETY: Sending an uevent synchronises by itself.
unsafe impl<F: FileOperations> Sync for Node<F> {}

impl<F: FileOperations> Node<F> {
    /// Makes a node below `parent` whose name is `prefix` and the lowest free
    /// number from `lowest` on. It can be opened before this returns.
    ///
    /// # Errors
    ///
    /// ENOSPC if all numbers are taken, EEXIST if the name is, ENOMEM.
    pub(crate) fn numbered(
        region: &Arc<Region<F>>,
        class: &Arc<Class<F::Node>>,
        parent: &Device,
        prefix: &CStr,
        lowest: u32,
        node: Arc<F::Node>,
    ) -> Result<Self> {
        let entry = Entry {
            index: region.insert(lowest as usize, node.clone())?,
            region: region.clone(),
        };
        let name = CString::try_from_fmt(fmt!("{}{}", prefix, entry.index))?;
        let parent = core::ptr::from_ref(parent).cast_mut().cast();
        // SAFETY: The parent is valid.
        unsafe { Self::create(entry, class, parent, &name, node) }
    }

    /// Makes a node `name` below `parent`, which has to outlive it. It can be
    /// opened before this returns.
    ///
    /// # Errors
    ///
    /// As [`Self::numbered`].
    pub(crate) fn named<P: FileOperations>(
        region: &Arc<Region<F>>,
        class: &Arc<Class<F::Node>>,
        parent: &Node<P>,
        name: &CStr,
        node: Arc<F::Node>,
    ) -> Result<Self> {
        let entry = Entry {
            index: region.insert(0, node.clone())?,
            region: region.clone(),
        };
        // SAFETY: The parent is registered, by its type invariant.
        unsafe { Self::create(entry, class, parent.device.as_ptr(), name, node) }
    }

    /// # Safety
    ///
    /// `parent` must be valid.
    unsafe fn create(
        entry: Entry<F>,
        class: &Arc<Class<F::Node>>,
        parent: *mut bindings::device,
        name: &CStr,
        node: Arc<F::Node>,
    ) -> Result<Self> {
        // SAFETY: The class is valid, and so is the parent by the safety
        // requirement; `node` lives longer than the device; the format takes a
        // string, which follows.
        let device = from_err_ptr(unsafe {
            bindings::device_create(
                class.as_raw(),
                parent,
                entry.number(),
                Arc::as_ptr(&node).cast_mut().cast(),
                c"%s".as_char_ptr(),
                name.as_char_ptr(),
            )
        })?;
        // INVARIANT: Registered just now.
        Ok(Self {
            entry,
            _class: class.clone(),
            device: NonNull::new(device).ok_or(ENOMEM)?,
            node,
        })
    }

    /// The number in the node's name.
    pub(crate) fn instance(&self) -> usize {
        self.entry.index
    }

    /// What the node stands for.
    pub(crate) fn node(&self) -> &Arc<F::Node> {
        &self.node
    }

    /// Sends a `change` uevent with `variable`, a `NAME=value`. Sleeps.
    pub(crate) fn notify_change(&self, variable: &CStr) {
        let mut variables = [variable.as_char_ptr().cast_mut(), core::ptr::null_mut()];
        // SAFETY: The device is registered, the list ends with a null pointer,
        // and both it and the strings are only read during the call. Failing
        // means that nobody listens or memory is short; there is nobody to tell.
        let _ = unsafe {
            bindings::kobject_uevent_env(
                &raw mut (*self.device.as_ptr()).kobj,
                bindings::kobject_action_KOBJ_CHANGE,
                variables.as_mut_ptr(),
            )
        };
    }
}

// SAFETY: The device is in sysfs while it is registered, by the type invariant.
unsafe impl<F: FileOperations> InSysfs for Node<F> {
    fn kobject(&self) -> NonNull<bindings::kobject> {
        kobject_of(self.device)
    }
}

impl<F: FileOperations> Drop for Node<F> {
    fn drop(&mut self) {
        // SAFETY: Registered by the type invariant. This waits for accesses to
        // its attributes.
        unsafe { bindings::device_unregister(self.device.as_ptr()) };
    }
}

/// A place in the table of a region, until dropped.
struct Entry<F: FileOperations> {
    region: Arc<Region<F>>,
    index: usize,
}

impl<F: FileOperations> Entry<F> {
    fn number(&self) -> bindings::dev_t {
        // CAST: Less than `NODES_MAX`.
        self.region.first + self.index as bindings::dev_t
    }
}

impl<F: FileOperations> Drop for Entry<F> {
    fn drop(&mut self) {
        self.region.remove(self.index);
    }
}
