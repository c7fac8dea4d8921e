// SPDX-License-Identifier: GPL-2.0-only

use proptest::prelude::*;
use zerocopy::FromBytes;

use crate::spec::{
    command::CommandId,
    completion::{CompletionEntry, Phase, Status},
};

/// Do Not Retry, in the status field.
const DNR: u16 = 1 << 14;
/// More: the Error Information log has details.
const MORE: u16 = 1 << 13;

#[test]
fn fields_are_where_the_specification_puts_them() {
    let entry = CompletionEntry::read_from_bytes(&[
        0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0b,
        0x42,
    ])
    .unwrap();
    assert_eq!(entry.dw0.get(), 0x0403_0201);
    assert_eq!(entry.dw1.get(), 0x0807_0605);
    assert_eq!(entry.result(), 0x0807_0605_0403_0201);
    assert_eq!(entry.sq_head.get(), 0x0a09);
    assert_eq!(entry.sq_id.get(), 0x0c0b);
    assert_eq!(entry.command_id(), CommandId(0x0e0d));
    assert_eq!(entry.status_and_phase.get(), 0x420b);
    assert_eq!(
        entry.dwords(),
        [0x0403_0201, 0x0807_0605, 0x0c0b_0a09, 0x420b_0e0d]
    );
    assert_eq!(entry.status(), Status(0x2105));
}

#[test]
fn host_path_error_is_path_related() {
    assert_eq!((Status::HOST_PATH_ERROR.0 >> 8) & 0x7, 3);
    assert_eq!(Status::HOST_PATH_ERROR.0 & 0xff, 0x70);
}

#[test]
fn phase_is_the_lowest_bit_and_flips_there_and_back() {
    for (word, phase) in [
        (0x0000, Phase::Zero),
        (0x0001, Phase::One),
        (0xfffe, Phase::Zero),
        (0xffff, Phase::One),
    ] {
        assert_eq!(Phase::of(word), phase, "{word:#x}");
    }
    assert_eq!(Phase::One.flipped(), Phase::Zero);
    assert_eq!(Phase::Zero.flipped(), Phase::One);
}

#[test]
fn status_helpers() {
    // Status, code, success, do not retry.
    let table = [
        (0x0000, 0x000, true, false),
        // The hints for a retry do not make a success a failure.
        (MORE, 0x000, true, false),
        (DNR, 0x000, true, true),
        (0x1800, 0x000, true, false),
        // Generic: Invalid Field, Command Abort Requested, Host Aborted.
        (0x0002, 0x002, false, false),
        (0x4007, 0x007, false, true),
        (0x0371, 0x371, false, false),
        // A code type without a code is no success.
        (0x0100, 0x100, false, false),
        (0x0700, 0x700, false, false),
        (0x7fff, 0x7ff, false, true),
    ];
    for (raw, code, success, do_not_retry) in table {
        let status = Status(raw);
        assert_eq!(status.code(), code, "{raw:#x}");
        assert_eq!(status.is_success(), success, "{raw:#x}");
        assert_eq!(status.do_not_retry(), do_not_retry, "{raw:#x}");
    }
}

#[test]
fn limit_exceeded_is_recognised_whatever_the_hints_say() {
    // Status code type 1, code 05h.
    for raw in [0x105, 0x105 | DNR, 0x105 | MORE, 0x105 | 0x1800] {
        assert!(
            Status(raw).same_code(Status::AER_LIMIT_EXCEEDED),
            "{raw:#x}"
        );
    }
    for raw in [0x005, 0x205, 0x104, 0x000] {
        assert!(
            !Status(raw).same_code(Status::AER_LIMIT_EXCEEDED),
            "{raw:#x}"
        );
    }
}

proptest! {
    #[test]
    fn phase_and_status_share_a_word_without_mixing(status in 0_u16..0x8000, phase: bool) {
        let mut bytes = [0; 16];
        bytes[14..].copy_from_slice(&((status << 1) | u16::from(phase)).to_le_bytes());
        let entry = CompletionEntry::read_from_bytes(&bytes).unwrap();
        prop_assert_eq!(entry.status(), Status(status));
        let expected = if phase { Phase::One } else { Phase::Zero };
        prop_assert_eq!(entry.phase(), expected);
    }
}
