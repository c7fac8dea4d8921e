// SPDX-License-Identifier: GPL-2.0-only

//! `O_ASYNC`: files whose owner gets a signal.

use kernel::{error::to_result, prelude::*, types::Opaque};

use super::bindings;

/// The files that asked for a signal.
///
/// # Invariants
///
/// The pointer is null or the head of a list that `fasync_helper()` made and
/// only `fasync_helper()` changes.
#[pin_data]
pub(crate) struct AsyncFiles {
    #[pin]
    head: Opaque<*mut bindings::fasync_struct>,
}

// SAFETY: `fasync_helper()` and `kill_fasync()` have locks of their own.
unsafe impl Send for AsyncFiles {}

// SAFETY: As above; every access is through those two.
unsafe impl Sync for AsyncFiles {}

impl AsyncFiles {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // INVARIANT: Null.
            head <- Opaque::ffi_init(|slot: *mut *mut bindings::fasync_struct| {
                // SAFETY: `slot` is valid for writes.
                unsafe { slot.write(core::ptr::null_mut()) }
            }),
        })
    }

    /// Tells the owners that there is something to read. Not in hard interrupt
    /// context, because it costs what there are files.
    pub(crate) fn signal_readable(&self) {
        // SAFETY: By the type invariant.
        unsafe {
            bindings::kill_fasync(
                self.head.get(),
                bindings::SIGIO as c_int,
                bindings::POLL_IN as c_int,
            )
        };
    }

    /// The `fasync` file operation.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    ///
    /// # Safety
    ///
    /// The arguments are those of the file operation, and the list lives until
    /// the file is released.
    pub(super) unsafe fn update(
        &self,
        descriptor: c_int,
        file: *mut bindings::file,
        on: c_int,
    ) -> Result {
        // SAFETY: By the safety requirement and the type invariant. A file that
        // is released leaves the list before, by this same call.
        to_result(unsafe { bindings::fasync_helper(descriptor, file, on, self.head.get()) })
    }
}
