// SPDX-License-Identifier: GPL-2.0-only

//! A submission queue entry, and how a command can end.

use crate::memory::Fault;

/// Bytes of a submission queue entry.
pub const COMMAND_BYTES: usize = 64;

/// A status field: the code in bits 7:0, its type in bits 10:8, do not retry in
/// bit 14.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u16);

impl Status {
    pub const SUCCESS: Self = Self(0x0000);
    pub const INVALID_OPCODE: Self = Self(0x4001);
    pub const INVALID_FIELD: Self = Self(0x4002);
    pub const DATA_TRANSFER_ERROR: Self = Self(0x0004);
    pub const ABORTED: Self = Self(0x0007);
    pub const INVALID_NAMESPACE: Self = Self(0x400b);
    pub const LBA_OUT_OF_RANGE: Self = Self(0x4080);
    pub const INVALID_CQ: Self = Self(0x4100);
    pub const INVALID_QUEUE_ID: Self = Self(0x4101);
    pub const INVALID_QUEUE_SIZE: Self = Self(0x4102);
    pub const EVENT_REQUEST_LIMIT: Self = Self(0x4105);
    pub const INVALID_VECTOR: Self = Self(0x4108);
    pub const INVALID_LOG_PAGE: Self = Self(0x4109);
    pub const INVALID_QUEUE_DELETION: Self = Self(0x410c);
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NoMemory => Self::DATA_TRANSFER_ERROR,
            Fault::BadPointer => Self::INVALID_FIELD,
        }
    }
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is over, with this in the first dword of its completion.
    Done(u32),
    /// It stays outstanding.
    Later,
}

/// Success with nothing more to say.
pub const DONE: Result<Answer, Status> = Ok(Answer::Done(0));

/// A submission queue entry.
#[derive(Clone, Copy, Debug)]
pub struct Command(pub [u8; COMMAND_BYTES]);

impl Command {
    /// Dword `index` of the sixteen.
    pub fn dword(&self, index: usize) -> u32 {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.0[index * 4..][..4]);
        u32::from_le_bytes(bytes)
    }

    fn qword(&self, index: usize) -> u64 {
        (u64::from(self.dword(index + 1)) << 32) | u64::from(self.dword(index))
    }

    pub fn opcode(&self) -> u8 {
        self.0[0]
    }

    /// PSDT: the data pointer is an SGL, whatever is true of metadata.
    pub fn uses_sgl(&self) -> bool {
        self.0[1] >> 6 != 0
    }

    pub fn id(&self) -> u16 {
        (self.dword(0) >> 16) as u16
    }

    pub fn nsid(&self) -> u32 {
        self.dword(1)
    }

    pub fn prp1(&self) -> u64 {
        self.qword(6)
    }

    pub fn prp2(&self) -> u64 {
        self.qword(8)
    }

    pub fn sgl(&self) -> [u8; 16] {
        let mut descriptor = [0; 16];
        descriptor.copy_from_slice(&self.0[24..40]);
        descriptor
    }

    pub fn cdw10(&self) -> u32 {
        self.dword(10)
    }

    pub fn cdw11(&self) -> u32 {
        self.dword(11)
    }

    pub fn cdw12(&self) -> u32 {
        self.dword(12)
    }

    /// Starting LBA of a read or write, or the offset of a log page.
    pub fn slba(&self) -> u64 {
        self.qword(10)
    }

    /// Dwords 12 and 13: where to begin in a log page.
    pub fn log_offset(&self) -> u64 {
        self.qword(12)
    }
}
