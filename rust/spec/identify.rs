// SPDX-License-Identifier: GPL-2.0-only

//! The Identify Controller data structure (section 5.17.2.1), as far as the
//! driver uses it.

use core::mem::{offset_of, size_of};

use zerocopy::little_endian::{U16, U32};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::{command::NamespaceId, feature::AdvertisedEvents};

/// Controller or Namespace Structure: what Identify returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Cns {
    Namespace = 0x00,
    Controller = 0x01,
    ActiveNamespaceList = 0x02,
    NamespaceDescriptors = 0x03,
    CommandSetNamespace = 0x05,
    CommandSetController = 0x06,
    CommandSetIndependentNamespace = 0x08,
}

/// Size of every data structure that Identify returns.
pub(crate) const IDENTIFY_BYTES: usize = 4096;

/// Identify Controller data structure. 4,096 bytes.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct IdentifyController {
    /// PCI Vendor ID.
    pub(crate) vid: U16,
    /// PCI Subsystem Vendor ID.
    pub(crate) ssvid: U16,
    /// Serial number, ASCII, padded with spaces.
    pub(crate) serial_number: [u8; 20],
    /// Model number, ASCII, padded with spaces.
    pub(crate) model_number: [u8; 40],
    /// Firmware revision, ASCII, padded with spaces.
    pub(crate) firmware_revision: [u8; 8],
    reserved_72: [u8; 4],
    /// Controller Multi-Path I/O and Namespace Sharing Capabilities.
    pub(crate) cmic: u8,
    /// Maximum Data Transfer Size, log2 of units of the smallest memory page;
    /// 0: no limit.
    pub(crate) mdts: u8,
    /// Controller identifier.
    pub(crate) cntlid: U16,
    /// Version, as in the VS register.
    pub(crate) version: U32,
    /// RTD3 Resume Latency, microseconds.
    pub(crate) rtd3_resume_latency_us: U32,
    /// RTD3 Entry Latency, microseconds: how long a shutdown may take.
    pub(crate) rtd3_entry_latency_us: U32,
    /// Optional Asynchronous Events Supported.
    pub(crate) oaes: U32,
    /// Controller Attributes.
    pub(crate) ctratt: U32,
    reserved_100: [u8; 11],
    /// Controller type: 0 not reported, 1 I/O, 2 discovery, 3 administrative.
    pub(crate) cntrltype: u8,
    reserved_112: [u8; 144],
    /// Optional Admin Command Support.
    pub(crate) oacs: U16,
    /// Abort Command Limit, 0-based.
    pub(crate) acl: u8,
    /// Asynchronous Event Request Limit, 0-based.
    pub(crate) aerl: u8,
    /// Firmware updates.
    pub(crate) frmw: u8,
    /// Log Page Attributes.
    pub(crate) lpa: u8,
    /// Error Log Page Entries, 0-based.
    pub(crate) elpe: u8,
    reserved_263: [u8; 7],
    /// Maximum Time for Firmware Activation, units of 100 ms; 0: not known.
    pub(crate) mtfa: U16,
    reserved_272: [u8; 76],
    /// Number of ANA Group Identifiers.
    pub(crate) nanagrpid: U32,
    reserved_352: [u8; 164],
    /// Number of Namespaces: the highest namespace identifier.
    pub(crate) nn: U32,
    /// Optional NVM Command Support.
    pub(crate) oncs: U16,
    reserved_522: [u8; 14],
    /// SGL Support.
    pub(crate) sgls: U32,
    reserved_540: [u8; 228],
    /// NVM Subsystem NVMe Qualified Name, UTF-8, ends with a zero byte.
    pub(crate) subnqn: [u8; 256],
    reserved_1024: [u8; 3072],
}

const _: () = assert!(size_of::<IdentifyController>() == IDENTIFY_BYTES);
const _: () = assert!(offset_of!(IdentifyController, version) == 80);
const _: () = assert!(offset_of!(IdentifyController, cntlid) == 78);
const _: () = assert!(offset_of!(IdentifyController, oaes) == 92);
const _: () = assert!(offset_of!(IdentifyController, cntrltype) == 111);
const _: () = assert!(offset_of!(IdentifyController, oacs) == 256);
const _: () = assert!(offset_of!(IdentifyController, acl) == 258);
const _: () = assert!(offset_of!(IdentifyController, elpe) == 262);
const _: () = assert!(offset_of!(IdentifyController, mtfa) == 270);
const _: () = assert!(offset_of!(IdentifyController, nanagrpid) == 348);
const _: () = assert!(offset_of!(IdentifyController, nn) == 516);
const _: () = assert!(offset_of!(IdentifyController, sgls) == 536);
const _: () = assert!(offset_of!(IdentifyController, subnqn) == 768);

impl IdentifyController {
    /// OACS bit 8: the controller can look for doorbell values in host memory.
    pub(crate) const fn doorbell_buffers(&self) -> bool {
        self.oacs.get() & (1 << 8) != 0
    }

    /// LPA bit 2: Get Log Page takes an offset and a length over 16 bits.
    pub(crate) const fn extended_log_page_data(&self) -> bool {
        self.lpa & (1 << 2) != 0
    }

    /// LPA bit 3: the controller has telemetry log pages.
    pub(crate) const fn telemetry(&self) -> bool {
        self.lpa & (1 << 3) != 0
    }

    /// LPA bit 1: the controller has the Commands Supported and Effects log.
    pub(crate) const fn effects_log(&self) -> bool {
        self.lpa & (1 << 1) != 0
    }

    /// Whether the controller is one that has I/O queues: neither a discovery
    /// nor an administrative controller.
    pub(crate) const fn has_io_queues(&self) -> bool {
        !matches!(self.cntrltype, 2 | 3)
    }

    /// Most bytes of data a command can transfer, given the smallest memory
    /// page, CAP.MPSMIN; `None`: no limit.
    pub(crate) const fn data_limit_bytes(&self, page_shift_min: u32) -> Option<u64> {
        match self.mdts {
            0 => None,
            mdts => 1_u64.checked_shl(mdts as u32 + page_shift_min),
        }
    }

    /// How many Asynchronous Event Requests may be outstanding at once.
    pub(crate) const fn aer_limit(&self) -> u16 {
        self.aerl as u16 + 1
    }

    /// The events the controller can report, given CAP.PMRS.
    pub(crate) fn advertised_events(&self, persistent_memory_region: bool) -> AdvertisedEvents {
        AdvertisedEvents {
            oaes: self.oaes.get(),
            telemetry: self.telemetry(),
            persistent_memory_region,
        }
    }
}

/// How many identifiers a namespace list holds (section 4.5.2).
pub(crate) const NAMESPACES_PER_LIST: usize = IDENTIFY_BYTES / 4;

/// The identifiers in a namespace list: those before the first zero.
pub(crate) fn active_namespaces(list: &[u8]) -> impl Iterator<Item = NamespaceId> + '_ {
    list.chunks_exact(4)
        .map(|bytes| {
            bytes
                .iter()
                .rev()
                .fold(0, |nsid, &byte| (nsid << 8) | u32::from(byte))
        })
        .take_while(|&nsid| nsid != 0)
        .map(NamespaceId)
}

/// The text of an identification field: the padding cut off, and what is not
/// printable ASCII left out.
pub(crate) fn printable(field: &[u8]) -> impl Iterator<Item = char> + Clone + '_ {
    let end = field
        .iter()
        .rposition(|&byte| byte != b' ' && byte != 0)
        .map_or(0, |last| last + 1);
    field
        .iter()
        .take(end)
        .filter(|byte| byte.is_ascii_graphic() || **byte == b' ')
        .map(|&byte| char::from(byte))
}
