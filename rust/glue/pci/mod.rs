// SPDX-License-Identifier: GPL-2.0-only

//! What `kernel::pci` lacks: state that all devices of a driver share, the
//! shutdown callback, the choice of what to bind at load time, and giving a
//! function back the way it was. The other callbacks are in [`disturbance`] and
//! [`virtual_functions`].

mod disturbance;
mod virtual_functions;

use core::marker::PhantomData;

use kernel::{
    bindings as kernel_bindings,
    device::{Core, DeviceContext},
    device_id::{IdArray, IdTable},
    dma::{Device as _, DmaMask},
    driver,
    page::PAGE_SIZE,
    pci,
    prelude::*,
    sync::{aref::ARef, Arc},
    types::{ForeignOwnable, Opaque},
};

use super::bindings;

pub(crate) use self::disturbance::Disturbance;

/// The C view of a PCI device.
pub(super) fn raw_device<Ctx: DeviceContext>(device: &pci::Device<Ctx>) -> *mut bindings::pci_dev {
    // `pci::Device` is a transparent wrapper of `struct pci_dev`, which is
    // shared with C and never accessed through a Rust reference.
    core::ptr::from_ref(device).cast_mut().cast()
}

/// A function with memory decoding switched on. That and bus mastering are
/// switched off when this is dropped.
pub(crate) struct Enabled(ARef<pci::Device>);

impl Enabled {
    /// Also lets DMA use all 64 bits of an address, which every controller
    /// can.
    ///
    /// # Errors
    ///
    /// Those of `pci_enable_device_mem()`; EIO if the platform cannot.
    pub(crate) fn new(device: &pci::Device<Core<'_>>) -> Result<Self> {
        device.enable_device_mem()?;
        let this = Self(device.into());
        // For whoever restores it after an error of the link.
        // SAFETY: The device is valid, and no one else changes it during probe.
        unsafe { bindings::pci_save_state(raw_device(device)) };
        // SAFETY: The device is being probed: nobody allocates or maps DMA
        // memory for it yet.
        unsafe { device.dma_set_mask_and_coherent(DmaMask::new::<64>())? };
        // SAFETY: As above. A bounce buffer must start at the offset within a
        // page at which the memory it stands for does: PRP entries keep it.
        unsafe {
            let device = &raw mut (*raw_device(device)).dev;
            bindings::nvme_rs_dma_set_min_align_mask(device, PAGE_SIZE as u32 - 1);
        }
        Ok(this)
    }
}

impl Drop for Enabled {
    fn drop(&mut self) {
        let device = raw_device(&self.0);
        // SAFETY: The device is valid, we hold a reference, and `new` enabled
        // it exactly once.
        unsafe {
            bindings::pci_clear_master(device);
            bindings::pci_disable_device(device);
        }
    }
}

/// Whether a function may access memory by itself.
pub(crate) struct BusMaster(ARef<pci::Device>);

impl BusMaster {
    pub(crate) fn new(device: &pci::Device<Core<'_>>) -> Self {
        Self(device.into())
    }

    pub(crate) fn set(&self) {
        // SAFETY: The device is valid, we hold a reference.
        unsafe { bindings::pci_set_master(raw_device(&self.0)) }
    }

    /// For one that does not stop otherwise.
    pub(crate) fn clear(&self) {
        // SAFETY: As in `set`.
        unsafe { bindings::pci_clear_master(raw_device(&self.0)) }
    }
}

/// Which functions a driver binds by itself. One whose `driver_override` names
/// the driver is offered to it in either case, whatever it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Match {
    /// Every unbound NVM Express controller: class 01.08.02.
    NvmExpressClass,
    /// None.
    OverrideOnly,
}

/// A PCI driver with state that its devices share.
pub(crate) trait Driver: 'static {
    /// The shared state.
    type Shared: Send + Sync + 'static;

    /// The state of one bound device.
    type Data<'bound>: Send + 'bound;

    /// The module is being loaded: makes the shared state, before any device
    /// is probed.
    fn load() -> Result<Arc<Self::Shared>>;

    /// What to bind. Asked once, after [`Self::load`].
    fn matches() -> Match;

    /// A device is offered.
    fn probe<'bound>(
        shared: Arc<Self::Shared>,
        device: &'bound pci::Device<Core<'_>>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound;

    /// The device is taken away; its data is dropped afterwards.
    fn unbind<'bound>(device: &'bound pci::Device<Core<'_>>, data: Pin<&Self::Data<'bound>>);

    /// The system goes down or restarts. The device stays bound.
    fn shutdown(data: Pin<&Self::Data<'_>>);

    /// The device cannot be used for a while, or can again. May sleep.
    fn disturb(data: Pin<&Self::Data<'_>>, disturbance: Disturbance);
}

/// A `pci_driver` and what its probe callback needs besides.
///
/// # Invariants
///
/// While the driver is registered, `shared` is an `Arc<T::Shared>` of the
/// driver's type `T`, in its foreign form.
#[derive(Default)]
#[repr(C)]
pub(crate) struct RegisteredDriver {
    pci: kernel_bindings::pci_driver,
    shared: SharedPointer,
}

/// A pointer that starts out null.
struct SharedPointer(*mut c_void);

impl Default for SharedPointer {
    fn default() -> Self {
        Self(core::ptr::null_mut())
    }
}

/// Registers a [`Driver`], on top of `kernel::pci::Adapter`.
pub(crate) struct Adapter<T: Driver>(PhantomData<T>);

// SAFETY: `RegisteredDriver` is a C struct that starts with a `pci_driver`,
// which embeds a `device_driver`; `T::Data` is what `pci::Adapter` keeps as
// the device's private data, because `Offered<T>::Data` is the same type.
unsafe impl<T: Driver> driver::DriverLayout for Adapter<T> {
    type DriverType = RegisteredDriver;
    type DriverData<'bound> = T::Data<'bound>;
    const DEVICE_DRIVER_OFFSET: usize = core::mem::offset_of!(RegisteredDriver, pci)
        + core::mem::offset_of!(kernel_bindings::pci_driver, driver);
}

// SAFETY: `unregister` undoes a successful `register`, in the reverse order.
unsafe impl<T: Driver> driver::RegistrationOps for Adapter<T> {
    unsafe fn register(
        registration: &Opaque<RegisteredDriver>,
        name: &'static CStr,
        module: &'static ThisModule,
    ) -> Result {
        let shared = T::load()?.into_foreign();
        // SAFETY: Not registered yet, so nobody else accesses the struct.
        //
        // INVARIANT: The driver's type is `T`.
        unsafe {
            (*registration.get()).shared = SharedPointer(shared);
            let driver = &raw mut (*registration.get()).pci;
            (*driver).shutdown = Some(shutdown::<T>);
            (*driver).sriov_configure = virtual_functions::CONFIGURE;
            (*driver).err_handler = disturbance::error_handlers::<T>();
            (*driver).driver.pm = disturbance::sleep_operations::<T>();
        }
        // SAFETY: A `RegisteredDriver` starts with a `pci_driver`; the rest is
        // the caller's requirement, unchanged.
        let registered = unsafe {
            <pci::Adapter<Offered<T>> as driver::RegistrationOps>::register(
                &*registration
                    .get()
                    .cast::<Opaque<kernel_bindings::pci_driver>>(),
                name,
                module,
            )
        };
        if registered.is_err() {
            // SAFETY: Made above; without a registration nobody else has it.
            drop(unsafe { Arc::<T::Shared>::from_foreign(shared) });
        }
        registered
    }

    unsafe fn unregister(registration: &Opaque<RegisteredDriver>) {
        // SAFETY: As in `register`. After this, no device is bound and no
        // callback runs, so that the shared state is ours again.
        unsafe {
            <pci::Adapter<Offered<T>> as driver::RegistrationOps>::unregister(
                &*registration
                    .get()
                    .cast::<Opaque<kernel_bindings::pci_driver>>(),
            );
            drop(Arc::<T::Shared>::from_foreign(
                (*registration.get()).shared.0,
            ));
        }
    }
}

/// The driver as `kernel::pci` sees it.
struct Offered<T>(PhantomData<T>);

impl<T: Driver> pci::Driver for Offered<T> {
    type IdInfo = ();
    type Data<'bound> = T::Data<'bound>;
    const ID_TABLE: pci::IdTable<()> = &ChosenTable::<T>(PhantomData);

    fn probe<'bound>(
        device: &'bound pci::Device<Core<'_>>,
        _: Option<&'bound ()>,
    ) -> impl PinInit<Self::Data<'bound>, Error> + 'bound {
        // SAFETY:
        // - Only `Adapter<T>` registers `Offered<T>`, so that the device's
        //   driver is the `pci_driver` at the start of a `RegisteredDriver`
        //   with an `Arc<T::Shared>`, by its type invariant.
        // - A driver is unregistered only after its probes have returned.
        let shared = unsafe {
            let driver = (*raw_device(device)).driver.cast::<RegisteredDriver>();
            Arc::<T::Shared>::borrow((*driver).shared.0)
        };
        T::probe(shared.into(), device)
    }

    fn unbind<'bound>(device: &'bound pci::Device<Core<'_>>, data: Pin<&Self::Data<'bound>>) {
        T::unbind(device, data)
    }
}

/// The id table that [`Driver::matches`] chooses.
///
/// Not one for `modpost`: it would make the module autoload and take the
/// system's disks.
struct ChosenTable<T>(PhantomData<T>);

// SAFETY: Has no data.
unsafe impl<T> Sync for ChosenTable<T> {}

impl<T: Driver> IdTable<pci::DeviceId, ()> for ChosenTable<T> {
    fn as_ptr(&self) -> *const kernel_bindings::pci_device_id {
        static CLASS: IdArray<pci::DeviceId, (), 1> =
            IdArray::new_without_index([pci::DeviceId::from_class(0x01_08_02, 0xff_ff_ff)]);
        static NONE: IdArray<pci::DeviceId, (), 0> = IdArray::new_without_index([]);

        match T::matches() {
            Match::NvmExpressClass => CLASS.as_ptr(),
            Match::OverrideOnly => NONE.as_ptr(),
        }
    }
}

/// Calls `function` with the data of a device, if it has some yet.
///
/// # Safety
///
/// `device` is valid, its driver is `T`, and its lock keeps it from being
/// unbound during this call.
unsafe fn with_data<T: Driver>(
    device: *mut kernel_bindings::device,
    function: impl FnOnce(Pin<&T::Data<'_>>),
) {
    // SAFETY: `device` is valid by the safety requirement.
    let data = unsafe { bindings::dev_get_drvdata(device) };
    if data.is_null() {
        return;
    }
    // SAFETY:
    // - The private data of a bound device is the `Pin<KBox<T::Data>>` that
    //   `pci::Adapter` made of a successful probe, in its foreign form.
    // - The device lock keeps it from being unbound during this call.
    // - Everybody accesses it through shared references only.
    function(unsafe { Pin::<KBox<T::Data<'_>>>::borrow(data) });
}

/// # Safety
///
/// Called by the PCI core only: `device` is valid, bound to the driver `T`, and
/// its lock is held.
unsafe extern "C" fn shutdown<T: Driver>(device: *mut kernel_bindings::pci_dev) {
    // SAFETY: By the safety requirement.
    unsafe { with_data::<T>(&raw mut (*device).dev, |data| T::shutdown(data)) };
}
