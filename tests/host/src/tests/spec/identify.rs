// SPDX-License-Identifier: GPL-2.0-only

use proptest::prelude::*;
use zerocopy::{FromBytes, IntoBytes};

use crate::{
    spec::{
        command::NamespaceId,
        identify::{
            active_namespaces, printable, Cns, IdentifyController, IDENTIFY_BYTES,
            NAMESPACES_PER_LIST,
        },
    },
    tests::identify,
};

#[test]
fn fields_are_where_the_specification_puts_them() {
    // Each dword of the page holds its own offset, so a field reads back where
    // it is.
    let mut page = [0_u8; IDENTIFY_BYTES];
    for (dword, offset) in page.chunks_exact_mut(4).zip((0_u32..).step_by(4)) {
        dword.copy_from_slice(&offset.to_le_bytes());
    }
    let identify = IdentifyController::read_from_bytes(&page).unwrap();

    assert_eq!((identify.vid.get(), identify.ssvid.get()), (0, 0));
    assert_eq!(identify.serial_number, page[4..24]);
    assert_eq!(identify.model_number, page[24..64]);
    assert_eq!(identify.firmware_revision, page[64..72]);
    assert_eq!(identify.version.get(), 80);
    assert_eq!(identify.rtd3_resume_latency_us.get(), 84);
    assert_eq!(identify.rtd3_entry_latency_us.get(), 88);
    assert_eq!(identify.oaes.get(), 92);
    assert_eq!(identify.nanagrpid.get(), 348);
    assert_eq!(identify.nn.get(), 516);
}

#[test]
fn optional_commands_include_doorbell_buffers() {
    let announced = |oacs: u16| identify(|identify| identify.oacs.set(oacs));
    assert!(announced(0x0100).doorbell_buffers());
    assert!(!announced(0xfeff).doorbell_buffers());
}

#[test]
fn log_page_attributes_announce_the_effects_log() {
    for bit in 0..8 {
        let controller = identify(|identify| identify.lpa = 1 << bit);
        assert_eq!(controller.effects_log(), bit == 1, "bit {bit}");
    }
}

#[test]
fn discovery_and_administrative_controllers_have_no_io_queues() {
    for cntrltype in 0..=u8::MAX {
        let identify = identify(|identify| identify.cntrltype = cntrltype);
        let expected = cntrltype != 2 && cntrltype != 3;
        assert_eq!(identify.has_io_queues(), expected, "type {cntrltype}");
    }
}

#[test]
fn data_is_limited_in_units_of_the_smallest_page() {
    // MDTS, log2 of the page, bytes.
    let table = [
        (0, 12, None),
        (1, 12, Some(8192)),
        (7, 12, Some(0x8_0000)),
        (5, 16, Some(0x20_0000)),
        (51, 12, Some(1 << 63)),
        // Beyond what can be counted there is no limit.
        (52, 12, None),
        (255, 27, None),
    ];
    for (mdts, page_shift, expected) in table {
        let controller = identify(|identify| identify.mdts = mdts);
        assert_eq!(controller.data_limit_bytes(page_shift), expected, "{mdts}");
    }
}

#[test]
fn single_bytes_are_where_the_specification_puts_them() {
    let mut page = [0_u8; IDENTIFY_BYTES];
    page[..4].copy_from_slice(&[0x36, 0x1b, 0xf4, 0x1a]);
    page[258..263].copy_from_slice(&[1, 2, 3, 4, 5]);
    let identify = IdentifyController::read_from_bytes(&page).unwrap();

    assert_eq!((identify.vid.get(), identify.ssvid.get()), (0x1b36, 0x1af4));
    assert_eq!(
        [
            identify.acl,
            identify.aerl,
            identify.frmw,
            identify.lpa,
            identify.elpe
        ],
        [1, 2, 3, 4, 5]
    );
    assert_eq!(identify.as_bytes(), page);
}

#[test]
fn data_structures_have_the_numbers_of_the_specification() {
    assert_eq!(Cns::Controller as u8, 0x01);
    assert_eq!(Cns::ActiveNamespaceList as u8, 0x02);
    assert_eq!(Cns::NamespaceDescriptors as u8, 0x03);
}

#[test]
fn aer_limit_is_zero_based_and_does_not_overflow() {
    for (aerl, limit) in [(0, 1), (3, 4), (7, 8), (255, 256)] {
        assert_eq!(identify(|identify| identify.aerl = aerl).aer_limit(), limit);
    }
}

#[test]
fn each_log_page_attribute_has_its_own_bit() {
    for bit in 0..8 {
        let controller = identify(|identify| identify.lpa = 1 << bit);
        assert_eq!(controller.extended_log_page_data(), bit == 2, "bit {bit}");
        assert_eq!(controller.telemetry(), bit == 3, "bit {bit}");
    }
}

#[test]
fn printable_cuts_padding_and_leaves_out_what_is_not_text() {
    let table: [(&[u8], &str); 10] = [
        (b"", ""),
        (b"        ", ""),
        (b"\0\0\0\0", ""),
        (b"QEMU NVMe Ctrl      ", "QEMU NVMe Ctrl"),
        (b"deadbeef\0\0\0\0", "deadbeef"),
        (b"1.0 \0 \0", "1.0"),
        (b"  leading", "  leading"),
        (b"two  words", "two  words"),
        (b"\x1b[31mred\x7f\xff\n", "[31mred"),
        (b"full width", "full width"),
    ];
    for (field, text) in table {
        assert_eq!(printable(field).collect::<String>(), text);
    }
}

/// A namespace list that starts with `nsids`.
fn namespace_list(nsids: &[u32]) -> Vec<u8> {
    let mut list = vec![0; IDENTIFY_BYTES];
    for (bytes, nsid) in list.chunks_exact_mut(4).zip(nsids) {
        bytes.copy_from_slice(&nsid.to_le_bytes());
    }
    list
}

#[test]
fn a_namespace_list_ends_at_the_first_zero_or_when_it_is_full() {
    let full: Vec<u32> = (1..).take(NAMESPACES_PER_LIST).collect();
    let table: [(&[u32], &[u32]); 5] = [
        (&[], &[]),
        (&[1], &[1]),
        (&[1, 2, 0x0403_0201], &[1, 2, 0x0403_0201]),
        // What a controller left behind the end is not part of the list.
        (&[7, 0, 9], &[7]),
        (&full, &full),
    ];
    for (entries, nsids) in table {
        let list = namespace_list(entries);
        let found = active_namespaces(&list).map(|NamespaceId(nsid)| nsid);
        assert!(found.eq(nsids.iter().copied()), "{nsids:x?}");
    }
    assert_eq!(NAMESPACES_PER_LIST, 1024);
}

#[test]
fn a_namespace_list_cut_short_has_whole_entries_only() {
    let list = namespace_list(&[1, 2, 3]);
    assert_eq!(active_namespaces(&[]).count(), 0);
    assert_eq!(active_namespaces(&list[..11]).count(), 2);
}

proptest! {
    #[test]
    fn printable_never_returns_a_control_character(field: [u8; 40]) {
        let text = printable(&field);
        prop_assert_eq!(text.clone().count(), text.clone().collect::<String>().len());
        for character in text {
            prop_assert!((' '..='~').contains(&character), "{:?}", character);
            prop_assert!(field.contains(&(character as u8)));
        }
    }
}
