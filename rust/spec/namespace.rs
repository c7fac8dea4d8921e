// SPDX-License-Identifier: GPL-2.0-only

//! What Identify says of a namespace (section 5.17.2): the Identify Namespace
//! data structure of the NVM Command Set, and identification descriptors.

use core::mem::{offset_of, size_of};

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::identify::IDENTIFY_BYTES;

/// Identifies an I/O Command Set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CommandSetId(pub(crate) u8);

impl CommandSetId {
    pub(crate) const NVM: Self = Self(0x00);
    pub(crate) const KEY_VALUE: Self = Self(0x01);
    pub(crate) const ZONED: Self = Self(0x02);

    /// Whether namespaces of the set have logical blocks, and with them an
    /// [`IdentifyNamespace`].
    pub(crate) const fn has_logical_blocks(self) -> bool {
        matches!(self, Self::NVM | Self::ZONED)
    }
}

/// One of the formats a namespace can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct LbaFormat {
    /// Metadata Size: bytes of metadata that each logical block has.
    pub(crate) metadata_bytes: U16,
    /// LBA Data Size: log2 of the bytes of a logical block.
    pub(crate) data_shift: u8,
    /// Relative performance, bits 1:0.
    pub(crate) performance: u8,
}

/// Identify Namespace data structure. 4,096 bytes.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct IdentifyNamespace {
    /// Namespace Size, logical blocks.
    pub(crate) nsze: U64,
    /// Namespace Capacity, logical blocks.
    pub(crate) ncap: U64,
    /// Namespace Utilization, logical blocks.
    pub(crate) nuse: U64,
    /// Namespace Features.
    pub(crate) nsfeat: u8,
    /// Number of LBA Formats, 0-based.
    pub(crate) nlbaf: u8,
    /// Formatted LBA Size.
    pub(crate) flbas: u8,
    /// Metadata Capabilities.
    pub(crate) mc: u8,
    /// End-to-end Data Protection Capabilities.
    pub(crate) dpc: u8,
    /// End-to-end Data Protection Type Settings.
    pub(crate) dps: u8,
    reserved_30: [u8; 74],
    /// Namespace Globally Unique Identifier; zero: none.
    pub(crate) nguid: [u8; 16],
    /// IEEE Extended Unique Identifier; zero: none.
    pub(crate) eui64: [u8; 8],
    /// LBA formats.
    pub(crate) lbaf: [LbaFormat; 64],
    reserved_384: [u8; 3712],
}

const _: () = assert!(size_of::<LbaFormat>() == 4);
const _: () = assert!(size_of::<IdentifyNamespace>() == IDENTIFY_BYTES);
const _: () = assert!(offset_of!(IdentifyNamespace, flbas) == 26);
const _: () = assert!(offset_of!(IdentifyNamespace, dps) == 29);
const _: () = assert!(offset_of!(IdentifyNamespace, nguid) == 104);
const _: () = assert!(offset_of!(IdentifyNamespace, eui64) == 120);
const _: () = assert!(offset_of!(IdentifyNamespace, lbaf) == 128);

impl IdentifyNamespace {
    /// Which of the formats the namespace has now. FLBAS bits 6:5 are the upper
    /// bits, where more than 16 formats exist.
    fn format_index(&self) -> usize {
        usize::from((self.flbas & 0xf) | ((self.flbas >> 1) & 0x30))
    }

    /// The format the namespace has now; `None` if what the controller says
    /// makes no sense. Without an `extension` protection information has a
    /// 16-bit guard.
    pub(crate) fn format(&self, extension: Option<&NvmIdentifyNamespace>) -> Option<Format> {
        let format = self.lbaf.get(self.format_index())?;
        if !(9..=31).contains(&format.data_shift) {
            return None;
        }
        let metadata = if self.flbas & (1 << 4) != 0 {
            MetadataPlace::Extended
        } else {
            MetadataPlace::Separate
        };
        let protection_bytes = if self.dps & 0x7 == 0 {
            0
        } else {
            extension.map_or(GUARD_16_BYTES, |extension| {
                extension.protection_bytes(self.format_index())
            })
        };
        Some(Format {
            lba_shift: u32::from(format.data_shift),
            metadata_bytes: u32::from(format.metadata_bytes.get()),
            metadata,
            protection_bytes,
        })
    }
}

/// Size of protection information with a 16-bit guard.
const GUARD_16_BYTES: u32 = 8;
/// Size of protection information with a wider guard.
const GUARD_32_OR_64_BYTES: u32 = 16;

/// I/O Command Set specific Identify Namespace data structure of the NVM Command
/// Set (NVM Command Set Specification 1.0, section 4.1.5.3). 4,096 bytes.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct NvmIdentifyNamespace {
    reserved_0: [u8; 12],
    /// Extended LBA formats, in the order of [`IdentifyNamespace::lbaf`].
    pub(crate) elbaf: [U32; 64],
    reserved_268: [u8; 3828],
}

const _: () = assert!(size_of::<NvmIdentifyNamespace>() == IDENTIFY_BYTES);
const _: () = assert!(offset_of!(NvmIdentifyNamespace, elbaf) == 12);

impl NvmIdentifyNamespace {
    /// Size of protection information in a format: by its Protection
    /// Information Format, bits 8:7.
    fn protection_bytes(&self, index: usize) -> u32 {
        let format = self.elbaf.get(index).map_or(0, |format| format.get());
        if (format >> 7) & 0b11 == 0 {
            GUARD_16_BYTES
        } else {
            GUARD_32_OR_64_BYTES
        }
    }
}

/// Where the metadata of a logical block is transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetadataPlace {
    /// Through a pointer of its own.
    Separate,
    /// Right after the data of each block.
    Extended,
}

/// How the logical blocks of a namespace look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Format {
    /// log2 of the bytes of data in a block; 9 to 31.
    pub(crate) lba_shift: u32,
    /// Bytes of metadata of a block.
    pub(crate) metadata_bytes: u32,
    pub(crate) metadata: MetadataPlace,
    /// Bytes of the metadata that are protection information; 0: end-to-end
    /// data protection is off.
    pub(crate) protection_bytes: u32,
}

impl Format {
    /// In one word, which is not zero; zero: no format.
    pub(crate) const fn pack(format: Option<Self>) -> u64 {
        let Some(format) = format else {
            return 0;
        };
        let place = match format.metadata {
            MetadataPlace::Separate => 0,
            MetadataPlace::Extended => 1 << 63,
        };
        // A shift is never zero; metadata and protection information have at
        // most 16 bits.
        place
            | format.lba_shift as u64
            | ((format.metadata_bytes as u64 & 0xffff) << 16)
            | ((format.protection_bytes as u64 & 0xffff) << 32)
    }

    pub(crate) const fn unpack(word: u64) -> Option<Self> {
        if word == 0 {
            return None;
        }
        // CAST: Parts of the word.
        Some(Self {
            lba_shift: (word & 0xff) as u32,
            metadata_bytes: ((word >> 16) & 0xffff) as u32,
            protection_bytes: ((word >> 32) & 0xffff) as u32,
            metadata: if word >> 63 == 0 {
                MetadataPlace::Separate
            } else {
                MetadataPlace::Extended
            },
        })
    }

    /// Bytes of data in a block.
    pub(crate) const fn lba_bytes(self) -> u32 {
        1 << self.lba_shift
    }
}

/// What the Namespace Identification Descriptor list says (section
/// 5.17.2.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Descriptors {
    pub(crate) eui64: Option<[u8; 8]>,
    pub(crate) nguid: Option<[u8; 16]>,
    pub(crate) uuid: Option<[u8; 16]>,
    pub(crate) command_set: Option<u8>,
}

impl Descriptors {
    /// Reads a list. What follows a descriptor that makes no sense is not
    /// looked at.
    pub(crate) fn parse(mut list: &[u8]) -> Self {
        let mut found = Self::default();
        while let [kind, length, _, _, rest @ ..] = list {
            let Some((value, after)) = rest.split_at_checked(usize::from(*length)) else {
                break;
            };
            match kind {
                1 => found.eui64 = identifier(value),
                2 => found.nguid = identifier(value),
                3 => found.uuid = identifier(value),
                4 => found.command_set = value.first().copied(),
                // Type 0 ends the list.
                0 => break,
                _ => {}
            }
            list = after;
        }
        found
    }

    /// Adds the identifiers that older controllers have in Identify Namespace
    /// only.
    pub(crate) fn or_from(&mut self, identify: &IdentifyNamespace) {
        if identify.eui64 != [0; 8] {
            self.eui64 = self.eui64.or(Some(identify.eui64));
        }
        if identify.nguid != [0; 16] {
            self.nguid = self.nguid.or(Some(identify.nguid));
        }
    }
}

/// An identifier of that length; zero: none.
fn identifier<const BYTES: usize>(value: &[u8]) -> Option<[u8; BYTES]> {
    value
        .try_into()
        .ok()
        .filter(|identifier| *identifier != [0; BYTES])
}
