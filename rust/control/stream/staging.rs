// SPDX-License-Identifier: GPL-2.0-only

//! What event providers have in a stream: the lane with their records, and the
//! tasks to run when a reader has one of them.

use kernel::{
    new_mutex, new_spinlock_irq,
    prelude::*,
    sync::{Arc, Mutex, SpinLockIrq},
    time::{BootTime, Instant},
};

use crate::{
    engine::{
        capture::Pending,
        event_log::{BadPosition, Cursor, EventLog, Missing, Origin},
        lane::{Lane, ProviderId, Stage, PROVIDERS_MAX},
        record::{Record, Sequence, Source},
    },
    glue::work::WorkItem,
};

use super::{
    super::{archive::Page, provider::Provider},
    Details, EventStream,
};

/// How many records of providers are kept.
pub(super) const LANE_ENTRIES: usize = 256;

/// The lane, with the time of each record in it.
pub(super) struct Staged {
    lane: Lane<KVVec<Record>>,
    /// When each of them was posted, in the same places.
    times: KVVec<Instant<BootTime>>,
}

impl Staged {
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new() -> Result<Self> {
        let mut storage = KVVec::with_capacity(LANE_ENTRIES, GFP_KERNEL)?;
        storage.resize(LANE_ENTRIES, Record::default(), GFP_KERNEL)?;
        let mut times = KVVec::with_capacity(LANE_ENTRIES, GFP_KERNEL)?;
        times.resize(LANE_ENTRIES, Instant::now(), GFP_KERNEL)?;
        Ok(Self {
            lane: Lane::new(storage).map_err(|_| EINVAL)?,
            times,
        })
    }

    pub(super) fn lane(&self) -> &Lane<KVVec<Record>> {
        &self.lane
    }

    pub(super) fn log(&self) -> &EventLog<KVVec<Record>> {
        self.lane.log()
    }

    /// Puts an event of the provider into the lane. Returns whose event was
    /// overwritten by it before anybody had it.
    fn post(&mut self, provider: ProviderId, record: Record) -> Option<ProviderId> {
        let posted = self.lane.post(provider, record);
        if let Some(time) = self.times.get_mut(self.lane.log().index(posted.number)) {
            *time = Instant::now();
        }
        posted.overwritten
    }

    fn details(&self, number: Sequence) -> Result<Details, Missing> {
        let record = self.lane.log().record(number)?;
        let posted = self.times.get(self.lane.log().index(number));
        Ok(Details {
            posted: *posted.ok_or(Missing::Overwritten)?,
            page: record.has_payload().then(|| Pending::of_provider(number)),
        })
    }
}

/// The providers' tasks.
#[pin_data]
pub(super) struct Providers {
    #[pin]
    tasks: SpinLockIrq<[Option<Arc<WorkItem<Provider>>>; PROVIDERS_MAX]>,
    /// Held while an event gets its number and its payload that number.
    #[pin]
    staging: Mutex<()>,
}

impl Providers {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            tasks <- new_spinlock_irq!(
                [const { None }; PROVIDERS_MAX],
                "nvme_rs::Providers::tasks"
            ),
            staging <- new_mutex!((), "nvme_rs::Providers::staging"),
        })
    }

    /// Gives a provider another task, or none. Returns the one it had.
    fn set(
        &self,
        provider: ProviderId,
        task: Option<Arc<WorkItem<Provider>>>,
    ) -> Option<Arc<WorkItem<Provider>>> {
        let mut tasks = self.tasks.lock();
        let slot = tasks.get_mut(provider.index())?;
        core::mem::replace(slot, task)
    }

    fn run(&self, provider: ProviderId) {
        let task = self.tasks.lock().get(provider.index()).cloned().flatten();
        if let Some(task) = task {
            task.queue();
        }
    }
}

impl EventStream {
    /// As [`Self::at`], in the lane.
    pub(crate) fn at_in_lane(&self, number: Sequence) -> Result<Cursor, BadPosition> {
        self.log.lock().staged.log().at(number)
    }

    /// As [`Self::seek`], in the lane.
    pub(crate) fn seek_in_lane(
        &self,
        cursor: Cursor,
        origin: Origin,
        offset_bytes: i64,
    ) -> Result<Cursor, BadPosition> {
        let log = self.log.lock();
        log.staged.log().seek(cursor, origin, offset_bytes)
    }

    /// As [`Self::details`], of an event in the lane. There is nothing to wait
    /// for.
    ///
    /// # Errors
    ///
    /// [`Missing`].
    pub(crate) fn lane_details(&self, number: Sequence) -> Result<Details, Missing> {
        self.log.lock().staged.details(number)
    }

    /// The oldest record in the lane, and the one that will be next.
    pub(crate) fn lane_range(&self) -> (Sequence, Sequence) {
        let log = self.log.lock();
        (log.staged.log().oldest(), log.staged.log().next())
    }

    /// Makes room for a provider.
    ///
    /// # Errors
    ///
    /// ENOSPC if there are too many; ENODEV if the stream has ended.
    pub(in super::super) fn join(&self) -> Result<ProviderId> {
        let mut log = self.log.lock();
        if log.ended {
            return Err(ENODEV);
        }
        log.staged.lane.join().ok_or(ENOSPC)
    }

    /// Queues `task` from now on when a reader has an event of the provider.
    pub(in super::super) fn attend(&self, provider: ProviderId, task: Arc<WorkItem<Provider>>) {
        let old = self.providers.set(provider, Some(task));
        drop(old);
    }

    /// A provider goes. Returns what became of its last event.
    pub(in super::super) fn leave(&self, provider: ProviderId) -> Stage {
        let task = self.providers.set(provider, None);
        drop(task);
        self.log.lock().staged.lane.leave(provider)
    }

    /// What became of the provider's event.
    pub(in super::super) fn stage(&self, provider: ProviderId) -> Stage {
        self.log.lock().staged.lane.stage(provider)
    }

    /// The provider has its event back.
    pub(in super::super) fn unstage(&self, provider: ProviderId) {
        self.log.lock().staged.lane.unstage(provider);
    }

    /// Puts an event of the provider into the lane, with its payload. Sleeps.
    ///
    /// # Errors
    ///
    /// ENODEV if the stream has ended.
    pub(in super::super) fn stage_event(
        &self,
        provider: ProviderId,
        record: Record,
        payload: Option<Arc<Page>>,
    ) -> Result {
        let turn = self.providers.staging.lock();
        if let Some(page) = payload {
            // First, for who reads the record may ask for it at once.
            let number = self.log.lock().staged.log().next();
            self.archive.keep(Pending::of_provider(number), page);
        }
        let mut log = self.log.lock();
        if log.ended {
            return Err(ENODEV);
        }
        let overwritten = log.staged.post(provider, record);
        drop(log);
        drop(turn);
        self.bell.ring();
        if let Some(other) = overwritten {
            self.providers.run(other);
        }
        Ok(())
    }

    /// These records were copied to a reader.
    pub(crate) fn delivered(&self, records: &[Record]) {
        let of_providers = records
            .iter()
            .filter(|record| record.source() == Some(Source::Provider));
        for record in of_providers {
            let provider = self.log.lock().staged.lane.delivered(record);
            if let Some(provider) = provider {
                self.providers.run(provider);
            }
        }
    }
}
