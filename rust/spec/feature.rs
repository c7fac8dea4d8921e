// SPDX-License-Identifier: GPL-2.0-only

//! Features (section 5.27) and the values of those the driver sets.

/// Feature identifiers (section 5.27.1); those of a command set have its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FeatureId {
    Arbitration = 0x01,
    PowerManagement = 0x02,
    NvmLbaRangeType = 0x03,
    TemperatureThreshold = 0x04,
    NvmErrorRecovery = 0x05,
    VolatileWriteCache = 0x06,
    NumberOfQueues = 0x07,
    InterruptCoalescing = 0x08,
    InterruptVectorConfiguration = 0x09,
    NvmWriteAtomicity = 0x0a,
    AsynchronousEventConfiguration = 0x0b,
    AutonomousPowerStateTransition = 0x0c,
    HostMemoryBuffer = 0x0d,
    Timestamp = 0x0e,
    KeepAliveTimer = 0x0f,
    HostControlledThermalManagement = 0x10,
    NonOperationalPowerState = 0x11,
    ReadRecoveryLevel = 0x12,
    PredictableLatencyModeConfig = 0x13,
    PredictableLatencyModeWindow = 0x14,
    NvmLbaStatusInformation = 0x15,
    HostBehaviorSupport = 0x16,
    SanitizeConfig = 0x17,
    EnduranceGroupEventConfiguration = 0x18,
    IoCommandSetProfile = 0x19,
    SpinupControl = 0x1a,
    /// From revision 2.1 of the Base Specification.
    FlexibleDataPlacement = 0x1d,
    /// From revision 2.1 of the Base Specification.
    FlexibleDataPlacementEvents = 0x1e,
    KeyValueConfiguration = 0x20,
    EnhancedControllerMetadata = 0x7d,
    ControllerMetadata = 0x7e,
    NamespaceMetadata = 0x7f,
    SoftwareProgressMarker = 0x80,
    HostIdentifier = 0x81,
    ReservationNotificationMask = 0x82,
    ReservationPersistence = 0x83,
    NamespaceWriteProtection = 0x84,
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
    /// normal subsystem shutdown 15, zone descriptor 27, discovery log 31; from
    /// revision 2.1 temperature threshold hysteresis recovery 16, allocated
    /// namespace attributes 19. What later revisions have at 20 to 26 stays off:
    /// how long the log pages of those are is not known here.
    const OPTIONAL_NOTICES: u32 = 0x8809_fb00;
    /// Of revision 2.1: the one bit in OAES for both of the next.
    const REACHABILITY_ADVERTISED: u32 = 1 << 17;
    /// Reachability associations 17, reachability groups 18.
    const REACHABILITY: u32 = 3 << 17;
    /// The notices the driver acts on, with the same numbers: namespace
    /// attributes 8, firmware activation 9, asymmetric namespace access 11.
    const HANDLED_NOTICES: u32 = 0x0b00;

    /// Every class that the controller advertises.
    pub(crate) const fn all_advertised(advertised: AdvertisedEvents) -> Self {
        let mut value = Self::SMART_CRITICAL_WARNINGS | advertised.oaes & Self::OPTIONAL_NOTICES;
        if advertised.oaes & Self::REACHABILITY_ADVERTISED != 0 {
            value |= Self::REACHABILITY;
        }
        if advertised.telemetry {
            value |= Self::TELEMETRY;
        }
        if advertised.persistent_memory_region {
            value |= Self::PERSISTENT_MEMORY_REGION;
        }
        Self(value)
    }

    /// What is set if a user asks for this: that, and what the driver acts
    /// on where the controller advertises it, since it would miss namespaces
    /// coming and going otherwise. All else is the user's: a class left out is
    /// off, one the controller does not know is the controller's to refuse.
    pub(crate) const fn merged(self, advertised: AdvertisedEvents) -> Self {
        Self(self.0 | advertised.oaes & Self::HANDLED_NOTICES)
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
