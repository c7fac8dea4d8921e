// SPDX-License-Identifier: GPL-2.0-only

//! Device classes, the folders of `/sys/class`, and the attributes of the
//! devices in them.
//!
//! The `kernel` crate has neither.

use core::{marker::PhantomData, ptr::NonNull};

use kernel::{
    container_of,
    device::Device,
    error::{from_err_ptr, to_result},
    prelude::*,
    sync::Arc,
    types::Opaque, //
};

use super::{
    bindings,
    kobject::{content, InSysfs, Show}, //
};

/// A file in the folder of each device of a class. `N` is what the device
/// stands for.
///
/// # Invariants
///
/// `raw` names [`show`] or [`store`] for this `N` where the function pointer of
/// that name is there.
#[repr(C)]
pub(crate) struct Attribute<N> {
    raw: bindings::device_attribute,
    show: Option<Show<N>>,
    store: Option<Store<N>>,
}

/// Does what writing these bytes to an attribute asks for.
pub(crate) type Store<N> = fn(&N, &[u8]) -> Result;

// SAFETY: Not changed after it was made.
unsafe impl<N> Send for Attribute<N> {}

// SAFETY: As above; what it calls takes a shared `N` that is `Sync`.
unsafe impl<N> Sync for Attribute<N> {}

impl<N: Send + Sync + 'static> Attribute<N> {
    /// A file that everybody may read.
    pub(crate) const fn readable(name: &'static CStr, function: Show<N>) -> Self {
        let mut this = Self::empty(name, 0o444);
        this.raw.__bindgen_anon_1.show = Some(show::<N>);
        this.show = Some(function);
        this
    }

    /// A file that root may write.
    pub(crate) const fn writable(name: &'static CStr, function: Store<N>) -> Self {
        let mut this = Self::empty(name, 0o200);
        this.raw.__bindgen_anon_2.store = Some(store::<N>);
        this.store = Some(function);
        this
    }

    #[expect(clippy::disallowed_methods, reason = "`as_char_ptr` is not const")]
    const fn empty(name: &'static CStr, mode: bindings::umode_t) -> Self {
        // What else is in it depends on the kernel's configuration.
        let mut raw: bindings::device_attribute = pin_init::zeroed();
        raw.attr.name = name.as_ptr().cast();
        raw.attr.mode = mode;
        Self {
            raw,
            show: None,
            store: None,
        }
    }
}

/// A device class whose devices stand for an `N`, from creation to drop.
///
/// # Invariants
///
/// `class` is registered. `groups` points to `group` and `group` to `list`.
#[pin_data(PinnedDrop)]
pub(crate) struct Class<N> {
    #[pin]
    class: Opaque<bindings::class>,
    groups: [*const bindings::attribute_group; 2],
    group: bindings::attribute_group,
    list: KVec<*mut bindings::attribute>,
    environment: Option<&'static CStr>,
    _node: PhantomData<fn(&N)>,
}

// SAFETY: The driver core synchronises accesses to a class, and nothing else
// changes before it is dropped, which may happen on any thread.
unsafe impl<N> Send for Class<N> {}

// SAFETY: As above.
unsafe impl<N> Sync for Class<N> {}

impl<N: Send + Sync + 'static> Class<N> {
    /// Makes the class `name`. Each uevent of a device in it carries
    /// `environment`, a `NAME=value`, if there is one.
    ///
    /// # Errors
    ///
    /// EEXIST if somebody owns that name; the kernel then also logs a call
    /// trace, so ask beforehand whether it can be so. ENOMEM.
    pub(crate) fn new(
        name: &'static CStr,
        environment: Option<&'static CStr>,
        attributes: &'static [Attribute<N>],
    ) -> Result<Arc<Self>> {
        let mut list = KVec::with_capacity(attributes.len() + 1, GFP_KERNEL)?;
        for attribute in attributes {
            // Sysfs takes a mutable pointer but changes nothing.
            let raw = core::ptr::from_ref(&attribute.raw.attr).cast_mut();
            list.push(raw, GFP_KERNEL)?;
        }
        list.push(core::ptr::null_mut(), GFP_KERNEL)?;

        Arc::pin_init(
            try_pin_init!(&this in Self {
                group: bindings::attribute_group {
                    __bindgen_anon_2: bindings::attribute_group__bindgen_ty_2 {
                        attrs: list.as_mut_ptr(),
                    },
                    ..pin_init::zeroed()
                },
                list,
                groups: [
                    // SAFETY: Only the address is taken, of a pinned field.
                    unsafe { &raw const (*this.as_ptr()).group },
                    core::ptr::null(),
                ],
                environment,
                _node: PhantomData,
                class <- Opaque::try_ffi_init(|slot: *mut bindings::class| {
                    // SAFETY: `slot` is valid for writes and pinned. All that
                    // the class points to lives as long as the class. `groups`
                    // is initialised, only its address is taken.
                    to_result(unsafe {
                        slot.write(bindings::class {
                            name: name.as_char_ptr(),
                            dev_groups: (&raw const (*this.as_ptr()).groups).cast(),
                            dev_uevent: Some(uevent::<N>),
                            ..pin_init::zeroed()
                        });
                        bindings::class_register(slot)
                    })
                }),
            }? Error),
            GFP_KERNEL,
        )
    }

    pub(super) fn as_raw(&self) -> *mut bindings::class {
        self.class.get()
    }
}

#[pinned_drop]
impl<N> PinnedDrop for Class<N> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: Registered by the type invariant. Every device in the class
        // holds a reference to its owner, so the class is empty.
        unsafe { bindings::class_unregister(self.class.get()) }
    }
}

/// The content of an attribute.
///
/// # Safety
///
/// Called by sysfs only: `attribute` is the `raw` field of an [`Attribute<N>`],
/// `device` a device with an `N` as its data, and `buffer` a page.
unsafe extern "C" fn show<N>(
    device: *mut bindings::device,
    attribute: *mut bindings::device_attribute,
    buffer: *mut c_char,
) -> isize {
    // SAFETY: By the safety requirement. The data lives until the device is
    // unregistered, which waits for this call.
    let (attribute, node) = unsafe {
        (
            &*container_of!(attribute, Attribute<N>, raw),
            &*bindings::dev_get_drvdata(device).cast_const().cast::<N>(),
        )
    };
    match attribute.show {
        // SAFETY: By the safety requirement.
        Some(show) => unsafe { content(buffer, show, node) },
        None => EIO.to_errno() as isize,
    }
}

/// A write to an attribute.
///
/// # Safety
///
/// As [`show`], and `buffer` has `count` bytes.
unsafe extern "C" fn store<N>(
    device: *mut bindings::device,
    attribute: *mut bindings::device_attribute,
    buffer: *const c_char,
    count: usize,
) -> isize {
    // SAFETY: As in `show`.
    let (attribute, node, bytes) = unsafe {
        (
            &*container_of!(attribute, Attribute<N>, raw),
            &*bindings::dev_get_drvdata(device).cast_const().cast::<N>(),
            core::slice::from_raw_parts(buffer.cast::<u8>(), count),
        )
    };
    match attribute.store.map(|store| store(node, bytes)) {
        // CAST: At most a page.
        Some(Ok(())) => count as isize,
        Some(Err(error)) => error.to_errno() as isize,
        None => EIO.to_errno() as isize,
    }
}

/// Adds the class's variable to an uevent.
///
/// # Safety
///
/// Called by the driver core only: `device` belongs to a [`Class<N>`], and
/// `variables` is being filled.
unsafe extern "C" fn uevent<N>(
    device: *const bindings::device,
    variables: *mut bindings::kobj_uevent_env,
) -> c_int {
    // SAFETY: By the safety requirement. The class lives longer than its
    // devices.
    let class = unsafe {
        let class = (*device).class.cast_mut();
        &*container_of!(Opaque::cast_from(class), Class<N>, class)
    };
    let Some(environment) = class.environment else {
        return 0;
    };
    // SAFETY: As above. The format takes one string, which follows.
    unsafe { bindings::add_uevent_var(variables, c"%s".as_char_ptr(), environment.as_char_ptr()) }
}

/// A device that is nothing but an entry in a class, from creation to drop.
/// Dropping it waits for accesses to its attributes.
///
/// # Invariants
///
/// `device` is registered in `_class`, with `node` as its data.
pub(crate) struct ClassDevice<N> {
    _class: Arc<Class<N>>,
    device: NonNull<bindings::device>,
    node: Arc<N>,
}

// SAFETY: A registered device may be used and unregistered on any thread, and
// `Arc<N>` may be sent.
unsafe impl<N: Send + Sync> Send for ClassDevice<N> {}

// SAFETY: What takes `&self` changes nothing.
unsafe impl<N: Send + Sync> Sync for ClassDevice<N> {}

impl<N: Send + Sync + 'static> ClassDevice<N> {
    /// Makes a device whose name is `prefix` and `number`. It is below none
    /// other. Sleeps.
    ///
    /// # Errors
    ///
    /// EEXIST if the name is taken; the kernel then logs a call trace. ENOMEM.
    pub(crate) fn new(
        class: &Arc<Class<N>>,
        prefix: &'static CStr,
        number: u32,
        node: Arc<N>,
    ) -> Result<Self> {
        // SAFETY: The class is valid, there need be no parent, `node` lives
        // longer than the device. The format takes a string and an unsigned
        // number, which follow.
        let device = from_err_ptr(unsafe {
            bindings::device_create(
                class.as_raw(),
                core::ptr::null_mut(),
                0,
                Arc::as_ptr(&node).cast_mut().cast(),
                c"%s%u".as_char_ptr(),
                prefix.as_char_ptr(),
                number as c_uint,
            )
        })?;
        // INVARIANT: Registered just now.
        Ok(Self {
            _class: class.clone(),
            device: NonNull::new(device).ok_or(ENOMEM)?,
            node,
        })
    }

    /// What the device stands for.
    pub(crate) fn node(&self) -> &Arc<N> {
        &self.node
    }
}

// SAFETY: The device is in sysfs while it is registered, by the type invariant.
unsafe impl<N> InSysfs for ClassDevice<N> {
    fn kobject(&self) -> NonNull<bindings::kobject> {
        kobject_of(self.device)
    }
}

impl<N> Drop for ClassDevice<N> {
    fn drop(&mut self) {
        // SAFETY: Registered by the type invariant.
        unsafe { bindings::device_unregister(self.device.as_ptr()) };
    }
}

/// The kobject that is part of a device.
pub(super) fn kobject_of(device: NonNull<bindings::device>) -> NonNull<bindings::kobject> {
    // A `struct device` starts with its kobject, so the pointer is not null.
    const _: () = assert!(core::mem::offset_of!(bindings::device, kobj) == 0);
    device.cast()
}

/// The NUMA node that a device is at; -1: none in particular.
pub(crate) fn numa_node(device: &Device) -> i32 {
    // SAFETY: The device is valid, and the node does not change after the
    // device was found.
    unsafe { bindings::nvme_rs_dev_to_node(core::ptr::from_ref(device).cast_mut().cast()) }
}
