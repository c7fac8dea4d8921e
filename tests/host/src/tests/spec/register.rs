// SPDX-License-Identifier: GPL-2.0-only

use proptest::prelude::*;

use crate::spec::register::{
    admin_queue_attributes, offset, ready_with_media_timeout_500ms, Capabilities, Configuration,
    ControllerStatus, PAGE_SHIFT, SUBSYSTEM_RESET,
};

/// What QEMU's emulated controller says of itself.
const QEMU: Capabilities = Capabilities(0x0040_0820_0f01_07ff);

#[test]
fn properties_are_where_the_specification_puts_them() {
    assert_eq!(offset::CAP, 0x00);
    assert_eq!(offset::VS, 0x08);
    assert_eq!(offset::CC, 0x14);
    assert_eq!(offset::CSTS, 0x1c);
    assert_eq!(offset::NSSR, 0x20);
    assert_eq!(SUBSYSTEM_RESET.to_be_bytes(), *b"NVMe");
    assert_eq!(offset::AQA, 0x24);
    assert_eq!(offset::ASQ, 0x28);
    assert_eq!(offset::ACQ, 0x30);
    assert_eq!(offset::CRTO, 0x68);
    assert_eq!(offset::DOORBELLS, 0x1000);
    // The two admin doorbells, at the smallest stride.
    assert_eq!(offset::MINIMUM_BAR_BYTES, 0x1008);
}

#[test]
fn capabilities_of_qemu() {
    assert_eq!(QEMU.queue_entries_max(), 2048);
    assert_eq!(QEMU.timeout_500ms(), 15);
    assert!(!QEMU.subsystem_reset());
    assert_eq!(QEMU.doorbell_stride_bytes(), 4);
    assert_eq!(QEMU.page_shift_min(), 12);
    assert!(QEMU.io_command_sets());
    assert!(!QEMU.admin_only());
    assert!(!QEMU.persistent_memory_region());
    assert!(!QEMU.ready_with_media());
}

#[test]
fn capabilities_of_all_ones_are_the_largest() {
    let gone = Capabilities(u64::MAX);
    assert_eq!(gone.queue_entries_max(), 65_536);
    assert_eq!(gone.timeout_500ms(), 255);
    assert_eq!(gone.doorbell_stride_bytes(), 4 << 15);
    assert_eq!(gone.page_shift_min(), 27);
}

#[test]
fn each_capability_is_decided_by_its_own_bits() {
    let zero = Capabilities(0);
    for bit in 0..64 {
        let cap = Capabilities(1 << bit);
        assert_eq!(cap.subsystem_reset(), bit == 36, "bit {bit}");
        assert_eq!(cap.queue_entries_max() != 1, bit < 16, "bit {bit}");
        assert_eq!(cap.io_command_sets(), bit == 43, "bit {bit}");
        assert_eq!(cap.admin_only(), bit == 44, "bit {bit}");
        assert_eq!(cap.persistent_memory_region(), bit == 56, "bit {bit}");
        assert_eq!(cap.ready_with_media(), bit == 59, "bit {bit}");
        let is = |first, last| (first..=last).contains(&bit);
        assert_eq!(
            cap.timeout_500ms() != zero.timeout_500ms(),
            is(24, 31),
            "bit {bit}"
        );
        assert_eq!(cap.doorbell_stride_bytes() != 4, is(32, 35), "bit {bit}");
        assert_eq!(cap.page_shift_min() != 12, is(48, 51), "bit {bit}");
    }
}

#[test]
fn ready_timeout_is_the_low_half_of_crto() {
    assert_eq!(ready_with_media_timeout_500ms(0x0014_003c), 60);
    assert_eq!(ready_with_media_timeout_500ms(0xffff_0000), 0);
    assert_eq!(ready_with_media_timeout_500ms(u32::MAX), u16::MAX);
}

#[test]
fn configuration_selects_every_command_set_the_controller_has() {
    // 64-byte submission and 16-byte completion entries, 4 KiB pages.
    let table = [
        (QEMU, 0x0046_0060),
        (Capabilities(1 << 44), 0x0046_0070),
        (Capabilities(1 << 37), 0x0046_0000),
        (Capabilities((1 << 43) | (1 << 44)), 0x0046_0060),
    ];
    for (cap, value) in table {
        assert_eq!(
            Configuration::for_capabilities(cap),
            Configuration(value),
            "{cap:?}"
        );
    }
    assert_eq!(1_u32 << PAGE_SHIFT, 4096);
}

#[test]
fn configuration_goes_through_the_life_of_a_controller() {
    let disabled = Configuration::for_capabilities(QEMU);
    assert_eq!(disabled, Configuration(0x0046_0060));

    let enabled = disabled.enabled();
    assert_eq!(enabled, Configuration(0x0046_0061));

    let shutting_down = enabled.shutting_down();
    assert_eq!(shutting_down, Configuration(0x0046_4061));

    // An abrupt shutdown left behind by somebody else becomes a normal one.
    assert_eq!(
        Configuration(0x0046_8061).shutting_down(),
        Configuration(0x0046_4061)
    );
    assert_eq!(shutting_down.disabled(), disabled);
    assert_eq!(Configuration(u32::MAX).disabled(), Configuration(!0xc001));
}

#[test]
fn controller_status_fields() {
    // CSTS, ready, fatal, shut down, gone.
    let table = [
        (0x0000_0000, false, false, false, false),
        (0x0000_0001, true, false, false, false),
        (0x0000_0002, false, true, false, false),
        (0x0000_0003, true, true, false, false),
        // Shutdown under way, complete, and the reserved value.
        (0x0000_0005, true, false, false, false),
        (0x0000_0009, true, false, true, false),
        (0x0000_000c, false, false, false, false),
        // A subsystem reset occurred, processing is paused.
        (0x0000_0031, true, false, false, false),
        (0xffff_ffff, true, true, false, true),
    ];
    for (raw, ready, fatal, shut_down, gone) in table {
        let status = ControllerStatus(raw);
        assert_eq!(status.is_ready(), ready, "{raw:#x}");
        assert_eq!(status.is_fatal(), fatal, "{raw:#x}");
        assert_eq!(status.is_shut_down(), shut_down, "{raw:#x}");
        assert_eq!(status.is_gone(), gone, "{raw:#x}");
        assert_eq!(status.is_paused(), raw & 0x20 != 0, "{raw:#x}");
    }
}

#[test]
fn admin_queue_attributes_are_zero_based() {
    for (entries, value) in [
        (2, 0x0001_0001),
        (32, 0x001f_001f),
        (64, 0x003f_003f),
        (4096, 0x0fff_0fff),
    ] {
        assert_eq!(admin_queue_attributes(entries), value, "{entries} entries");
    }
}

proptest! {
    #[test]
    fn no_configuration_is_enabled_before_it_is_asked_for(cap: u64) {
        let configuration = Configuration::for_capabilities(Capabilities(cap));
        prop_assert_eq!(configuration.0 & 1, 0);
        prop_assert_eq!(configuration.disabled(), configuration);
        prop_assert_eq!(configuration.enabled().disabled(), configuration);
        prop_assert_eq!(configuration.enabled().shutting_down().disabled(), configuration);
        // Reserved bits, and CRIME: the controller waits for its media.
        prop_assert_eq!(configuration.0 & 0xff00_000e, 0);
    }
}
