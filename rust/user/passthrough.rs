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
    spec::{command::SubmissionEntry, namespace::MetadataPlace, opcode::NvmOpcode},
};

use super::{call, ioctl::read_struct, pieces::Pieces};

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

const _: () = assert!(size_of::<PassthruCmd>() == size_of::<uapi::nvme_passthru_cmd>());
const _: () = assert!(offset_of!(PassthruCmd, last) == offset_of!(uapi::nvme_passthru_cmd, result));
const _: () = assert!(
    offset_of!(PassthruCmd, timeout_ms) == offset_of!(uapi::nvme_passthru_cmd64, timeout_ms)
);

/// `struct nvme_user_io`, as far as 32-bit and 64-bit callers agree on it.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
struct UserIo {
    opcode: u8,
    flags: u8,
    control: u16,
    nblocks: u16,
    rsvd: u16,
    metadata: u64,
    addr: u64,
    slba: u64,
    dsmgmt: u32,
    reftag: u32,
    apptag: u16,
    appmask: u16,
    padding: u32,
}

const _: () = assert!(size_of::<UserIo>() == size_of::<uapi::nvme_user_io>());

/// [`UserIo`] without padding: what a caller whose 64-bit numbers are aligned
/// to 32 bits sends.
const USER_IO_COMPAT_BYTES: usize = offset_of!(UserIo, padding);

/// `NVME_IOCTL_SUBMIT_IO` of such a caller: the size is part of the number.
const SUBMIT_IO_COMPAT: u32 = {
    const SIZE_SHIFT: u32 = 16;
    const SIZE_MASK: u32 = 0x3fff << SIZE_SHIFT;
    (uapi::IOCTL_SUBMIT_IO & !SIZE_MASK) | ((USER_IO_COMPAT_BYTES as u32) << SIZE_SHIFT)
};

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
    let cmd: PassthruCmd = read_struct(call.argument)?;
    run(handle, None, call, node, form, &cmd)
}

fn io(
    handle: &Handle,
    namespace: &Namespace,
    call: Ioctl,
    node: Node,
    form: Form,
) -> Result<isize> {
    let cmd: PassthruCmd = read_struct(call.argument)?;
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
    let pieces;
    let one;
    let data = if form == Form::Vectored {
        pieces = Pieces::read(call.abi, cmd.addr, cmd.data_len)?;
        pieces.as_slice()
    } else {
        one = range(call, cmd.addr, cmd.data_len);
        one.as_slice()
    };
    let has_data = !data.is_empty();
    let request = Request {
        entry: cmd.entry(),
        namespace,
        node,
        mode: mode(call.mode),
        data,
        metadata: range(call, cmd.metadata, cmd.metadata_len).filter(|_| has_data),
        timeout: timeout(cmd.timeout_ms),
    };
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

/// `NVME_IOCTL_SUBMIT_IO`: reads, writes or compares logical blocks. Returns
/// the status.
///
/// # Errors
///
/// EFAULT; EINVAL for flags, another opcode, or a namespace without logical
/// blocks; those of
/// [`pass_through`](crate::control::binding::Binding::pass_through).
fn submit_io(handle: &Handle, namespace: &Namespace, call: Ioctl) -> Result<isize> {
    const OPCODES: [u8; 3] = [
        NvmOpcode::Write as u8,
        NvmOpcode::Read as u8,
        NvmOpcode::Compare as u8,
    ];

    let mut io = UserIo::new_zeroed();
    let known_bytes = io.as_mut_bytes().get_mut(..USER_IO_COMPAT_BYTES);
    UserSlice::new(UserPtr::from_addr(call.argument), USER_IO_COMPAT_BYTES)
        .reader()
        .read_slice(known_bytes.ok_or(EINVAL)?)?;
    if io.flags != 0 || !OPCODES.contains(&io.opcode) {
        return Err(EINVAL);
    }
    let format = namespace.size().format.ok_or(EINVAL)?;
    let blocks = u64::from(io.nblocks) + 1;
    let mut data_bytes = blocks * u64::from(format.lba_bytes());
    let mut metadata_bytes = 0;
    match format.metadata {
        // Controllers add and remove protection information by themselves where
        // PRACT says so and there is nothing else in the metadata.
        _ if io.control & PRACT != 0 && format.metadata_bytes == format.protection_bytes => {}
        MetadataPlace::Extended => data_bytes += blocks * u64::from(format.metadata_bytes),
        MetadataPlace::Separate => metadata_bytes = blocks * u64::from(format.metadata_bytes),
    }
    let data_bytes = u32::try_from(data_bytes).map_err(|_| EINVAL)?;
    let metadata_bytes = u32::try_from(metadata_bytes).map_err(|_| EINVAL)?;
    if metadata_bytes > 0 && (io.metadata % 4 != 0 || io.metadata == 0) {
        return Err(EINVAL);
    }
    let mut entry = SubmissionEntry::new(io.opcode, namespace.nsid());
    entry.cdw10.set(io.slba as u32);
    entry.cdw11.set((io.slba >> 32) as u32);
    entry
        .cdw12
        .set(u32::from(io.nblocks) | u32::from(io.control) << 16);
    entry.cdw13.set(io.dsmgmt);
    entry.cdw14.set(io.reftag);
    entry
        .cdw15
        .set(u32::from(io.apptag) | u32::from(io.appmask) << 16);
    let data = range(call, io.addr, data_bytes);
    let request = Request {
        entry,
        namespace: Some(namespace),
        node: Node::Namespace,
        mode: mode(call.mode),
        data: data.as_slice(),
        metadata: range(call, io.metadata, metadata_bytes),
        timeout: None,
    };
    Ok(status(pass_through(handle, request)?))
}

/// Protection Information Action, in the control field.
const PRACT: u16 = 1 << 13;

fn pass_through(handle: &Handle, request: Request<'_>) -> Result<Answer> {
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
fn status(answer: Answer) -> isize {
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
fn range(call: Ioctl, address: u64, length_bytes: u32) -> Option<UserRange> {
    whole(call.abi, address, length_bytes).filter(|range| range.address != 0)
}
