// SPDX-License-Identifier: GPL-2.0-only

//! Log pages: identifiers and sizes (section 5.16.1).

use core::mem::size_of;

use super::identify::IdentifyController;

/// A log page identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogPageId(pub(crate) u8);

impl LogPageId {
    pub(crate) const ERROR_INFORMATION: Self = Self(0x01);
    pub(crate) const SMART: Self = Self(0x02);
    pub(crate) const FIRMWARE_SLOT: Self = Self(0x03);
    pub(crate) const CHANGED_NAMESPACE_LIST: Self = Self(0x04);
    pub(crate) const COMMAND_EFFECTS: Self = Self(0x05);
    pub(crate) const DEVICE_SELF_TEST: Self = Self(0x06);
    pub(crate) const TELEMETRY_HOST_INITIATED: Self = Self(0x07);
    pub(crate) const TELEMETRY_CONTROLLER_INITIATED: Self = Self(0x08);
    pub(crate) const PREDICTABLE_LATENCY_AGGREGATE: Self = Self(0x0b);
    pub(crate) const ASYMMETRIC_NAMESPACE_ACCESS: Self = Self(0x0c);
    pub(crate) const PERSISTENT_EVENT: Self = Self(0x0d);
    pub(crate) const LBA_STATUS: Self = Self(0x0e);
    pub(crate) const ENDURANCE_GROUP_AGGREGATE: Self = Self(0x0f);
    pub(crate) const REACHABILITY_GROUPS: Self = Self(0x1a);
    pub(crate) const REACHABILITY_ASSOCIATIONS: Self = Self(0x1b);
    pub(crate) const CHANGED_ALLOCATED_NAMESPACE_LIST: Self = Self(0x1c);
    pub(crate) const RESERVATION_NOTIFICATION: Self = Self(0x80);
    pub(crate) const SANITIZE_STATUS: Self = Self(0x81);
    pub(crate) const CHANGED_ZONE_LIST: Self = Self(0xbf);

    /// How long the page is on a controller with these properties.
    pub(crate) fn length(self, identify: &IdentifyController) -> PageLength {
        match self {
            Self::ERROR_INFORMATION => {
                PageLength::Bytes((u32::from(identify.elpe) + 1) * ERROR_ENTRY_BYTES)
            }
            Self::SMART => PageLength::Bytes(SMART_BYTES as u32),
            Self::CHANGED_NAMESPACE_LIST
            | Self::CHANGED_ALLOCATED_NAMESPACE_LIST
            | Self::CHANGED_ZONE_LIST => PageLength::Bytes(4096),
            Self::TELEMETRY_CONTROLLER_INITIATED => PageLength::InHeader(Header::Telemetry),
            Self::LBA_STATUS => PageLength::InHeader(Header::LbaStatus),
            Self::PREDICTABLE_LATENCY_AGGREGATE | Self::ENDURANCE_GROUP_AGGREGATE => {
                PageLength::InHeader(Header::Aggregate)
            }
            Self::ASYMMETRIC_NAMESPACE_ACCESS
            | Self::REACHABILITY_GROUPS
            | Self::REACHABILITY_ASSOCIATIONS => PageLength::Groups,
            Self::RESERVATION_NOTIFICATION => PageLength::Queue {
                entry_bytes: 64,
                available_at: 9,
            },
            _ => PageLength::Bytes(512),
        }
    }

    /// As [`Self::length`], of whatever page a user reads: `None` if the
    /// specification does not say, or only how long it is at most. What the
    /// controller said of itself may not be known.
    pub(crate) fn defined_length(
        self,
        identify: Option<&IdentifyController>,
    ) -> Option<PageLength> {
        match self {
            Self::ERROR_INFORMATION => identify.map(|identify| self.length(identify)),
            Self::SMART | Self::FIRMWARE_SLOT | Self::SANITIZE_STATUS => {
                Some(PageLength::Bytes(512))
            }
            Self::CHANGED_NAMESPACE_LIST
            | Self::CHANGED_ALLOCATED_NAMESPACE_LIST
            | Self::COMMAND_EFFECTS
            | Self::CHANGED_ZONE_LIST => Some(PageLength::Bytes(4096)),
            Self::DEVICE_SELF_TEST => Some(PageLength::Bytes(564)),
            Self::TELEMETRY_HOST_INITIATED | Self::TELEMETRY_CONTROLLER_INITIATED => {
                Some(PageLength::InHeader(Header::Telemetry))
            }
            Self::PREDICTABLE_LATENCY_AGGREGATE | Self::ENDURANCE_GROUP_AGGREGATE => {
                Some(PageLength::InHeader(Header::Aggregate))
            }
            Self::PERSISTENT_EVENT => Some(PageLength::InHeader(Header::PersistentEvent)),
            Self::LBA_STATUS => Some(PageLength::InHeader(Header::LbaStatus)),
            // What follows it is the next one.
            Self::RESERVATION_NOTIFICATION => Some(PageLength::Bytes(64)),
            _ => None,
        }
    }
}

/// Size of the SMART / Health Information log.
pub(crate) const SMART_BYTES: usize = 512;

/// Size of one entry of the Error Information log.
const ERROR_ENTRY_BYTES: u32 = 64;

/// How the length of a log page is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageLength {
    /// Beforehand.
    Bytes(u32),
    /// The page says so itself, in its first bytes.
    InHeader(Header),
    /// It is a [`GroupList`], each of its groups says where the next one is.
    Groups,
    /// Each read returns one entry and removes it; the byte at
    /// `available_at` says how many more there are.
    Queue {
        entry_bytes: u32,
        available_at: usize,
    },
}

/// The kinds of header that tell a page's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// Telemetry: blocks of 512 bytes; the last block of data area 3 and of
    /// data area 4, the latter zero where there is none.
    Telemetry,
    /// LBA Status Information: bytes 3:0 are the length.
    LbaStatus,
    /// Persistent Event: bytes 15:8 are the length.
    PersistentEvent,
    /// Event aggregates: bytes 7:0 count identifiers of two bytes each.
    Aggregate,
}

impl Header {
    /// How much of the page has to be read to learn its length.
    pub(crate) const fn header_bytes(self) -> u32 {
        match self {
            Self::Telemetry => 512,
            Self::LbaStatus | Self::PersistentEvent => 16,
            Self::Aggregate => 8,
        }
    }

    /// The length of the page whose first bytes are `header`, header included
    /// and rounded up to dwords; saturates at `u32::MAX & !3`.
    pub(crate) fn page_bytes(self, header: &[u8]) -> u32 {
        let length: u64 = match self {
            Self::Telemetry => {
                let area_3: u16 = little_endian(header, 12);
                let area_4: u32 = little_endian(header, 16);
                (u64::from(u32::from(area_3).max(area_4)) + 1) * 512
            }
            Self::LbaStatus => u64::from(little_endian::<u32>(header, 0)),
            Self::PersistentEvent => little_endian::<u64>(header, 8),
            Self::Aggregate => little_endian::<u64>(header, 0)
                .saturating_mul(2)
                .saturating_add(8),
        };
        let length = length.max(u64::from(self.header_bytes()));
        u32::try_from(length.saturating_add(3)).unwrap_or(u32::MAX) & !3
    }
}

/// Where a page ends that is a list of groups, as far as it was looked at. It
/// begins with 16 bytes, among them the number of groups. Each group has 32
/// bytes, among them the number of its members, and four for each of those.
///
/// How long it is at most follows from Identify, but a controller may refuse to
/// begin to read beyond where it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupList {
    /// Where the next group begins, or the page ends.
    next: u32,
    /// How many groups were not looked at. `None` before the first look.
    groups_left: Option<u16>,
}

impl GroupList {
    const HEADER_BYTES: u32 = 16;
    const GROUPS_AT: usize = 8;
    const GROUP_BYTES: u32 = 32;
    const MEMBERS_AT: u32 = 4;
    const NUMBER_BYTES: u32 = 4;

    pub(crate) const fn new() -> Self {
        Self {
            next: Self::HEADER_BYTES,
            groups_left: None,
        }
    }

    /// Looks at the next `length_bytes` of the page, whole dwords, which begin
    /// at `offset`. What `bytes` lacks of them counts as zero.
    pub(crate) fn look(&mut self, offset: u32, length_bytes: u32, bytes: &[u8]) {
        let end = offset.saturating_add(length_bytes);
        let mut left = match self.groups_left {
            Some(left) => left,
            None => little_endian(bytes, Self::GROUPS_AT),
        };
        while left > 0 && self.members_end() <= end {
            let members_at = self.next.saturating_add(Self::MEMBERS_AT);
            let members: u32 = little_endian(bytes, members_at.saturating_sub(offset) as usize);
            let group_bytes = members
                .saturating_mul(Self::NUMBER_BYTES)
                .saturating_add(Self::GROUP_BYTES);
            // Still whole dwords if the sum saturates.
            self.next = self.next.saturating_add(group_bytes) & !3;
            left = left.saturating_sub(1);
        }
        self.groups_left = Some(left);
    }

    /// How long the page is, if that is known by now.
    pub(crate) fn page_bytes(self) -> Option<u32> {
        (self.groups_left == Some(0)).then_some(self.next)
    }

    /// How long the page is at least.
    pub(crate) fn bytes_min(self) -> u32 {
        match self.groups_left {
            None | Some(0) => self.next,
            Some(_) => self.members_end(),
        }
    }

    /// Where the number of members of the next group ends.
    fn members_end(self) -> u32 {
        self.next
            .saturating_add(Self::MEMBERS_AT)
            .saturating_add(Self::NUMBER_BYTES)
    }
}

/// The number at `offset` of `bytes`; bytes that are not there count as zero.
pub(crate) fn little_endian<T: TryFrom<u64> + Default>(bytes: &[u8], offset: usize) -> T {
    let value = bytes
        .iter()
        .skip(offset)
        .take(size_of::<T>())
        .rev()
        .fold(0_u64, |value, &byte| (value << 8) | u64::from(byte));
    T::try_from(value).unwrap_or_default()
}
