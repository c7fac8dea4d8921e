// SPDX-License-Identifier: GPL-2.0-only

//! Log pages that are read because a reader asks, not because of an event.

use kernel::{
    prelude::*,
    time::{BootTime, Delta, Instant}, //
};

use crate::{
    engine::{
        capture::{release_of, Pending},
        lifecycle::State,
    },
    glue::file_operations::Blocking,
    spec::{
        command::{LogPageRead, NamespaceId, RetainEvent, SubmissionEntry},
        log_page::{LogPageId, SMART_BYTES},
    },
};

use super::{archive::Page, binding::Binding, turn::Turn};

/// When the SMART log was read last because somebody asked.
#[pin_data]
pub(super) struct Refresher {
    #[pin]
    asked: Turn<Option<Instant<BootTime>>>,
    interval: Delta,
}

impl Refresher {
    /// Reads the log once in this time at most.
    pub(super) fn new(interval: Delta) -> impl PinInit<Self> {
        pin_init!(Self {
            asked <- Turn::new(None),
            interval,
        })
    }
}

impl Binding {
    /// Reads the SMART log, unless that was done, or tried, a short while ago.
    /// An event that waits for the log to be read is left waiting. Sleeps.
    ///
    /// # Errors
    ///
    /// ERESTARTSYS if a signal arrives while another one reads it; EAGAIN if
    /// the controller is not ready; those of
    /// [`Inquiry::ask`](super::inquiry::Inquiry::ask).
    pub(crate) fn refresh_smart(&self) -> Result {
        let refresher = self.refresher();
        let recent = |at: Instant<BootTime>| at.elapsed() < refresher.interval;
        let controller = self.controller();
        let archive = controller.stream().archive();

        let mut asked = refresher.asked.take(Blocking::Allowed)?;
        let captured = archive.smart().map(|smart| smart.captured);
        if asked.get().is_some_and(recent) || captured.is_some_and(recent) {
            return Ok(());
        }
        if controller.state() != State::Live {
            return Err(EAGAIN);
        }
        asked.set(Some(Instant::now()));
        let read = LogPageRead {
            page: LogPageId::SMART,
            nsid: NamespaceId::BROADCAST,
            offset_bytes: 0,
            length_bytes: SMART_BYTES as u32,
            retain: RetainEvent::Retain,
        };
        let mut bytes = [0; SMART_BYTES];
        controller.inquiry().ask(
            |address| SubmissionEntry::get_log_page(read, address),
            |page| page.copy_to(0, &mut bytes),
        )?;
        archive.keep_smart(&bytes)
    }

    /// Has the controller report a class again whose log page was too long to
    /// be kept. Does nothing for another one. Sleeps.
    ///
    /// # Errors
    ///
    /// EAGAIN if the controller is not ready; those of
    /// [`Inquiry::ask`](super::inquiry::Inquiry::ask).
    pub(crate) fn release_class(&self, wanted: &Pending, page: &Page) -> Result {
        if !page.is_latched() {
            return Ok(());
        }
        if self.controller().state() != State::Live {
            return Err(EAGAIN);
        }
        self.controller().inquiry().ask(
            |address| SubmissionEntry::get_log_page(release_of(wanted), address),
            |_| Ok(()),
        )?;
        page.release();
        Ok(())
    }
}
