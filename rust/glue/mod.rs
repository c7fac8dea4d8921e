// SPDX-License-Identifier: GPL-2.0-only

//! The unsafe floor: what the `kernel` crate of Linux 7.3 lacks, as safe types.
//!
//! Charter: `unsafe` is allowed here and nowhere above. Each file wraps one
//! facility of the kernel and says what its types guarantee; no NVMe policy.
//! A wrapper goes away when the `kernel` crate grows the abstraction named in
//! its first lines.
//!
//! C is for what Rust cannot say: static inline functions, structures that only
//! macros reach, callbacks that get them by value (`helpers.c`, `multishot.c`), and
//! symbols for GPL modules (`provider_exports.c`). It decides nothing.

mod bindings;

pub(crate) mod bell;
pub(crate) mod capability;
pub(crate) mod chardev;
pub(crate) mod class;
pub(crate) mod clock;
pub(crate) mod completion;
pub(crate) mod cpu;
pub(crate) mod dma;
pub(crate) mod entries;
pub(crate) mod fasync;
pub(crate) mod file_operations;
pub(crate) mod gate;
pub(crate) mod interrupt;
pub(crate) mod kobject;
pub(crate) mod locked_memory;
pub(crate) mod look;
pub(crate) mod mapping;
pub(crate) mod module;
pub(crate) mod pages;
pub(crate) mod pci;
pub(crate) mod pins;
pub(crate) mod plug;
pub(crate) mod provider;
pub(crate) mod random;
pub(crate) mod shared_map;
pub(crate) mod spare;
pub(crate) mod subscription;
pub(crate) mod ticks;
pub(crate) mod uapi;
pub(crate) mod uring;
pub(crate) mod work;
