// SPDX-License-Identifier: GPL-2.0-only

//! The files in `/sys/class/nvme/nvmeN`.
//!
//! Reading gives ENODEV once the driver has let go of the controller, and
//! ENODATA what only a controller can tell that never started.

use kernel::{
    error::code::ENODATA,
    fmt::Write,
    prelude::*,
    str::Formatter, //
};

use crate::{
    control::handle::Handle,
    engine::policy::{census::Census, CommandSet, Node},
    glue::class::{numa_node, Attribute},
    spec::{
        identifier::{SubsystemNqn, Text},
        identify::IdentifyController, //
    },
    user::ioctl::{rescan_controller, reset_controller},
};

/// Attributes of a controller.
pub(crate) static ATTRIBUTES: [Attribute<Handle>; 19] = [
    Attribute::readable(c"model", |handle, to| {
        identified(handle, |identify| {
            writeln!(to, "{}", Text(&identify.model_number))
        })
    }),
    Attribute::readable(c"serial", |handle, to| {
        identified(handle, |identify| {
            writeln!(to, "{}", Text(&identify.serial_number))
        })
    }),
    Attribute::readable(c"firmware_rev", |handle, to| {
        identified(handle, |identify| {
            writeln!(to, "{}", Text(&identify.firmware_revision))
        })
    }),
    Attribute::readable(c"cntlid", |handle, to| {
        identified(handle, |identify| writeln!(to, "{}", identify.cntlid.get()))
    }),
    Attribute::readable(c"cntrltype", |handle, to| {
        identified(handle, |identify| {
            writeln!(to, "{}", controller_type(identify))
        })
    }),
    Attribute::readable(c"subsysnqn", |handle, to| {
        identified(handle, |identify| {
            writeln!(to, "{}", SubsystemNqn::of(identify))
        })
    }),
    Attribute::readable(c"state", show_state),
    Attribute::readable(c"address", show_address),
    Attribute::readable(c"numa_node", show_numa_node),
    Attribute::readable(c"queue_count", show_queue_count),
    Attribute::readable(c"sqsize", show_sqsize),
    Attribute::readable(c"transport", |_, to| Ok(writeln!(to, "pcie")?)),
    // Only the in-tree driver's fabrics have one by themselves.
    Attribute::readable(c"kato", |_, to| Ok(writeln!(to, "0")?)),
    // Only controllers on fabrics report one.
    Attribute::readable(c"dctype", |_, to| Ok(writeln!(to, "none")?)),
    Attribute::readable(c"admin_commands", |handle, to| {
        let supported = admin_commands(handle)?.supported.ok_or(ENODATA)?;
        Ok(writeln!(to, "{}", supported)?)
    }),
    Attribute::readable(c"admin_commands_permitted", |handle, to| {
        Ok(writeln!(to, "{}", admin_commands(handle)?.permitted)?)
    }),
    Attribute::readable(c"admin_commands_unprivileged", |handle, to| {
        Ok(writeln!(to, "{}", admin_commands(handle)?.unprivileged)?)
    }),
    Attribute::writable(c"reset_controller", |handle, _| reset_controller(handle)),
    Attribute::writable(c"rescan_controller", |handle, _| rescan_controller(handle)),
];

/// Has `write` write what the controller said it is.
pub(super) fn identified(
    handle: &Handle,
    write: impl FnOnce(&IdentifyController) -> kernel::fmt::Result,
) -> Result {
    let binding = handle.visit().ok_or(ENODEV)?;
    let identity = binding.controller().identity().lock();
    Ok(write(identity.as_ref().ok_or(ENODATA)?)?)
}

/// What admin commands there are and who may send them; the node does not
/// matter.
fn admin_commands(handle: &Handle) -> Result<Census> {
    let binding = handle.visit().ok_or(ENODEV)?;
    let effects = binding.controller().effects();
    Ok(effects.census(CommandSet::Admin, Node::Controller))
}

fn controller_type(identify: &IdentifyController) -> &'static str {
    match identify.cntrltype {
        1 => "io",
        2 => "discovery",
        3 => "admin",
        _ => "reserved",
    }
}

fn show_state(handle: &Handle, to: &mut Formatter<'_>) -> Result {
    Ok(writeln!(to, "{}", handle.state().name())?)
}

/// The PCI address.
fn show_address(handle: &Handle, to: &mut Formatter<'_>) -> Result {
    let binding = handle.visit().ok_or(ENODEV)?;
    let name = binding.controller().device().name();
    Ok(writeln!(to, "{}", Text(name.to_bytes()))?)
}

fn show_numa_node(handle: &Handle, to: &mut Formatter<'_>) -> Result {
    let binding = handle.visit().ok_or(ENODEV)?;
    Ok(writeln!(
        to,
        "{}",
        numa_node(binding.controller().device())
    )?)
}

/// How many submission queues there are, the admin queue included.
fn show_queue_count(handle: &Handle, to: &mut Formatter<'_>) -> Result {
    let binding = handle.visit().ok_or(ENODEV)?;
    Ok(writeln!(
        to,
        "{}",
        binding.controller().io_queues().count() + 1
    )?)
}

/// The entries of an I/O queue, 0-based.
fn show_sqsize(handle: &Handle, to: &mut Formatter<'_>) -> Result {
    let binding = handle.visit().ok_or(ENODEV)?;
    let entries = binding.controller().io_queues().entries();
    Ok(writeln!(to, "{}", entries.saturating_sub(1))?)
}
