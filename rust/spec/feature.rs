// SPDX-License-Identifier: GPL-2.0-only

//! Features the driver sets (section 5.27).

/// Feature identifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FeatureId {
    NumberOfQueues = 0x07,
    AsynchronousEventConfiguration = 0x0b,
}

/// The value of feature 0Bh, Asynchronous Event Configuration (section
/// 5.27.1.8): which event classes the controller may report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventConfiguration(pub(crate) u32);

impl EventConfiguration {
    /// Critical warnings every controller has: spare, temperature,
    /// reliability, read-only media, volatile memory backup.
    const SMART_CRITICAL_WARNINGS: u32 = 0x1f;
    /// Critical warning: the Persistent Memory Region became unreliable.
    const PERSISTENT_MEMORY_REGION: u32 = 1 << 5;
    /// Telemetry Log Notices. Announced by the log page attributes; the bit of
    /// the same number in OAES is reserved.
    const TELEMETRY: u32 = 1 << 10;
    /// The notices whose bit in OAES has the number of its bit here:
    /// namespace attributes 8, firmware activation 9, asymmetric namespace
    /// access 11, predictable latency 12, LBA status 13, endurance group 14,
    /// normal subsystem shutdown 15, zone descriptor 27, discovery log 31.
    const OPTIONAL_NOTICES: u32 = 0x8800_fb00;

    /// Every class that the controller advertises.
    pub(crate) const fn all_advertised(advertised: AdvertisedEvents) -> Self {
        let mut value = Self::SMART_CRITICAL_WARNINGS | advertised.oaes & Self::OPTIONAL_NOTICES;
        if advertised.telemetry {
            value |= Self::TELEMETRY;
        }
        if advertised.persistent_memory_region {
            value |= Self::PERSISTENT_MEMORY_REGION;
        }
        Self(value)
    }
}

/// Where a controller says which events it can report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AdvertisedEvents {
    /// Identify Controller, Optional Asynchronous Events Supported.
    pub(crate) oaes: u32,
    /// Identify Controller, Log Page Attributes: telemetry log pages.
    pub(crate) telemetry: bool,
    /// CAP.PMRS: the controller has a Persistent Memory Region.
    pub(crate) persistent_memory_region: bool,
}
