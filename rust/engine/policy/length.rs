// SPDX-License-Identifier: GPL-2.0-only

//! How much a command transfers, by what its dwords say.
//!
//! A controller given PRPs does not know how long the memory behind them is: it
//! transfers what the command implies. A buffer that is shorter would be
//! overrun.

use super::{feature, Command};
use crate::spec::{
    command::SubmissionEntry,
    namespace::{Format, MetadataPlace},
};

/// What a command transfers at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Implied {
    /// The driver cannot tell.
    Unknown,
    Known {
        /// Through the data pointer, metadata that goes with each block
        /// included.
        data_bytes: u64,
        /// Through the metadata pointer.
        metadata_bytes: u64,
    },
}

/// The rule for a command, in its row. Where a value has a meaning of its own,
/// one without makes the length unknown.
#[derive(Clone, Copy)]
pub(super) enum Length {
    /// Not known, whatever the opcode says: vendors do not all keep to what its
    /// bits 1:0 mean.
    Unknown,
    Nothing,
    Fixed(u16),
    /// A count of bytes in a dword.
    Bytes(Dword),
    /// A 0-based count of dwords in a dword.
    Dwords(Dword),
    /// Get Log Page (section 5.16): NUMDL and NUMDU.
    LogPage,
    /// By the row of the feature (section 5.27).
    SetFeatures,
    /// By the row of the feature (section 5.15).
    GetFeatures,
    /// By operation (section 5.10).
    DirectiveSend,
    /// By operation (section 5.9).
    DirectiveReceive,
    /// By operation (section 5.23).
    NamespaceManagement,
    /// By operation (section 5.22).
    NamespaceAttachment,
    /// By operation (Base Specification 2.1, section 7.3).
    IoManagementReceive,
    /// By operation (Base Specification 2.1, section 7.4).
    IoManagementSend,
    /// Logical blocks and their metadata (NVM Command Set Specification 1.0,
    /// section 3.2).
    LogicalBlocks,
    /// Dataset Management (same, section 3.2.3): ranges.
    Ranges,
    /// Copy (same, section 3.2.2): source range entries.
    CopySources,
    /// By action (Zoned Namespace Command Set Specification 1.1, section
    /// 3.4.3).
    ZoneManagementSend,
}

/// A command dword.
#[derive(Clone, Copy)]
pub(super) enum Dword {
    Cdw10,
    Cdw11,
    Cdw12,
}

impl Dword {
    fn of(self, entry: &SubmissionEntry) -> u32 {
        match self {
            Self::Cdw10 => entry.cdw10.get(),
            Self::Cdw11 => entry.cdw11.get(),
            Self::Cdw12 => entry.cdw12.get(),
        }
    }
}

impl Implied {
    const NOTHING: Self = Self::data(0);

    const fn data(bytes: u64) -> Self {
        Self::Known {
            data_bytes: bytes,
            metadata_bytes: 0,
        }
    }

    /// Data, given a 0-based count of dwords.
    fn dwords(zero_based: u32) -> Self {
        Self::data((u64::from(zero_based) + 1) * 4)
    }
}

/// What `command` transfers. `format` is that of its namespace, where it has
/// one and it is known.
pub(crate) fn implied(command: Command<'_>, format: Option<Format>) -> Implied {
    let entry = command.entry;
    match command.row().length {
        Length::Unknown => Implied::Unknown,
        Length::Nothing => Implied::NOTHING,
        Length::Fixed(bytes) => Implied::data(bytes.into()),
        Length::Bytes(dword) => Implied::data(dword.of(entry).into()),
        Length::Dwords(dword) => Implied::dwords(dword.of(entry)),
        Length::LogPage => {
            let low = entry.cdw10.get() >> 16;
            Implied::dwords(low | (entry.cdw11.get() << 16))
        }
        Length::SetFeatures => set_features(command),
        Length::GetFeatures => get_features(command),
        Length::DirectiveSend => directive_send(entry),
        Length::DirectiveReceive => directive_receive(entry),
        Length::NamespaceManagement => namespace_management(entry),
        Length::NamespaceAttachment => namespace_attachment(entry),
        Length::IoManagementReceive => io_management_receive(entry),
        Length::IoManagementSend => io_management_send(entry),
        Length::LogicalBlocks => blocks(entry, format),
        Length::Ranges => Implied::data((u64::from(entry.cdw10.get() & 0xff) + 1) * 16),
        Length::CopySources => copy_sources(entry),
        Length::ZoneManagementSend => zone_management_send(entry),
    }
}

fn set_features(command: Command<'_>) -> Implied {
    feature::row(command.feature()).map_or(Implied::Unknown, |feature| {
        Implied::data(feature.set.bytes(command.entry.cdw11.get()))
    })
}

fn get_features(command: Command<'_>) -> Implied {
    // SEL 011b: supported capabilities, which are in the completion.
    if (command.entry.cdw10.get() >> 8) & 0b111 == 0b011 {
        return Implied::NOTHING;
    }
    feature::row(command.feature()).map_or(Implied::Unknown, |feature| {
        Implied::data(feature.get.bytes(command.entry.cdw11.get()))
    })
}

/// Directive type and directive operation.
fn directive(entry: &SubmissionEntry) -> (u32, u32) {
    let cdw11 = entry.cdw11.get();
    ((cdw11 >> 8) & 0xff, cdw11 & 0xff)
}

fn directive_send(entry: &SubmissionEntry) -> Implied {
    match directive(entry) {
        // Identify: enable. Streams: release identifier, release resources.
        (0, 1) | (1, 1 | 2) => Implied::NOTHING,
        _ => Implied::Unknown,
    }
}

fn directive_receive(entry: &SubmissionEntry) -> Implied {
    match directive(entry) {
        // Return parameters. Streams: get status.
        (0, 1) | (1, 1 | 2) => Implied::dwords(entry.cdw10.get()),
        // Streams: allocate resources. How many is in the completion.
        (1, 3) => Implied::NOTHING,
        _ => Implied::Unknown,
    }
}

fn namespace_management(entry: &SubmissionEntry) -> Implied {
    match entry.cdw10.get() & 0xf {
        // Create.
        0 => Implied::data(4096),
        // Delete.
        1 => Implied::NOTHING,
        _ => Implied::Unknown,
    }
}

fn namespace_attachment(entry: &SubmissionEntry) -> Implied {
    match entry.cdw10.get() & 0xf {
        // Attach, detach: a controller list.
        0 | 1 => Implied::data(4096),
        _ => Implied::Unknown,
    }
}

fn io_management_receive(entry: &SubmissionEntry) -> Implied {
    match entry.cdw10.get() & 0xff {
        // No action.
        0 => Implied::NOTHING,
        // Reclaim Unit Handle Status.
        1 => Implied::dwords(entry.cdw11.get()),
        _ => Implied::Unknown,
    }
}

fn io_management_send(entry: &SubmissionEntry) -> Implied {
    let cdw10 = entry.cdw10.get();
    match cdw10 & 0xff {
        // No action.
        0 => Implied::NOTHING,
        // Reclaim Unit Handle Update: a 0-based count of placement identifiers.
        1 => Implied::data((u64::from(cdw10 >> 16) + 1) * 2),
        _ => Implied::Unknown,
    }
}

/// PRACT: the controller adds or removes protection information.
const PROTECTION_INFORMATION_ACTION: u32 = 1 << 29;

/// What a command transfers that transfers logical blocks, as [`implied`].
#[inline(always)]
pub(crate) fn blocks(entry: &SubmissionEntry, format: Option<Format>) -> Implied {
    let Some(format) = format else {
        return Implied::Unknown;
    };
    let cdw12 = entry.cdw12.get();
    let blocks = u64::from(cdw12 & 0xffff) + 1;
    // Protection information which the controller adds and removes is not
    // transferred if it is all of the metadata. With other metadata it is
    // (NVM Command Set Specification 1.0, section 5.2.2).
    let action = cdw12 & PROTECTION_INFORMATION_ACTION != 0;
    let block_metadata_bytes = if action && format.metadata_bytes == format.protection_bytes {
        0
    } else {
        u64::from(format.metadata_bytes)
    };
    // 2^16 blocks of 2^31 and 2^32 bytes: far from the limit of 64 bits.
    let data_bytes = blocks * u64::from(format.lba_bytes());
    let metadata_bytes = blocks * block_metadata_bytes;
    match format.metadata {
        MetadataPlace::Extended => Implied::data(data_bytes + metadata_bytes),
        MetadataPlace::Separate => Implied::Known {
            data_bytes,
            metadata_bytes,
        },
    }
}

fn copy_sources(entry: &SubmissionEntry) -> Implied {
    let cdw12 = entry.cdw12.get();
    let count = u64::from(cdw12 & 0xff) + 1;
    // Descriptor formats; those from 1 on are of later revisions than 1.0.
    match (cdw12 >> 8) & 0xf {
        0 | 2 => Implied::data(count * 32),
        1 | 3 => Implied::data(count * 40),
        _ => Implied::Unknown,
    }
}

fn zone_management_send(entry: &SubmissionEntry) -> Implied {
    match entry.cdw13.get() & 0xff {
        // Close, finish, open, reset, offline, flush.
        0x01..=0x05 | 0x11 => Implied::NOTHING,
        // Set Zone Descriptor Extension (10h) has a length of the format.
        _ => Implied::Unknown,
    }
}
