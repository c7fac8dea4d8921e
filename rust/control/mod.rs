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
//! Locks, in the order in which they may be taken:
//!
//! 1. `controller::Controller::power`, a mutex, over starting and stopping;
//! 2. `inquiry::Inquiry::buffer` and `io_queue::IoQueue::pair`, mutexes, over a
//!    command and its data;
//! 3. `admin::AdminQueue::state`, a spinlock with interrupts off, the admin
//!    queue and what is outstanding;
//! 4. `stream::EventStream::log`, a spinlock with interrupts off, the records;
//! 5. `user::turn::Turn::state`, a spinlock with interrupts off, a cursor.
//!
//! Nothing is taken under the mutexes `attendant::Attendant::kept`,
//! `attendant::Attendant::announced`, `controller::Controller::identity` and
//! `namespaces::Namespaces::active`, nor under the spinlock
//! `controller::Controller::state`.

pub(crate) mod admin;
pub(crate) mod attendant;
pub(crate) mod binding;
pub(crate) mod controller;
pub(crate) mod handle;
pub(crate) mod inquiry;
pub(crate) mod io_queue;
pub(crate) mod namespaces;
pub(crate) mod stream;
