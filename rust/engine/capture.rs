// SPDX-License-Identifier: GPL-2.0-only

//! Which log pages are to be read for which events, and how.
//!
//! A controller that reported an event keeps quiet about that class until its
//! log page is read with Retain Asynchronous Event cleared. So the driver
//! reads the page of every event. It clears the bit only with the read that
//! completes the page: a class must not be released while the host does not
//! have what the controller wanted to say.

use crate::spec::{
    command::{LogPageRead, NamespaceId, RetainEvent},
    event::{AsynchronousEvent, EventType},
    identify::IdentifyController,
    log_page::{GroupList, Header, LogPageId, PageLength},
};

use super::record::Sequence;

/// The most that one read transfers: a memory page needs no PRP list.
pub(crate) const CHUNK_BYTES: u32 = 4096;

/// The most entries read from a page that is a queue. The specification lets
/// it hold 255; more is a controller that never runs dry.
const QUEUE_ENTRIES_MAX: u32 = 256;

/// How many different log pages can wait to be read. Events of one page share
/// one reading, and a controller has fewer event classes than this.
pub(crate) const PENDING_MAX: usize = 16;

/// A log page to read, for the events `first` to `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) page: LogPageId,
    pub(crate) nsid: NamespaceId,
    pub(crate) first: Sequence,
    pub(crate) last: Sequence,
}

impl Pending {
    /// What `event`, posted under `number`, wants to be read, if it has a log
    /// page.
    pub(crate) fn of(event: AsynchronousEvent, parameter: u32, number: Sequence) -> Option<Self> {
        // Pages of an I/O Command Set belong to the namespace that the
        // event's parameter names.
        let nsid = match event.event_type() {
            EventType::IoCommandSetSpecific => NamespaceId(parameter),
            _ => NamespaceId::BROADCAST,
        };
        Some(Self {
            page: event.log_page()?,
            nsid,
            first: number,
            last: number,
        })
    }

    /// What belongs to the provider's event with this number in the lane. No
    /// event of a controller has page 0.
    pub(crate) fn of_provider(number: Sequence) -> Self {
        Self {
            page: LogPageId(0),
            nsid: NamespaceId::NONE,
            first: number,
            last: number,
        }
    }

    /// Whether reading this page is what `other` wants as well.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.is_same_page(other) && self.first <= other.first && other.last <= self.last
    }

    fn is_same_page(&self, other: &Self) -> bool {
        self.page == other.page && self.nsid == other.nsid
    }
}

/// The log pages that wait to be read, in the order of their first event, and
/// the one that is being read.
#[derive(Debug)]
pub(crate) struct CaptureQueue {
    entries: [Option<Pending>; PENDING_MAX],
    current: Option<Pending>,
    dropped: u64,
}

impl CaptureQueue {
    pub(crate) const fn new() -> Self {
        Self {
            entries: [None; PENDING_MAX],
            current: None,
            dropped: 0,
        }
    }

    /// Notes that `event`, posted under `number`, wants its page read. An
    /// event without a log page is none of the queue's business.
    pub(crate) fn add(&mut self, event: AsynchronousEvent, parameter: u32, number: Sequence) {
        let Some(wanted) = Pending::of(event, parameter, number) else {
            return;
        };
        for slot in &mut self.entries {
            match slot {
                Some(pending) if pending.is_same_page(&wanted) => {
                    pending.last = number;
                    return;
                }
                Some(_) => {}
                None => {
                    *slot = Some(wanted);
                    return;
                }
            }
        }
        self.dropped = self.dropped.saturating_add(1);
    }

    /// Takes the page that waits longest, of those that `ready` approves of. It
    /// is being read from now on.
    pub(crate) fn take(&mut self, ready: impl Fn(LogPageId) -> bool) -> Option<Pending> {
        let index = self
            .entries
            .iter()
            .position(|entry| entry.is_some_and(|pending| ready(pending.page)))?;
        // The later ones move up, in their order.
        let behind = self.entries.get_mut(index..)?;
        behind.rotate_left(1);
        self.current = behind.last_mut()?.take();
        self.current
    }

    /// The page that was taken is read, or cannot be.
    pub(crate) fn finish(&mut self) {
        self.current = None;
    }

    /// Whether the page of these events is still to be read.
    pub(crate) fn is_pending(&self, wanted: &Pending) -> bool {
        self.entries
            .iter()
            .chain(core::iter::once(&self.current))
            .flatten()
            .any(|pending| pending.covers(wanted))
    }

    /// Forgets what waits: a reset controller has nothing to report.
    pub(crate) fn clear(&mut self) {
        self.entries = [None; PENDING_MAX];
    }

    /// How many events found no room; their pages are not read.
    pub(crate) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// The read that releases an event class whose log page was too long to be
/// kept, and nothing else. Not for a page that is a queue, which would lose an
/// entry by it; those are never too long.
pub(crate) fn release_of(wanted: &Pending) -> LogPageRead {
    LogPageRead {
        page: wanted.page,
        nsid: wanted.nsid,
        offset_bytes: 0,
        length_bytes: 4,
        retain: RetainEvent::Release,
    }
}

/// How one log page is read, command by command.
///
/// Ask for [`Self::next_read`], carry it out, report it with
/// [`Self::advance`], and so on until there is none.
#[derive(Debug)]
pub(crate) struct CapturePlan {
    page: LogPageId,
    nsid: NamespaceId,
    length: Length,
    offset: u32,
    state: State,
    limit_bytes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Known(u32),
    Unread(Header),
    Unfinished(GroupList),
    Queue {
        entry_bytes: u32,
        available_at: usize,
        entries_left: u32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is more of the page to read.
    Reading,
    /// The page is complete but the class is still retained.
    Releasing,
    /// Complete, and the class is released.
    Complete,
    /// The page is longer than may be kept: what was read is kept, and the
    /// class stays latched until somebody reads the page to its end.
    TooLong,
}

impl CapturePlan {
    /// How to read `pending.page` of a controller that identifies itself with
    /// `identify`, keeping at most `limit_bytes`.
    pub(crate) fn new(
        pending: Pending,
        identify: &IdentifyController,
        mut limit_bytes: u32,
    ) -> Self {
        let length = match pending.page.length(identify) {
            // Without extended data there is no offset: the first chunk is
            // all that can be had, and the controller's newest entries are
            // in it.
            PageLength::Bytes(bytes) if !identify.extended_log_page_data() => {
                Length::Known(bytes.min(CHUNK_BYTES))
            }
            PageLength::Bytes(bytes) => Length::Known(bytes),
            PageLength::InHeader(header) => {
                if !identify.extended_log_page_data() {
                    // What follows the header cannot be had.
                    limit_bytes = limit_bytes.min(header.header_bytes());
                }
                Length::Unread(header)
            }
            PageLength::Groups => {
                if !identify.extended_log_page_data() {
                    // What follows the first chunk cannot be had.
                    limit_bytes = limit_bytes.min(CHUNK_BYTES);
                }
                Length::Unfinished(GroupList::new())
            }
            PageLength::Queue {
                entry_bytes,
                available_at,
            } => Length::Queue {
                entry_bytes,
                available_at,
                entries_left: QUEUE_ENTRIES_MAX,
            },
        };
        let mut plan = Self {
            page: pending.page,
            nsid: pending.nsid,
            length,
            offset: 0,
            state: State::Reading,
            limit_bytes,
        };
        plan.check_length();
        plan
    }

    /// The next command, or `None` if there is nothing more to do.
    pub(crate) fn next_read(&self) -> Option<LogPageRead> {
        let (offset_bytes, length_bytes, retain) = match (self.state, self.length) {
            (State::Complete | State::TooLong, _) => return None,
            // The shortest read there is; what it returns is already kept.
            (State::Releasing, _) => (0, 4, RetainEvent::Release),
            (State::Reading, Length::Unread(header)) => {
                (0, header.header_bytes(), RetainEvent::Retain)
            }
            (State::Reading, Length::Unfinished(_)) => {
                (self.offset, CHUNK_BYTES, RetainEvent::Retain)
            }
            (State::Reading, Length::Queue { entry_bytes, .. }) => {
                (0, entry_bytes, RetainEvent::Release)
            }
            (State::Reading, Length::Known(length)) => {
                let left = length.saturating_sub(self.offset);
                let retain = if left > CHUNK_BYTES {
                    RetainEvent::Retain
                } else {
                    RetainEvent::Release
                };
                (self.offset, left.min(CHUNK_BYTES), retain)
            }
        };
        Some(LogPageRead {
            page: self.page,
            nsid: self.nsid,
            offset_bytes,
            length_bytes,
            retain,
        })
    }

    /// The command from [`Self::next_read`] succeeded and returned `data`.
    /// Returns the part of `data` that is to be kept.
    pub(crate) fn advance<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        match (self.state, self.length) {
            (State::Complete | State::TooLong, _) => return &[],
            (State::Releasing, _) => {
                self.state = State::Complete;
                return &[];
            }
            (State::Reading, Length::Unread(header)) => {
                self.offset = header.header_bytes();
                self.length = Length::Known(header.page_bytes(data));
                if self.length == Length::Known(self.offset) {
                    self.state = State::Releasing;
                }
                self.check_length();
            }
            (State::Reading, Length::Unfinished(list)) => {
                let keep = self.advance_list(list, data);
                return data.get(..keep).unwrap_or(data);
            }
            (
                State::Reading,
                Length::Queue {
                    entry_bytes,
                    available_at,
                    entries_left,
                },
            ) => {
                let more = data.get(available_at).is_some_and(|&left| left > 0);
                let entries_left = entries_left.saturating_sub(1);
                self.length = Length::Queue {
                    entry_bytes,
                    available_at,
                    entries_left,
                };
                if !more || entries_left == 0 {
                    self.state = State::Complete;
                }
            }
            (State::Reading, Length::Known(length)) => {
                self.offset = self.offset.saturating_add(CHUNK_BYTES).min(length);
                if self.offset == length {
                    self.state = State::Complete;
                }
            }
        }
        data
    }

    /// As [`Self::advance`], for the next chunk of a list. Returns how much of
    /// it is to be kept: what follows the end of the page is not of it.
    fn advance_list(&mut self, mut list: GroupList, data: &[u8]) -> usize {
        let start = self.offset;
        let end = start.saturating_add(CHUNK_BYTES);
        list.look(start, CHUNK_BYTES, data);
        self.offset = end;
        self.length = match list.page_bytes() {
            Some(length_bytes) => {
                if length_bytes <= end {
                    self.offset = length_bytes;
                    self.state = State::Releasing;
                }
                Length::Known(length_bytes)
            }
            None => Length::Unfinished(list),
        };
        self.check_length();
        let kept_end = self.offset.min(self.limit_bytes & !3);
        kept_end.saturating_sub(start) as usize
    }

    /// How long the page is, as far as that is known.
    pub(crate) fn page_bytes(&self) -> Option<u32> {
        match self.length {
            Length::Known(length_bytes) => Some(length_bytes),
            Length::Unread(_) | Length::Unfinished(_) | Length::Queue { .. } => None,
        }
    }

    /// Whether the page was read to its end and its class released.
    pub(crate) fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    fn check_length(&mut self) {
        let length_bytes_min = match self.length {
            Length::Known(length_bytes) => length_bytes,
            Length::Unfinished(list) => list.bytes_min(),
            Length::Unread(_) | Length::Queue { .. } => return,
        };
        if length_bytes_min > self.limit_bytes {
            self.state = State::TooLong;
        }
    }
}
