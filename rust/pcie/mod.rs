// SPDX-License-Identifier: GPL-2.0-only

//! The hardware of one controller: registers and queues.
//!
//! Charter: one unit of the hardware a file, safe code only. Knows how to ask
//! the controller, not what for: the order of things over time is `control`'s.

pub(crate) mod doorbells;
pub(crate) mod enable;
pub(crate) mod queue;
pub(crate) mod registers;
