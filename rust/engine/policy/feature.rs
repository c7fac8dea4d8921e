// SPDX-License-Identifier: GPL-2.0-only

//! The features (section 5.27.1), a row each.

use super::permission::Access;
use crate::spec::{
    effects::CommandEffects,
    feature::FeatureId::{self, *},
};

/// All features whose length is known. Of others nothing is.
const ROWS: &[Feature] = &[
    feature(Arbitration),
    feature(PowerManagement),
    feature(NvmLbaRangeType).data(Data::Bytes(4096)),
    feature(TemperatureThreshold),
    feature(NvmErrorRecovery),
    feature(VolatileWriteCache),
    feature(NumberOfQueues).for_nobody(),
    feature(InterruptCoalescing),
    feature(InterruptVectorConfiguration),
    feature(NvmWriteAtomicity),
    feature(AsynchronousEventConfiguration),
    feature(AutonomousPowerStateTransition)
        .for_nobody()
        .data(Data::Bytes(256)),
    // What is set is memory addresses, in command dwords.
    feature(HostMemoryBuffer)
        .for_nobody()
        .data_to_host(Data::Bytes(4096)),
    feature(Timestamp).data(Data::Bytes(8)),
    feature(KeepAliveTimer).for_nobody(),
    feature(HostControlledThermalManagement),
    feature(NonOperationalPowerState),
    feature(ReadRecoveryLevel),
    feature(PredictableLatencyModeConfig).data(Data::Bytes(512)),
    feature(PredictableLatencyModeWindow),
    feature(NvmLbaStatusInformation),
    feature(HostBehaviorSupport)
        .for_nobody()
        .data(Data::Bytes(512)),
    feature(SanitizeConfig),
    feature(EnduranceGroupEventConfiguration),
    feature(IoCommandSetProfile)
        .changes(CommandEffects::NAMESPACE_INVENTORY.or(CommandEffects::CONTROLLER_CAPABILITY)),
    feature(SpinupControl),
    feature(FlexibleDataPlacement),
    // An event type each; of a supported one its attributes as well.
    feature(FlexibleDataPlacementEvents)
        .data(Data::PlacementEvents { bytes_each: 1 })
        .data_to_host(Data::PlacementEvents { bytes_each: 2 }),
    feature(KeyValueConfiguration),
    feature(EnhancedControllerMetadata).data(Data::Bytes(4096)),
    feature(ControllerMetadata).data(Data::Bytes(4096)),
    feature(NamespaceMetadata).data(Data::Bytes(4096)),
    feature(SoftwareProgressMarker),
    feature(HostIdentifier).data(Data::HostIdentifier),
    feature(ReservationNotificationMask),
    feature(ReservationPersistence),
    feature(NamespaceWriteProtection),
];

/// What is to be known of one feature.
#[derive(Clone, Copy)]
pub(super) struct Feature {
    id: FeatureId,
    /// Who may set it.
    pub(super) access: Access,
    /// What Set Features transfers.
    pub(super) set: Data,
    /// What Get Features transfers.
    pub(super) get: Data,
    /// What setting it changes, beside what the log says of Set Features.
    pub(super) changes: CommandEffects,
}

/// The data structure of a feature.
#[derive(Clone, Copy)]
pub(super) enum Data {
    /// The value is in command and completion dwords.
    None,
    Bytes(u16),
    /// 16 bytes if Enable Extended Host Identifier is set, else 8.
    HostIdentifier,
    /// A field of command dword 11 says of how many event types.
    PlacementEvents {
        bytes_each: u8,
    },
}

impl Data {
    /// The length, given command dword 11.
    pub(super) fn bytes(self, cdw11: u32) -> u64 {
        match self {
            Self::None => 0,
            Self::Bytes(bytes) => u64::from(bytes),
            Self::HostIdentifier if cdw11 & 1 != 0 => 16,
            Self::HostIdentifier => 8,
            Self::PlacementEvents { bytes_each } => {
                u64::from((cdw11 >> 16) & 0xff) * u64::from(bytes_each)
            }
        }
    }
}

/// The row of a feature, if it has one.
pub(super) fn row(id: u8) -> Option<&'static Feature> {
    ROWS.iter().find(|row| row.id as u8 == id)
}

const fn feature(id: FeatureId) -> Feature {
    Feature {
        id,
        access: Access::Administrator,
        set: Data::None,
        get: Data::None,
        changes: CommandEffects::NONE,
    }
}

impl Feature {
    /// The driver has set it, and could not cope with another value.
    const fn for_nobody(self) -> Self {
        Self {
            access: Access::Nobody,
            ..self
        }
    }

    /// Data in both directions.
    const fn data(self, data: Data) -> Self {
        Self {
            set: data,
            get: data,
            ..self
        }
    }

    const fn data_to_host(self, get: Data) -> Self {
        Self { get, ..self }
    }

    const fn changes(self, changes: CommandEffects) -> Self {
        Self { changes, ..self }
    }
}
