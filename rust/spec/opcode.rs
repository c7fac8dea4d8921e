// SPDX-License-Identifier: GPL-2.0-only

//! Opcodes of which the driver has to know more than their bits: admin commands (section 5), I/O commands of every command set
//! (section 7), and those of the NVM (NVM Command Set Specification 1.0,
//! section 3.2), Zoned Namespace (Zoned Namespace Command Set Specification
//! 1.1, section 3.4) and Key Value Command Sets (Key Value Command Set
//! Specification 1.0, section 3.2).

/// What a command transfers, besides itself and its completion: bits 1:0 of
/// the opcode, vendor specific ones included (section 3.3.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Nothing,
    ToController,
    FromController,
    Bidirectional,
}

impl Direction {
    pub(crate) const fn of(opcode: u8) -> Self {
        match opcode & 0b11 {
            0b00 => Self::Nothing,
            0b01 => Self::ToController,
            0b10 => Self::FromController,
            _ => Self::Bidirectional,
        }
    }

    /// Whether the controller reads host memory.
    pub(crate) const fn writes(self) -> bool {
        matches!(self, Self::ToController | Self::Bidirectional)
    }
}

/// Admin command opcodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum AdminOpcode {
    DeleteIoSubmissionQueue = 0x00,
    CreateIoSubmissionQueue = 0x01,
    GetLogPage = 0x02,
    DeleteIoCompletionQueue = 0x04,
    CreateIoCompletionQueue = 0x05,
    Identify = 0x06,
    Abort = 0x08,
    SetFeatures = 0x09,
    GetFeatures = 0x0a,
    AsynchronousEventRequest = 0x0c,
    NamespaceManagement = 0x0d,
    FirmwareCommit = 0x10,
    FirmwareImageDownload = 0x11,
    DeviceSelfTest = 0x14,
    NamespaceAttachment = 0x15,
    KeepAlive = 0x18,
    DirectiveSend = 0x19,
    DirectiveReceive = 0x1a,
    VirtualizationManagement = 0x1c,
    CapacityManagement = 0x20,
    Lockdown = 0x24,
    DoorbellBufferConfig = 0x7c,
    FormatNvm = 0x80,
    SecuritySend = 0x81,
    SecurityReceive = 0x82,
    Sanitize = 0x84,
    GetLbaStatus = 0x86,
}

/// The opcode of all Fabrics commands, admin and I/O (section 6).
pub(crate) const FABRICS: u8 = 0x7f;

/// Opcodes of I/O commands that every command set has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum IoOpcode {
    Flush = 0x00,
    ReservationRegister = 0x0d,
    ReservationReport = 0x0e,
    ReservationAcquire = 0x11,
    /// From revision 2.1 of the Base Specification.
    IoManagementReceive = 0x12,
    ReservationRelease = 0x15,
    /// From revision 2.1 of the Base Specification.
    Cancel = 0x18,
    /// From revision 2.1 of the Base Specification.
    IoManagementSend = 0x1d,
}

/// Opcodes of the NVM Command Set; the Zoned Namespace Command Set has them
/// too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum NvmOpcode {
    Write = 0x01,
    Read = 0x02,
    WriteUncorrectable = 0x04,
    Compare = 0x05,
    WriteZeroes = 0x08,
    DatasetManagement = 0x09,
    Verify = 0x0c,
    Copy = 0x19,
}

/// Opcodes that the Zoned Namespace Command Set adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::enum_variant_names,
    reason = "the names are those of the specification"
)]
#[repr(u8)]
pub(crate) enum ZonedOpcode {
    ZoneManagementSend = 0x79,
    ZoneManagementReceive = 0x7a,
    ZoneAppend = 0x7d,
}

/// Opcodes of the Key Value Command Set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum KeyValueOpcode {
    Store = 0x01,
    Retrieve = 0x02,
    List = 0x06,
    Delete = 0x10,
    Exist = 0x14,
}
