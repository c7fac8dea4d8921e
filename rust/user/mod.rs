// SPDX-License-Identifier: GPL-2.0-only

//! What a process sees: device nodes, files, sysfs, debugfs.
//!
//! Charter: turns system calls into calls of `control` and results into errno;
//! owns no hardware. A file holds an event stream and nothing of the device.

mod abi;
mod call;
pub(crate) mod debug;
mod events;
pub(crate) mod file;
mod ioctl;
mod multishot;
pub(crate) mod names;
pub(crate) mod namespace;
pub(crate) mod node;
mod passthrough;
mod pieces;
mod position;
mod ring;
mod submit_io;
pub(crate) mod sysfs;
