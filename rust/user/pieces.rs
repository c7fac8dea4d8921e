// SPDX-License-Identifier: GPL-2.0-only

//! Buffers in pieces: arrays of `struct iovec`.

use kernel::{
    prelude::*,
    uaccess::{UserPtr, UserSlice},
};

use crate::glue::{file_operations::Abi, pins::UserRange};

/// Most pieces of a vectored buffer: UIO_MAXIOV.
const PIECES_MAX: usize = 1024;

/// How many are kept without memory of their own.
const FEW: usize = 4;

const NOTHING: UserRange = UserRange {
    address: 0,
    length_bytes: 0,
};

/// The pieces of a buffer, without empty ones.
pub(super) struct Pieces {
    few: [UserRange; FEW],
    count: usize,
    /// All of them, if they are more than a few.
    many: KVec<UserRange>,
}

impl Pieces {
    /// Reads the `count` pieces listed at `address`; none at address 0.
    ///
    /// # Errors
    ///
    /// EFAULT; EINVAL for more than [`PIECES_MAX`] pieces, or one longer than a
    /// command can transfer; ENOMEM.
    pub(super) fn read(abi: Abi, address: u64, count: u32) -> Result<Self> {
        // CAST: No less wide.
        let count = count as usize;
        if count > PIECES_MAX {
            return Err(EINVAL);
        }
        let mut this = Self {
            few: [NOTHING; FEW],
            count: 0,
            many: KVec::new(),
        };
        let list = abi.address(address);
        if list == 0 || count == 0 {
            return Ok(this);
        }
        if count > FEW {
            this.many.reserve(count, GFP_KERNEL)?;
        }
        let piece_bytes = match abi {
            Abi::Native => size_of::<[u64; 2]>(),
            Abi::Compat => size_of::<[u32; 2]>(),
        };
        let mut reader = UserSlice::new(UserPtr::from_addr(list), count * piece_bytes).reader();
        for _ in 0..count {
            let [address, length_bytes] = match abi {
                Abi::Native => reader.read::<[u64; 2]>()?,
                Abi::Compat => reader.read::<[u32; 2]>()?.map(u64::from),
            };
            let length_bytes = u32::try_from(length_bytes).map_err(|_| EINVAL)?;
            if length_bytes > 0 {
                this.push(UserRange {
                    address: address as usize,
                    length_bytes: length_bytes as usize,
                })?;
            }
        }
        Ok(this)
    }

    fn push(&mut self, piece: UserRange) -> Result {
        if self.many.capacity() > 0 {
            self.many.push(piece, GFP_KERNEL)?;
        } else if let Some(place) = self.few.get_mut(self.count) {
            *place = piece;
            self.count += 1;
        }
        Ok(())
    }

    pub(super) fn as_slice(&self) -> &[UserRange] {
        if self.many.capacity() > 0 {
            &self.many
        } else {
            self.few.get(..self.count).unwrap_or(&[])
        }
    }
}
