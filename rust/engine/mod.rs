// SPDX-License-Identifier: GPL-2.0-only

//! State machines and arithmetic of the driver, free of the kernel.
//!
//! Charter: no lock, no clock, no allocation, no unsafe code, no errno. A
//! caller passes in storage and what the device said, and is told what to do.
//! Compiled into the module and, unchanged, into the host tests.
//!
//! - [`ring`]: where the next entry of a submission or completion queue is.
//! - [`command_table`]: which commands are outstanding, and whose they are.
//! - [`aborts`]: Abort commands outstanding.
//! - [`aer_keeper`]: keeps Asynchronous Event Requests outstanding.
//! - [`record`]: the 16-byte record a reader sees.
//! - [`event_log`]: the records of one controller, and the cursors over them.
//! - [`filter`]: which of them a reader wants to see.
//! - [`lane`]: a second ring, for records of other modules.
//! - [`claim`]: whether one reader has the stream to itself.
//! - [`capture`]: which log pages are to be read for which events, and how.
//! - [`storm`]: which event classes fire too often, and for how long to leave
//!   them alone.
//! - [`lifecycle`]: the states of a controller.
//! - [`pause`]: how long one is left alone that processes no commands.
//! - [`data_pointer`]: how a command says where its data is: [`prp`] or [`sgl`].
//! - [`buffer_list`]: PRP entries for a whole buffer.
//! - [`page_run`]: where in memory the pages of a process are.
//! - [`doorbell`]: whether the controller has to be told of a doorbell's value.
//! - [`snapshot`]: how many captured log pages are kept.
//! - [`plain_entry`]: commands in 64-byte entries of a ring.
//! - [`envelope`]: which sizes of a command in an envelope make sense.
//! - [`policy`]: what to make of a user's command.

pub(crate) mod aborts;
pub(crate) mod aer_keeper;
pub(crate) mod buffer_list;
pub(crate) mod capture;
pub(crate) mod claim;
pub(crate) mod command_table;
pub(crate) mod data_pointer;
pub(crate) mod doorbell;
pub(crate) mod envelope;
pub(crate) mod event_log;
pub(crate) mod filter;
pub(crate) mod lane;
pub(crate) mod lifecycle;
pub(crate) mod page_run;
pub(crate) mod pause;
pub(crate) mod plain_entry;
pub(crate) mod policy;
pub(crate) mod prp;
pub(crate) mod record;
pub(crate) mod ring;
pub(crate) mod sgl;
pub(crate) mod snapshot;
pub(crate) mod storm;
