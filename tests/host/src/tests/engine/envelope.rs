// SPDX-License-Identifier: GPL-2.0-only

use proptest::prelude::*;

use crate::engine::{
    envelope::{gives, BadSize, Excess, Extensible, Sizes, Version},
    policy::Implied,
};

const STRUCT: Extensible = Extensible {
    least_bytes: 88,
    known_bytes: 104,
    most_bytes: 4096,
};

fn sizes(in_bytes: u32, out_bytes: u32, metadata_bytes: u32) -> Sizes {
    Sizes {
        in_bytes,
        out_bytes,
        metadata_bytes,
        excess: Excess::Refused,
    }
}

fn known(data_bytes: u64, metadata_bytes: u64) -> Implied {
    Implied::Known {
        data_bytes,
        metadata_bytes,
    }
}

#[test]
fn older_and_newer_structs_are_taken() {
    let version = |common_bytes, newer_bytes| {
        Ok(Version {
            common_bytes,
            newer_bytes,
        })
    };
    let table = [
        (0, Err(BadSize::TooShort)),
        (87, Err(BadSize::TooShort)),
        (88, version(88, 0)),
        (89, version(89, 0)),
        (103, version(103, 0)),
        (104, version(104, 0)),
        (105, version(104, 1)),
        (4096, version(104, 3992)),
        (4097, Err(BadSize::TooLong)),
        (u32::MAX, Err(BadSize::TooLong)),
    ];
    for (size, expected) in table {
        assert_eq!(STRUCT.version(size), expected, "{size}");
    }
}

#[test]
fn data_goes_the_ways_that_the_opcode_has() {
    for opcode in 0..=u8::MAX {
        let takes = opcode & 1 != 0;
        let has_data = opcode & 3 != 0;
        assert_eq!(gives(opcode), opcode & 2 != 0);
        assert!(sizes(0, 0, 0).suit(opcode));
        assert_eq!(sizes(1, 0, 0).suit(opcode), takes, "{opcode:#x}");
        assert_eq!(sizes(0, 1, 0).suit(opcode), gives(opcode), "{opcode:#x}");
        assert_eq!(sizes(1, 1, 0).suit(opcode), takes && gives(opcode));
        assert_eq!(sizes(0, 0, 1).suit(opcode), has_data);
    }
}

#[test]
fn what_is_implied_has_to_fit() {
    for (opcode, given) in [(0x01, sizes(512, 0, 8)), (0x02, sizes(0, 512, 8))] {
        assert_eq!(given.room_bytes(opcode, known(1024, 0)), 512);
        for (implied, expected) in [
            (known(512, 8), Some(512)),
            (known(511, 7), Some(511)),
            (known(0, 0), Some(0)),
            (known(513, 8), None),
            (known(512, 9), None),
            (Implied::Unknown, Some(512)),
        ] {
            assert_eq!(given.transferred_bytes(opcode, implied), expected);
        }
    }
    assert_eq!(
        sizes(512, 4096, 0).transferred_bytes(0x03, Implied::Unknown),
        Some(4096)
    );
}

#[test]
fn only_what_comes_back_can_be_dropped() {
    let dropping = |sizes| Sizes {
        excess: Excess::Dropped,
        ..sizes
    };
    let read = dropping(sizes(0, 512, 8));
    assert_eq!(read.room_bytes(0x02, known(4096, 0)), 4096);
    assert_eq!(read.transferred_bytes(0x02, known(4096, 0)), Some(4096));
    assert_eq!(read.transferred_bytes(0x02, known(4096, 9)), None);
    assert_eq!(read.transferred_bytes(0x02, Implied::Unknown), Some(512));
    assert_eq!(read.returned_bytes(4096, 4096), 512);
    let write = dropping(sizes(512, 0, 0));
    assert_eq!(write.transferred_bytes(0x01, known(513, 0)), None);
    let both = dropping(sizes(512, 512, 0));
    assert_eq!(both.transferred_bytes(0x03, known(513, 0)), None);
}

proptest! {
    #[test]
    fn no_more_comes_back_than_there_is(
        in_bytes: u32, out_bytes: u32, transferred: u64, extent: u64,
    ) {
        let returned = sizes(in_bytes, out_bytes, 0).returned_bytes(transferred, extent);
        prop_assert!(returned <= out_bytes);
        prop_assert_eq!(u64::from(returned), transferred.min(extent).min(out_bytes.into()));
    }
}
