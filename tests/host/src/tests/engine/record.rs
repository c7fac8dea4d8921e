// SPDX-License-Identifier: GPL-2.0-only

//! The bits of a record. That they are those of the C header is asserted where
//! both meet, in `user::abi`; here they stand as numbers.

use proptest::prelude::*;

use crate::{
    engine::{
        record::{Handling, Lifecycle, Record, Sequence},
        storm::EventClass,
    },
    spec::{completion::Status, event::AsynchronousEvent, register::ControllerStatus},
};

#[test]
fn events_of_qemu() {
    // Event, and dword 3 of its record.
    let table = [
        (0x0002_0001, 0x0000_8000),
        (0x0002_0201, 0x0000_8000),
        (0x0001_0000, 0x0000_8000),
        (0x0004_0002, 0x0001_8000),
    ];
    for (dw0, dw3) in table {
        let record = Record::controller(AsynchronousEvent(dw0), 7, Status(0));
        let expected = Record {
            dw0,
            dw1: 7,
            dw2: 0,
            dw3,
        };
        assert_eq!(record, expected, "{dw0:#x}");
    }
}

#[test]
fn the_driver_handles_what_it_says_it_handles() {
    let handled = [
        0x0004_0002, // namespaces changed
        0x0003_0102, // firmware activation starts
        0x000c_0302, // namespace access changed
        0x0001_0300, // persistent internal error
    ];
    let reported = [
        0x0001_0000, // write to an invalid doorbell
        0x0001_0200, // diagnostic failure
        0x0001_0400, // transient internal error
        0x0002_0001, // SMART: reliability
        0x0008_0202, // telemetry log changed
        0x0080_0006, // reservation log page available
        0x0000_0007, // vendor specific
    ];
    for dw0 in handled {
        assert_eq!(
            Handling::of(AsynchronousEvent(dw0)),
            Handling::Handled,
            "{dw0:#x}"
        );
    }
    for dw0 in reported {
        assert_eq!(
            Handling::of(AsynchronousEvent(dw0)),
            Handling::Reported,
            "{dw0:#x}"
        );
    }
}

#[test]
fn lifecycle_records_say_who_speaks_and_what_happened() {
    let class = EventClass(0x0001_0000);
    let status = ControllerStatus(3);
    let timed_out = Lifecycle::CommandTimedOut {
        queue: 0x0102,
        opcode: 6,
    };
    let stopped = Lifecycle::AerStopped {
        status: Status(0x4105),
    };
    let table = [
        (Lifecycle::ResetStarted, 0x01, 0),
        (Lifecycle::ResetSucceeded, 0x02, 0),
        (Lifecycle::ResetFailed, 0x03, 0),
        (timed_out, 0x04, 0x0102_0006),
        (stopped, 0x05, 0x4105),
        (Lifecycle::AerResumed, 0x06, 0),
        (Lifecycle::ClassMasked { class }, 0x07, 0x0001_0000),
        (Lifecycle::ClassUnmasked { class }, 0x08, 0x0001_0000),
        (Lifecycle::FatalStatus { status }, 0x09, 3),
        (Lifecycle::Suspended, 0x0a, 0),
        (Lifecycle::Resumed, 0x0b, 0),
        (Lifecycle::Removed, 0x0c, 0),
    ];
    for (event, code, dw1) in table {
        let expected = Record {
            dw0: code << 8,
            dw1,
            dw2: 0,
            dw3: 1 << 12,
        };
        assert_eq!(Record::lifecycle(event), expected, "{event:?}");
        assert_eq!(
            Record::lifecycle(event).controller_event(),
            None,
            "{event:?}"
        );
    }
}

#[test]
fn loss_saturates_at_4095_and_replaces_an_earlier_count() {
    let record = Record {
        dw3: 0xffff_f000,
        ..Record::default()
    };
    let table = [
        (0, 0),
        (1, 1),
        (4094, 4094),
        (4095, 4095),
        (4096, 4095),
        (u64::from(u32::MAX) + 1, 4095),
        (u64::MAX, 4095),
    ];
    for (lost, field) in table {
        let seen = record.with_lost(lost);
        assert_eq!(seen.dw3, 0xffff_f000 | field, "{lost}");
        assert_eq!(record.with_lost(77).with_lost(lost), seen, "{lost}");
    }
}

#[test]
fn bytes_are_the_words_in_their_order() {
    let record = Record {
        dw0: 0x0001_0203,
        dw1: 0x1011_1213,
        dw2: 0x2021_2223,
        dw3: 0x3031_3233,
    };
    let words = [record.dw0, record.dw1, record.dw2, record.dw3];
    assert_eq!(
        record.to_bytes().to_vec(),
        words.map(u32::to_ne_bytes).concat()
    );
}

#[test]
fn sequence_arithmetic_stays_at_or_above_the_first() {
    assert_eq!(Sequence::FIRST, Sequence(1));
    assert_eq!(Sequence(1).next(), Sequence(2));
    assert_eq!(Sequence(u64::from(u32::MAX)).next(), Sequence(1 << 32));
    assert_eq!(Sequence(3).plus(4), Sequence(7));

    for (number, count, result) in [(9, 4, 5), (9, 8, 1), (9, 9, 1), (9, u64::MAX, 1)] {
        assert_eq!(Sequence(number).minus(count), Sequence(result), "{count}");
    }
    for (number, earlier, count) in [(9, 4, 5), (9, 9, 0), (4, 9, 0)] {
        assert_eq!(Sequence(number).since(Sequence(earlier)), count);
    }
}

proptest! {
    #[test]
    fn what_the_controller_said_comes_through(
        dw0: u32,
        parameter: u32,
        status in 0_u16..0x8000,
        lost: u64,
    ) {
        let event = AsynchronousEvent(dw0);
        let record = Record::controller(event, parameter, Status(status)).with_lost(lost);

        prop_assert_eq!(record.dw0, dw0);
        prop_assert_eq!(record.dw1, parameter);
        prop_assert_eq!(record.dw3 >> 17, u32::from(status));
        prop_assert_eq!((record.dw3 >> 12) & 7, 0);
        prop_assert_eq!(u64::from(record.dw3 & 0xfff), lost.min(4095));
        prop_assert_eq!((record.dw3 >> 16) & 1 != 0, Handling::of(event) == Handling::Handled);
        prop_assert_eq!((record.dw3 >> 15) & 1 != 0, (dw0 >> 16) & 0xff != 0);
        prop_assert_eq!(record.controller_event(), Some(event));
    }
}
