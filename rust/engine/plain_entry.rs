// SPDX-License-Identifier: GPL-2.0-only

//! Commands in plain entries of a ring: those of 64 bytes.
//!
//! `struct nvme_passthru_cmd` does not fit into one. A small command is in the
//! entry itself, any other one in memory that the entry points to:
//! `include/uapi/linux/nvme_uring.h`.

use core::mem::size_of;

use zerocopy_derive::FromBytes;

/// `struct io_uring_sqe`, of which only what the driver gives a meaning to.
#[derive(Clone, Copy, Debug, FromBytes)]
#[repr(C)]
pub(crate) struct PlainEntry {
    _before: [u8; 16],
    /// `addr`.
    pub(crate) address: u64,
    /// `len`.
    pub(crate) length: u32,
    _between: [u8; 16],
    /// `file_index`.
    pub(crate) file_index: u32,
    /// `cmd`.
    pub(crate) payload: [u32; 4],
}

const _: () = assert!(size_of::<PlainEntry>() == 64);

/// Something is set that has no meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A command in the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inline {
    pub(crate) opcode: u8,
    pub(crate) nsid: u32,
    pub(crate) address: u64,
    pub(crate) length_bytes: u32,
    pub(crate) cdw10: u32,
    pub(crate) cdw11: u32,
    pub(crate) cdw12: u32,
    /// 0: the usual time.
    pub(crate) timeout_ms: u32,
}

/// What an NVMe error does to linked requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    Hold,
    Break,
}

/// A command that the entry points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Indirect {
    pub(crate) address: u64,
    pub(crate) links: Links,
}

/// NVME_URING_LINK_ERR.
pub(crate) const LINK_ERR: u32 = 1 << 0;

impl PlainEntry {
    /// As `struct nvme_uring_inline` says.
    ///
    /// # Errors
    ///
    /// [`Malformed`]: flags are set. A fused command, or another way to describe
    /// data, is not the caller's to choose.
    pub(crate) fn inline(&self) -> Result<Inline, Malformed> {
        const MS_PER_S: u32 = 1000;

        let [first, cdw10, cdw11, cdw12] = self.payload;
        let [opcode, flags, low, high] = first.to_ne_bytes();
        if flags != 0 {
            return Err(Malformed);
        }
        let timeout_s = u16::from_ne_bytes([low, high]);
        Ok(Inline {
            opcode,
            nsid: self.file_index,
            address: self.address,
            length_bytes: self.length,
            cdw10,
            cdw11,
            cdw12,
            timeout_ms: u32::from(timeout_s).wrapping_mul(MS_PER_S),
        })
    }

    /// As `struct nvme_uring_indirect` says, of a command of `size_bytes`.
    ///
    /// # Errors
    ///
    /// [`Malformed`]: another size, an unknown flag, a reserved word.
    pub(crate) fn indirect(&self, size_bytes: usize) -> Result<Indirect, Malformed> {
        let [flags, reserved @ ..] = self.payload;
        let links = match flags {
            0 => Links::Hold,
            LINK_ERR => Links::Break,
            _ => return Err(Malformed),
        };
        // CAST: No less wide.
        if reserved != [0; 3] || self.file_index != 0 || self.length as usize != size_bytes {
            return Err(Malformed);
        }
        Ok(Indirect {
            address: self.address,
            links,
        })
    }
}
