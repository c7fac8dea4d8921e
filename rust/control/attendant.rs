// SPDX-License-Identifier: GPL-2.0-only

//! What events make the driver do: their log pages are read, which re-arms
//! their classes; the list of namespaces is brought up to date; udev is told.
//! And what follows from commands of processes that were killed.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
    time::Delta,
};

use crate::{
    engine::{
        capture::{CapturePlan, Pending},
        event_log::Cursor,
        filter::Filter,
        lifecycle::State,
        record::Record,
    },
    glue::work::{Next, Task, WorkItem},
    pcie::enable::{self, NotReady},
    spec::{command::SubmissionEntry, event::AsynchronousEvent, log_page::LogPageId},
};

use super::{archive::Page, binding::Resetter, controller::Controller, events::Duty};

/// How many records are looked at together.
const BATCH: usize = 8;

/// How often to look whether a controller that reports events already has said
/// what it is.
const START_INTERVAL: Delta = Delta::from_millis(20);

/// The task that follows the events of a controller, one at a time.
#[pin_data]
pub(crate) struct Attendant {
    controller: Arc<Controller>,
    resetter: Arc<WorkItem<Resetter>>,
    #[pin]
    announced: Mutex<Cursor>,
}

impl Attendant {
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(
        controller: Arc<Controller>,
        resetter: Arc<WorkItem<Resetter>>,
    ) -> Result<impl PinInit<Self, Error>> {
        let cursor = controller.stream().open().cursor;
        Ok(try_pin_init!(Self {
            controller,
            resetter,
            announced <- new_mutex!(cursor, "nvme_rs::Attendant::announced"),
        }? Error))
    }

    /// Sends the uevents that the in-tree driver sends for these events, once
    /// there is somebody to send them.
    fn announce(&self) {
        if !self.controller.has_announcer() {
            return;
        }
        let mut records = [Record::default(); BATCH];
        loop {
            let mut cursor = self.announced.lock();
            let stream = self.controller.stream();
            let batch = stream.read(*cursor, &Filter::ALL, &mut records);
            *cursor = batch.after(batch.count, &records);
            drop(cursor);
            if batch.count == 0 {
                return;
            }
            for record in records.iter().take(batch.count) {
                let announced = record
                    .controller_event()
                    .filter(|event| event.is_announced());
                if let Some(AsynchronousEvent(dword)) = announced {
                    self.controller.announce(fmt!("NVME_AEN={:#08x}", dword));
                }
            }
        }
    }

    /// Reads the log page of an event.
    fn attend(&self, pending: Pending) {
        if let Err(error) = self.capture(pending) {
            dev_warn!(
                self.controller.device(),
                "log page {:#04x} could not be read: {:?}\n",
                pending.page.0,
                error
            );
            self.controller.stream().archive().failed();
        }
        // Whoever waits for the page looks now.
        self.controller.stream().captured();
    }

    /// Leaves the controller alone while it activates firmware. One that takes
    /// longer than it may is reset.
    fn await_firmware(&self) {
        let limit = self.controller.activation_limit();
        let given_up = || self.controller.is_to_stop();
        match enable::await_processing(self.controller.registers(), limit, given_up) {
            Ok(()) | Err(NotReady::GivenUp) => {}
            Err(reason) => {
                dev_err!(
                    self.controller.device(),
                    "firmware activation did not end: {:?}\n",
                    reason
                );
                self.resetter.queue();
            }
        }
    }

    /// Reads a log page to its end and keeps it.
    fn capture(&self, pending: Pending) -> Result {
        let limit_bytes = self.controller.settings().event_snapshot_bytes;
        let mut plan = match self.controller.identity().lock().as_ref() {
            Some(identify) => CapturePlan::new(pending, identify, limit_bytes),
            None => return Err(ENODEV),
        };
        let mut data = KVVec::new();
        while let Some(read) = plan.next_read() {
            let start = data.len();
            data.resize(start + read.length_bytes as usize, 0, GFP_KERNEL)?;
            let chunk = data.get_mut(start..).ok_or(EINVAL)?;
            self.controller.inquiry().ask(
                |address| SubmissionEntry::get_log_page(read, address),
                |page| page.copy_to(0, chunk),
            )?;
            let keep = plan.advance(data.get(start..).ok_or(EINVAL)?).len();
            data.truncate(start + keep);
        }
        if !plan.is_complete() {
            dev_warn!(
                self.controller.device(),
                "log page {:#04x} is longer than event_snapshot_bytes, left latched\n",
                pending.page.0
            );
        }
        let archive = self.controller.stream().archive();
        if pending.page == LogPageId::SMART && plan.is_complete() {
            archive.keep_smart(&data)?;
        }
        let full_bytes = plan.page_bytes().unwrap_or(data.len() as u32);
        let page = Page::new(data, full_bytes, !plan.is_complete())?;
        archive.keep(pending, page);
        Ok(())
    }
}

impl Task for Attendant {
    fn run(&self) -> Next {
        self.announce();
        self.controller.draw_consequences();
        if self.controller.identity().lock().is_none() {
            // How long a log page is follows from that.
            return match self.controller.state() {
                State::New | State::Live | State::Resetting => Next::Again(START_INTERVAL),
                State::Dead | State::Deleting => Next::Done,
            };
        }
        loop {
            match self.controller.admin().next_duty() {
                Duty::Nothing => return Next::Done,
                Duty::Later(delay) => return Next::Again(delay),
                Duty::AwaitFirmware => self.await_firmware(),
                Duty::Capture(pending) => self.attend(pending),
                Duty::Rescan => self.controller.rescan(),
            }
        }
    }
}
