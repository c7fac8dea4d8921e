// SPDX-License-Identifier: GPL-2.0-only

//! Submission queue entries (section 3.3.3.1) and the commands the driver
//! itself sends.

use core::mem::{offset_of, size_of};

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{
    feature::FeatureId, identify::Cns, log_page::LogPageId, namespace::CommandSetId,
    opcode::AdminOpcode,
};

/// A namespace identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NamespaceId(pub(crate) u32);

impl NamespaceId {
    /// No namespace: the command concerns the controller.
    pub(crate) const NONE: Self = Self(0);
    /// All namespaces of the controller, or the controller as a whole.
    pub(crate) const BROADCAST: Self = Self(0xffff_ffff);
}

/// A bus address the controller may read or write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DmaAddress(pub(crate) u64);

/// Identifies an outstanding command within its submission queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CommandId(pub(crate) u16);

/// Identifies a queue of the controller; 0 is the admin queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueId(pub(crate) u16);

impl QueueId {
    pub(crate) const ADMIN: Self = Self(0);
}

/// Where a queue is and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueSetup {
    pub(crate) id: QueueId,
    /// At least 2.
    pub(crate) entries: u16,
    /// The start of physically contiguous memory.
    pub(crate) address: DmaAddress,
}

impl QueueSetup {
    /// Identifier and 0-based size, as both commands have them in dword 10.
    const fn dword_10(self) -> u32 {
        ((self.entries.wrapping_sub(1) as u32) << 16) | self.id.0 as u32
    }
}

/// Queue memory is physically contiguous.
const PHYSICALLY_CONTIGUOUS: u32 = 1;

/// The completion queue raises interrupts.
const INTERRUPTS_ENABLED: u32 = 1 << 1;

/// Submission queue entry, common format (section 3.3.3.1). 64 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct SubmissionEntry {
    /// Opcode, command dword 0 bits 7:0.
    pub(crate) opcode: u8,
    /// Fused operation and PRP or SGL choice, command dword 0 bits 15:8.
    pub(crate) flags: u8,
    /// Command identifier; set when the entry is put into a queue.
    pub(crate) command_id: U16,
    /// Namespace identifier.
    pub(crate) nsid: U32,
    pub(crate) cdw2: U32,
    pub(crate) cdw3: U32,
    /// Metadata pointer.
    pub(crate) mptr: U64,
    /// First data pointer entry.
    pub(crate) prp1: U64,
    /// Second data pointer entry, or the address of a PRP list.
    pub(crate) prp2: U64,
    pub(crate) cdw10: U32,
    pub(crate) cdw11: U32,
    pub(crate) cdw12: U32,
    pub(crate) cdw13: U32,
    pub(crate) cdw14: U32,
    pub(crate) cdw15: U32,
}

const _: () = assert!(size_of::<SubmissionEntry>() == 64);
const _: () = assert!(offset_of!(SubmissionEntry, nsid) == 4);
const _: () = assert!(offset_of!(SubmissionEntry, mptr) == 16);
const _: () = assert!(offset_of!(SubmissionEntry, prp1) == 24);
const _: () = assert!(offset_of!(SubmissionEntry, cdw10) == 40);

impl SubmissionEntry {
    /// An entry with nothing but an opcode and a namespace.
    pub(crate) const fn admin(opcode: AdminOpcode, nsid: NamespaceId) -> Self {
        Self::new(opcode as u8, nsid)
    }

    /// As [`Self::admin`], of whatever command set.
    pub(crate) const fn new(opcode: u8, nsid: NamespaceId) -> Self {
        Self {
            opcode,
            flags: 0,
            command_id: U16::ZERO,
            nsid: U32::new(nsid.0),
            cdw2: U32::ZERO,
            cdw3: U32::ZERO,
            mptr: U64::ZERO,
            prp1: U64::ZERO,
            prp2: U64::ZERO,
            cdw10: U32::ZERO,
            cdw11: U32::ZERO,
            cdw12: U32::ZERO,
            cdw13: U32::ZERO,
            cdw14: U32::ZERO,
            cdw15: U32::ZERO,
        }
    }

    /// Asynchronous Event Request (section 5.2).
    pub(crate) const fn asynchronous_event_request() -> Self {
        Self::admin(AdminOpcode::AsynchronousEventRequest, NamespaceId::NONE)
    }

    /// Identify (section 5.17) into the 4,096 bytes at `data`, which must not
    /// cross a memory page.
    pub(crate) const fn identify(cns: Cns, nsid: NamespaceId, data: DmaAddress) -> Self {
        let mut entry = Self::admin(AdminOpcode::Identify, nsid);
        entry.prp1 = U64::new(data.0);
        entry.cdw10 = U32::new(cns as u32);
        entry
    }

    /// Set Features (section 5.27) of a feature whose value is one dword.
    pub(crate) const fn set_features(feature: FeatureId, value: u32) -> Self {
        let mut entry = Self::admin(AdminOpcode::SetFeatures, NamespaceId::NONE);
        entry.cdw10 = U32::new(feature as u32);
        entry.cdw11 = U32::new(value);
        entry
    }

    /// Abort (section 5.1) of a command in a submission queue.
    pub(crate) const fn abort(queue: QueueId, command: CommandId) -> Self {
        let mut entry = Self::admin(AdminOpcode::Abort, NamespaceId::NONE);
        entry.cdw10 = U32::new(((command.0 as u32) << 16) | queue.0 as u32);
        entry
    }

    /// Doorbell Buffer Config (section 5.8): where the controller finds the
    /// values of doorbells, and where it says when it wants to be told.
    pub(crate) const fn doorbell_buffer_config(values: DmaAddress, events: DmaAddress) -> Self {
        let mut entry = Self::admin(AdminOpcode::DoorbellBufferConfig, NamespaceId::NONE);
        entry.prp1 = U64::new(values.0);
        entry.prp2 = U64::new(events.0);
        entry
    }

    /// Create I/O Completion Queue (section 5.4), which raises interrupt
    /// `vector`, or none.
    pub(crate) const fn create_io_completion_queue(queue: QueueSetup, vector: Option<u16>) -> Self {
        let interrupt = match vector {
            Some(vector) => ((vector as u32) << 16) | INTERRUPTS_ENABLED,
            None => 0,
        };
        let opcode = AdminOpcode::CreateIoCompletionQueue;
        let mut entry = Self::admin(opcode, NamespaceId::NONE);
        entry.prp1 = U64::new(queue.address.0);
        entry.cdw10 = U32::new(queue.dword_10());
        entry.cdw11 = U32::new(interrupt | PHYSICALLY_CONTIGUOUS);
        entry
    }

    /// Create I/O Submission Queue (section 5.5), whose commands complete into
    /// `completion_queue`.
    pub(crate) const fn create_io_submission_queue(
        queue: QueueSetup,
        completion_queue: QueueId,
    ) -> Self {
        let opcode = AdminOpcode::CreateIoSubmissionQueue;
        let mut entry = Self::admin(opcode, NamespaceId::NONE);
        entry.prp1 = U64::new(queue.address.0);
        entry.cdw10 = U32::new(queue.dword_10());
        entry.cdw11 = U32::new(((completion_queue.0 as u32) << 16) | PHYSICALLY_CONTIGUOUS);
        entry
    }

    /// The same Get Log Page, for what is specific to an I/O Command Set.
    pub(crate) const fn for_command_set(mut self, set: CommandSetId) -> Self {
        self.cdw14 = U32::new((set.0 as u32) << 24);
        self
    }

    /// Get Log Page (section 5.16): the part of `read.page` that `read` names
    /// into `data`, which must not cross a memory page.
    pub(crate) const fn get_log_page(read: LogPageRead, data: DmaAddress) -> Self {
        // A 0-based count of dwords, 32 bits wide, split over two fields.
        let dwords = (read.length_bytes / 4).wrapping_sub(1);
        let retain = (matches!(read.retain, RetainEvent::Retain) as u32) << 15;

        let mut entry = Self::admin(AdminOpcode::GetLogPage, read.nsid);
        entry.prp1 = U64::new(data.0);
        entry.cdw10 = U32::new(read.page.0 as u32 | retain | ((dwords & 0xffff) << 16));
        entry.cdw11 = U32::new(dwords >> 16);
        entry.cdw12 = U32::new(read.offset_bytes);
        entry
    }
}

/// Whether reading a log page re-arms the event class behind it: the Retain
/// Asynchronous Event bit (section 5.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetainEvent {
    /// RAE = 1: the event class stays masked.
    Retain,
    /// RAE = 0: the controller may report the class again.
    Release,
}

/// One Get Log Page command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogPageRead {
    pub(crate) page: LogPageId,
    pub(crate) nsid: NamespaceId,
    /// Where in the page to start; a multiple of four.
    pub(crate) offset_bytes: u32,
    /// How much to transfer; a multiple of four, at least four.
    pub(crate) length_bytes: u32,
    pub(crate) retain: RetainEvent,
}
