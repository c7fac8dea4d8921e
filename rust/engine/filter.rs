// SPDX-License-Identifier: GPL-2.0-only

//! Which records a reader wants to see.
//!
//! A record is judged by who speaks in it, by its type if that is the
//! controller, and by its information. The map of each holds 32 bits: one for
//! each value of the information up to 30, and the last one for all others.

use crate::spec::event::AsynchronousEvent;

use super::record::{Record, Source};

/// How many types a controller's event can have.
pub(crate) const EVENT_TYPES: usize = 8;

/// The bit for all values that have none of their own.
const LAST_BIT: u32 = 31;

/// Which values of the information are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown(pub(crate) u32);

impl Shown {
    pub(crate) const ALL: Self = Self(u32::MAX);

    fn has(self, information: u8) -> bool {
        let bit = u32::from(information).min(LAST_BIT);
        (self.0 >> bit) & 1 != 0
    }
}

/// Which records are shown; `struct nvme_event_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    /// What the controller says, by the type of the event.
    pub(crate) controller: [Shown; EVENT_TYPES],
    pub(crate) lifecycle: Shown,
    pub(crate) command_effect: Shown,
    pub(crate) provider: Shown,
}

impl Filter {
    /// Shows everything.
    pub(crate) const ALL: Self = Self {
        controller: [Shown::ALL; EVENT_TYPES],
        lifecycle: Shown::ALL,
        command_effect: Shown::ALL,
        provider: Shown::ALL,
    };

    pub(crate) fn shows(&self, record: &Record) -> bool {
        let event = AsynchronousEvent(record.dw0);
        let shown = match record.source() {
            Some(Source::Controller) => self.controller.get(event.event_type() as usize).copied(),
            Some(Source::Lifecycle) => Some(self.lifecycle),
            Some(Source::CommandEffect) => Some(self.command_effect),
            Some(Source::Provider) => Some(self.provider),
            None => None,
        };
        shown.unwrap_or(Shown::ALL).has(event.information())
    }
}
