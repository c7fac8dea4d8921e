// SPDX-License-Identifier: GPL-2.0-only

//! Commands in an envelope, and aborting them: `<linux/nvme_call.h>`, which says
//! what each member of the structs means.

use core::{
    mem::{offset_of, size_of},
    num::NonZero,
};

use kernel::{
    prelude::*,
    uaccess::{UserPtr, UserSlice},
};
use zerocopy::FromZeros;
use zerocopy_derive::Immutable;

use crate::{
    control::{
        binding::Binding,
        call::{Call, Called, Payload},
        handle::Handle,
        namespaces::Namespace,
        outstanding::Tag,
        ring_call::Answer,
    },
    engine::{
        envelope::{BadSize, Excess, Extensible, Sizes, Version},
        policy::{FileMode, Node},
    },
    glue::{
        capability::is_dying,
        file_operations::{FileId, Ioctl, Issued, OpenMode},
        uapi,
        uring::{Issue, Notice, Outcome},
    },
    spec::command::{NamespaceId, SubmissionEntry},
};

use super::{
    ioctl::read_struct,
    passthrough::{mode, timeout},
};

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

/// `struct nvme_call_uring`.
#[derive(FromBytes)]
#[repr(C)]
struct CallUring {
    addr: u64,
    reserved: u64,
}

const _: () = assert!(size_of::<CallUring>() == size_of::<uapi::nvme_call_uring>());

/// `struct nvme_call_abort`.
#[derive(FromBytes, IntoBytes)]
#[repr(C)]
struct CallAbort {
    size: u32,
    flags: u32,
    tag: u64,
}

const _: () = assert!(size_of::<CallAbort>() == size_of::<uapi::nvme_call_abort>());

/// A struct that was copied in, and where it came from.
#[derive(Clone, Copy)]
struct Received {
    envelope: Envelope,
    version: Version,
    address: usize,
}

/// Who calls: through which file, and how that is open.
#[derive(Clone, Copy)]
struct Caller {
    file: FileId,
    mode: FileMode,
}

/// An ioctl of these. `namespace` is that of the node, if it has one.
///
/// # Errors
///
/// As the header states; ENOTTY for another number.
pub(super) fn run(handle: &Handle, namespace: Option<&Namespace>, ioctl: Ioctl) -> Result<isize> {
    let caller = Caller {
        file: ioctl.file,
        mode: mode(ioctl.mode),
    };
    match ioctl.command {
        uapi::IOCTL_CALL => unpack(
            handle,
            namespace,
            ioctl.argument,
            caller,
            |binding, call, received| received.answer(&binding.call(call)?).map(|()| 0),
        ),
        uapi::IOCTL_CALL_ABORT => abort(handle, read_struct(ioctl.argument)?, ioctl.file),
        _ => Err(ENOTTY),
    }
}

/// A command of a ring that is one of these. `namespace` is that of the node, if
/// it has one.
///
/// # Errors
///
/// As the header states; EAGAIN to be issued again where it may sleep; ENOTTY
/// for another number.
pub(super) fn issue(
    handle: &Handle,
    namespace: Option<&Namespace>,
    issue: Issue,
    open: OpenMode,
) -> Result<Issued> {
    let caller = Caller {
        file: issue.file_id(),
        mode: mode(open),
    };
    match issue.operation() {
        uapi::URING_CMD_CALL => call_by_ring(handle, namespace, issue, caller),
        uapi::URING_CMD_CALL_ABORT => {
            let count = abort(handle, issue.short_payload(), caller.file)?;
            let res = i32::try_from(count).unwrap_or(i32::MAX);
            issue.complete(Outcome { result: 0, res });
            Ok(Issued::Settled)
        }
        _ => Err(ENOTTY),
    }
}

fn call_by_ring(
    handle: &Handle,
    namespace: Option<&Namespace>,
    issue: Issue,
    caller: Caller,
) -> Result<Issued> {
    let asked: CallUring = issue.short_payload();
    if issue.notice() == Notice::Poll {
        return Err(EOPNOTSUPP);
    }
    if asked.reserved != 0 {
        return Err(EINVAL);
    }
    let address = issue.abi().address(asked.addr);
    let started = unpack(
        handle,
        namespace,
        address,
        caller,
        |binding, call, received| binding.start_call(issue, call, received),
    );
    started.map_err(|error| match error {
        EINTR if is_dying() => ECANCELED,
        // Nobody calls again after a signal.
        ERESTARTSYS => EINTR,
        error => error,
    })
}

/// Copies an envelope in, and has `send` do what it asks for.
///
/// # Errors
///
/// As the header states; those of `send`.
fn unpack<T>(
    handle: &Handle,
    namespace: Option<&Namespace>,
    address: usize,
    caller: Caller,
    send: impl FnOnce(&Binding, Call<'_>, Received) -> Result<T>,
) -> Result<T> {
    let received = Received::read(address)?;
    let envelope = &received.envelope;
    let found;
    let (node, namespace) = match (received.family()?, namespace) {
        (Family::Admin, None) => (Node::Controller, None),
        (Family::Admin, Some(_)) => (Node::Namespace, None),
        (Family::Io, None) => {
            let binding = handle.visit().ok_or(ENODEV)?;
            let nsid = NamespaceId(envelope.nsid);
            found = binding.controller().namespaces().find(nsid);
            (Node::Controller, Some(found.as_deref().ok_or(ENODEV)?))
        }
        (Family::Io, Some(namespace)) if namespace.nsid().0 != envelope.nsid => return Err(EINVAL),
        (Family::Io, Some(namespace)) => (Node::Namespace, Some(namespace)),
    };
    let call = Call {
        entry: envelope.entry(),
        namespace,
        node,
        mode: caller.mode,
        timeout: timeout(envelope.timeout_ms),
        payload: received.payload()?,
        tag: NonZero::new(envelope.tag).map(|number| Tag {
            file: caller.file,
            number,
        }),
    };
    let binding = handle.visit().ok_or(ENODEV)?;
    send(&binding, call, received)
}

/// Returns how many commands have the tag.
fn abort(handle: &Handle, asked: CallAbort, file: FileId) -> Result<isize> {
    if asked.size as usize != size_of::<CallAbort>() || asked.flags != 0 {
        return Err(EINVAL);
    }
    let tag = Tag {
        file,
        number: NonZero::new(asked.tag).ok_or(EINVAL)?,
    };
    let count = handle.visit().ok_or(ENODEV)?.abort(tag)?;
    // CAST: No more than there are commands in queues.
    Ok(count as isize)
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
}

impl Answer for Received {
    /// Fills in as much of what came of it as the caller knows of.
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
