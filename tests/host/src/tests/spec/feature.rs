// SPDX-License-Identifier: GPL-2.0-only

use proptest::prelude::*;

use crate::{
    spec::feature::{AdvertisedEvents, EventConfiguration, FeatureId},
    tests::identify,
};

const NOTHING: AdvertisedEvents = AdvertisedEvents {
    oaes: 0,
    telemetry: false,
    persistent_memory_region: false,
};

#[test]
fn every_advertised_class_is_enabled_and_no_other() {
    let table = [
        // Critical warnings need no announcement.
        (NOTHING, 0x1f),
        // QEMU: namespace attribute notices only.
        (
            AdvertisedEvents {
                oaes: 0x100,
                ..NOTHING
            },
            0x11f,
        ),
        // What is announced elsewhere or reserved in OAES is not taken from it.
        (
            AdvertisedEvents {
                oaes: 0x77f4_04ff,
                ..NOTHING
            },
            0x1f,
        ),
        (
            AdvertisedEvents {
                telemetry: true,
                ..NOTHING
            },
            0x41f,
        ),
        (
            AdvertisedEvents {
                persistent_memory_region: true,
                ..NOTHING
            },
            0x3f,
        ),
        (
            AdvertisedEvents {
                oaes: u32::MAX,
                telemetry: true,
                persistent_memory_region: true,
            },
            // Not what the specification has had at 20 to 26 since: nobody
            // here knows how to read the log pages of it.
            0x880f_ff3f,
        ),
    ];
    for (advertised, value) in table {
        let configuration = EventConfiguration::all_advertised(advertised);
        assert_eq!(configuration, EventConfiguration(value), "{advertised:?}");
    }
}

#[test]
fn each_optional_notice_is_enabled_by_the_bit_that_announces_it() {
    for bit in [8, 9, 11, 12, 13, 14, 15, 16, 19, 27, 31] {
        let advertised = AdvertisedEvents {
            oaes: 1 << bit,
            ..NOTHING
        };
        let configuration = EventConfiguration::all_advertised(advertised);
        assert_eq!(
            configuration,
            EventConfiguration(0x1f | (1 << bit)),
            "bit {bit}"
        );
    }
}

#[test]
fn one_bit_announces_both_reachability_notices() {
    let of = |oaes| EventConfiguration::all_advertised(AdvertisedEvents { oaes, ..NOTHING });
    assert_eq!(of(1 << 17), EventConfiguration(0x6_001f));
    // Bit 18 of OAES is reserved.
    assert_eq!(of(1 << 18), EventConfiguration(0x1f));
}

#[test]
fn a_users_choice_keeps_what_the_driver_acts_on() {
    // The user's value, OAES, what is set.
    let table = [
        (0, 0, 0),
        (0, u32::MAX, 0x0b00),
        (0, 0x100, 0x100),
        (0x1f, 0x8800_f900, 0x91f),
        // Classes the driver does not act on stay off, reserved bits on.
        (u32::MAX, 0, u32::MAX),
        (0x8000_0001, 0x200, 0x8000_0201),
    ];
    for (user, oaes, value) in table {
        let advertised = AdvertisedEvents {
            oaes,
            telemetry: true,
            persistent_memory_region: true,
        };
        let merged = EventConfiguration::merged(EventConfiguration(user), advertised);
        assert_eq!(merged, EventConfiguration(value), "{user:#x} {oaes:#x}");
    }
}

#[test]
fn what_is_advertised_comes_from_identify_and_cap() {
    let controller = identify(|identify| {
        identify.oaes = 0x0000_0100.into();
        identify.lpa = 1 << 3;
    });
    for persistent_memory_region in [false, true] {
        assert_eq!(
            controller.advertised_events(persistent_memory_region),
            AdvertisedEvents {
                oaes: 0x100,
                telemetry: true,
                persistent_memory_region,
            }
        );
    }
}

#[test]
fn asynchronous_event_configuration_is_feature_0bh() {
    assert_eq!(FeatureId::AsynchronousEventConfiguration as u8, 0x0b);
}

proptest! {
    #[test]
    fn more_advertised_never_enables_less(oaes: u32, more: u32, telemetry: bool, pmr: bool) {
        let some = AdvertisedEvents { oaes, telemetry, persistent_memory_region: pmr };
        let all = AdvertisedEvents { oaes: oaes | more, telemetry: true, ..some };
        let some = EventConfiguration::all_advertised(some).0;
        let all = EventConfiguration::all_advertised(all).0;
        prop_assert_eq!(some & !all, 0);
        prop_assert_eq!(some & 0x1f, 0x1f, "critical warnings are always on");
    }

    #[test]
    fn merging_takes_nothing_away_and_is_done_once(
        user: u32,
        oaes: u32,
        telemetry: bool,
        pmr: bool,
    ) {
        let advertised = AdvertisedEvents { oaes, telemetry, persistent_memory_region: pmr };
        let all = EventConfiguration::all_advertised(advertised).0;
        let merged = EventConfiguration::merged(EventConfiguration(user), advertised);
        prop_assert_eq!(merged.0 & user, user);
        prop_assert_eq!(merged.0 & !user & !all, 0, "nothing the controller does not have");
        prop_assert_eq!(EventConfiguration::merged(merged, advertised), merged);
    }
}
