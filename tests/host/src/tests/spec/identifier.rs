// SPDX-License-Identifier: GPL-2.0-only

use proptest::prelude::*;

use crate::{
    spec::{
        command::NamespaceId,
        identifier::{Hex, SpacedHex, SubsystemNqn, Text, Uuid, Wwid},
        identify::IdentifyController,
        namespace::Descriptors,
    },
    tests::identify,
};

/// The bytes of `text`, padded with `padding` to the size of a field.
fn field<const BYTES: usize>(text: &str, padding: u8) -> [u8; BYTES] {
    let mut field = [padding; BYTES];
    field[..text.len()].copy_from_slice(text.as_bytes());
    field
}

fn drive() -> IdentifyController {
    identify(|identify| {
        identify.vid.set(0x1b36);
        identify.ssvid.set(0x1af4);
        identify.serial_number = field("NVMERS0", b' ');
        identify.model_number = field("QEMU NVMe Ctrl", b' ');
    })
}

const UUID: [u8; 16] = [
    0x6b, 0xa7, 0xb8, 0x10, 0x9d, 0xad, 0x11, 0xd1, 0x80, 0xb4, 0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8,
];
const EUI64: [u8; 8] = [0x00, 0x25, 0x38, 0x8b, 0x01, 0xc2, 0x0a, 0xff];

#[test]
fn text_ends_at_zero_and_keeps_its_padding() {
    for (bytes, text) in [
        (&b""[..], ""),
        (b"\0\0", ""),
        (b"11.1.3  ", "11.1.3  "),
        (b"ab\0cd", "ab"),
        (b"a\nb\x7f", "a?b?"),
        (b"\xffa\xc3\xa9", "?a\u{e9}"),
    ] {
        assert_eq!(Text(bytes).to_string(), text);
    }
}

#[test]
fn identifiers_are_written_as_linux_writes_them() {
    let uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    assert_eq!(Uuid(UUID).to_string(), uuid);
    assert_eq!(Hex(&EUI64).to_string(), "0025388b01c20aff");
    assert_eq!(SpacedHex(&EUI64).to_string(), "00 25 38 8b 01 c2 0a ff");
    assert_eq!(Hex(&[]).to_string() + &SpacedHex(&[]).to_string(), "");
}

#[test]
fn wwid_is_the_best_identifier_there_is() {
    let wwid = |descriptors| {
        Wwid {
            descriptors,
            identify: &drive(),
            nsid: NamespaceId(0x2a),
        }
        .to_string()
    };
    let mut descriptors = Descriptors {
        eui64: Some(EUI64),
        nguid: Some(UUID),
        uuid: Some(UUID),
        command_set: Some(0),
    };
    assert_eq!(
        wwid(descriptors),
        "uuid.6ba7b810-9dad-11d1-80b4-00c04fd430c8"
    );
    descriptors.uuid = None;
    assert_eq!(wwid(descriptors), "eui.6ba7b8109dad11d180b400c04fd430c8");
    descriptors.nguid = None;
    assert_eq!(wwid(descriptors), "eui.0025388b01c20aff");
    descriptors.eui64 = None;
    assert_eq!(
        wwid(descriptors),
        "nvme.1b36-4e564d45525330-51454d55204e564d65204374726c-0000002a"
    );
}

#[test]
fn a_subsystem_has_the_name_its_controllers_report() {
    let named = |name: [u8; 256]| {
        let mut identify = drive();
        identify.subnqn = name;
        SubsystemNqn::of(&identify).to_string()
    };
    let made_up = format!(
        "nqn.2014.08.org.nvmexpress:1b361af4{:20}{:40}",
        "NVMERS0", "QEMU NVMe Ctrl"
    );
    assert_eq!(
        named(field("nqn.2019-08.org.qemu:subsys0", 0)),
        "nqn.2019-08.org.qemu:subsys0"
    );
    assert_eq!(named([0; 256]), made_up);
    // 222 bytes are the most, and a zero.
    let longest = "n".repeat(222);
    assert_eq!(named(field(&longest, 0)), longest);
    assert_eq!(named(field(&"n".repeat(223), 0)), made_up);
    assert_eq!(named([b'n'; 256]), made_up);
}

#[test]
fn only_the_discovery_service_has_its_name() {
    for (name, is_discovery) in [
        ("nqn.2014-08.org.nvmexpress.discovery", true),
        ("nqn.2014-08.org.nvmexpress.discovery2", false),
        ("nqn.2014-08.org.nvmexpress", false),
        ("", false),
    ] {
        let mut identify = drive();
        identify.subnqn = field(name, 0);
        assert_eq!(SubsystemNqn::of(&identify).is_discovery(), is_discovery);
    }
}

#[test]
fn an_identifier_of_zeros_is_none() {
    for (kind, length) in [(1, 8), (2, 16), (3, 16)] {
        let mut list = vec![kind, length, 0, 0];
        list.resize(4 + usize::from(length), 0);
        assert_eq!(Descriptors::parse(&list), Descriptors::default());
        list[4] = 1;
        assert_ne!(Descriptors::parse(&list), Descriptors::default());
    }
}

proptest! {
    /// Whatever a device writes stays on one line.
    #[test]
    fn text_is_one_printable_line(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let text = Text(&bytes).to_string();
        prop_assert!(!text.chars().any(char::is_control));
        let until_zero = bytes.iter().take_while(|&&byte| byte != 0).count();
        prop_assert!(text.chars().count() <= until_zero);
    }

    /// What tells controllers apart tells the names made up for them apart.
    #[test]
    fn made_up_names_differ(serials in any::<([u8; 20], [u8; 20])>()) {
        let named = |serial| {
            let mut identify = drive();
            identify.serial_number = serial;
            SubsystemNqn::of(&identify)
        };
        prop_assert_eq!(named(serials.0) == named(serials.1), serials.0 == serials.1);
    }
}
