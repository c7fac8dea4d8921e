// SPDX-License-Identifier: GPL-2.0-only

//! The event stream of one controller: its records and who waits for them.
//!
//! A stream outlives its controller for as long as a file is open on it, and
//! holds nothing of the device.

mod claims;
mod staging;
mod waiters;

use kernel::{
    new_spinlock_irq,
    prelude::*,
    sync::{Arc, SpinLockIrq},
    time::{BootTime, Instant},
};

use crate::{
    engine::{
        capture::{CaptureQueue, Pending},
        claim::{Claim, Claimed, ReaderId},
        event_log::{BadPosition, Batch, Cursor, EventLog, Missing, Origin},
        filter::Filter,
        lane::{Place, Taking},
        record::{Lifecycle, Record, Sequence},
    },
    glue::{bell::Bell, file_operations::Blocking, random::random_u64},
    spec::{completion::Status, event::AsynchronousEvent, log_page::LogPageId},
};

use self::{
    staging::{Providers, Staged, LANE_ENTRIES},
    waiters::Waiters,
};

use super::archive::Archive;

/// Tells the stream of one binding of a controller from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamId(pub(crate) u64);

/// Why there is no record for a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoRecord {
    /// A signal arrived first.
    Interrupted,
    /// There will be none any more.
    Ended,
    /// Another reader has the stream to itself.
    Claimed,
    /// Nobody reads.
    NoReader,
}

/// What a stream can tell a reader without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Glance {
    /// There is a record for it.
    pub(crate) has_record: bool,
    /// No record will be added.
    pub(crate) ended: bool,
    /// Another reader has the stream to itself.
    pub(crate) claimed: bool,
}

/// Numbers for people who look at a stream from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) oldest: Sequence,
    pub(crate) next: Sequence,
    pub(crate) overwritten: u64,
}

/// Why the log page of an event cannot be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPage {
    /// There is no such event.
    Missing(Missing),
    /// The page was not read yet, and the caller does not wait.
    NotYet,
    /// A signal arrived first.
    Interrupted,
}

/// What is known of an event besides its record.
#[derive(Clone, Copy)]
pub(crate) struct Details {
    /// When it was posted.
    pub(crate) posted: Instant<BootTime>,
    /// The log page that belongs to it. It was read, or cannot be.
    pub(crate) page: Option<Pending>,
}

struct Log {
    events: EventLog<KVVec<Record>>,
    /// When each of them was posted, in the same places.
    times: KVVec<Instant<BootTime>>,
    captures: CaptureQueue,
    staged: Staged,
    ended: bool,
    claim: Claim,
    readers: u64,
}

impl Log {
    fn post(&mut self, record: Record) -> Sequence {
        let number = self.events.post(record);
        if let Some(time) = self.times.get_mut(self.events.index(number)) {
            *time = Instant::now();
        }
        number
    }

    fn details(&self, number: Sequence) -> Result<Details, Missing> {
        let record = self.events.record(number)?;
        let posted = self.times.get(self.events.index(number));
        Ok(Details {
            posted: *posted.ok_or(Missing::Overwritten)?,
            page: record
                .controller_event()
                .and_then(|event| Pending::of(event, record.dw1, number)),
        })
    }
}

/// The event records of one controller.
#[pin_data]
pub(crate) struct EventStream {
    id: StreamId,
    #[pin]
    archive: Archive,
    #[pin]
    log: SpinLockIrq<Log>,
    #[pin]
    bell: Bell<Waiters>,
    #[pin]
    providers: Providers,
}

impl EventStream {
    /// A stream that keeps the newest `entries` records, and so many bytes of
    /// log pages.
    ///
    /// # Errors
    ///
    /// EINVAL if `entries` is no power of two, ENOMEM.
    pub(crate) fn new(entries: usize, snapshot_bytes: usize) -> Result<Arc<Self>> {
        let mut times = KVVec::with_capacity(entries, GFP_KERNEL)?;
        times.resize(entries, Instant::now(), GFP_KERNEL)?;
        let archive = Archive::new(snapshot_bytes, entries.saturating_add(LANE_ENTRIES))?;
        let staged = Staged::new()?;
        let mut storage = KVVec::with_capacity(entries, GFP_KERNEL)?;
        storage.resize(entries, Record::default(), GFP_KERNEL)?;
        let events = EventLog::new(storage).map_err(|_| EINVAL)?;
        Arc::pin_init(
            try_pin_init!(Self {
                id: StreamId(random_u64()),
                archive <- archive,
                providers <- Providers::new(),
                log <- new_spinlock_irq!(
                    Log {
                        events,
                        times,
                        captures: CaptureQueue::new(),
                        staged,
                        ended: false,
                        claim: Claim::default(),
                        readers: 0,
                    },
                    "nvme_rs::EventStream::log"
                ),
                bell <- Bell::new(Waiters::new()),
            }? Error),
            GFP_KERNEL,
        )
    }

    /// Adds a record. Any context; the cost does not depend on the readers.
    pub(crate) fn post(&self, record: Record) -> Sequence {
        let number = self.log.lock().post(record);
        self.bell.ring();
        number
    }

    /// Adds the record of what the controller said, and notes that its log page
    /// is to be read. Context and cost as of [`Self::post`].
    pub(crate) fn post_event(&self, event: AsynchronousEvent, parameter: u32, status: Status) {
        let mut log = self.log.lock();
        let number = log.post(Record::controller(event, parameter, status));
        log.captures.add(event, parameter, number);
        drop(log);
        self.bell.ring();
    }

    /// The next log page to read, of those that `ready` approves of.
    pub(super) fn take_capture(&self, ready: impl Fn(LogPageId) -> bool) -> Option<Pending> {
        self.log.lock().captures.take(ready)
    }

    /// The log page that was taken is in the archive, or cannot be read. Not in
    /// hard interrupt context.
    pub(super) fn captured(&self) {
        self.log.lock().captures.finish();
        self.notify_settled();
    }

    /// No log page that waits will be read. Any context.
    pub(super) fn forget_captures(&self) {
        self.log.lock().captures.clear();
        self.bell.ring();
    }

    /// How many events found no room in the queue of log pages to read.
    pub(super) fn captures_dropped(&self) -> u64 {
        self.log.lock().captures.dropped()
    }

    /// The log pages that belong to events.
    pub(crate) fn archive(&self) -> &Archive {
        &self.archive
    }

    /// What is known of event `number`, once its log page was read, if it has
    /// one. Sleeps, if `blocking` allows it.
    ///
    /// # Errors
    ///
    /// [`NoPage`].
    pub(crate) fn details(&self, number: Sequence, blocking: Blocking) -> Result<Details, NoPage> {
        let mut log = self.log.lock();
        loop {
            let details = log.details(number).map_err(NoPage::Missing)?;
            let pending = details
                .page
                .is_some_and(|wanted| log.captures.is_pending(&wanted));
            if !pending || log.ended {
                return Ok(details);
            }
            if blocking == Blocking::Refused {
                return Err(NoPage::NotYet);
            }
            if self.settled().wait_interruptible(&mut log) {
                return Err(NoPage::Interrupted);
            }
        }
    }

    /// Adds the last record: the driver lets go of the controller. Does nothing
    /// the second time.
    pub(crate) fn end(&self) {
        let mut log = self.log.lock();
        if log.ended {
            return;
        }
        log.post(Record::lifecycle(Lifecycle::Removed));
        log.ended = true;
        drop(log);
        self.bell.ring();
    }

    pub(crate) fn id(&self) -> StreamId {
        self.id
    }

    /// After the newest record, and before what is in the lane and nobody has
    /// read.
    pub(crate) fn open(&self) -> Place {
        let log = self.log.lock();
        Place {
            cursor: log.events.end(),
            lane: log.staged.lane().start(),
            filter: Filter::ALL,
        }
    }

    /// A cursor at record `number`.
    pub(crate) fn at(&self, number: Sequence) -> Result<Cursor, BadPosition> {
        self.log.lock().events.at(number)
    }

    /// Where a reader at `cursor` stands after a seek.
    pub(crate) fn seek(
        &self,
        cursor: Cursor,
        origin: Origin,
        offset_bytes: i64,
    ) -> Result<Cursor, BadPosition> {
        self.log.lock().events.seek(cursor, origin, offset_bytes)
    }

    /// Copies what comes next for `cursor` and is shown by `filter` to the front
    /// of `out`, whoever has claimed the stream.
    pub(crate) fn read(&self, cursor: Cursor, filter: &Filter, out: &mut [Record]) -> Batch {
        self.log.lock().events.read(cursor, filter, out)
    }

    /// As [`Self::read`], for whoever is the reader at that moment, of what is
    /// in the lane first. `reader` may take a spinlock.
    ///
    /// # Errors
    ///
    /// [`Claimed`], also if nobody reads.
    pub(crate) fn read_for(
        &self,
        reader: impl FnOnce() -> Option<ReaderId>,
        place: &Place,
        out: &mut [Record],
    ) -> Result<Taking, Claimed> {
        let log = self.log.lock();
        log.claim.check(reader().ok_or(Claimed)?)?;
        Ok(Taking::read(log.staged.lane(), &log.events, place, out))
    }

    /// What there is at `place`, for whoever is the reader at that moment.
    /// `reader` may take a spinlock.
    pub(crate) fn glance(&self, reader: impl Fn() -> Option<ReaderId>, mut place: Place) -> Glance {
        let mut record = [Record::default()];
        loop {
            let log = self.log.lock();
            let claimed = reader().is_none_or(|reader| log.claim.check(reader).is_err());
            let taking = Taking::read(log.staged.lane(), &log.events, &place, &mut record);
            if claimed || taking.count() > 0 || !taking.more() {
                return Glance {
                    has_record: taking.count() > 0,
                    ended: log.ended,
                    claimed,
                };
            }
            // Nobody has to wait until all hidden records were looked at.
            drop(log);
            place = taking.after(place, 0, &record);
        }
    }

    /// Sleeps until there is a record, hidden or not, where the reader stands
    /// that `place` names, whenever something changed. It may take a spinlock.
    pub(crate) fn wait(
        &self,
        place: impl Fn() -> Option<(ReaderId, Place)>,
    ) -> Result<(), NoRecord> {
        let mut log = self.log.lock();
        loop {
            let (reader, place) = place().ok_or(NoRecord::NoReader)?;
            if log.claim.check(reader).is_err() {
                return Err(NoRecord::Claimed);
            }
            if log.events.has_record(place.cursor) || log.staged.log().has_record(place.lane) {
                return Ok(());
            }
            if log.ended {
                return Err(NoRecord::Ended);
            }
            if self.changed().wait_interruptible(&mut log) {
                return Err(NoRecord::Interrupted);
            }
        }
    }

    /// Whether no record will be added.
    pub(crate) fn is_ended(&self) -> bool {
        self.log.lock().ended
    }

    pub(crate) fn totals(&self) -> Totals {
        let log = self.log.lock();
        Totals {
            oldest: log.events.oldest(),
            next: log.events.next(),
            overwritten: log.events.overwritten(),
        }
    }
}
