// SPDX-License-Identifier: GPL-2.0-only

//! Behaviour over time: what happens to a controller between probe and unbind.
//!
//! Charter: composes `pcie` and `engine`, owns locks, waits and memory; knows
//! nothing of files. What outlives the device (the event stream) holds nothing
//! of the device.
//!
//! - [`stream`]: the event records and who waits for them;
//! - [`admin`]: the admin queue, the Asynchronous Event Requests included;
//! - [`inquiry`]: commands of the driver's own that return data;
//! - [`io_queue`]: the I/O queue pair;
//! - [`namespaces`]: which namespaces there are;
//! - [`controller`]: start, reset, stop;
//! - [`attendant`]: what events make the driver do;
//! - [`binding`]: all of it, tied to the device;
//! - [`handle`]: what a file or a device node has of it.
//!
//! The order of locks is numbered in `Documentation/design.rst`.

pub(crate) mod admin;
pub(crate) mod attendant;
pub(crate) mod binding;
pub(crate) mod controller;
pub(crate) mod handle;
pub(crate) mod inquiry;
pub(crate) mod io_queue;
pub(crate) mod namespaces;
pub(crate) mod stream;
