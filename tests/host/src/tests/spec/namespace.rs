// SPDX-License-Identifier: GPL-2.0-only

//! What namespaces say of themselves, nonsense included.

use proptest::prelude::*;
use zerocopy::{FromBytes, FromZeros};

use crate::spec::namespace::{
    CommandSetId, Descriptors, Format, IdentifyNamespace, LbaFormat, MetadataPlace,
    NvmIdentifyNamespace,
};

/// A namespace that has format `index`, and all formats alike but for the
/// metadata, of which they have as many bytes as their number.
fn namespace(flbas: u8, data_shift: u8, dps: u8) -> IdentifyNamespace {
    let mut namespace = IdentifyNamespace::new_zeroed();
    namespace.flbas = flbas;
    namespace.dps = dps;
    for (format, metadata_bytes) in namespace.lbaf.iter_mut().zip(0_u16..) {
        *format = LbaFormat {
            metadata_bytes: metadata_bytes.into(),
            data_shift,
            performance: 0xff,
        };
    }
    namespace
}

#[test]
fn the_format_in_use_is_named_by_flbas() {
    use MetadataPlace::{Extended, Separate};

    // FLBAS, the number of the format, where its metadata is.
    let table = [
        (0x00, 0, Separate),
        (0x10, 0, Extended),
        (0x8f, 15, Separate),
        (0x2f, 31, Separate),
        (0x75, 53, Extended),
        (0xff, 63, Extended),
    ];
    for (flbas, number, metadata) in table {
        let expected = Format {
            lba_shift: 12,
            metadata_bytes: number,
            metadata,
            protection_bytes: 0,
        };
        let format = namespace(flbas, 12, 0).format(None);
        assert_eq!(format, Some(expected), "{flbas:#x}");
        assert_eq!(expected.lba_bytes(), 4096);
    }
}

#[test]
fn blocks_of_a_size_that_makes_no_sense_are_no_format() {
    for shift in 0..=u8::MAX {
        let format = namespace(0, shift, 0).format(None);
        let lba_bytes = format.map(Format::lba_bytes);
        let expected = (9..=31).contains(&shift).then(|| 1_u32 << shift);
        assert_eq!(lba_bytes, expected, "{shift}");
    }
}

#[test]
fn protection_information_has_the_size_of_its_guard() {
    let mut extension = NvmIdentifyNamespace::new_zeroed();
    extension.elbaf = [0x7f.into(); 64];
    extension.elbaf[20] = 0x80.into();
    extension.elbaf[21] = 0x100.into();
    // FLBAS, DPS, with the extension, without.
    let table = [
        (0x04, 0, 0, 0),
        (0x04, 1, 8, 8),
        (0x04, 0xff, 8, 8),
        (0x24, 3, 16, 8),
        (0x25, 2, 16, 8),
        (0x25, 8, 0, 0),
    ];
    for (flbas, dps, with, without) in table {
        let namespace = namespace(flbas, 9, dps);
        let size = |extension| namespace.format(extension).unwrap().protection_bytes;
        assert_eq!(size(Some(&extension)), with, "{flbas:#x} {dps:#x}");
        assert_eq!(size(None), without, "{flbas:#x} {dps:#x}");
    }
}

#[test]
fn block_command_sets_have_logical_blocks() {
    for set in 0..=u8::MAX {
        let expected = set == 0 || set == 2;
        assert_eq!(CommandSetId(set).has_logical_blocks(), expected, "{set}");
    }
    assert!(!CommandSetId::KEY_VALUE.has_logical_blocks());
}

#[test]
fn identifiers_of_identify_count_where_there_is_no_descriptor() {
    let mut identify = namespace(0, 9, 0);
    let mut found = Descriptors::default();
    found.or_from(&identify);
    assert_eq!(found, Descriptors::default(), "zero means none");

    identify.eui64 = [1; 8];
    identify.nguid = [2; 16];
    found.or_from(&identify);
    assert_eq!(found.eui64, Some([1; 8]));
    assert_eq!(found.nguid, Some([2; 16]));

    identify.eui64 = [3; 8];
    identify.nguid = [4; 16];
    found.or_from(&identify);
    assert_eq!(found.eui64, Some([1; 8]), "a descriptor comes first");
    assert_eq!(found.nguid, Some([2; 16]));
}

#[test]
fn descriptors_in_any_order_up_to_the_end() {
    let mut list = vec![4, 1, 0, 0, 2];
    list.extend([9, 3, 0, 0, 1, 2, 3]);
    list.extend([1, 8, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    list.extend([2, 16, 0, 0]);
    list.extend([2; 16]);
    list.extend([0, 0, 0, 0]);
    list.extend([3, 16, 0, 0]);
    list.extend([3; 16]);
    let expected = Descriptors {
        eui64: Some([1, 2, 3, 4, 5, 6, 7, 8]),
        nguid: Some([2; 16]),
        uuid: None,
        command_set: Some(2),
    };
    assert_eq!(Descriptors::parse(&list), expected);
    // Cut off within a value, and with a length that does not fit the type.
    assert_eq!(Descriptors::parse(&list[..20]).eui64, None);
    let list = [3, 16, 0, 0, 1, 2, 3];
    assert_eq!(Descriptors::parse(&list), Descriptors::default());
    assert_eq!(Descriptors::parse(&[2, 1, 0, 0, 7]).nguid, None);
}

proptest! {
    #[test]
    fn no_list_is_too_strange(list in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Descriptors::parse(&list);
    }

    #[test]
    fn no_namespace_is_too_strange(
        namespace in prop::collection::vec(any::<u8>(), 4096),
        extension in prop::collection::vec(any::<u8>(), 4096),
    ) {
        let namespace = IdentifyNamespace::read_from_bytes(&namespace).unwrap();
        let extension = NvmIdentifyNamespace::read_from_bytes(&extension).unwrap();
        if let Some(format) = namespace.format(Some(&extension)) {
            prop_assert!(format.lba_bytes() >= 512);
        }
    }
}

#[test]
fn a_format_fits_into_a_word() {
    assert_eq!(Format::unpack(Format::pack(None)), None);
    for metadata in [MetadataPlace::Separate, MetadataPlace::Extended] {
        for (lba_shift, metadata_bytes, protection_bytes) in
            [(9, 0, 0), (12, 8, 8), (31, 0xffff, 16), (9, 64, 16)]
        {
            let format = Some(Format {
                lba_shift,
                metadata_bytes,
                metadata,
                protection_bytes,
            });
            assert_eq!(Format::unpack(Format::pack(format)), format);
        }
    }
}
