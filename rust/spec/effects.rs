// SPDX-License-Identifier: GPL-2.0-only

//! The Commands Supported and Effects log page, 05h (section 5.16.1.6): which
//! commands a controller has and what they change besides their data.

use core::mem::{offset_of, size_of};

use zerocopy::little_endian::U32;
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The log page. 4,096 bytes; one for each I/O Command Set.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(crate) struct EffectsLog {
    /// Admin Command Supported, by opcode.
    acs: [U32; 256],
    /// I/O Command Supported, by opcode.
    iocs: [U32; 256],
    reserved_2048: [u8; 2048],
}

const _: () = assert!(size_of::<EffectsLog>() == 4096);
const _: () = assert!(offset_of!(EffectsLog, iocs) == 1024);

impl EffectsLog {
    /// What the log says of an admin command.
    pub(crate) fn admin(&self, opcode: u8) -> CommandEffects {
        entry(&self.acs, opcode)
    }

    /// What the log says of an I/O command.
    pub(crate) fn io(&self, opcode: u8) -> CommandEffects {
        entry(&self.iocs, opcode)
    }
}

fn entry(entries: &[U32; 256], opcode: u8) -> CommandEffects {
    let entry = entries.get(usize::from(opcode));
    CommandEffects(entry.map_or(0, |entry| entry.get()))
}

/// Commands Supported and Effects data structure: one command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CommandEffects(pub(crate) u32);

impl CommandEffects {
    /// Nothing, not even that the command is supported.
    pub(crate) const NONE: Self = Self(0);
    /// CSUPP: the controller has the command.
    pub(crate) const SUPPORTED: Self = Self(1);
    /// LBCC: changes what is stored in logical blocks.
    pub(crate) const LOGICAL_BLOCK_CONTENT: Self = Self(1 << 1);
    /// NCC: changes the capabilities of a namespace.
    pub(crate) const NAMESPACE_CAPABILITY: Self = Self(1 << 2);
    /// NIC: changes which namespaces there are, or which are attached.
    pub(crate) const NAMESPACE_INVENTORY: Self = Self(1 << 3);
    /// CCC: changes the capabilities of the controller.
    pub(crate) const CONTROLLER_CAPABILITY: Self = Self(1 << 4);
    /// CSER: ways in which the controller relaxes CSE.
    pub(crate) const EXECUTION_RELAXATION: Self = Self(0b11 << 14);
    /// CSE 010b: no other command to any namespace at the same time.
    pub(crate) const ALONE: Self = Self(0b010 << Self::EXECUTION_SHIFT);
    /// CSE, all of its bits.
    pub(crate) const EXECUTION: Self = Self(0b111 << Self::EXECUTION_SHIFT);
    /// UUID Selection Supported.
    pub(crate) const UUID_SELECTION: Self = Self(1 << 19);
    /// CSP: what the command concerns: a namespace, a controller and so on.
    pub(crate) const SCOPE: Self = Self(0xfff << 20);

    const EXECUTION_SHIFT: u32 = 16;

    /// Whether any bit of `other` is set.
    pub(crate) const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// All but the bits of `other`.
    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// CSE: which other commands may not be outstanding.
    pub(crate) const fn execution(self) -> Execution {
        match (self.0 >> Self::EXECUTION_SHIFT) & 0b111 {
            0b000 => Execution::Unrestricted,
            0b001 => Execution::AloneInNamespace,
            0b010 => Execution::Alone,
            _ => Execution::Reserved,
        }
    }
}

/// Command Submission and Execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Execution {
    /// With any other command.
    Unrestricted,
    /// With no other command to the same namespace.
    AloneInNamespace,
    /// With no other command to any namespace.
    Alone,
    /// A value of later revisions.
    Reserved,
}
