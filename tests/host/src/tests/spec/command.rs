// SPDX-License-Identifier: GPL-2.0-only

//! Images of the submission queue entries the driver sends, byte for byte.

use proptest::prelude::*;
use zerocopy::{FromBytes, IntoBytes};

use crate::spec::{
    command::{
        CommandId, DmaAddress, LogPageRead, NamespaceId, QueueId, QueueSetup, RetainEvent,
        SubmissionEntry,
    },
    feature::FeatureId,
    identify::Cns,
    log_page::LogPageId,
    namespace::CommandSetId,
    opcode::AdminOpcode,
};

const DATA: DmaAddress = DmaAddress(0x0123_4567_89ab_c000);
const DATA_BYTES: [u8; 8] = [0x00, 0xc0, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01];

/// 64 zero bytes but for `parts`, each at its offset.
fn image(parts: &[(usize, &[u8])]) -> [u8; 64] {
    let mut image = [0; 64];
    for (offset, part) in parts {
        image[*offset..*offset + part.len()].copy_from_slice(part);
    }
    image
}

fn read_of(page: LogPageId, length_bytes: u32) -> LogPageRead {
    LogPageRead {
        page,
        nsid: NamespaceId::BROADCAST,
        offset_bytes: 0,
        length_bytes,
        retain: RetainEvent::Release,
    }
}

#[test]
fn fields_are_where_the_specification_puts_them() {
    let mut bytes = [0_u8; 64];
    for (byte, number) in bytes.iter_mut().zip(0..) {
        *byte = number;
    }
    let entry = SubmissionEntry::read_from_bytes(&bytes).unwrap();

    assert_eq!((entry.opcode, entry.flags), (0, 1));
    assert_eq!(entry.command_id.get(), 0x0302);
    let dwords = [
        (entry.nsid, 4),
        (entry.cdw2, 8),
        (entry.cdw3, 12),
        (entry.cdw10, 40),
        (entry.cdw11, 44),
        (entry.cdw12, 48),
        (entry.cdw13, 52),
        (entry.cdw14, 56),
        (entry.cdw15, 60),
    ];
    for (dword, offset) in dwords {
        assert_eq!(dword.as_bytes(), &bytes[offset..offset + 4]);
    }
    for (pointer, offset) in [(entry.mptr, 16), (entry.prp1, 24), (entry.prp2, 32)] {
        assert_eq!(pointer.as_bytes(), &bytes[offset..offset + 8]);
    }
}

#[test]
fn create_io_queues() {
    let queue = QueueSetup {
        id: QueueId(0x0102),
        entries: 0x0400,
        address: DATA,
    };
    let entry = SubmissionEntry::create_io_completion_queue(queue, Some(0x0506));
    let expected = image(&[
        (0, &[0x05]),
        (24, &DATA_BYTES),
        (40, &[0x02, 0x01, 0xff, 0x03]),
        (44, &[0x03, 0x00, 0x06, 0x05]),
    ]);
    assert_eq!(entry.as_bytes(), expected);

    let entry = SubmissionEntry::create_io_completion_queue(queue, None);
    assert_eq!(entry.cdw11.get(), 1, "no interrupts");

    let entry = SubmissionEntry::create_io_submission_queue(queue, QueueId(0x0304));
    let expected = image(&[
        (0, &[0x01]),
        (24, &DATA_BYTES),
        (40, &[0x02, 0x01, 0xff, 0x03]),
        (44, &[0x01, 0x00, 0x04, 0x03]),
    ]);
    assert_eq!(entry.as_bytes(), expected);
}

#[test]
fn abort_names_queue_and_command() {
    let entry = SubmissionEntry::abort(QueueId::ADMIN, CommandId(1));
    assert_eq!(entry.cdw10.get(), 0x0001_0000);
    let entry = SubmissionEntry::abort(QueueId(0x0102), CommandId(0x0304));
    let expected = image(&[(0, &[0x08]), (40, &[0x02, 0x01, 0x04, 0x03])]);
    assert_eq!(entry.as_bytes(), expected);
}

#[test]
fn set_features_number_of_queues() {
    let entry = SubmissionEntry::set_features(FeatureId::NumberOfQueues, 0x0003_0003);
    let expected = image(&[(0, &[0x09]), (40, &[0x07]), (44, &[3, 0, 3, 0])]);
    assert_eq!(entry.as_bytes(), expected);
}

#[test]
fn asynchronous_event_request_is_only_an_opcode() {
    let entry = SubmissionEntry::asynchronous_event_request();
    assert_eq!(entry.as_bytes(), image(&[(0, &[0x0c])]));
}

#[test]
fn identify_controller() {
    let entry = SubmissionEntry::identify(Cns::Controller, NamespaceId::NONE, DATA);
    assert_eq!(
        entry.as_bytes(),
        image(&[(0, &[0x06]), (24, &DATA_BYTES), (40, &[0x01])])
    );
}

#[test]
fn identify_active_namespaces_after_the_given_one() {
    let entry = SubmissionEntry::identify(Cns::ActiveNamespaceList, NamespaceId(0x0a0b), DATA);
    assert_eq!(
        entry.as_bytes(),
        image(&[
            (0, &[0x06]),
            (4, &[0x0b, 0x0a]),
            (24, &DATA_BYTES),
            (40, &[0x02])
        ])
    );
}

#[test]
fn set_features_carries_the_value_in_dword_11() {
    let entry =
        SubmissionEntry::set_features(FeatureId::AsynchronousEventConfiguration, 0x8800_011f);
    assert_eq!(
        entry.as_bytes(),
        image(&[(0, &[0x09]), (40, &[0x0b]), (44, &[0x1f, 0x01, 0x00, 0x88])])
    );
}

#[test]
fn get_log_page_retains_or_releases_the_event_by_bit_15() {
    for (retain, high_byte) in [(RetainEvent::Release, 0x00), (RetainEvent::Retain, 0x80)] {
        let read = LogPageRead {
            retain,
            ..read_of(LogPageId(0x02), 512)
        };
        assert_eq!(
            SubmissionEntry::get_log_page(read, DATA).as_bytes(),
            image(&[
                (0, &[0x02]),
                (4, &[0xff; 4]),
                (24, &DATA_BYTES),
                // 128 dwords, counted from zero.
                (40, &[0x02, high_byte, 0x7f, 0x00]),
            ])
        );
    }
}

#[test]
fn get_log_page_of_a_command_set() {
    let read = LogPageRead {
        page: LogPageId::COMMAND_EFFECTS,
        nsid: NamespaceId::BROADCAST,
        offset_bytes: 0,
        length_bytes: 4096,
        retain: RetainEvent::Retain,
    };
    let entry = SubmissionEntry::get_log_page(read, DATA).for_command_set(CommandSetId::ZONED);
    let expected = image(&[
        (0, &[0x02]),
        (4, &[0xff; 4]),
        (24, &DATA_BYTES),
        (40, &[0x05, 0x80, 0xff, 0x03]),
        (56, &[0, 0, 0, 0x02]),
    ]);
    assert_eq!(entry.as_bytes(), expected);
}

#[test]
fn get_log_page_splits_the_dword_count() {
    let lengths = [
        (4, 0x0000, 0x0000),
        (8, 0x0001, 0x0000),
        (4096, 0x03ff, 0x0000),
        (262_144, 0xffff, 0x0000),
        (262_148, 0x0000, 0x0001),
        (0xffff_fffc, 0xfffe, 0x3fff),
    ];
    for (length_bytes, lower, upper) in lengths {
        let read = read_of(LogPageId::TELEMETRY_CONTROLLER_INITIATED, length_bytes);
        let entry = SubmissionEntry::get_log_page(read, DATA);
        assert_eq!(
            entry.cdw10.get(),
            0x08 | (lower << 16),
            "{length_bytes} bytes"
        );
        assert_eq!(entry.cdw11.get(), upper, "{length_bytes} bytes");
    }
}

#[test]
fn get_log_page_of_a_namespace_from_an_offset() {
    let read = LogPageRead {
        nsid: NamespaceId(0x0102_0304),
        offset_bytes: 0x0a0b_0c00,
        ..read_of(LogPageId::CHANGED_ZONE_LIST, 4096)
    };
    assert_eq!(
        SubmissionEntry::get_log_page(read, DATA).as_bytes(),
        image(&[
            (0, &[0x02]),
            (4, &[0x04, 0x03, 0x02, 0x01]),
            (24, &DATA_BYTES),
            (40, &[0xbf, 0x00, 0xff, 0x03]),
            (48, &[0x00, 0x0c, 0x0b, 0x0a]),
        ])
    );
}

#[test]
fn a_command_id_goes_to_bytes_2_and_3() {
    let mut entry = SubmissionEntry::admin(AdminOpcode::Identify, NamespaceId(7));
    entry.command_id = CommandId(0xabcd).0.into();
    assert_eq!(
        entry.as_bytes(),
        image(&[(0, &[0x06]), (2, &[0xcd, 0xab]), (4, &[0x07])])
    );
}

#[test]
fn opcodes_have_the_numbers_of_the_specification() {
    let opcodes = [
        (AdminOpcode::GetLogPage, 0x02),
        (AdminOpcode::Identify, 0x06),
        (AdminOpcode::SetFeatures, 0x09),
        (AdminOpcode::AsynchronousEventRequest, 0x0c),
    ];
    for (opcode, number) in opcodes {
        let entry = SubmissionEntry::admin(opcode, NamespaceId::NONE);
        assert_eq!(entry.as_bytes(), image(&[(0, &[number])]));
    }
}

proptest! {
    #[test]
    fn a_controller_decodes_what_get_log_page_was_asked_for(
        page: u8,
        nsid: u32,
        dwords in 1_u32..=0x3fff_ffff,
        offset_dwords in 0_u32..=0x3fff_ffff,
        retain: bool,
        data: u64,
    ) {
        let read = LogPageRead {
            page: LogPageId(page),
            nsid: NamespaceId(nsid),
            offset_bytes: offset_dwords * 4,
            length_bytes: dwords * 4,
            retain: if retain { RetainEvent::Retain } else { RetainEvent::Release },
        };
        let entry = SubmissionEntry::get_log_page(read, DmaAddress(data));

        let cdw10 = entry.cdw10.get();
        let zero_based = (u64::from(entry.cdw11.get()) << 16) | u64::from(cdw10 >> 16);
        prop_assert_eq!(cdw10 & 0xff, u32::from(page));
        prop_assert_eq!(cdw10 & 0x7f00, 0, "the log specific field stays zero");
        prop_assert_eq!(cdw10 & 0x8000 != 0, retain);
        prop_assert_eq!(zero_based + 1, u64::from(dwords));
        prop_assert_eq!(entry.cdw12.get(), offset_dwords * 4);
        prop_assert_eq!(entry.nsid.get(), nsid);
        prop_assert_eq!(entry.prp1.get(), data);
        prop_assert_eq!((entry.prp2.get(), entry.mptr.get()), (0, 0));
        prop_assert_eq!((entry.cdw13.get(), entry.cdw14.get(), entry.cdw15.get()), (0, 0, 0));
    }
}

#[test]
fn doorbell_buffers_are_named_by_two_addresses() {
    let entry = SubmissionEntry::doorbell_buffer_config(DmaAddress(0x1000), DmaAddress(0x2000));
    assert_eq!(entry.opcode, 0x7c);
    assert_eq!((entry.prp1.get(), entry.prp2.get()), (0x1000, 0x2000));
}
