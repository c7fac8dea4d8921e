// SPDX-License-Identifier: GPL-2.0-only

//! The files in `/sys/class/nvme/nvmeN`.

use kernel::{
    fmt::Write,
    prelude::*,
    str::Formatter, //
};

use crate::{control::handle::Handle, glue::class::Attribute};

use super::ioctl::reset_controller;

/// Attributes of a controller, as the in-tree driver has them.
pub(crate) static CONTROLLER: [Attribute<Handle>; 2] = [
    Attribute::readable(c"state", show_state),
    Attribute::writable(c"reset_controller", store_reset_controller),
];

fn show_state(handle: &Handle, to: &mut Formatter<'_>) -> Result {
    writeln!(to, "{}", handle.state().name()).map_err(|_| EIO)
}

/// Whatever is written resets the controller.
fn store_reset_controller(handle: &Handle, _: &[u8]) -> Result {
    reset_controller(handle)
}
