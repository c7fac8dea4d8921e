// SPDX-License-Identifier: GPL-2.0-only

//! Other modules of the running kernel.

use kernel::prelude::*;

use super::bindings;

/// Whether the in-tree NVMe core is loaded (or built in) right now.
///
/// It owns the class names `nvme`, `nvme-subsystem` and `nvme-generic` from its
/// load to its unload; asking sysfs for one of them instead would leave a
/// warning with a call trace in the kernel log.
pub(crate) fn nvme_core_is_loaded() -> bool {
    const EXPORT: &CStr = c"nvme_wq";

    // SAFETY: `EXPORT` is a valid C string. The symbol is only looked up, never
    // used; the lookup takes a reference on its module.
    let found = unsafe { !bindings::__symbol_get(EXPORT.as_char_ptr()).is_null() };
    if found {
        // SAFETY: `EXPORT` is a valid C string, and the lookup above succeeded:
        // this returns the reference that it took.
        unsafe { bindings::__symbol_put(EXPORT.as_char_ptr()) };
    }
    found
}
