// SPDX-License-Identifier: GPL-2.0-only

//! What the completion of an Asynchronous Event Request says (section 5.2.1).

use super::log_page::LogPageId;

/// Dword 0 of the completion of an Asynchronous Event Request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AsynchronousEvent(pub(crate) u32);

impl AsynchronousEvent {
    pub(crate) const fn event_type(self) -> EventType {
        match self.0 & 0x7 {
            0 => EventType::Error,
            1 => EventType::SmartHealth,
            2 => EventType::Notice,
            3 => EventType::Immediate,
            4 => EventType::OneShot,
            6 => EventType::IoCommandSetSpecific,
            7 => EventType::VendorSpecific,
            _ => EventType::Reserved,
        }
    }

    /// Error 03h: a persistent internal error, which needs a reset.
    pub(crate) fn is_persistent_internal_error(self) -> bool {
        self.event_type() == EventType::Error && self.information() == 3
    }

    /// Notice 01h: the controller starts to activate new firmware.
    pub(crate) fn is_firmware_activation(self) -> bool {
        self.event_type() == EventType::Notice && self.information() == 1
    }

    /// Notice 03h: asymmetric namespace access changed.
    pub(crate) fn is_namespace_access_change(self) -> bool {
        self.event_type() == EventType::Notice && self.information() == 3
    }

    /// Whether the in-tree driver tells udev of it: what it does not act on
    /// itself, of some types.
    pub(crate) fn is_announced(self) -> bool {
        match self.event_type() {
            EventType::Error => !self.is_persistent_internal_error(),
            EventType::SmartHealth
            | EventType::IoCommandSetSpecific
            | EventType::VendorSpecific => true,
            EventType::Notice | EventType::Immediate | EventType::OneShot | EventType::Reserved => {
                false
            }
        }
    }

    /// What happened, within the type.
    pub(crate) const fn information(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// Notice 00h: the list of namespaces or a namespace changed.
    pub(crate) fn is_namespace_change(self) -> bool {
        self.event_type() == EventType::Notice && self.information() == 0
    }

    /// The log page that describes the event and whose reading re-arms it.
    /// Zero is no log page: the event needs none.
    pub(crate) const fn log_page(self) -> Option<LogPageId> {
        match (self.0 >> 16) as u8 {
            0 => None,
            page => Some(LogPageId(page)),
        }
    }
}

/// The type of an event: the unit in which a controller masks repetitions
/// until the log page is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum EventType {
    Error = 0,
    SmartHealth = 1,
    Notice = 2,
    Immediate = 3,
    OneShot = 4,
    Reserved = 5,
    IoCommandSetSpecific = 6,
    VendorSpecific = 7,
}
