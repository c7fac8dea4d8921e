// SPDX-License-Identifier: GPL-2.0-only

//! What `/sys/class` shows: controllers, their subsystems, their namespaces.
//!
//! Names and contents are those of the in-tree driver, because libnvme and udev
//! rules read them. A namespace is a plain folder where the in-tree driver has
//! a block device; libnvme does not tell the difference, as long as the few
//! files are there that it needs.

pub(crate) mod controller;
pub(crate) mod generic;
pub(crate) mod namespace;
pub(crate) mod subsystem;
