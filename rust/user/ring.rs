// SPDX-License-Identifier: GPL-2.0-only

//! Commands by io_uring: NVME_URING_CMD_* of `<linux/nvme_ioctl.h>` and of
//! `<linux/nvme_uring.h>`. They differ in where a command is read from and where
//! its result goes, and in nothing else.

use core::mem::{offset_of, size_of};

use kernel::{
    prelude::*,
    uaccess::{UserPtr, UserSlice},
};

use crate::{
    control::{handle::Handle, namespaces::Namespace, request::Request, ring::RingBuffer},
    engine::{
        plain_entry::{Links, PlainEntry},
        policy::Node,
    },
    glue::{
        capability::{is_dying, is_system_administrator},
        file_operations::{Issued, OpenMode},
        pins::UserRange,
        uapi,
        uring::{Cancellation, Failure, Issue, Notice, Place, Poller},
    },
};

use super::{
    call,
    passthrough::{mode, timeout, whole, PassthruCmd, PassthruCmd64},
    pieces::Pieces,
};

// The last word is reserved here.
const _: () = assert!(size_of::<PassthruCmd>() == size_of::<uapi::nvme_uring_cmd>());

/// Which queue a command is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Controller,
    Namespace,
}

/// Where a command is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// In a large entry.
    Large,
    /// In an entry of any size: `struct nvme_uring_inline`.
    Inline,
    /// In memory of the process: `struct nvme_uring_indirect`.
    Indirect,
}

/// Whether the buffer of a command is in pieces.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Whole,
    Pieces,
}

/// What an operation says of a command.
#[derive(Clone, Copy)]
struct Operation {
    target: Target,
    form: Form,
    shape: Shape,
}

impl Operation {
    fn of(number: u32) -> Option<Self> {
        let (target, form, shape) = match number {
            uapi::URING_CMD_IO => (Target::Namespace, Form::Large, Shape::Whole),
            uapi::URING_CMD_IO_VEC => (Target::Namespace, Form::Large, Shape::Pieces),
            uapi::URING_CMD_ADMIN => (Target::Controller, Form::Large, Shape::Whole),
            uapi::URING_CMD_ADMIN_VEC => (Target::Controller, Form::Large, Shape::Pieces),
            uapi::URING_CMD_IO_INLINE => (Target::Namespace, Form::Inline, Shape::Whole),
            uapi::URING_CMD_ADMIN_INLINE => (Target::Controller, Form::Inline, Shape::Whole),
            uapi::URING_CMD_IO_INDIRECT => (Target::Namespace, Form::Indirect, Shape::Whole),
            uapi::URING_CMD_IO_VEC_INDIRECT => (Target::Namespace, Form::Indirect, Shape::Pieces),
            uapi::URING_CMD_ADMIN_INDIRECT => (Target::Controller, Form::Indirect, Shape::Whole),
            uapi::URING_CMD_ADMIN_VEC_INDIRECT => {
                (Target::Controller, Form::Indirect, Shape::Pieces)
            }
            _ => return None,
        };
        Some(Self {
            target,
            form,
            shape,
        })
    }
}

/// A command on `/dev/nvmeN`.
///
/// # Errors
///
/// ENOTTY for an unknown operation; else as [`issue_to`].
pub(super) fn on_controller(handle: &Handle, issue: Issue, open: OpenMode) -> Result<Issued> {
    match Operation::of(issue.operation()) {
        Some(operation) if operation.target == Target::Controller => {
            issue_to(handle, None, Node::Controller, operation, issue, open)
        }
        operation => other(handle, None, issue, open, operation),
    }
}

/// A command on `/dev/ngNnM`. Other than with the in-tree driver, admin
/// commands are taken here too: nvme-cli asks for it.
///
/// # Errors
///
/// ENOTTY for an unknown operation; else as [`issue_to`].
#[inline(always)]
pub(super) fn on_namespace(
    handle: &Handle,
    namespace: &Namespace,
    issue: Issue,
    open: OpenMode,
) -> Result<Issued> {
    let Some(operation) = Operation::of(issue.operation()) else {
        return other(handle, Some(namespace), issue, open, None);
    };
    let namespace = match operation.target {
        Target::Namespace => Some(namespace),
        Target::Controller => None,
    };
    issue_to(handle, namespace, Node::Namespace, operation, issue, open)
}

/// Looks for completions of commands that are polled for.
pub(super) fn poll(handle: &Handle, poller: &Poller) -> usize {
    match handle.visit() {
        Some(binding) => binding.poll_commands(poller),
        // They were all completed when the driver let go of the controller.
        None => 0,
    }
}

/// Has a command end that its ring does not want any more.
pub(super) fn cancel(handle: &Handle, cancellation: Cancellation) {
    // They were all completed when the driver let go of the controller.
    if let Some(binding) = handle.visit() {
        binding.cancel_command(cancellation);
    }
}

/// What is no command for this node. `namespace` is that of the node, if it has
/// one.
///
/// # Errors
///
/// ENOTTY; EOPNOTSUPP: the size of the ring's entries counts before the
/// operation does. Those of [`register_buffer`] and [`call::issue`].
fn other(
    handle: &Handle,
    namespace: Option<&Namespace>,
    issue: Issue,
    open: OpenMode,
    operation: Option<Operation>,
) -> Result<Issued> {
    match issue.operation() {
        uapi::URING_CMD_REGISTER_BUFFER => return register_buffer(handle, namespace, issue),
        uapi::URING_CMD_CALL | uapi::URING_CMD_CALL_ABORT => {
            return call::issue(handle, namespace, issue, open)
        }
        _ => {}
    }
    if operation.is_none_or(|operation| operation.form == Form::Large) {
        issue.payload::<PassthruCmd>()?;
    }
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
/// EACCES through the node of a controller, where it is for those who may send I/O
/// commands there; ENODEV; those of
/// [`register_buffer`](crate::control::binding::Binding::register_buffer).
fn register_buffer(handle: &Handle, namespace: Option<&Namespace>, issue: Issue) -> Result<Issued> {
    if namespace.is_none() && !is_system_administrator() {
        return Err(EACCES);
    }
    let buffer: RegisterBuffer = issue.short_payload();
    let range = UserRange {
        address: usize::try_from(buffer.addr).map_err(|_| EFAULT)?,
        length_bytes: usize::try_from(buffer.length).map_err(|_| EINVAL)?,
    };
    handle
        .visit()
        .ok_or(ENODEV)?
        .register_buffer(issue, range)?;
    Ok(Issued::Settled)
}

/// Copies an entry in, once.
///
/// # Errors
///
/// EOPNOTSUPP if the ring polls: that is for large entries only.
fn plain_entry(issue: &Issue) -> Result<PlainEntry> {
    match issue.notice() {
        Notice::Poll => Err(EOPNOTSUPP),
        Notice::Interrupt => Ok(issue.plain_entry()),
    }
}

/// A command that is in the entry.
///
/// # Errors
///
/// Those of [`plain_entry`]; EINVAL for what has no meaning.
fn inline_command(issue: &Issue) -> Result<PassthruCmd> {
    let command = plain_entry(issue)?.inline().map_err(|_| EINVAL)?;
    Ok(PassthruCmd::from_inline(&command))
}

/// Copies a command in that the entry points to, once, and has its result go
/// there.
///
/// # Errors
///
/// As [`inline_command`]; EFAULT.
fn indirect_command(issue: &mut Issue) -> Result<PassthruCmd> {
    let indirect = plain_entry(issue)?
        .indirect(size_of::<PassthruCmd64>())
        .map_err(|_| EINVAL)?;
    let address = issue.abi().address(indirect.address);
    // Not by `read_struct`: an array needs no check that its place in the
    // driver's memory is as long as that.
    let bytes: [u8; size_of::<PassthruCmd64>()] =
        UserSlice::new(UserPtr::from_addr(address), size_of::<PassthruCmd64>())
            .reader()
            .read()?;
    let read: PassthruCmd64 = zerocopy::transmute!(bytes);
    issue.reply_to(Place {
        result: address.wrapping_add(offset_of!(PassthruCmd64, result)),
        failure: match indirect.links {
            Links::Hold => Failure::Status,
            Links::Break => Failure::Error,
        },
    });
    Ok(read.command)
}

/// # Errors
///
/// EOPNOTSUPP if the ring's entries are too small; those of [`inline_command`]
/// and [`indirect_command`]; EINVAL for flags, or for a namespace that is not
/// the node's; EFAULT; ECANCELED if the process of an indirect command is killed
/// while a worker waits; those of
/// [`start_command`](crate::control::binding::Binding::start_command).
fn issue_to(
    handle: &Handle,
    namespace: Option<&Namespace>,
    node: Node,
    operation: Operation,
    mut issue: Issue,
    open: OpenMode,
) -> Result<Issued> {
    let shape = operation.shape;
    let request_of = |cmd: &PassthruCmd| Request {
        entry: cmd.entry(),
        namespace,
        node,
        mode: mode(open),
        data: &[],
        metadata: None,
        timeout: None,
    };
    // Each form by itself puts the entry where it stays: what comes from several
    // places is moved once more.
    let mut request;
    let cmd: PassthruCmd;
    match operation.form {
        Form::Large => {
            cmd = issue.payload()?;
            request = request_of(&cmd);
        }
        Form::Inline => {
            cmd = inline_command(&issue)?;
            request = request_of(&cmd);
        }
        Form::Indirect => {
            cmd = indirect_command(&mut issue)?;
            request = request_of(&cmd);
        }
    }
    if cmd.flags != 0 {
        return Err(EINVAL);
    }
    if namespace.is_some_and(|namespace| namespace.nsid().0 != cmd.nsid) {
        return Err(EINVAL);
    }
    let pieces;
    let one;
    request.data = match shape {
        Shape::Pieces => {
            // What is forbidden comes before what is wrong with the list.
            handle.visit().ok_or(ENODEV)?.permit(&request)?;
            pieces = Pieces::read(issue.abi(), cmd.addr, cmd.data_len)?;
            pieces.as_slice()
        }
        Shape::Whole => {
            one = whole(issue.abi(), cmd.addr, cmd.data_len);
            one.as_slice()
        }
    };
    let buffer = match shape {
        _ if !issue.is_fixed() || cmd.data_len == 0 => RingBuffer::Process,
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
    request.metadata = metadata.filter(|_| !request.data.is_empty());
    request.timeout = timeout(cmd.timeout_ms);
    let started = handle
        .visit()
        .ok_or(ENODEV)?
        .start_command(issue, &mut request, buffer);
    started.map_err(|error| match error {
        // Nothing is written to the memory of a process that goes.
        EINTR if operation.form == Form::Indirect && is_dying() => ECANCELED,
        error => error,
    })
}
