// SPDX-License-Identifier: GPL-2.0-only

//! Commands in an envelope: `<linux/nvme_call.h>`, which says what each member
//! of the struct means.

use core::mem::{offset_of, size_of};

use kernel::{
    prelude::*,
    uaccess::{UserPtr, UserSlice},
};
use zerocopy::FromZeros;
use zerocopy_derive::Immutable;

use crate::{
    control::{
        call::{Call, Called, Payload},
        handle::Handle,
        namespaces::Namespace,
    },
    engine::{
        envelope::{BadSize, Excess, Extensible, Sizes, Version},
        policy::{FileMode, Node},
    },
    glue::{file_operations::Ioctl, uapi},
    spec::command::{NamespaceId, SubmissionEntry},
};

use super::passthrough::{mode, timeout};

/// `struct nvme_call`.
#[derive(Clone, Copy, FromBytes, Immutable, IntoBytes)]
#[repr(C)]
struct Envelope {
    size: u32,
    flags: u32,
    family: u8,
    command: u8,
    reserved: u16,
    nsid: u32,
    tag: u64,
    cdw2: u32,
    cdw3: u32,
    cdw10: u32,
    cdw11: u32,
    cdw12: u32,
    cdw13: u32,
    cdw14: u32,
    cdw15: u32,
    timeout_ms: u32,
    size_in: u32,
    size_out: u32,
    size_metadata: u32,
    fw_size: u32,
    status: u32,
    result: u64,
    completion: [u32; 4],
}

const _: () = assert!(size_of::<Envelope>() == size_of::<uapi::nvme_call>());
const _: () = assert!(offset_of!(Envelope, cdw2) == offset_of!(uapi::nvme_call, cdw2));
const _: () = assert!(offset_of!(Envelope, fw_size) == offset_of!(uapi::nvme_call, fw_size));
const _: () = assert!(offset_of!(Envelope, completion) == FIRST_VERSION_BYTES);

const FIRST_VERSION_BYTES: usize = uapi::NVME_CALL_SIZE_VER0 as usize;

const EXTENSIBLE: Extensible = Extensible {
    least_bytes: FIRST_VERSION_BYTES,
    known_bytes: size_of::<Envelope>(),
    most_bytes: 4096,
};

/// A struct that was copied in, and where it came from.
struct Received {
    envelope: Envelope,
    version: Version,
    address: usize,
}

/// `NVME_IOCTL_CALL` on `/dev/nvmeN`.
///
/// # Errors
///
/// As the header states.
pub(super) fn on_controller(handle: &Handle, call: Ioctl) -> Result<isize> {
    let received = Received::read(call.argument)?;
    let nsid = NamespaceId(received.envelope.nsid);
    let namespace = match received.family()? {
        Family::Admin => None,
        Family::Io => {
            let binding = handle.visit().ok_or(ENODEV)?;
            Some(binding.controller().namespaces().find(nsid).ok_or(ENODEV)?)
        }
    };
    let mode = mode(call.mode);
    run(
        handle,
        namespace.as_deref(),
        Node::Controller,
        mode,
        &received,
    )
}

/// `NVME_IOCTL_CALL` on `/dev/ngNnM`.
///
/// # Errors
///
/// As the header states.
pub(super) fn on_namespace(handle: &Handle, namespace: &Namespace, call: Ioctl) -> Result<isize> {
    let received = Received::read(call.argument)?;
    let namespace = match received.family()? {
        Family::Admin => None,
        Family::Io if received.envelope.nsid != namespace.nsid().0 => return Err(EINVAL),
        Family::Io => Some(namespace),
    };
    run(
        handle,
        namespace,
        Node::Namespace,
        mode(call.mode),
        &received,
    )
}

fn run(
    handle: &Handle,
    namespace: Option<&Namespace>,
    node: Node,
    mode: FileMode,
    received: &Received,
) -> Result<isize> {
    let envelope = &received.envelope;
    let call = Call {
        entry: envelope.entry(),
        namespace,
        node,
        mode,
        timeout: timeout(envelope.timeout_ms),
        payload: received.payload()?,
    };
    let called = handle.visit().ok_or(ENODEV)?.call(call)?;
    received.answer(&called)?;
    Ok(0)
}

/// `enum nvme_call_family`.
enum Family {
    Admin,
    Io,
}

impl Received {
    /// Copies a struct in, no byte of it twice.
    ///
    /// # Errors
    ///
    /// EFAULT; EINVAL if it is shorter than its first version; E2BIG if it is
    /// longer than any, or not zero where it is newer than the driver.
    fn read(address: usize) -> Result<Self> {
        let mut envelope = Envelope::new_zeroed();
        let bytes = envelope.as_mut_bytes();
        let at = |offset: usize| UserPtr::from_addr(address.wrapping_add(offset));
        let first = bytes.get_mut(..FIRST_VERSION_BYTES).ok_or(EINVAL)?;
        UserSlice::new(at(0), FIRST_VERSION_BYTES)
            .reader()
            .read_slice(first)?;
        let version = EXTENSIBLE
            .version(envelope.size)
            .map_err(|error| match error {
                BadSize::TooShort => EINVAL,
                BadSize::TooLong => E2BIG,
            })?;
        let mut newer = UserSlice::new(at(version.common_bytes), version.newer_bytes).reader();
        let mut chunk = [0_u8; 64];
        while !newer.is_empty() {
            let length = newer.len().min(chunk.len());
            let part = chunk.get_mut(..length).ok_or(EINVAL)?;
            newer.read_slice(part)?;
            if part.iter().any(|&byte| byte != 0) {
                return Err(E2BIG);
            }
        }
        // What the caller knows beyond the first version is not looked at
        // before it is written.
        Ok(Self {
            envelope,
            version,
            address,
        })
    }

    fn family(&self) -> Result<Family> {
        match u32::from(self.envelope.family) {
            uapi::nvme_call_family_NVME_CALL_ADMIN => Ok(Family::Admin),
            uapi::nvme_call_family_NVME_CALL_IO => Ok(Family::Io),
            _ => Err(EINVAL),
        }
    }

    /// # Errors
    ///
    /// EINVAL for flags, reserved words, and data that goes no way the command
    /// has.
    fn payload(&self) -> Result<Payload> {
        let envelope = &self.envelope;
        if envelope.flags & !uapi::CALL_TRUNCATE != 0 || envelope.reserved != 0 {
            return Err(EINVAL);
        }
        let sizes = Sizes {
            in_bytes: envelope.size_in,
            out_bytes: envelope.size_out,
            metadata_bytes: envelope.size_metadata,
            excess: if envelope.flags & uapi::CALL_TRUNCATE != 0 {
                Excess::Dropped
            } else {
                Excess::Refused
            },
        };
        if !sizes.suit(envelope.command) {
            return Err(EINVAL);
        }
        Ok(Payload {
            address: self.address.wrapping_add(envelope.size as usize),
            sizes,
        })
    }

    /// Fills in as much of what came of it as the caller knows of.
    ///
    /// # Errors
    ///
    /// EFAULT.
    fn answer(&self, called: &Called) -> Result {
        const FIRST: usize = offset_of!(Envelope, fw_size);

        let mut envelope = self.envelope;
        envelope.fw_size = called.extent_bytes;
        envelope.status = called.status.0.into();
        envelope.result = called.result;
        if let Some(entry) = called.completion {
            envelope.completion = entry.dwords();
        }
        let answer = envelope.as_bytes().get(FIRST..self.version.common_bytes);
        let address = UserPtr::from_addr(self.address.wrapping_add(FIRST));
        UserSlice::new(address, self.version.common_bytes.saturating_sub(FIRST))
            .writer()
            .write_slice(answer.ok_or(EINVAL)?)
    }
}

impl Envelope {
    fn entry(&self) -> SubmissionEntry {
        let mut entry = SubmissionEntry::new(self.command, NamespaceId(self.nsid));
        entry.cdw2.set(self.cdw2);
        entry.cdw3.set(self.cdw3);
        entry.cdw10.set(self.cdw10);
        entry.cdw11.set(self.cdw11);
        entry.cdw12.set(self.cdw12);
        entry.cdw13.set(self.cdw13);
        entry.cdw14.set(self.cdw14);
        entry.cdw15.set(self.cdw15);
        entry
    }
}
