// SPDX-License-Identifier: GPL-2.0-only

//! What the admin queue does about events: keeps requests for them outstanding,
//! posts records, notes which log pages to read, leaves storms alone.

use kernel::{
    device::Device,
    prelude::*,
    sync::Arc,
    time::{Delta, Instant, Monotonic},
};

use crate::{
    engine::{
        aer_keeper::{AerKeeper, Outcome},
        capture::Pending,
        record::{Lifecycle, Record},
        storm::{EventClass, Moment, StormGuard, StormLimits, Verdict},
    },
    spec::{
        completion::{CompletionEntry, Status},
        event::AsynchronousEvent,
        log_page::LogPageId,
    },
};

use super::{admin::Found, stream::EventStream};

/// What is to be done next about events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Duty {
    Nothing,
    /// Something, after this time.
    Later(Delta),
    /// The controller activates firmware, and is to be left alone meanwhile.
    AwaitFirmware,
    /// This log page is to be read.
    Capture(Pending),
    /// The list of namespaces is to be brought up to date.
    Rescan,
}

/// Events of one controller, on their way from completions to the stream. Part
/// of the state of its admin queue.
pub(super) struct Events {
    stream: Arc<EventStream>,
    pub(super) keeper: AerKeeper,
    storm: StormGuard,
    by_type: [u64; 8],
    /// The stream says that requests have stopped.
    stopped: bool,
    /// The controller said that it activates firmware.
    activates: bool,
    /// The controller said that namespaces changed, or its list of those that
    /// did was read.
    changed: bool,
    /// What the moments of `storm` count from.
    epoch: Instant<Monotonic>,
}

impl Events {
    pub(super) fn new(stream: Arc<EventStream>, limits: StormLimits) -> Self {
        Self {
            stream,
            keeper: AerKeeper::new(),
            storm: StormGuard::new(limits),
            by_type: [0; 8],
            stopped: false,
            activates: false,
            changed: false,
            epoch: Instant::now(),
        }
    }

    /// The controller was disabled: no request is outstanding any more.
    pub(super) fn restart(&mut self) {
        self.keeper = AerKeeper::new();
        // Whoever starts it learns all that anew.
        self.activates = false;
        self.changed = false;
        self.stream.forget_captures();
    }

    /// The controller was started, with requests.
    pub(super) fn started(&mut self) {
        if self.stopped && !self.keeper.is_stopped() {
            self.stopped = false;
            self.stream.post(Record::lifecycle(Lifecycle::AerResumed));
        }
    }

    /// How many event classes are masked.
    pub(super) fn classes_masked(&self) -> usize {
        self.storm.masked()
    }

    /// The types that have masked classes, a bit each.
    pub(super) fn masked_types(&self) -> u8 {
        self.storm.masked_types()
    }

    /// How many events of each type there were.
    pub(super) fn by_type(&self) -> [u64; 8] {
        self.by_type
    }

    /// How many events found no room in the queue of log pages to read.
    pub(super) fn captures_dropped(&self) -> u64 {
        self.stream.captures_dropped()
    }

    /// What is to be done next. Ends pauses that are over.
    pub(super) fn next_duty(&mut self) -> Duty {
        let now = self.now();
        while let Some(class) = self.storm.unmask(now) {
            self.stream
                .post(Record::lifecycle(Lifecycle::ClassUnmasked { class }));
            self.keeper.release();
        }
        if core::mem::replace(&mut self.activates, false) {
            return Duty::AwaitFirmware;
        }
        let ready = |page| !self.storm.is_masked(page);
        if let Some(pending) = self.stream.take_capture(ready) {
            // What is in the list once read is not in it again, whatever event
            // it was read for.
            self.changed |= pending.page == LogPageId::CHANGED_NAMESPACE_LIST;
            return Duty::Capture(pending);
        }
        // Not before the list is read: what changes after a look at the
        // namespaces has to be told again.
        if core::mem::replace(&mut self.changed, false) {
            return Duty::Rescan;
        }
        match self.storm.next_end() {
            Some(end) => Duty::Later(Delta::from_nanos(
                i64::try_from(end.since_ns(now)).unwrap_or(i64::MAX),
            )),
            None => Duty::Nothing,
        }
    }

    /// An Asynchronous Event Request was completed.
    pub(super) fn completed(&mut self, device: &Device, entry: CompletionEntry) -> Found {
        let status = entry.status();
        match self.keeper.complete(status) {
            Outcome::Event => {
                let event = AsynchronousEvent(entry.dw0.get());
                self.event(event, entry.dw1.get(), status)
            }
            Outcome::Failed => {
                dev_warn!(
                    device,
                    "asynchronous event request failed, status {:#x}\n",
                    status.0
                );
                Found::Completions
            }
            Outcome::Stopped => {
                dev_err!(
                    device,
                    "no more asynchronous events, status {:#x}\n",
                    status.0
                );
                // Once, however many starts fail until they resume.
                if !core::mem::replace(&mut self.stopped, true) {
                    self.stream
                        .post(Record::lifecycle(Lifecycle::AerStopped { status }));
                }
                Found::Completions
            }
            Outcome::Drained => Found::Completions,
        }
    }

    fn event(&mut self, event: AsynchronousEvent, parameter: u32, status: Status) -> Found {
        self.stream.post_event(event, parameter, status);
        // What makes its record HANDLED, and not the log page that it names.
        self.activates |= event.is_firmware_activation();
        self.changed |= event.is_namespace_change();
        if let Some(count) = self.by_type.get_mut(event.event_type() as usize) {
            *count = count.saturating_add(1);
        }
        let class = EventClass::of(event);
        match self.storm.event(class, self.now()) {
            Verdict::Calm => {}
            Verdict::Mask => {
                self.stream
                    .post(Record::lifecycle(Lifecycle::ClassMasked { class }));
            }
            Verdict::Hold => self.keeper.hold(),
        }
        if event.is_persistent_internal_error() {
            Found::Fault
        } else {
            Found::Events
        }
    }

    fn now(&self) -> Moment {
        Moment(u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(0))
    }
}
