// SPDX-License-Identifier: GPL-2.0-only

//! Commands by io_uring: NVME_URING_CMD_* of `<linux/nvme_ioctl.h>`.

use core::mem::size_of;

use kernel::prelude::*;

use crate::{
    control::{handle::Handle, namespaces::Namespace, passthrough::Request, ring::RingBuffer},
    engine::policy::Node,
    glue::{
        file_operations::{Issued, OpenMode},
        pins::UserRange,
        uapi,
        uring::{Issue, Poller},
    },
};

use super::{
    passthrough::{mode, timeout, whole, PassthruCmd},
    pieces::Pieces,
};

// The last word is reserved here.
const _: () = assert!(size_of::<PassthruCmd>() == size_of::<uapi::nvme_uring_cmd>());

/// Whether the buffer of a command is in pieces.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Whole,
    Pieces,
}

/// A command on `/dev/nvmeN`.
///
/// # Errors
///
/// ENOTTY for an unknown operation; else as [`issue_to`].
pub(super) fn on_controller(handle: &Handle, issue: Issue, open: OpenMode) -> Result<Issued> {
    let shape = match issue.operation() {
        uapi::URING_CMD_ADMIN => Shape::Whole,
        uapi::URING_CMD_ADMIN_VEC => Shape::Pieces,
        uapi::URING_CMD_REGISTER_BUFFER => return register_buffer(handle, issue),
        _ => return refuse(&issue),
    };
    issue_to(handle, None, Node::Controller, shape, issue, open)
}

/// A command on `/dev/ngNnM`. Other than with the in-tree driver, admin
/// commands are taken here too: nvme-cli asks for it.
///
/// # Errors
///
/// ENOTTY for an unknown operation; else as [`issue_to`].
pub(super) fn on_namespace(
    handle: &Handle,
    namespace: &Namespace,
    issue: Issue,
    open: OpenMode,
) -> Result<Issued> {
    let (namespace, shape) = match issue.operation() {
        uapi::URING_CMD_IO => (Some(namespace), Shape::Whole),
        uapi::URING_CMD_IO_VEC => (Some(namespace), Shape::Pieces),
        uapi::URING_CMD_ADMIN => (None, Shape::Whole),
        uapi::URING_CMD_ADMIN_VEC => (None, Shape::Pieces),
        uapi::URING_CMD_REGISTER_BUFFER => return register_buffer(handle, issue),
        _ => return refuse(&issue),
    };
    issue_to(handle, namespace, Node::Namespace, shape, issue, open)
}

/// Looks for completions of commands that are polled for.
pub(super) fn poll(handle: &Handle, poller: &Poller) -> usize {
    match handle.visit() {
        Some(binding) => binding.poll_commands(poller),
        // They were all completed when the driver let go of the controller.
        None => 0,
    }
}

/// The size of the ring's entries counts before the operation does.
fn refuse(issue: &Issue) -> Result<Issued> {
    issue.payload::<PassthruCmd>()?;
    Err(ENOTTY)
}

/// `struct nvme_register_buffer`.
#[derive(FromBytes)]
#[repr(C)]
struct RegisterBuffer {
    addr: u64,
    length: u64,
}

const _: () = assert!(size_of::<RegisterBuffer>() == size_of::<uapi::nvme_register_buffer>());

/// # Errors
///
/// ENODEV; those of
/// [`register_buffer`](crate::control::binding::Binding::register_buffer).
fn register_buffer(handle: &Handle, issue: Issue) -> Result<Issued> {
    let buffer: RegisterBuffer = issue.short_payload();
    let range = UserRange {
        address: usize::try_from(buffer.addr).map_err(|_| EFAULT)?,
        length_bytes: usize::try_from(buffer.length).map_err(|_| EINVAL)?,
    };
    handle
        .visit()
        .ok_or(ENODEV)?
        .register_buffer(issue, range)?;
    Ok(Issued::Queued)
}

/// # Errors
///
/// EOPNOTSUPP if the ring has small entries; EINVAL for flags, or for a
/// namespace that is not the node's; EFAULT; those of
/// [`start_command`](crate::control::binding::Binding::start_command).
fn issue_to(
    handle: &Handle,
    namespace: Option<&Namespace>,
    node: Node,
    shape: Shape,
    issue: Issue,
    open: OpenMode,
) -> Result<Issued> {
    let cmd: PassthruCmd = issue.payload()?;
    if cmd.flags != 0 {
        return Err(EINVAL);
    }
    if namespace.is_some_and(|namespace| namespace.nsid().0 != cmd.nsid) {
        return Err(EINVAL);
    }
    let pieces;
    let one;
    let data = match shape {
        Shape::Pieces => {
            pieces = Pieces::read(issue.abi(), cmd.addr, cmd.data_len)?;
            pieces.as_slice()
        }
        Shape::Whole => {
            one = whole(issue.abi(), cmd.addr, cmd.data_len);
            one.as_slice()
        }
    };
    let buffer = match shape {
        _ if !issue.is_fixed() => RingBuffer::Process,
        Shape::Whole => RingBuffer::Registered {
            address: cmd.addr,
            length_bytes: cmd.data_len as usize,
        },
        Shape::Pieces => RingBuffer::RegisteredPieces {
            address: cmd.addr,
            count: cmd.data_len as usize,
        },
    };
    let metadata: Option<UserRange> = match cmd.metadata {
        0 => None,
        address => whole(issue.abi(), address, cmd.metadata_len),
    };
    let request = Request {
        entry: cmd.entry(),
        namespace,
        node,
        mode: mode(open),
        data,
        metadata: metadata.filter(|_| !data.is_empty()),
        timeout: timeout(cmd.timeout_ms),
    };
    handle
        .visit()
        .ok_or(ENODEV)?
        .start_command(issue, request, buffer)?;
    Ok(Issued::Queued)
}
