// SPDX-License-Identifier: GPL-2.0-only

//! Completion queue entries (section 3.3.3.2) and status codes (section
//! 3.3.3.2.1).

use core::mem::{offset_of, size_of};

use zerocopy::little_endian::{U16, U32};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::command::CommandId;

/// Completion queue entry. 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct CompletionEntry {
    /// Command-specific result.
    pub(crate) dw0: U32,
    /// Command-specific result, second part.
    pub(crate) dw1: U32,
    /// How far the controller has consumed the submission queue.
    pub(crate) sq_head: U16,
    /// The submission queue the command came from.
    pub(crate) sq_id: U16,
    /// The command that completed.
    pub(crate) command_id: U16,
    /// Phase tag in bit 0, status field in bits 15:1.
    pub(crate) status_and_phase: U16,
}

const _: () = assert!(size_of::<CompletionEntry>() == 16);
const _: () = assert!(offset_of!(CompletionEntry, command_id) == 12);

impl CompletionEntry {
    /// The result of the command: dwords 0 and 1.
    pub(crate) fn result(&self) -> u64 {
        (u64::from(self.dw1.get()) << 32) | u64::from(self.dw0.get())
    }

    /// All of it, as numbers.
    pub(crate) fn dwords(&self) -> [u32; 4] {
        let pair = |low: U16, high: U16| u32::from(low.get()) | (u32::from(high.get()) << 16);
        [
            self.dw0.get(),
            self.dw1.get(),
            pair(self.sq_head, self.sq_id),
            pair(self.command_id, self.status_and_phase),
        ]
    }

    pub(crate) fn status(&self) -> Status {
        Status(self.status_and_phase.get() >> 1)
    }

    pub(crate) fn phase(&self) -> Phase {
        Phase::of(self.status_and_phase.get())
    }

    pub(crate) fn command_id(&self) -> CommandId {
        CommandId(self.command_id.get())
    }
}

/// The phase tag of a completion queue entry: differs from the last round when
/// the entry is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Zero,
    One,
}

impl Phase {
    /// The tag in [`CompletionEntry::status_and_phase`].
    pub(crate) const fn of(status_and_phase: u16) -> Self {
        if status_and_phase & 1 == 0 {
            Self::Zero
        } else {
            Self::One
        }
    }

    /// The phase of the next round through the queue.
    pub(crate) const fn flipped(self) -> Self {
        match self {
            Self::Zero => Self::One,
            Self::One => Self::Zero,
        }
    }
}

/// The 15-bit status field of a completion: code in bits 7:0, code type in
/// bits 10:8, retry delay in bits 12:11, More in bit 13, Do Not Retry in bit 14.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) u16);

impl Status {
    /// Path related: Host Path Error, the one the host itself reports.
    pub(crate) const HOST_PATH_ERROR: Self = Self(0x370);
    /// Command specific: Asynchronous Event Request Limit Exceeded.
    pub(crate) const AER_LIMIT_EXCEEDED: Self = Self(0x105);
    /// Command specific, like the two below: the firmware was committed, what
    /// is missing for its activation is a Conventional Reset.
    pub(crate) const ACTIVATION_NEEDS_CONVENTIONAL_RESET: Self = Self(0x10b);
    /// An NVM Subsystem Reset is missing.
    pub(crate) const ACTIVATION_NEEDS_SUBSYSTEM_RESET: Self = Self(0x110);
    /// A Controller Level Reset is missing.
    pub(crate) const ACTIVATION_NEEDS_CONTROLLER_RESET: Self = Self(0x111);

    /// Status code type and status code, without the hints for a retry.
    pub(crate) const fn code(self) -> u16 {
        self.0 & 0x7ff
    }

    pub(crate) const fn is_success(self) -> bool {
        self.code() == 0
    }

    /// The same command, sent again, would fail again.
    pub(crate) const fn do_not_retry(self) -> bool {
        self.0 & (1 << 14) != 0
    }

    /// Whether both carry the same code type and code.
    pub(crate) const fn same_code(self, other: Self) -> bool {
        self.code() == other.code()
    }
}
