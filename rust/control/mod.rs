// SPDX-License-Identifier: GPL-2.0-only

//! Behaviour over time: what happens to a controller between probe and unbind.
//!
//! Charter: composes `pcie` and `engine`, owns locks, waits and memory; knows
//! nothing of files. What outlives the device (the event stream) holds nothing
//! of the device.
//!
//! - [`stream`]: the event records and who waits for them;
//! - [`archive`]: the log pages that belong to them;
//! - [`reader`]: who reads them, and where it stands;
//! - [`command_queue`]: a pair of queues and what is outstanding on it;
//! - [`outstanding`]: whose a command is and how long it may take;
//! - [`admin`]: the admin queue, the Asynchronous Event Requests included;
//! - [`events`]: what the admin queue does about events;
//! - [`io_queue`], [`io_queues`]: an I/O queue pair, and all of them;
//! - [`submit`]: what admin and I/O queues have in common;
//! - [`scratch`], [`transfer`]: the memory of a command;
//! - [`buffers`]: memory that stays mapped;
//! - [`request`]: commands as processes want them;
//! - [`passthrough`], [`ring`]: how they are sent, waited for or not;
//! - [`registered`]: those of rings that are waited for, on registered buffers;
//! - [`call`], [`ring_call`]: the same of those in an envelope;
//! - [`start`]: what commands of rings have in common;
//! - [`inquiry`]: commands of the driver's own that return data;
//! - [`namespaces`]: which namespaces there are;
//! - [`effects`]: what commands change besides data;
//! - [`consequences`]: what the driver does about that;
//! - [`turn`]: a lock whose taker can be interrupted;
//! - [`controller`]: start, reset, stop;
//! - [`attendant`]: what events make the driver do;
//! - [`provider`]: modules with events of their own;
//! - [`refresh`]: log pages read because a reader asks;
//! - [`binding`]: all of it, tied to the device;
//! - [`handle`]: what a file or a device node has of it.
//!
//! The order of locks is numbered in `Documentation/design.rst`.

pub(crate) mod admin;
pub(crate) mod archive;
pub(crate) mod attendant;
pub(crate) mod binding;
pub(crate) mod buffers;
pub(crate) mod call;
mod command_queue;
mod consequences;
pub(crate) mod controller;
pub(crate) mod effects;
pub(crate) mod events;
pub(crate) mod handle;
pub(crate) mod inquiry;
pub(crate) mod io_queue;
pub(crate) mod io_queues;
pub(crate) mod namespaces;
pub(crate) mod outstanding;
mod passthrough;
pub(crate) mod provider;
pub(crate) mod reader;
mod refresh;
mod registered;
pub(crate) mod request;
pub(crate) mod ring;
pub(crate) mod ring_call;
mod scratch;
mod start;
pub(crate) mod stream;
mod submit;
pub(crate) mod transfer;
pub(crate) mod turn;
