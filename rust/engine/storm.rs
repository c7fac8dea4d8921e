// SPDX-License-Identifier: GPL-2.0-only

//! Keeps an event class that fires all the time from keeping the host busy.
//!
//! A class that reports more than a limit of events within a second is masked:
//! its log page is left unread for a while, and a controller does not report a
//! class again before that. Nothing is lost by it, the controller keeps what it
//! has to say. Each time the class fires again right after, the pause is twice
//! as long as the last one, up to a maximum.
//!
//! A controller that reports a masked class nevertheless does not wait for log
//! pages to be read. Then no Asynchronous Event Request is submitted until the
//! pause is over.
//!
//! So many classes are watched. One that comes beside those goes on where the
//! class that has been calm longest was, with all that was counted of that: a
//! controller with ever new classes gains nothing by it.

use crate::spec::{event::AsynchronousEvent, log_page::LogPageId};

/// A moment, in nanoseconds since some fixed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    fn plus(self, span_ns: u64) -> Self {
        Self(self.0.saturating_add(span_ns))
    }

    /// How long after `earlier` this is.
    pub(crate) fn since_ns(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// What one log page re-arms: an event type and its log page, where they stand
/// in the event. The parameter of the lifecycle records about a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EventClass(pub(crate) u32);

impl EventClass {
    pub(crate) fn of(event: AsynchronousEvent) -> Self {
        Self(event.0 & 0x00ff_0007)
    }

    fn page(self) -> Option<LogPageId> {
        AsynchronousEvent(self.0).log_page()
    }
}

/// The span in which events are counted.
const WINDOW_NS: u64 = 1_000_000_000;

/// How many classes are watched at once; a controller has fewer.
pub(crate) const CLASSES_MAX: usize = 16;

/// When a class is masked and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StormLimits {
    /// More events than this within a second are a storm.
    pub(crate) events_per_second: u32,
    pub(crate) pause_min_ns: u64,
    pub(crate) pause_max_ns: u64,
}

/// What to do about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Calm,
    /// Its class is masked from now on.
    Mask,
    /// Its class is masked and storms on, or all that can be watched are masked:
    /// submit no request before a pause ends.
    Hold,
}

#[derive(Clone, Copy, Debug)]
struct Watch {
    class: EventClass,
    window_start: Moment,
    events: u32,
    /// The last pause, or the one that goes on.
    pause_ns: u64,
    /// When that pause ends or ended.
    pause_end: Moment,
    masked: bool,
}

/// The event classes of one controller that fired lately.
#[derive(Debug)]
pub(crate) struct StormGuard {
    limits: StormLimits,
    watches: [Option<Watch>; CLASSES_MAX],
}

impl StormGuard {
    pub(crate) const fn new(limits: StormLimits) -> Self {
        Self {
            limits,
            watches: [None; CLASSES_MAX],
        }
    }

    /// An event of `class` arrived.
    pub(crate) fn event(&mut self, class: EventClass, now: Moment) -> Verdict {
        let limits = self.limits;
        let Some(watch) = self.watch(class, now) else {
            return Verdict::Hold;
        };
        if now.since_ns(watch.window_start) >= WINDOW_NS {
            watch.window_start = now;
            watch.events = 0;
        }
        watch.events = watch.events.saturating_add(1);
        if watch.events <= limits.events_per_second {
            return Verdict::Calm;
        }
        if watch.masked {
            return Verdict::Hold;
        }
        let again = watch.pause_ns > 0 && now.since_ns(watch.pause_end) <= watch.pause_ns;
        watch.pause_ns = if again {
            watch.pause_ns.saturating_mul(2).min(limits.pause_max_ns)
        } else {
            limits.pause_min_ns
        };
        watch.pause_end = now.plus(watch.pause_ns);
        watch.masked = true;
        watch.events = 0;
        watch.window_start = now;
        Verdict::Mask
    }

    /// Whether `page` is to be left unread for now.
    pub(crate) fn is_masked(&self, page: LogPageId) -> bool {
        self.watches
            .iter()
            .flatten()
            .any(|watch| watch.masked && watch.class.page() == Some(page))
    }

    /// Unmasks a class whose pause is over, if there is one.
    pub(crate) fn unmask(&mut self, now: Moment) -> Option<EventClass> {
        let watch = self
            .watches
            .iter_mut()
            .flatten()
            .find(|watch| watch.masked && watch.pause_end <= now)?;
        watch.masked = false;
        Some(watch.class)
    }

    /// When the next pause ends.
    pub(crate) fn next_end(&self) -> Option<Moment> {
        self.watches
            .iter()
            .flatten()
            .filter(|watch| watch.masked)
            .map(|watch| watch.pause_end)
            .min()
    }

    /// How many classes are masked.
    pub(crate) fn masked(&self) -> usize {
        self.watches
            .iter()
            .flatten()
            .filter(|watch| watch.masked)
            .count()
    }

    /// The types of events that have masked classes, a bit each.
    pub(crate) fn masked_types(&self) -> u8 {
        self.watches
            .iter()
            .flatten()
            .filter(|watch| watch.masked)
            .fold(0, |types, watch| types | (1 << (watch.class.0 & 7)))
    }

    /// The watch over `class`, if need be in the place of the class that has
    /// been calm longest. `None` if all are masked.
    fn watch(&mut self, class: EventClass, now: Moment) -> Option<&mut Watch> {
        let known = |watch: &Option<Watch>| watch.is_some_and(|watch| watch.class == class);
        let index = self.watches.iter().position(known).or_else(|| {
            self.watches
                .iter()
                .enumerate()
                .filter(|(_, watch)| !watch.is_some_and(|watch| watch.masked))
                .min_by_key(|(_, watch)| watch.map(|watch| watch.window_start))
                .map(|(index, _)| index)
        })?;
        let slot = self.watches.get_mut(index)?;
        let watch = slot.get_or_insert(Watch {
            class,
            window_start: now,
            events: 0,
            pause_ns: 0,
            pause_end: now,
            masked: false,
        });
        watch.class = class;
        Some(watch)
    }
}
