// SPDX-License-Identifier: GPL-2.0-only

//! The virtual functions of a bound physical one (SR-IOV), as many as sysfs
//! `sriov_numvfs` asks for. `kernel::pci` has no callback for that.
//!
//! The PCI core does all of it, for the physical function knows nothing of its
//! virtual ones: each is a controller of its own, probed and unbound as any
//! other. They are not taken away when the physical one is unbound: that needs
//! `pci_rescan_remove_lock`, which some of the ways to an unbind hold and others
//! do not.

use kernel::bindings;

/// Changes the number of virtual functions; returns it, or a negative errno.
type Configure =
    unsafe extern "C" fn(*mut bindings::pci_dev, kernel::ffi::c_int) -> kernel::ffi::c_int;

/// For `pci_driver::sriov_configure`.
#[cfg(CONFIG_PCI_IOV)]
pub(super) const CONFIGURE: Option<Configure> = Some(bindings::pci_sriov_configure_simple);

/// For `pci_driver::sriov_configure`: this kernel has none.
#[cfg(not(CONFIG_PCI_IOV))]
pub(super) const CONFIGURE: Option<Configure> = None;
