// SPDX-License-Identifier: GPL-2.0-only

//! `NVME_IOCTL_SUBMIT_IO`, the oldest of the ioctls: its argument names blocks,
//! and the command is made of that here.

use core::mem::{offset_of, size_of};

use kernel::{
    prelude::*,
    uaccess::{UserPtr, UserSlice},
};
use zerocopy::FromZeros;
use zerocopy_derive::Immutable;

use crate::{
    control::{handle::Handle, namespaces::Namespace, request::Request},
    engine::policy::Node,
    glue::{file_operations::Ioctl, uapi},
    spec::{command::SubmissionEntry, namespace::MetadataPlace, opcode::NvmOpcode},
};

use super::passthrough::{mode, pass_through, range, status};

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
pub(super) const SUBMIT_IO_COMPAT: u32 = {
    const SIZE_SHIFT: u32 = 16;
    const SIZE_MASK: u32 = 0x3fff << SIZE_SHIFT;
    (uapi::IOCTL_SUBMIT_IO & !SIZE_MASK) | ((USER_IO_COMPAT_BYTES as u32) << SIZE_SHIFT)
};

/// Protection Information Action, in the control field.
const PRACT: u16 = 1 << 13;

/// `NVME_IOCTL_SUBMIT_IO`: reads, writes or compares logical blocks. Returns
/// the status.
///
/// # Errors
///
/// EFAULT; EINVAL for flags, another opcode, a namespace without logical blocks,
/// no metadata where there has to be some, or some where the controller makes
/// it; those of
/// [`pass_through`](crate::control::binding::Binding::pass_through).
pub(super) fn submit_io(handle: &Handle, namespace: &Namespace, call: Ioctl) -> Result<isize> {
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
    // Controllers add and remove protection information by themselves where PRACT
    // says so and there is nothing else in the metadata. The in-tree driver takes 8
    // bytes of metadata for that, whether protection is on or not; if it is not,
    // they are transferred.
    let made = io.control & PRACT != 0 && format.metadata_bytes == format.protection_bytes;
    if made && call.abi.address(io.metadata) != 0 {
        return Err(EINVAL);
    }
    match format.metadata {
        _ if made => {}
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
