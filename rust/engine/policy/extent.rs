// SPDX-License-Identifier: GPL-2.0-only

//! How much data a controller had for a command that it completed.
//!
//! A controller does not say how much it transferred. What it had can be more
//! than that, or less, of some structures: those that have a length of their
//! own.

use super::Command;
use crate::spec::{
    identify::IdentifyController,
    log_page::{little_endian, LogPageId, PageLength},
};

/// The rule for a command, in its row.
#[derive(Clone, Copy)]
pub(super) enum Extent {
    /// What was transferred, as far as the driver can tell.
    Transferred,
    /// Get Log Page (section 5.16): what there is of the page after the offset.
    LogPage,
    /// Reservation Report (section 7.5): a header, which counts registrants.
    Registrants,
    /// Zone Management Receive (Zoned Namespace Command Set Specification 1.1,
    /// section 3.4.2): a header, which counts zones.
    Zones,
    /// Retrieve (Key Value Command Set Specification 1.0, section 3.2.3): dword
    /// 0 of the completion is the length of the value.
    Value,
}

/// How many of the first bytes of the data are enough to tell.
pub(crate) const HEAD_BYTES: usize = 512;

/// What came of a command that succeeded.
#[derive(Clone, Copy)]
pub(crate) struct Received<'a> {
    /// Dword 0 of the completion.
    pub(crate) dw0: u32,
    /// How much was transferred, or room there was if that is unknown.
    pub(crate) transferred_bytes: u64,
    /// The first so many of these, at most [`HEAD_BYTES`].
    pub(crate) head: &'a [u8],
    /// What [`page_length`] said before.
    pub(crate) page: Option<PageLength>,
}

/// How the length of the log page is known that `command` reads, if it is, and if
/// it reads one. What the controller said of itself may not be known.
pub(crate) fn page_length(
    command: Command<'_>,
    identify: Option<&IdentifyController>,
) -> Option<PageLength> {
    match command.row().extent {
        Extent::LogPage => log_page_of(command).defined_length(identify),
        Extent::Transferred | Extent::Registrants | Extent::Zones | Extent::Value => None,
    }
}

fn log_page_of(command: Command<'_>) -> LogPageId {
    // CAST: LID is the low byte.
    LogPageId(command.entry.cdw10.get() as u8)
}

/// How much data the controller had for `command`, which succeeded.
pub(crate) fn extent_bytes(command: Command<'_>, received: Received<'_>) -> u64 {
    let known = match command.row().extent {
        Extent::Transferred => None,
        Extent::LogPage => log_page(command, received),
        Extent::Registrants => registrants(command, received.head),
        Extent::Zones => zones(command, received.head),
        Extent::Value => Some(received.dw0.into()),
    };
    known.unwrap_or(received.transferred_bytes)
}

fn log_page(command: Command<'_>, received: Received<'_>) -> Option<u64> {
    /// OT: the offset is an index.
    const OFFSET_TYPE: u32 = 1 << 23;

    let entry = command.entry;
    if entry.cdw14.get() & OFFSET_TYPE != 0 {
        return None;
    }
    let offset_bytes = u64::from(entry.cdw12.get()) | (u64::from(entry.cdw13.get()) << 32);
    let page_bytes = match received.page? {
        PageLength::Bytes(bytes) => bytes,
        PageLength::InHeader(header) => {
            // It was not read from its beginning, or not enough of it.
            let whole = received.head.len() >= header.header_bytes() as usize;
            if offset_bytes > 0 || !whole {
                return None;
            }
            header.page_bytes(received.head)
        }
        PageLength::Queue { entry_bytes, .. } => entry_bytes,
        // What the head has is not enough.
        PageLength::Groups => return None,
    };
    Some(u64::from(page_bytes).saturating_sub(offset_bytes))
}

fn registrants(command: Command<'_>, head: &[u8]) -> Option<u64> {
    const HEADER_BYTES: usize = 24;
    /// EDS: header and descriptors of the extended kind.
    const EXTENDED: u32 = 1;

    if head.len() < HEADER_BYTES {
        return None;
    }
    let count = u64::from(little_endian::<u16>(head, 5));
    let each_bytes = if command.entry.cdw11.get() & EXTENDED == 0 {
        24
    } else {
        64
    };
    // The header is as long as a descriptor.
    Some((count + 1) * each_bytes)
}

fn zones(command: Command<'_>, head: &[u8]) -> Option<u64> {
    const HEADER_BYTES: usize = 64;
    const DESCRIPTOR_BYTES: u64 = 64;

    // Report Zones; the descriptors of an extended report have a length of the
    // format.
    let report = command.entry.cdw13.get() & 0xff == 0;
    if !report || head.len() < HEADER_BYTES {
        return None;
    }
    let count: u64 = little_endian(head, 0);
    Some(count.saturating_add(1).saturating_mul(DESCRIPTOR_BYTES))
}
