// SPDX-License-Identifier: GPL-2.0-only

use proptest::prelude::*;

use crate::spec::{
    event::{AsynchronousEvent, EventType},
    log_page::LogPageId,
};

#[test]
fn events_decode_by_the_table_of_the_specification() {
    use EventType::*;

    let table = [
        // Error: write to an invalid doorbell, persistent internal error.
        (0x0001_0000, Error, Some(LogPageId::ERROR_INFORMATION)),
        (0x0001_0300, Error, Some(LogPageId::ERROR_INFORMATION)),
        // SMART / health: reliability, temperature, spare.
        (0x0002_0001, SmartHealth, Some(LogPageId(0x02))),
        (0x0002_0101, SmartHealth, Some(LogPageId(0x02))),
        (0x0002_0201, SmartHealth, Some(LogPageId(0x02))),
        // Notices: namespace attributes, firmware activation, telemetry, ANA,
        // predictable latency, LBA status, endurance group.
        (0x0004_0002, Notice, Some(LogPageId::CHANGED_NAMESPACE_LIST)),
        (0x0003_0102, Notice, Some(LogPageId(0x03))),
        (
            0x0008_0202,
            Notice,
            Some(LogPageId::TELEMETRY_CONTROLLER_INITIATED),
        ),
        (
            0x000c_0302,
            Notice,
            Some(LogPageId::ASYMMETRIC_NAMESPACE_ACCESS),
        ),
        (
            0x000b_0402,
            Notice,
            Some(LogPageId::PREDICTABLE_LATENCY_AGGREGATE),
        ),
        (0x000e_0502, Notice, Some(LogPageId::LBA_STATUS)),
        (
            0x000f_0602,
            Notice,
            Some(LogPageId::ENDURANCE_GROUP_AGGREGATE),
        ),
        // Immediate and one-shot events have no log page.
        (0x0000_0003, Immediate, None),
        (0x0000_0004, OneShot, None),
        // I/O command set: reservation log, zone descriptor changed.
        (
            0x0080_0006,
            IoCommandSetSpecific,
            Some(LogPageId::RESERVATION_NOTIFICATION),
        ),
        (
            0x00bf_ef06,
            IoCommandSetSpecific,
            Some(LogPageId::CHANGED_ZONE_LIST),
        ),
        (0x00c0_0007, VendorSpecific, Some(LogPageId(0xc0))),
        (0x0000_0005, Reserved, None),
        // Reserved bits decide nothing.
        (0xff02_00f9, SmartHealth, Some(LogPageId(0x02))),
        (0xff00_fffd, Reserved, None),
    ];
    for (dw0, event_type, log_page) in table {
        let event = AsynchronousEvent(dw0);
        assert_eq!(event.event_type(), event_type, "{dw0:#010x}");
        assert_eq!(event.log_page(), log_page, "{dw0:#010x}");
    }
}

#[test]
fn only_notice_00h_is_a_namespace_change() {
    let table = [
        (0x0004_0002, true),
        // Whatever the log page and the reserved bits say.
        (0xff00_00fa, true),
        // Other notices, and information 00h of other types.
        (0x0003_0102, false),
        (0x000c_0302, false),
        (0x0001_0000, false),
        (0x0002_0001, false),
        (0x0080_0006, false),
    ];
    for (dw0, change) in table {
        assert_eq!(
            AsynchronousEvent(dw0).is_namespace_change(),
            change,
            "{dw0:#010x}"
        );
    }
}

#[test]
fn what_the_driver_acts_on_is_told_apart() {
    let firmware = AsynchronousEvent(0x0003_0102);
    let access = AsynchronousEvent(0x000c_0302);
    let internal = AsynchronousEvent(0x0001_0300);
    assert!(firmware.is_firmware_activation());
    assert!(access.is_namespace_access_change());
    assert!(internal.is_persistent_internal_error());
    for other in [access, internal, AsynchronousEvent(0x0001_0100)] {
        assert!(!other.is_firmware_activation(), "{other:?}");
    }
    for other in [firmware, internal, AsynchronousEvent(0x0001_0300 | 1)] {
        assert!(!other.is_namespace_access_change(), "{other:?}");
    }
    for other in [firmware, access, AsynchronousEvent(0x0001_0400)] {
        assert!(!other.is_persistent_internal_error(), "{other:?}");
    }
}

#[test]
fn udev_is_told_what_the_in_tree_driver_tells_it() {
    let table = [
        (0x0001_0000, true),  // error
        (0x0001_0300, false), // error that is handled
        (0x0002_0001, true),  // SMART
        (0x0004_0002, false), // notice
        (0x0000_0003, false), // immediate
        (0x0000_0004, false), // one-shot
        (0x0000_0005, false), // reserved
        (0x0080_0006, true),  // I/O command set
        (0x00c0_0007, true),  // vendor
    ];
    for (dw0, announced) in table {
        assert_eq!(AsynchronousEvent(dw0).is_announced(), announced, "{dw0:#x}");
    }
}

proptest! {
    #[test]
    fn only_bits_2_to_0_and_23_to_16_decide(dw0: u32, noise: u32) {
        let event = AsynchronousEvent(dw0);
        let disturbed = AsynchronousEvent(dw0 ^ noise & !0x00ff_0007);
        prop_assert_eq!(event.event_type(), disturbed.event_type());
        prop_assert_eq!(event.log_page(), disturbed.log_page());
        prop_assert!(!event.is_namespace_change() || event.event_type() == EventType::Notice);
        prop_assert_eq!(event.log_page().map_or(0, |page| page.0), dw0.to_le_bytes()[2]);
    }
}
