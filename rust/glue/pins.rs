// SPDX-License-Identifier: GPL-2.0-only

//! Memory of a process that stays where it is until a command is over.
//!
//! The `kernel` crate cannot pin user pages.

use core::mem::MaybeUninit;

use kernel::{
    alloc::flags::__GFP_NOWARN, error::to_result, page::PAGE_SIZE, prelude::*, sync::Arc,
};

use crate::engine::page_run::{PageRun, Pieces, PAGE_BYTES};

use super::{bindings, mapping::Direction, spare::Spare};

pub(crate) use crate::engine::page_run::UserRange;

const _: () = assert!(PAGE_BYTES == PAGE_SIZE);
/// How many runs are kept without memory of their own.
const FEW: usize = 2;

/// How much room there is for pins while a command is outstanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// For a run, or for where many are.
    OneWord,
    TwoWords,
}

impl Room {
    fn runs(self) -> usize {
        match self {
            Self::OneWord => 1,
            Self::TwoWords => FEW,
        }
    }
}

/// # Safety
///
/// The pages must be pinned, and nobody else unpins them.
unsafe fn unpin(run: PageRun, written: bool) {
    if run.count() > 0 {
        // SAFETY: By the safety requirement; pages of one run are next to
        // one another.
        unsafe { bindings::nvme_rs_unpin(run.begin(), run.count() as usize, written) };
    }
}

/// How many pages are pinned at a time.
const BATCH: usize = 32;

/// Room for many runs, kept for the next who has as many.
pub(crate) struct Runs {
    runs: KVVec<PageRun>,
    home: Option<Arc<Spare<Runs>>>,
}

/// Pinned pages of a process, until dropped.
///
/// To be dropped in process context, when no device accesses them any more.
///
/// # Invariants
///
/// The pages of each run are pinned.
pub(crate) struct Pins {
    runs: PinnedRuns,
    room: Room,
    written: bool,
}

enum PinnedRuns {
    Few([PageRun; FEW]),
    Many(KBox<Runs>),
}

impl Pins {
    /// Pins `ranges`, none of which is empty. Sleeps. `spare` is where to find
    /// and to leave memory if there are more runs than `room` is for.
    ///
    /// # Errors
    ///
    /// EFAULT if the process may not access the memory in that way; ENOMEM.
    pub(crate) fn new(
        ranges: &[UserRange],
        direction: Direction,
        room: Room,
        spare: Option<&Arc<Spare<Runs>>>,
    ) -> Result<Self> {
        let mut this = Self {
            runs: PinnedRuns::Few([PageRun::NONE; FEW]),
            room,
            written: direction.writes_memory(),
        };
        for &range in ranges {
            this.pin(range, 0, spare)?;
        }
        Ok(this)
    }

    /// Pins a range to be read and written for longer than a command. Sleeps.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub(crate) fn lasting(range: UserRange) -> Result<Self> {
        let mut this = Self {
            runs: PinnedRuns::Few([PageRun::NONE; FEW]),
            room: Room::TwoWords,
            written: true,
        };
        this.pin(range, bindings::FOLL_LONGTERM, None)?;
        Ok(this)
    }

    fn pin(&mut self, range: UserRange, flags: u32, spare: Option<&Arc<Spare<Runs>>>) -> Result {
        let flags = flags
            | if self.written {
                bindings::FOLL_WRITE
            } else {
                0
            };
        let mut address = range.address - range.address % PAGE_SIZE;
        let mut missing = range.pages();
        // What belongs to another range is not merged with this one.
        let mut run = PageRun::NONE;
        while missing > 0 {
            let mut room = [const { MaybeUninit::uninit() }; BATCH];
            let frames = pin_some(address, missing, flags, &mut room).inspect_err(|_| {
                // SAFETY: Pinned below, in an earlier round, and kept nowhere.
                unsafe { unpin(run, false) }
            })?;
            for (index, &frame) in frames.iter().enumerate() {
                let page = PageRun::one(frame);
                if run.grow(page) {
                    continue;
                }
                let left = frames.get(index..).unwrap_or(&[]);
                if let Err(error) = self.keep(run, left.len(), spare) {
                    // SAFETY: Pinned above, and kept nowhere: this run and the
                    // pages not looked at yet.
                    unsafe {
                        unpin(run, false);
                        for &frame in left {
                            unpin(PageRun::one(frame), false);
                        }
                    }
                    return Err(error);
                }
                run = page;
            }
            address = address.wrapping_add(frames.len().saturating_mul(PAGE_SIZE));
            missing = missing.saturating_sub(frames.len());
        }
        self.keep(run, 1, spare).inspect_err(|_| {
            // SAFETY: Pinned above, and kept nowhere.
            unsafe { unpin(run, false) }
        })
    }

    /// Keeps a run, if it is one. `more` is how many may follow soon.
    #[inline]
    fn keep(&mut self, run: PageRun, more: usize, spare: Option<&Arc<Spare<Runs>>>) -> Result {
        if run == PageRun::NONE || self.note(run) {
            return Ok(());
        }
        self.make_room(more.saturating_add(1), spare)?;
        self.note(run);
        Ok(())
    }

    /// Notes a run that is pinned, if there is room.
    #[inline]
    fn note(&mut self, run: PageRun) -> bool {
        match &mut self.runs {
            PinnedRuns::Few(few) => {
                let mut places = few.iter_mut().take(self.room.runs());
                match places.find(|kept| **kept == PageRun::NONE) {
                    // INVARIANT: Pinned by the caller.
                    Some(free) => *free = run,
                    None => return false,
                }
            }
            // INVARIANT: Pinned by the caller.
            PinnedRuns::Many(many) => return many.runs.push_within_capacity(run).is_ok(),
        }
        true
    }

    /// Makes room for as many runs.
    #[cold]
    fn make_room(&mut self, runs: usize, spare: Option<&Arc<Spare<Runs>>>) -> Result {
        let flags = GFP_KERNEL | __GFP_NOWARN;

        match &mut self.runs {
            PinnedRuns::Few(few) => {
                let mut many = match spare.and_then(|spare| spare.take()) {
                    Some(many) => many,
                    None => KBox::new(
                        Runs {
                            runs: KVVec::new(),
                            home: None,
                        },
                        GFP_KERNEL,
                    )?,
                };
                many.runs.reserve(runs.saturating_add(FEW), flags)?;
                let few = few.get(..self.room.runs()).unwrap_or(few);
                many.runs.extend_from_slice(few, flags)?;
                many.home = spare.cloned();
                // INVARIANT: The same runs.
                self.runs = PinnedRuns::Many(many);
            }
            PinnedRuns::Many(many) => many.runs.reserve(runs, flags)?,
        }
        Ok(())
    }

    /// Gives the room for many runs, which are not pinned any more, to the next.
    fn send_home(&mut self) {
        let runs = PinnedRuns::Few([PageRun::NONE; FEW]);
        if let PinnedRuns::Many(mut many) = core::mem::replace(&mut self.runs, runs) {
            many.runs.truncate(0);
            if let Some(home) = many.home.take() {
                home.give(many);
            }
        }
    }

    /// Takes pins apart, into parts that are small.
    pub(super) fn into_raw(pins: Option<Self>) -> (RawPinsKind, RawPins) {
        let few = |[first, second]: [PageRun; FEW]| RawPins {
            first: RawRuns { run: first },
            second: second.word(),
        };
        let Some(mut pins) = pins else {
            return (RawPinsKind::Read, few([PageRun::NONE; FEW]));
        };
        // What is left of `pins` is dropped, and is nothing.
        let runs = core::mem::replace(&mut pins.runs, PinnedRuns::Few([PageRun::NONE; FEW]));
        match (runs, pins.written) {
            (PinnedRuns::Few(runs), false) => (RawPinsKind::Read, few(runs)),
            (PinnedRuns::Few(runs), true) => (RawPinsKind::Written, few(runs)),
            (PinnedRuns::Many(many), written) => {
                let kind = if written {
                    RawPinsKind::ManyWritten
                } else {
                    RawPinsKind::ManyRead
                };
                let many = KBox::into_raw(many);
                let pins = RawPins {
                    first: RawRuns { many },
                    second: 0,
                };
                (kind, pins)
            }
        }
    }

    /// Puts pins together again. `None` if nothing is pinned.
    ///
    /// # Safety
    ///
    /// The arguments must come from [`Self::into_raw`], and be used once.
    #[inline]
    pub(super) unsafe fn from_raw(kind: RawPinsKind, raw: RawPins) -> Option<Self> {
        // SAFETY: Both parts are a word of which any bits are a run; the address of
        // a box is never that of none.
        if unsafe { raw.first.run } == PageRun::NONE {
            return None;
        }
        // SAFETY: The kind says which part is there; a box is used once, by the
        // safety requirement.
        Some(unsafe {
            Self {
                runs: match kind {
                    RawPinsKind::Read | RawPinsKind::Written => {
                        PinnedRuns::Few([raw.first.run, PageRun::of_word(raw.second)])
                    }
                    RawPinsKind::ManyRead | RawPinsKind::ManyWritten => {
                        PinnedRuns::Many(KBox::from_raw(raw.first.many))
                    }
                },
                room: Room::TwoWords,
                written: matches!(kind, RawPinsKind::Written | RawPinsKind::ManyWritten),
            }
        })
    }

    /// Whether they are in many places.
    pub(super) fn are_many(&self) -> bool {
        matches!(self.runs, PinnedRuns::Many(_))
    }

    fn runs(&self) -> &[PageRun] {
        match &self.runs {
            PinnedRuns::Few(few) => few,
            PinnedRuns::Many(many) => &many.runs,
        }
    }

    /// Where in memory `ranges`, which are what was pinned, are.
    pub(super) fn pieces<'a>(&'a self, ranges: &'a [UserRange]) -> Pieces<'a> {
        Pieces::new(self.runs(), ranges)
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        if let PinnedRuns::Few([PageRun::NONE, _]) = self.runs {
            return;
        }
        for run in self.runs() {
            // SAFETY: Pinned by the type invariant; no device accesses them any
            // more.
            unsafe { unpin(*run, self.written) };
        }
        if let PinnedRuns::Many(_) = self.runs {
            self.send_home();
        }
    }
}

/// Which [`RawPins`] they are.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum RawPinsKind {
    Read,
    Written,
    ManyRead,
    ManyWritten,
}

/// [`Pins`] in two words.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct RawPins {
    first: RawRuns,
    /// A run, or nothing: zero.
    second: u64,
}

#[derive(Clone, Copy)]
union RawRuns {
    run: PageRun,
    many: *mut Runs,
}

impl RawPins {
    /// Has a word kept with the pins, if there is room: [`Room::OneWord`].
    pub(super) fn put_word(&mut self, word: u64) -> Result<(), NoRoom> {
        if self.second != 0 {
            return Err(NoRoom);
        }
        self.second = word;
        Ok(())
    }

    /// Takes that word back.
    pub(super) fn take_word(&mut self) -> u64 {
        core::mem::take(&mut self.second)
    }
}

/// The pins take both words.
pub(super) struct NoRoom;

/// Pins pages from `address` on, at most `wanted` and as many as there is room
/// for. Returns the numbers of their page frames, of at least one.
fn pin_some(
    address: usize,
    wanted: usize,
    flags: u32,
    room: &mut [MaybeUninit<usize>; BATCH],
) -> Result<&[usize]> {
    let mut pages = [const { MaybeUninit::<*mut bindings::page>::uninit() }; BATCH];
    // CAST: At most `BATCH`.
    let wanted = wanted.min(BATCH) as c_int;
    let pages = pages.as_mut_ptr().cast();
    // SAFETY: There is room for so many pointers. The function checks the
    // addresses.
    let pinned = unsafe { bindings::pin_user_pages_fast(address, wanted, flags, pages) };
    // Addresses beyond those of a process come out as EOVERFLOW.
    to_result(pinned).map_err(|error| match error {
        EOVERFLOW => EFAULT,
        error => error,
    })?;
    let pinned = match pinned.unsigned_abs() {
        0 => return Err(EFAULT),
        pinned => pinned,
    };
    let frames = room.as_mut_ptr().cast();
    // SAFETY: So many pointers were written, at most as many as there is room
    // for in `room` as well, and are of pages.
    unsafe {
        bindings::nvme_rs_page_frames(pages, frames, pinned);
        Ok(core::slice::from_raw_parts(frames, pinned as usize))
    }
}
