// SPDX-License-Identifier: GPL-2.0-only

//! Controller properties (section 3.1.3): where they are and what their
//! fields mean.

/// Byte offsets of the properties in the memory of BAR 0.
pub(crate) mod offset {
    /// Controller Capabilities, 64 bits.
    pub(crate) const CAP: usize = 0x00;
    /// Version, 32 bits.
    pub(crate) const VS: usize = 0x08;
    /// Controller Configuration, 32 bits.
    pub(crate) const CC: usize = 0x14;
    /// Controller Status, 32 bits.
    pub(crate) const CSTS: usize = 0x1c;
    /// NVM Subsystem Reset, 32 bits.
    pub(crate) const NSSR: usize = 0x20;
    /// Admin Queue Attributes, 32 bits.
    pub(crate) const AQA: usize = 0x24;
    /// Admin Submission Queue Base Address, 64 bits.
    pub(crate) const ASQ: usize = 0x28;
    /// Admin Completion Queue Base Address, 64 bits.
    pub(crate) const ACQ: usize = 0x30;
    /// Controller Ready Timeouts, 32 bits.
    pub(crate) const CRTO: usize = 0x68;
    /// The first doorbell.
    pub(crate) const DOORBELLS: usize = 0x1000;
    /// Every controller has this much: properties and the admin doorbells.
    pub(crate) const MINIMUM_BAR_BYTES: usize = 0x1008;
}

/// log2 of the memory page size that the driver uses, 4 KiB.
pub(crate) const PAGE_SHIFT: u32 = 12;

/// Controller Capabilities (section 3.1.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capabilities(pub(crate) u64);

impl Capabilities {
    /// MQES: the most entries an I/O queue can have.
    pub(crate) const fn queue_entries_max(self) -> u32 {
        (self.0 & 0xffff) as u32 + 1
    }

    /// TO: the longest time the controller takes to become ready or to become
    /// disabled, in units of 500 ms.
    pub(crate) const fn timeout_500ms(self) -> u16 {
        (self.0 >> 24) as u8 as u16
    }

    /// DSTRD: the distance between doorbells in bytes.
    pub(crate) const fn doorbell_stride_bytes(self) -> usize {
        4 << ((self.0 >> 32) & 0xf)
    }

    /// NSSRS: the controller has the NVM Subsystem Reset feature.
    pub(crate) const fn subsystem_reset(self) -> bool {
        self.0 & (1 << 36) != 0
    }

    /// CSS bit 6: the controller supports one or more I/O Command Sets.
    pub(crate) const fn io_command_sets(self) -> bool {
        self.0 & (1 << 43) != 0
    }

    /// CSS bit 7: the controller has no I/O Command Set, admin only.
    pub(crate) const fn admin_only(self) -> bool {
        self.0 & (1 << 44) != 0
    }

    /// MPSMIN: log2 of the smallest memory page size the controller takes.
    pub(crate) const fn page_shift_min(self) -> u32 {
        12 + ((self.0 >> 48) & 0xf) as u32
    }

    /// PMRS: the controller has a Persistent Memory Region.
    pub(crate) const fn persistent_memory_region(self) -> bool {
        self.0 & (1 << 56) != 0
    }

    /// CRMS bit 0: the CRTO property is supported, and with it Controller
    /// Ready With Media.
    pub(crate) const fn ready_with_media(self) -> bool {
        self.0 & (1 << 59) != 0
    }
}

/// Written to NSSR to reset the NVM subsystem: "NVMe".
pub(crate) const SUBSYSTEM_RESET: u32 = 0x4e56_4d65;

/// Controller Ready Timeouts (section 3.1.3): CRWMT, in units of 500 ms.
pub(crate) const fn ready_with_media_timeout_500ms(crto: u32) -> u16 {
    crto as u16
}

/// Controller Configuration (section 3.1.3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Configuration(pub(crate) u32);

impl Configuration {
    const ENABLE: u32 = 1;
    const CSS_ALL_IO_COMMAND_SETS: u32 = 0b110 << 4;
    const CSS_ADMIN_ONLY: u32 = 0b111 << 4;
    const MPS_SHIFT: u32 = 7;
    const SHN_MASK: u32 = 0b11 << 14;
    const SHN_NORMAL: u32 = 0b01 << 14;
    /// Submission entries of 2^6 bytes, completion entries of 2^4 bytes.
    const ENTRY_SIZES: u32 = (6 << 16) | (4 << 20);

    /// The configuration for a controller with these capabilities, not yet
    /// enabled: 4 KiB pages, round robin arbitration, every command set.
    pub(crate) const fn for_capabilities(cap: Capabilities) -> Self {
        let command_sets = if cap.io_command_sets() {
            Self::CSS_ALL_IO_COMMAND_SETS
        } else if cap.admin_only() {
            Self::CSS_ADMIN_ONLY
        } else {
            0
        };
        Self(Self::ENTRY_SIZES | command_sets | ((PAGE_SHIFT - 12) << Self::MPS_SHIFT))
    }

    pub(crate) const fn enabled(self) -> Self {
        Self(self.0 | Self::ENABLE)
    }

    /// Disabled, with no shutdown under way.
    pub(crate) const fn disabled(self) -> Self {
        Self(self.0 & !(Self::ENABLE | Self::SHN_MASK))
    }

    /// With a normal shutdown requested.
    pub(crate) const fn shutting_down(self) -> Self {
        Self(self.0 & !Self::SHN_MASK | Self::SHN_NORMAL)
    }
}

/// Controller Status (section 3.1.3.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ControllerStatus(pub(crate) u32);

impl ControllerStatus {
    /// RDY: the controller accepts admin commands.
    pub(crate) const fn is_ready(self) -> bool {
        self.0 & 1 != 0
    }

    /// CFS: a fatal error that only a reset clears.
    pub(crate) const fn is_fatal(self) -> bool {
        self.0 & (1 << 1) != 0
    }

    /// PP: the controller does not process commands for a while, because it
    /// activates firmware.
    pub(crate) const fn is_paused(self) -> bool {
        self.0 & (1 << 5) != 0
    }

    /// SHST: shutdown processing is complete.
    pub(crate) const fn is_shut_down(self) -> bool {
        (self.0 >> 2) & 0b11 == 0b10
    }

    /// All ones: the controller does not answer, it was removed or lost power.
    pub(crate) const fn is_gone(self) -> bool {
        self.0 == u32::MAX
    }
}

/// Admin Queue Attributes (section 3.1.3.8): both queues `entries` long.
pub(crate) const fn admin_queue_attributes(entries: u16) -> u32 {
    let zero_based = entries.wrapping_sub(1) as u32 & 0xfff;
    (zero_based << 16) | zero_based
}
