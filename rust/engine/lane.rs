// SPDX-License-Identifier: GPL-2.0-only

//! The second ring of a stream: records of event providers, other modules that
//! deliver events of a controller through its files.
//!
//! A provider has one event at a time in the ring, staged for all readers,
//! until the first of them has it: delivered. A reader gets what is in this
//! ring before it gets events of the controller.

use core::ops::DerefMut;

use super::{
    event_log::{Batch, Cursor, EventLog, NotAPowerOfTwo},
    filter::Filter,
    record::{Record, Sequence, Source},
};

/// Most providers of a controller.
pub(crate) const PROVIDERS_MAX: usize = 16;

/// A provider, by its place in the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProviderId(usize);

/// What became of the event that a provider has in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// There is none.
    Empty,
    /// No reader has it yet.
    Staged(Sequence),
    /// A reader has it.
    Delivered(Sequence),
}

/// What posting an event did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Posted {
    /// The event's number in the ring.
    pub(crate) number: Sequence,
    /// The provider whose event made room, if nobody had that yet: it has to be
    /// staged again.
    pub(crate) overwritten: Option<ProviderId>,
}

/// The ring of the providers of one controller.
pub(crate) struct Lane<S> {
    log: EventLog<S>,
    providers: [Option<Stage>; PROVIDERS_MAX],
}

impl<S: DerefMut<Target = [Record]>> Lane<S> {
    /// A lane without providers over `storage`.
    ///
    /// # Errors
    ///
    /// [`NotAPowerOfTwo`].
    pub(crate) fn new(storage: S) -> Result<Self, NotAPowerOfTwo> {
        Ok(Self {
            log: EventLog::new(storage)?,
            providers: [None; PROVIDERS_MAX],
        })
    }

    pub(crate) fn log(&self) -> &EventLog<S> {
        &self.log
    }

    /// Makes room for a provider, if there is any.
    pub(crate) fn join(&mut self) -> Option<ProviderId> {
        let index = self.providers.iter().position(Option::is_none)?;
        *self.providers.get_mut(index)? = Some(Stage::Empty);
        Some(ProviderId(index))
    }

    /// A provider goes. Its event stays in the ring. Returns what became of it.
    pub(crate) fn leave(&mut self, provider: ProviderId) -> Stage {
        let slot = self.providers.get_mut(provider.0);
        slot.and_then(Option::take).unwrap_or(Stage::Empty)
    }

    /// What became of the provider's event. It may have another one after it
    /// was delivered. One that was overwritten before anybody read it counts as
    /// none: it has to be staged again.
    pub(crate) fn stage(&self, provider: ProviderId) -> Stage {
        let stage = self.providers.get(provider.0).copied().flatten();
        match stage.unwrap_or(Stage::Empty) {
            Stage::Staged(number) if number < self.log.oldest() => Stage::Empty,
            stage => stage,
        }
    }

    /// Puts an event of the provider into the ring, in the place of one that
    /// was delivered.
    pub(crate) fn post(&mut self, provider: ProviderId, record: Record) -> Posted {
        let oldest = self.log.oldest();
        let number = self.log.post(record);
        if let Some(Some(stage)) = self.providers.get_mut(provider.0) {
            *stage = Stage::Staged(number);
        }
        let is_gone = oldest < self.log.oldest();
        let gone = Some(Stage::Staged(oldest));
        let whose = self.providers.iter().position(|stage| *stage == gone);
        Posted {
            number,
            overwritten: whose.filter(|_| is_gone).map(ProviderId),
        }
    }

    /// The provider has its event back.
    pub(crate) fn unstage(&mut self, provider: ProviderId) {
        if let Some(Some(stage)) = self.providers.get_mut(provider.0) {
            *stage = Stage::Empty;
        }
    }

    /// A reader has this record. Returns whose it is, if nobody had it before.
    pub(crate) fn delivered(&mut self, record: &Record) -> Option<ProviderId> {
        if record.source() != Some(Source::Provider) {
            return None;
        }
        for (index, slot) in self.providers.iter_mut().enumerate() {
            match slot {
                // CAST: The record carries the low half.
                Some(Stage::Staged(number)) if number.0 as u32 == record.dw2 => {
                    *slot = Some(Stage::Delivered(*number));
                    return Some(ProviderId(index));
                }
                _ => {}
            }
        }
        None
    }

    /// Where a fresh reader stands: before what nobody has read yet.
    pub(crate) fn start(&self) -> Cursor {
        let oldest = self.log.oldest();
        let undelivered = self
            .providers
            .iter()
            .flatten()
            .filter_map(|stage| match stage {
                Stage::Staged(number) if *number >= oldest => Some(*number),
                Stage::Staged(_) | Stage::Empty | Stage::Delivered(_) => None,
            });
        undelivered
            .min_by_key(|number| number.0)
            .and_then(|number| self.log.at(number).ok())
            .unwrap_or_else(|| self.log.end())
    }
}

impl ProviderId {
    /// Its place among the providers, below [`PROVIDERS_MAX`].
    pub(crate) fn index(self) -> usize {
        self.0
    }
}

/// Where a reader stands in both rings, and what it wants to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) cursor: Cursor,
    pub(crate) lane: Cursor,
    pub(crate) filter: Filter,
}

/// What a read of both rings found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taking {
    lane: Batch,
    /// `None` as long as the lane has more.
    events: Option<Batch>,
}

impl Taking {
    /// Copies what comes next at `place` to the front of `out`: first what is in
    /// the lane, then, if that was all, events of the controller.
    pub(crate) fn read<S, T>(
        lane: &Lane<S>,
        events: &EventLog<T>,
        place: &Place,
        out: &mut [Record],
    ) -> Self
    where
        S: DerefMut<Target = [Record]>,
        T: DerefMut<Target = [Record]>,
    {
        let first = lane.log.read(place.lane, &place.filter, out);
        let rest = out.get_mut(first.count..).filter(|_| !first.more);
        Self {
            lane: first,
            events: rest.map(|rest| events.read(place.cursor, &place.filter, rest)),
        }
    }

    /// How many records were put at the front of the caller's slice.
    pub(crate) fn count(&self) -> usize {
        let events = self.events.map_or(0, |events| events.count);
        self.lane.count.saturating_add(events)
    }

    /// There are records that were not looked at yet.
    pub(crate) fn more(&self) -> bool {
        self.events.is_none_or(|events| events.more)
    }

    /// Where the reader stands after having taken the first `taken` of the
    /// records, which `out` has in front.
    pub(crate) fn after(&self, place: Place, taken: usize, out: &[Record]) -> Place {
        let of_lane = taken.min(self.lane.count);
        let behind = out.get(self.lane.count..).unwrap_or(&[]);
        let cursor = match self.events {
            Some(events) if taken >= self.lane.count => {
                events.after(taken.saturating_sub(self.lane.count), behind)
            }
            _ => place.cursor,
        };
        Place {
            cursor,
            lane: self.lane.after(of_lane, out),
            ..place
        }
    }
}
