// SPDX-License-Identifier: GPL-2.0-only

//! Commands by `ioctl()`, as `<linux/nvme_ioctl.h>` has them.

use core::mem::{offset_of, size_of};

use kernel::{
    prelude::*,
    time::Delta,
    uaccess::{UserPtr, UserSlice},
};
use zerocopy::FromZeros;
use zerocopy_derive::Immutable;

use crate::{
    control::{
        handle::Handle,
        namespaces::{Namespace, Only},
        request::{Answer, Request},
    },
    engine::{
        plain_entry::Inline,
        policy::{FileMode, Node},
    },
    glue::{
        file_operations::{Abi, Ioctl, OpenMode},
        pins::UserRange,
        uapi,
    },
    spec::command::SubmissionEntry,
};

use super::{
    call,
    ioctl::read_struct,
    pieces::Pieces,
    submit_io::{submit_io, SUBMIT_IO_COMPAT},
};

/// `struct nvme_passthru_cmd`, and the start of `struct nvme_passthru_cmd64`.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
pub(super) struct PassthruCmd {
    opcode: u8,
    pub(super) flags: u8,
    rsvd1: u16,
    pub(super) nsid: u32,
    cdw2: u32,
    cdw3: u32,
    pub(super) metadata: u64,
    pub(super) addr: u64,
    pub(super) metadata_len: u32,
    /// Bytes, or pieces of a vectored buffer.
    pub(super) data_len: u32,
    cdw10: u32,
    cdw11: u32,
    cdw12: u32,
    cdw13: u32,
    cdw14: u32,
    cdw15: u32,
    pub(super) timeout_ms: u32,
    /// `result` of the shorter struct, reserved in the longer one.
    last: u32,
}

/// `struct nvme_passthru_cmd64`.
#[derive(FromBytes, Immutable, IntoBytes)]
#[repr(C)]
pub(super) struct PassthruCmd64 {
    pub(super) command: PassthruCmd,
    pub(super) result: u64,
}

const _: () = {
    assert!(size_of::<PassthruCmd64>() == size_of::<uapi::nvme_passthru_cmd64>());
    assert!(offset_of!(PassthruCmd64, result) == offset_of!(uapi::nvme_passthru_cmd64, result));
    // Where the status is written to.
    assert!(offset_of!(uapi::nvme_passthru_cmd64, rsvd2) + 4 == offset_of!(PassthruCmd64, result));
};

const _: () = assert!(size_of::<PassthruCmd>() == size_of::<uapi::nvme_passthru_cmd>());
const _: () = assert!(offset_of!(PassthruCmd, last) == offset_of!(uapi::nvme_passthru_cmd, result));
const _: () = assert!(
    offset_of!(PassthruCmd, timeout_ms) == offset_of!(uapi::nvme_passthru_cmd64, timeout_ms)
);

/// Where the answer goes, and what the buffer is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// 32 bits of result.
    Short,
    /// 64 bits of result.
    Long,
    /// 64 bits of result; the buffer is in pieces.
    Vectored,
}

impl Form {
    /// Copies a command in, once, and all of it: also what is only written.
    ///
    /// # Errors
    ///
    /// EFAULT.
    fn read(self, call: Ioctl) -> Result<PassthruCmd> {
        match self {
            Self::Short => read_struct(call.argument),
            Self::Long | Self::Vectored => {
                read_struct::<PassthruCmd64>(call.argument).map(|long| long.command)
            }
        }
    }
}

/// An `ioctl()` on `/dev/nvmeN` that is, or may be, a command.
///
/// # Errors
///
/// ENOTTY for an unknown number, and for an I/O command if there is no
/// namespace; EINVAL for one if there are several; else as [`run`].
pub(super) fn on_controller(handle: &Handle, call: Ioctl) -> Result<isize> {
    match call.command {
        uapi::IOCTL_ADMIN_CMD => admin(handle, call, Node::Controller, Form::Short),
        uapi::IOCTL_ADMIN64_CMD => admin(handle, call, Node::Controller, Form::Long),
        uapi::IOCTL_CALL | uapi::IOCTL_CALL_ABORT => call::run(handle, None, call),
        uapi::IOCTL_IO_CMD => {
            let binding = handle.visit().ok_or(ENODEV)?;
            let only = binding.controller().namespaces().only();
            drop(binding);
            match only {
                Only::None => Err(ENOTTY),
                Only::Several => Err(EINVAL),
                Only::One(namespace) => io(handle, &namespace, call, Node::Controller, Form::Short),
            }
        }
        _ => Err(ENOTTY),
    }
}

/// An `ioctl()` on `/dev/ngNnM`.
///
/// # Errors
///
/// ENOTTY for an unknown number; else as [`run`].
pub(super) fn on_namespace(handle: &Handle, namespace: &Namespace, call: Ioctl) -> Result<isize> {
    let node = Node::Namespace;
    match call.command {
        uapi::IOCTL_ID => Ok(namespace.nsid().0 as isize),
        uapi::IOCTL_ADMIN_CMD => admin(handle, call, node, Form::Short),
        uapi::IOCTL_ADMIN64_CMD => admin(handle, call, node, Form::Long),
        uapi::IOCTL_IO_CMD => io(handle, namespace, call, node, Form::Short),
        uapi::IOCTL_IO64_CMD => io(handle, namespace, call, node, Form::Long),
        uapi::IOCTL_IO64_CMD_VEC => io(handle, namespace, call, node, Form::Vectored),
        uapi::IOCTL_CALL | uapi::IOCTL_CALL_ABORT => call::run(handle, Some(namespace), call),
        uapi::IOCTL_SUBMIT_IO | SUBMIT_IO_COMPAT => submit_io(handle, namespace, call),
        _ => Err(ENOTTY),
    }
}

fn admin(handle: &Handle, call: Ioctl, node: Node, form: Form) -> Result<isize> {
    let cmd = form.read(call)?;
    run(handle, None, call, node, form, &cmd)
}

fn io(
    handle: &Handle,
    namespace: &Namespace,
    call: Ioctl,
    node: Node,
    form: Form,
) -> Result<isize> {
    let cmd = form.read(call)?;
    // Flags are looked at first, as the in-tree driver does.
    if cmd.flags == 0 && cmd.nsid != namespace.nsid().0 {
        return Err(EINVAL);
    }
    run(handle, Some(namespace), call, node, form, &cmd)
}

/// Sends a command. Returns its status.
///
/// # Errors
///
/// EINVAL for flags; EFAULT, also if the result cannot be written although the
/// command was executed; those of
/// [`pass_through`](crate::control::binding::Binding::pass_through).
fn run(
    handle: &Handle,
    namespace: Option<&Namespace>,
    call: Ioctl,
    node: Node,
    form: Form,
    cmd: &PassthruCmd,
) -> Result<isize> {
    // Fused commands and other ways to describe data are not the caller's.
    if cmd.flags != 0 {
        return Err(EINVAL);
    }
    let mut request = Request {
        entry: cmd.entry(),
        namespace,
        node,
        mode: mode(call.mode),
        data: &[],
        metadata: None,
        timeout: timeout(cmd.timeout_ms),
    };
    let pieces;
    let one;
    request.data = if form == Form::Vectored {
        // What is forbidden comes before what is wrong with the list.
        handle.visit().ok_or(ENODEV)?.permit(&request)?;
        pieces = Pieces::read(call.abi, cmd.addr, cmd.data_len)?;
        pieces.as_slice()
    } else {
        one = range(call, cmd.addr, cmd.data_len);
        one.as_slice()
    };
    if !request.data.is_empty() {
        request.metadata = range(call, cmd.metadata, cmd.metadata_len);
    }
    let answer = pass_through(handle, request)?;
    let (offset, bytes) = match form {
        Form::Short => (offset_of!(uapi::nvme_passthru_cmd, result), 4),
        Form::Long | Form::Vectored => (offset_of!(uapi::nvme_passthru_cmd64, result), 8),
    };
    let result = answer.result.to_ne_bytes();
    UserSlice::new(
        UserPtr::from_addr(call.argument.wrapping_add(offset)),
        bytes,
    )
    .writer()
    .write_slice(result.get(..bytes).ok_or(EINVAL)?)?;
    Ok(status(answer))
}

pub(super) fn pass_through(handle: &Handle, request: Request<'_>) -> Result<Answer> {
    handle.visit().ok_or(ENODEV)?.pass_through(request)
}

impl PassthruCmd {
    /// What is not in a plain entry is zero.
    pub(super) fn from_inline(command: &Inline) -> Self {
        Self {
            opcode: command.opcode,
            nsid: command.nsid,
            addr: command.address,
            data_len: command.length_bytes,
            cdw10: command.cdw10,
            cdw11: command.cdw11,
            cdw12: command.cdw12,
            timeout_ms: command.timeout_ms,
            ..Self::new_zeroed()
        }
    }

    /// An entry looks the same, but that its flags, its identifier and its
    /// pointers are the driver's to choose.
    #[inline]
    pub(super) fn entry(&self) -> SubmissionEntry {
        // By words, half as many moves as dwords are.
        let [head, cdw2_3, _metadata, _addr, _lengths, cdw10_11, cdw12_13, cdw14_15, _]: [u64; 9] =
            zerocopy::transmute!(*self);
        let words = [
            head & OPCODE_AND_NSID,
            cdw2_3,
            0,
            0,
            0,
            cdw10_11,
            cdw12_13,
            cdw14_15,
        ];
        zerocopy::transmute!(words)
    }
}

/// What of the first word is the same in an entry.
const OPCODE_AND_NSID: u64 = u64::from_ne_bytes([0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);

const _: () = {
    // The numbers of an entry are.
    assert!(cfg!(target_endian = "little"));
    assert!(offset_of!(PassthruCmd, opcode) == offset_of!(SubmissionEntry, opcode));
    assert!(offset_of!(PassthruCmd, nsid) == offset_of!(SubmissionEntry, nsid));
    assert!(offset_of!(PassthruCmd, cdw2) == offset_of!(SubmissionEntry, cdw2));
    assert!(offset_of!(PassthruCmd, cdw3) == offset_of!(SubmissionEntry, cdw3));
    assert!(offset_of!(PassthruCmd, cdw10) == offset_of!(SubmissionEntry, cdw10));
    assert!(offset_of!(PassthruCmd, cdw11) == offset_of!(SubmissionEntry, cdw11));
    assert!(offset_of!(PassthruCmd, cdw12) == offset_of!(SubmissionEntry, cdw12));
    assert!(offset_of!(PassthruCmd, cdw13) == offset_of!(SubmissionEntry, cdw13));
    assert!(offset_of!(PassthruCmd, cdw14) == offset_of!(SubmissionEntry, cdw14));
    assert!(offset_of!(PassthruCmd, cdw15) == offset_of!(SubmissionEntry, cdw15));
};

/// What the system call returns: 0 or a positive number.
pub(super) fn status(answer: Answer) -> isize {
    // CAST: 15 bits.
    answer.status.0 as isize
}

pub(super) fn mode(open: OpenMode) -> FileMode {
    match open {
        OpenMode::ReadOnly => FileMode::ReadOnly,
        OpenMode::Writable | OpenMode::WriteOnly => FileMode::ReadWrite,
    }
}

/// 0: the usual time.
pub(super) fn timeout(timeout_ms: u32) -> Option<Delta> {
    (timeout_ms != 0).then(|| Delta::from_millis(timeout_ms.into()))
}

/// A buffer, if it is not empty.
pub(super) fn whole(abi: Abi, address: u64, length_bytes: u32) -> Option<UserRange> {
    (length_bytes != 0).then_some(UserRange {
        address: abi.address(address),
        length_bytes: length_bytes as usize,
    })
}

/// As [`whole`]; address 0 stands for no buffer as well.
pub(super) fn range(call: Ioctl, address: u64, length_bytes: u32) -> Option<UserRange> {
    whole(call.abi, address, length_bytes).filter(|range| range.address != 0)
}
