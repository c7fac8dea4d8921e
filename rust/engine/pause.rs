// SPDX-License-Identifier: GPL-2.0-only

//! How long a controller is left alone that processes no commands.
//!
//! One that activates firmware says that it pauses (CSTS.PP, section 3.1.3.6).
//! All it was sent is late then; an Abort would wait as well, and a reset come
//! in the middle of the activation. It has a limit for that, MTFA, and some time
//! afterwards for what has waited.
//!
//! One that is not to be believed gains little by it: a pause that exceeds the
//! limit does not count any more, and one that comes sooner than that after
//! another does not count at all.

use super::storm::Moment;

/// How long a controller may take for what has waited.
pub(crate) const CATCH_UP_NS: u64 = 5_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Processing,
    /// Left alone. It said last at `seen` that it pauses.
    Paused {
        began: Moment,
        seen: Moment,
    },
    /// Was left alone, up to `end`.
    Spent {
        end: Moment,
    },
}

/// The pauses of one controller.
#[derive(Debug)]
pub(crate) struct PauseWatch(State);

impl PauseWatch {
    pub(crate) const fn new() -> Self {
        Self(State::Processing)
    }

    /// The controller says that it pauses, or does not; it may for `limit_ns`.
    /// Returns whether it is to be left alone.
    pub(crate) fn look(&mut self, paused: bool, limit_ns: u64, now: Moment) -> bool {
        let before = match self.0 {
            State::Spent { end } if now.since_ns(end) >= limit_ns => State::Processing,
            state => state,
        };
        self.0 = match before {
            State::Processing if paused => State::Paused {
                began: now,
                seen: now,
            },
            State::Paused { began, .. } if paused && now.since_ns(began) <= limit_ns => {
                State::Paused { began, seen: now }
            }
            State::Paused { seen, .. } if !paused && now.since_ns(seen) <= CATCH_UP_NS => before,
            State::Paused { .. } => State::Spent { end: now },
            State::Processing | State::Spent { .. } => before,
        };
        matches!(self.0, State::Paused { .. })
    }
}
