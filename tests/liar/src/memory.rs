// SPDX-License-Identifier: GPL-2.0-only

//! The guest's memory, and how commands describe what they mean in it.

use std::{fs::File, io, sync::Arc};

use vm_memory::{Bytes, FileOffset, GuestAddress, GuestMemoryMmap, GuestRegionMmap, MmapRegion};

use crate::command::Command;

/// Bytes of a memory page: CC.MPS is 0.
pub const PAGE_BYTES: u64 = 4096;

const PRP_BYTES: u64 = 8;

/// A descriptor of an SGL.
const DESCRIPTOR_BYTES: u64 = 16;

/// Longest SGL, in segments: guests make loops, too.
const SEGMENTS_MAX: usize = 64;

/// Something that cannot be accessed, or described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no memory at that address, or it is not ours to access.
    NoMemory,
    /// The pointer of the command means nothing.
    BadPointer,
}

/// A piece of memory: its address and its length in bytes.
pub type Piece = (u64, u64);

/// The memory of the guest that the controller can reach.
#[derive(Default)]
pub struct Memory {
    regions: GuestMemoryMmap,
    /// PCI Bus Master Enable.
    pub enabled: bool,
    /// How many accesses failed, or were tried while they were not allowed.
    pub faults: u32,
}

impl Memory {
    /// `file` has, from `offset` on, `bytes` of memory at `address`.
    pub fn map(&mut self, file: File, offset: u64, address: u64, bytes: u64) -> io::Result<()> {
        let length = usize::try_from(bytes).map_err(io::Error::other)?;
        let mapped = MmapRegion::from_file(FileOffset::new(file, offset), length)
            .map_err(io::Error::other)?;
        let region = GuestRegionMmap::new(mapped, GuestAddress(address))
            .ok_or_else(|| io::Error::other("no such address"))?;
        self.regions = self
            .regions
            .insert_region(Arc::new(region))
            .map_err(io::Error::other)?;
        Ok(())
    }

    /// There is no memory there any more. What was not mapped is not there
    /// anyway.
    pub fn unmap(&mut self, address: u64, bytes: u64) {
        if let Ok((left, _)) = self.regions.remove_region(GuestAddress(address), bytes) {
            self.regions = left;
        }
    }

    /// Reads all of `data`.
    pub fn read(&mut self, address: u64, data: &mut [u8]) -> Result<(), Fault> {
        let done = self.enabled && self.regions.read_slice(data, GuestAddress(address)).is_ok();
        self.judge(done)
    }

    /// Writes all of `data`.
    pub fn write(&mut self, address: u64, data: &[u8]) -> Result<(), Fault> {
        let done = self.enabled
            && self
                .regions
                .write_slice(data, GuestAddress(address))
                .is_ok();
        self.judge(done)
    }

    fn judge(&mut self, done: bool) -> Result<(), Fault> {
        if done {
            return Ok(());
        }
        self.faults += 1;
        Err(Fault::NoMemory)
    }

    fn read_u64(&mut self, address: u64) -> Result<u64, Fault> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// The first `bytes` of what the command's data pointer describes.
    pub fn pieces(&mut self, command: &Command, bytes: u64) -> Result<Vec<Piece>, Fault> {
        match command.uses_sgl() {
            false => self.prp_pieces(command.prp1(), command.prp2(), bytes),
            true => self.sgl_pieces(command.sgl(), bytes),
        }
    }

    fn prp_pieces(&mut self, prp1: u64, prp2: u64, bytes: u64) -> Result<Vec<Piece>, Fault> {
        let first = bytes.min(PAGE_BYTES - prp1 % PAGE_BYTES);
        let mut pieces = vec![(prp1, first)];
        let mut left = bytes - first;
        if left == 0 {
            return Ok(pieces);
        }
        if left <= PAGE_BYTES {
            if prp2 % PAGE_BYTES != 0 {
                return Err(Fault::BadPointer);
            }
            pieces.push((prp2, left));
            return Ok(pieces);
        }
        let mut entry = prp2;
        while left > 0 {
            let mut prp = self.read_u64(entry)?;
            // The last entry of a page leads to the next list, if there is more.
            if (entry + PRP_BYTES) % PAGE_BYTES == 0 && left > PAGE_BYTES {
                entry = prp;
                prp = self.read_u64(entry)?;
            }
            if prp % PAGE_BYTES != 0 {
                return Err(Fault::BadPointer);
            }
            let part = left.min(PAGE_BYTES);
            pieces.push((prp, part));
            left -= part;
            entry += PRP_BYTES;
        }
        Ok(pieces)
    }

    fn sgl_pieces(&mut self, first: [u8; 16], bytes: u64) -> Result<Vec<Piece>, Fault> {
        let mut pieces = Vec::new();
        let mut left = bytes;
        let mut segment = vec![first];
        for _ in 0..SEGMENTS_MAX {
            let mut next = None;
            for (index, descriptor) in segment.iter().enumerate() {
                let (address, length) = address_and_length(descriptor);
                match descriptor[15] >> 4 {
                    0 if left > 0 => {
                        let part = length.min(left);
                        pieces.push((address, part));
                        left -= part;
                    }
                    0 => {}
                    // A segment, or the last one: only at the end of a segment.
                    2 | 3 if index + 1 == segment.len() && length % DESCRIPTOR_BYTES == 0 => {
                        next = Some((address, length));
                    }
                    _ => return Err(Fault::BadPointer),
                }
            }
            let Some((address, length)) = next else {
                break;
            };
            segment = vec![[0; 16]; (length / DESCRIPTOR_BYTES).min(PAGE_BYTES) as usize];
            for (index, descriptor) in (0..).zip(&mut segment) {
                self.read(address + index * DESCRIPTOR_BYTES, descriptor)?;
            }
        }
        match left {
            0 => Ok(pieces),
            _ => Err(Fault::BadPointer),
        }
    }
}

fn address_and_length(descriptor: &[u8; 16]) -> Piece {
    let (address, rest) = descriptor.split_at(8);
    let number = |bytes: &[u8]| {
        let digits = bytes.iter().rev();
        digits.fold(0, |number, &byte| (number << 8) | u64::from(byte))
    };
    (number(address), number(&rest[..4]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Memory {
        let regions = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 0x10_0000)]);
        Memory {
            regions: regions.expect("anonymous memory"),
            enabled: true,
            faults: 0,
        }
    }

    #[test]
    fn without_the_bus_nothing_is_accessed() {
        let mut memory = memory();
        memory.enabled = false;
        assert_eq!(memory.write(0, &[1]), Err(Fault::NoMemory));
        assert_eq!(memory.read(0, &mut [0]), Err(Fault::NoMemory));
        memory.enabled = true;
        assert_eq!(memory.read(0x10_0000, &mut [0]), Err(Fault::NoMemory));
        assert_eq!(memory.faults, 3);
    }

    #[test]
    fn one_and_two_pages_need_no_list() {
        let mut memory = memory();
        assert_eq!(memory.prp_pieces(0x1800, 0, 512), Ok(vec![(0x1800, 512)]));
        let two = memory.prp_pieces(0x1800, 0x5000, 0x1800);
        assert_eq!(two, Ok(vec![(0x1800, 0x800), (0x5000, 0x1000)]));
        let crooked = memory.prp_pieces(0x1800, 0x5004, 0x1800);
        assert_eq!(crooked, Err(Fault::BadPointer));
    }

    #[test]
    fn lists_go_on_in_their_last_entries() {
        let mut memory = memory();
        // Two entries are left in the page at 0x8000.
        let entries = [
            (0x8ff0, 0x2000_u64),
            (0x8ff8, 0x9000),
            (0x9000, 0x3000),
            (0x9008, 0x4000),
        ];
        for (address, entry) in entries {
            memory.write(address, &entry.to_le_bytes()).expect("memory");
        }
        let pieces = memory.prp_pieces(0x1000, 0x8ff0, 0x3800);
        let expected = [
            (0x1000, 0x1000),
            (0x2000, 0x1000),
            (0x3000, 0x1000),
            (0x4000, 0x800),
        ];
        assert_eq!(pieces, Ok(expected.to_vec()));
    }

    #[test]
    fn sgls_go_on_in_segments() {
        let mut memory = memory();
        let descriptor = |address: u64, length: u32, kind: u8| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&address.to_le_bytes());
            bytes[8..12].copy_from_slice(&length.to_le_bytes());
            bytes[15] = kind << 4;
            bytes
        };
        memory
            .write(0x100, &descriptor(0x2001, 7, 0))
            .expect("memory");
        memory
            .write(0x110, &descriptor(0x3000, 99, 0))
            .expect("memory");
        let pieces = memory.sgl_pieces(descriptor(0x100, 32, 3), 10);
        assert_eq!(pieces, Ok(vec![(0x2001, 7), (0x3000, 3)]));
        assert_eq!(
            memory.sgl_pieces(descriptor(0, 9, 0), 10),
            Err(Fault::BadPointer)
        );
        assert_eq!(
            memory.sgl_pieces(descriptor(0, 9, 5), 9),
            Err(Fault::BadPointer)
        );
    }
}
