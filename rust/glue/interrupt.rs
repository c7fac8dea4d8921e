// SPDX-License-Identifier: GPL-2.0-only

//! Interrupt vectors of a PCI function and their handlers.
//!
//! `kernel::pci::IrqVectorRegistration` cannot spread vectors over CPUs, and
//! its lifetimes do not allow to give vectors back before unbind, as a reset
//! with another number of queues has to.

use kernel::{
    bindings::irqreturn,
    device::Bound,
    error::to_result,
    irq::IrqReturn,
    pci,
    prelude::*,
    sync::{aref::ARef, Arc},
};

use super::{bindings, pci::raw_device};

/// The interrupt vectors of one PCI function: MSI-X, else MSI, else the one
/// INTx line.
///
/// # Invariants
///
/// The vectors of the function are allocated and belong to this object alone.
pub(crate) struct Vectors {
    device: ARef<pci::Device>,
    count: u16,
    signal: Signal,
}

/// How a function interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// By messages, MSI or MSI-X, each of which is one interrupt.
    Message,
    /// By a line, INTx, which interrupts for as long as the function wants.
    Line,
}

impl Vectors {
    /// Allocates up to `wanted` vectors, at least one.
    ///
    /// # Errors
    ///
    /// Those of `pci_alloc_irq_vectors()`: ENOSPC and others.
    pub(crate) fn allocate(device: &pci::Device<Bound>, wanted: u32) -> Result<Arc<Self>> {
        const TYPES: u32 = bindings::PCI_IRQ_MSIX | bindings::PCI_IRQ_MSI | bindings::PCI_IRQ_INTX;

        // SAFETY: The device is valid and bound to us; nobody else allocates
        // vectors for it. There is no affinity descriptor.
        let count = unsafe {
            bindings::pci_alloc_irq_vectors_affinity(
                raw_device(device),
                1,
                wanted.max(1),
                TYPES,
                core::ptr::null_mut(),
            )
        };
        to_result(count)?;
        // SAFETY: The device is valid; its vectors were allocated.
        let by_message = unsafe {
            let device = raw_device(device);
            (*device).msi_enabled() != 0 || (*device).msix_enabled() != 0
        };
        let signal = if by_message {
            Signal::Message
        } else {
            Signal::Line
        };
        // INVARIANT: Allocated just now.
        let vectors = Self {
            device: device.into(),
            count: u16::try_from(count).unwrap_or(1),
            signal,
        };
        Ok(Arc::new(vectors, GFP_KERNEL)?)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u16 {
        self.count
    }

    pub(crate) fn signal(&self) -> Signal {
        self.signal
    }
}

impl Drop for Vectors {
    fn drop(&mut self) {
        // SAFETY: Allocated by `allocate`; every handler holds a reference to
        // the vectors, so none is registered any more.
        unsafe { bindings::pci_free_irq_vectors(raw_device(&self.device)) }
    }
}

// SAFETY: The device reference is `Send`, the vectors may be freed anywhere.
unsafe impl Send for Vectors {}
// SAFETY: No method changes anything through `&self`.
unsafe impl Sync for Vectors {}

/// What happens at an interrupt.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Hard interrupt context. The line may be shared: an interrupt that is
    /// not ours returns [`IrqReturn::None`].
    fn handle(&self) -> IrqReturn;
}

/// Which processor a vector's interrupts are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preference {
    Any,
    /// The possible processor of that number. The administrator may choose
    /// another one; so does the kernel when it goes offline.
    Cpu(u32),
}

/// A handler on one vector, from [`Interrupt::request`] until it is dropped;
/// dropping waits for a handler that runs.
///
/// # Invariants
///
/// The interrupt `number` is requested with the address of `handler`.
pub(crate) struct Interrupt<H: Handler> {
    number: u32,
    preference: Preference,
    handler: Arc<H>,
    // Freed after the handler.
    _vectors: Arc<Vectors>,
}

impl<H: Handler> Interrupt<H> {
    /// Has `handler` called at each interrupt of vector `index`, on the
    /// preferred processor if the vector has one handler.
    ///
    /// # Errors
    ///
    /// EINVAL if there is no such vector; those of `request_irq()`.
    pub(crate) fn request(
        vectors: &Arc<Vectors>,
        index: u32,
        name: &'static CStr,
        preference: Preference,
        handler: Arc<H>,
    ) -> Result<Self> {
        // SAFETY: The device is valid and its vectors are allocated.
        let number = unsafe { bindings::pci_irq_vector(raw_device(&vectors.device), index) };
        to_result(number)?;
        let number = number.unsigned_abs();

        // An INTx line may be shared.
        //
        // SAFETY: `dispatch` has the right signature and gets the address of
        // the handler, which `Self` keeps alive until after `free_irq()`.
        to_result(unsafe {
            bindings::request_threaded_irq(
                number,
                Some(dispatch::<H>),
                None,
                bindings::IRQF_SHARED as usize,
                name.as_char_ptr(),
                cookie(&handler),
            )
        })?;
        if let Preference::Cpu(cpu) = preference {
            // SAFETY: The interrupt is requested; its handler's owner says that
            // there may be such a processor.
            unsafe { bindings::nvme_rs_irq_prefer(number, cpu) };
        }
        // INVARIANT: Requested just now.
        Ok(Self {
            number,
            preference,
            handler,
            _vectors: vectors.clone(),
        })
    }
}

impl<H: Handler> Drop for Interrupt<H> {
    fn drop(&mut self) {
        if let Preference::Cpu(_) = self.preference {
            // SAFETY: The interrupt is requested.
            unsafe { bindings::nvme_rs_irq_prefer_none(self.number) };
        }
        // SAFETY: Requested with this cookie, by the type invariant. This waits
        // for running handlers, so that `handler` may go away afterwards.
        unsafe { bindings::free_irq(self.number, cookie(&self.handler)) };
    }
}

fn cookie<H>(handler: &Arc<H>) -> *mut c_void {
    Arc::as_ptr(handler).cast_mut().cast()
}

/// # Safety
///
/// `cookie` must be the address of a live `H`.
unsafe extern "C" fn dispatch<H: Handler>(_number: c_int, cookie: *mut c_void) -> irqreturn {
    // SAFETY: By the safety requirement: `Interrupt` keeps the handler alive
    // from before `request_threaded_irq()` until after `free_irq()`.
    let handler = unsafe { &*cookie.cast_const().cast::<H>() };
    match handler.handle() {
        IrqReturn::None => irqreturn::IRQ_NONE,
        IrqReturn::Handled => irqreturn::IRQ_HANDLED,
    }
}
