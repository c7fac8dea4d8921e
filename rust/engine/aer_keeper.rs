// SPDX-License-Identifier: GPL-2.0-only

//! Keeps Asynchronous Event Requests outstanding.
//!
//! The keeper counts; its owner submits. After every call that may change the
//! count, the owner submits as many requests as [`AerKeeper::missing`] says
//! and reports each with [`AerKeeper::armed`].
//!
//! A request that completes with an error is retried, but only
//! [`RETRIES`] times in a row: a controller that fails every request at once
//! must not be answered with a storm of them. Beyond that, and at once if the
//! controller asks for no retry or says that its limit is exceeded, the keeper
//! gives up that one request. When it has given up the last one, events have
//! stopped and it says so.

use crate::spec::completion::Status;

/// How many failed requests in a row are submitted again.
pub(crate) const RETRIES: u16 = 3;

/// What the completion of a request means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The controller reports an event.
    Event,
    /// The request failed; others are outstanding or will be retried.
    Failed,
    /// The request failed and it was the last one: events have stopped.
    Stopped,
    /// The request ended because the driver stops the controller.
    Drained,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Running,
    /// No request is submitted for a while.
    Held,
    /// No request is submitted any more, failures are expected.
    Draining,
}

/// The count of outstanding requests and how many are wanted.
///
/// # Invariants
///
/// While the mode is running, `outstanding` is at most `wanted`.
#[derive(Debug)]
pub(crate) struct AerKeeper {
    wanted: u16,
    outstanding: u16,
    failures_in_a_row: u16,
    gave_up: bool,
    mode: Mode,
}

impl AerKeeper {
    /// A keeper that wants one request: before Identify Controller nothing is
    /// known but that every controller takes one.
    pub(crate) const fn new() -> Self {
        Self {
            wanted: 1,
            outstanding: 0,
            failures_in_a_row: 0,
            gave_up: false,
            mode: Mode::Running,
        }
    }

    /// Asks for `wanted` requests from now on. A keeper that has given up
    /// requests stays as it is: the controller has already refused more.
    pub(crate) fn want(&mut self, wanted: u16) {
        if !self.gave_up {
            self.wanted = wanted.max(self.outstanding);
        }
    }

    /// How many requests the owner should submit now.
    pub(crate) fn missing(&self) -> u16 {
        match self.mode {
            Mode::Running => self.wanted.saturating_sub(self.outstanding),
            Mode::Held | Mode::Draining => 0,
        }
    }

    /// One request was submitted.
    pub(crate) fn armed(&mut self) {
        self.outstanding = self.outstanding.saturating_add(1);
    }

    /// How many requests the controller holds.
    pub(crate) const fn outstanding(&self) -> u16 {
        self.outstanding
    }

    /// A request completed with `status`.
    pub(crate) fn complete(&mut self, status: Status) -> Outcome {
        self.outstanding = self.outstanding.saturating_sub(1);
        if status.is_success() {
            self.failures_in_a_row = 0;
            return Outcome::Event;
        }
        if self.mode == Mode::Draining {
            return Outcome::Drained;
        }
        let hopeless = status.same_code(Status::AER_LIMIT_EXCEEDED) || status.do_not_retry();
        if !hopeless {
            // A request given up at once is not retried and must not use up
            // the retries of those that stay.
            self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        }
        if hopeless || self.failures_in_a_row > RETRIES {
            self.wanted = self.wanted.saturating_sub(1);
            self.gave_up = true;
        }
        if self.wanted == 0 {
            Outcome::Stopped
        } else {
            Outcome::Failed
        }
    }

    /// Whether all requests were given up.
    pub(crate) const fn is_stopped(&self) -> bool {
        self.wanted == 0
    }

    /// Submits nothing until [`Self::release`].
    pub(crate) fn hold(&mut self) {
        if self.mode == Mode::Running {
            self.mode = Mode::Held;
        }
    }

    /// Ends a hold.
    pub(crate) fn release(&mut self) {
        if self.mode == Mode::Held {
            self.mode = Mode::Running;
        }
    }

    /// Stops submitting: the controller is about to be disabled, and what is
    /// outstanding ends without an event.
    pub(crate) fn drain(&mut self) {
        self.mode = Mode::Draining;
    }
}
