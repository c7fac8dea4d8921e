// SPDX-License-Identifier: GPL-2.0-only

//! The memory of queues, whose entries the controller and the driver exchange.
//!
//! `kernel::io` would copy an entry twice on its way in, and byte by byte on its
//! way out. Both are done for every command.

use core::sync::atomic::{compiler_fence, Ordering};

use kernel::{
    device::{Bound, Device},
    dma::Coherent,
    prelude::*,
    sync::barrier::{dma_mb, Read},
};

use crate::spec::command::DmaAddress;

/// Entries of `WORDS` words. Nobody ever holds a reference to one: what comes
/// out is a copy.
pub(crate) struct Entries<const WORDS: usize>(Coherent<[[u64; WORDS]]>);

impl<const WORDS: usize> Entries<WORDS> {
    /// Allocates so many, zeroed.
    ///
    /// # Errors
    ///
    /// ENOMEM; EINVAL for none.
    pub(crate) fn new(device: &Device<Bound>, count: u16) -> Result<Self> {
        Ok(Self(Coherent::zeroed_slice(
            device,
            count.into(),
            GFP_KERNEL,
        )?))
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Where the controller finds them.
    pub(crate) fn address(&self) -> DmaAddress {
        DmaAddress(self.0.dma_address())
    }

    /// # Errors
    ///
    /// EINVAL if there is no such entry.
    #[inline(always)]
    fn word(&self, index: u16, word: usize) -> Result<*mut u64> {
        let index = usize::from(index);
        if index >= self.0.len() || word >= WORDS {
            return Err(EINVAL);
        }
        let first = self.0.as_ptr().cast::<u64>().cast_mut();
        // SAFETY: The word is in the allocation: both numbers are in range.
        Ok(unsafe { first.add(index * WORDS + word) })
    }

    /// Writes an entry.
    ///
    /// # Errors
    ///
    /// EINVAL if there is no such entry.
    #[inline(always)]
    pub(crate) fn write(&mut self, index: u16, entry: [u64; WORDS]) -> Result {
        for (number, word) in entry.into_iter().enumerate() {
            let place = self.word(index, number)?;
            // SAFETY: The place is aligned and valid until `self` is dropped.
            // No other thread has `self`; the controller may read meanwhile,
            // which is why the access is volatile, and there is no reference.
            unsafe { place.write_volatile(word) };
        }
        Ok(())
    }

    /// Reads one word of an entry.
    ///
    /// # Errors
    ///
    /// EINVAL if there is no such word.
    #[inline(always)]
    pub(crate) fn read_word(&self, index: u16, word: usize) -> Result<u64> {
        let place = self.word(index, word)?;
        // SAFETY: The place is aligned and valid until `self` is dropped. Nobody
        // writes but the controller, at any time, which is why the access is
        // volatile; any bits are a number.
        Ok(unsafe { place.read_volatile() })
    }

    /// Reads an entry, which the controller may change meanwhile.
    ///
    /// # Errors
    ///
    /// EINVAL if there is no such entry.
    #[inline(always)]
    pub(crate) fn read(&self, index: u16) -> Result<[u64; WORDS]> {
        let mut entry = [0; WORDS];
        for (number, word) in entry.iter_mut().enumerate() {
            *word = self.read_word(index, number)?;
        }
        Ok(entry)
    }
}

/// What is read after this is what the device had written, or newer, when it
/// wrote what was read before: `dma_mb(Read)`, without its function call where
/// there is nothing to call for.
#[inline(always)]
pub(crate) fn read_in_order() {
    if cfg!(CONFIG_X86_64) {
        // The processor keeps reads in order; so has the compiler to.
        compiler_fence(Ordering::Acquire);
    } else {
        dma_mb(Read);
    }
}
