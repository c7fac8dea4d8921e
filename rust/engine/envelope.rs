// SPDX-License-Identifier: GPL-2.0-only

//! The envelope of a command: which sizes of it make sense.

use crate::{engine::policy::Implied, spec::opcode::Direction};

/// A struct that grows at its end, as the driver knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extensible {
    /// How long its first version was.
    pub(crate) least_bytes: usize,
    pub(crate) known_bytes: usize,
    /// How long any version may be.
    pub(crate) most_bytes: usize,
}

/// Why a struct is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadSize {
    TooShort,
    TooLong,
}

/// How the struct of a caller compares with the driver's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// What both know.
    pub(crate) common_bytes: usize,
    /// What follows that only the caller knows; has to be zero.
    pub(crate) newer_bytes: usize,
}

impl Extensible {
    /// The version of a caller who says that the struct is so long.
    ///
    /// # Errors
    ///
    /// [`BadSize`].
    pub(crate) fn version(self, size_bytes: u32) -> Result<Version, BadSize> {
        let size_bytes = size_bytes as usize;
        if size_bytes < self.least_bytes {
            return Err(BadSize::TooShort);
        }
        if size_bytes > self.most_bytes {
            return Err(BadSize::TooLong);
        }
        Ok(Version {
            common_bytes: size_bytes.min(self.known_bytes),
            newer_bytes: size_bytes.saturating_sub(self.known_bytes),
        })
    }
}

/// What becomes of data from the controller that there is no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excess {
    /// The command is not sent.
    Refused,
    Dropped,
}

/// How much of a payload is what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// For the controller.
    pub(crate) in_bytes: u32,
    /// Room for what comes from it.
    pub(crate) out_bytes: u32,
    /// Goes the way of the data.
    pub(crate) metadata_bytes: u32,
    pub(crate) excess: Excess,
}

impl Sizes {
    /// Whether there is only data for ways that the command has.
    pub(crate) fn suit(self, opcode: u8) -> bool {
        let gives = gives(opcode) || self.out_bytes == 0;
        let takes = Direction::of(opcode).writes() || self.in_bytes == 0;
        let transfers = Direction::of(opcode) != Direction::Nothing || self.metadata_bytes == 0;
        gives && takes && transfers
    }

    /// How much the command can transfer.
    pub(crate) fn room_bytes(self, opcode: u8, implied: Implied) -> u64 {
        let room: u64 = self.in_bytes.max(self.out_bytes).into();
        let given_only = gives(opcode) && !Direction::of(opcode).writes();
        match implied {
            Implied::Known { data_bytes, .. } if given_only && self.excess == Excess::Dropped => {
                room.max(data_bytes)
            }
            Implied::Known { .. } | Implied::Unknown => room,
        }
    }

    /// How much it does transfer; `None` if that is more than it can.
    pub(crate) fn transferred_bytes(self, opcode: u8, implied: Implied) -> Option<u64> {
        let room_bytes = self.room_bytes(opcode, implied);
        match implied {
            Implied::Known {
                data_bytes,
                metadata_bytes,
            } => {
                let fits = data_bytes <= room_bytes && metadata_bytes <= self.metadata_bytes.into();
                fits.then_some(data_bytes)
            }
            Implied::Unknown => Some(room_bytes),
        }
    }

    /// How much goes back to the process, of what was transferred and what the
    /// controller had.
    pub(crate) fn returned_bytes(self, transferred_bytes: u64, extent_bytes: u64) -> u32 {
        let bytes = transferred_bytes.min(extent_bytes);
        u32::try_from(bytes).unwrap_or(u32::MAX).min(self.out_bytes)
    }
}

/// Whether the command gives data to the host.
pub(crate) fn gives(opcode: u8) -> bool {
    matches!(
        Direction::of(opcode),
        Direction::FromController | Direction::Bidirectional
    )
}
