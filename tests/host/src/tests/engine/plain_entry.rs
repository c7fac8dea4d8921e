// SPDX-License-Identifier: GPL-2.0-only

//! Commands in plain entries of a ring.

use proptest::prelude::*;
use zerocopy::FromBytes;

use crate::engine::plain_entry::{Indirect, Inline, Links, Malformed, PlainEntry, LINK_ERR};

const ENTRY_BYTES: usize = 64;
const COMMAND_BYTES: usize = 80;

/// What of an entry means something, where io_uring has it.
#[derive(Clone, Copy, Debug, Default)]
struct Sqe {
    address: u64,
    length: u32,
    file_index: u32,
    cmd: [u8; 16],
    /// All other bytes.
    filler: u8,
}

impl Sqe {
    fn entry(self) -> PlainEntry {
        let mut bytes = [self.filler; ENTRY_BYTES];
        bytes[16..24].copy_from_slice(&self.address.to_ne_bytes());
        bytes[24..28].copy_from_slice(&self.length.to_ne_bytes());
        bytes[44..48].copy_from_slice(&self.file_index.to_ne_bytes());
        bytes[48..].copy_from_slice(&self.cmd);
        PlainEntry::read_from_bytes(&bytes).unwrap()
    }
}

/// `struct nvme_uring_inline`.
fn inline_cmd(opcode: u8, flags: u8, timeout_s: u16, dwords: [u32; 3]) -> [u8; 16] {
    let mut cmd = [0; 16];
    cmd[0] = opcode;
    cmd[1] = flags;
    cmd[2..4].copy_from_slice(&timeout_s.to_ne_bytes());
    for (place, dword) in cmd[4..].chunks_exact_mut(4).zip(dwords) {
        place.copy_from_slice(&dword.to_ne_bytes());
    }
    cmd
}

/// `struct nvme_uring_indirect`.
fn indirect_cmd(words: [u32; 4]) -> [u8; 16] {
    let mut cmd = [0; 16];
    for (place, word) in cmd.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    cmd
}

#[test]
fn each_member_of_a_small_command_has_its_place() {
    let sqe = Sqe {
        address: 0x1122_3344_5566_7788,
        length: 0x99aa_bbcc,
        file_index: 0xddee_ff01,
        cmd: inline_cmd(0x02, 0, 3, [0x0304_0506, 0x0708_090a, 0x0b0c_0d0e]),
        filler: 0xa5,
    };
    let expected = Inline {
        opcode: 0x02,
        nsid: 0xddee_ff01,
        address: 0x1122_3344_5566_7788,
        length_bytes: 0x99aa_bbcc,
        cdw10: 0x0304_0506,
        cdw11: 0x0708_090a,
        cdw12: 0x0b0c_0d0e,
        timeout_ms: 3000,
    };
    assert_eq!(sqe.entry().inline(), Ok(expected));
}

#[test]
fn flags_of_a_small_command_are_refused() {
    for bit in 0..8 {
        let cmd = inline_cmd(0x02, 1 << bit, 0, [0; 3]);
        let sqe = Sqe {
            cmd,
            ..Sqe::default()
        };
        assert_eq!(sqe.entry().inline(), Err(Malformed), "bit {bit}");
    }
}

#[test]
fn seconds_become_milliseconds() {
    for (timeout_s, timeout_ms) in [(0, 0), (1, 1000), (0xffff, 65_535_000)] {
        let cmd = inline_cmd(0, 0, timeout_s, [0; 3]);
        let sqe = Sqe {
            cmd,
            ..Sqe::default()
        };
        assert_eq!(sqe.entry().inline().unwrap().timeout_ms, timeout_ms);
    }
}

#[test]
fn a_pointer_with_the_right_size_and_nothing_else() {
    let sqe = Sqe {
        address: 0xfedc_ba98_7654_3210,
        length: COMMAND_BYTES as u32,
        filler: 0x5a,
        ..Sqe::default()
    };
    for (flags, links) in [(0, Links::Hold), (LINK_ERR, Links::Break)] {
        let entry = Sqe {
            cmd: indirect_cmd([flags, 0, 0, 0]),
            ..sqe
        };
        let expected = Indirect {
            address: sqe.address,
            links,
        };
        assert_eq!(entry.entry().indirect(COMMAND_BYTES), Ok(expected));
    }
    for length in [0, 72, 79, 81, 0x1_0050_u32, u32::MAX] {
        let entry = Sqe { length, ..sqe }.entry();
        assert_eq!(entry.indirect(COMMAND_BYTES), Err(Malformed), "{length}");
    }
    let file_index = 1;
    let entry = Sqe { file_index, ..sqe }.entry();
    assert_eq!(entry.indirect(COMMAND_BYTES), Err(Malformed));
    for bit in 1..128 {
        let mut words = [0_u32; 4];
        words[bit / 32] = 1 << (bit % 32);
        let cmd = indirect_cmd(words);
        let entry = Sqe { cmd, ..sqe }.entry();
        assert_eq!(entry.indirect(COMMAND_BYTES), Err(Malformed), "bit {bit}");
    }
}

proptest! {
    /// Whatever is in an entry: no panic, and what is accepted is what was sent.
    #[test]
    fn any_bytes(bytes in prop::array::uniform32(any::<u16>())) {
        let bytes: Vec<u8> = bytes.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let entry = PlainEntry::read_from_bytes(&bytes).unwrap();
        let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
        match entry.inline() {
            Ok(command) => {
                prop_assert_eq!(bytes[49], 0);
                prop_assert_eq!(command.opcode, bytes[48]);
                prop_assert_eq!(command.nsid, word(44));
                prop_assert_eq!(command.length_bytes, word(24));
                prop_assert_eq!([command.cdw10, command.cdw11, command.cdw12],
                    [word(52), word(56), word(60)]);
            }
            Err(Malformed) => prop_assert_ne!(bytes[49], 0),
        }
        if entry.indirect(COMMAND_BYTES).is_ok() {
            prop_assert_eq!(word(24), COMMAND_BYTES as u32);
            prop_assert!(word(48) <= LINK_ERR);
        }
    }
}
