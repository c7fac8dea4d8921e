// SPDX-License-Identifier: GPL-2.0-only

//! Commands that take too long, unless the controller has a reason, and those
//! that nobody waits for.

use kernel::{
    new_spinlock,
    prelude::*,
    sync::SpinLock,
    time::{Instant, Monotonic},
};

use crate::{
    control::{command_queue::Overdue, consequences::Consequences, submit::Submission},
    engine::{lifecycle::State, pause::PauseWatch, storm::Moment},
};

use super::Controller;

/// When the controller is left alone.
#[pin_data]
pub(super) struct Pauses {
    #[pin]
    watch: SpinLock<PauseWatch>,
    /// What moments count from.
    epoch: Instant<Monotonic>,
}

impl Pauses {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            watch <- new_spinlock!(PauseWatch::new(), "nvme_rs::Pauses::watch"),
            epoch: Instant::now(),
        })
    }

    fn now(&self) -> Moment {
        Moment(u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(0))
    }
}

impl Controller {
    /// Aborts commands that take too long, and gives back what abandoned ones
    /// left. Returns whether only a reset helps. Sleeps.
    pub(crate) fn look_after_commands(&self) -> bool {
        while let Some(target) = self.admin.take_abort() {
            match self.io_queues.get(target.queue) {
                Some(queue) => queue.abort_over(target.command),
                None => self.admin.abort_over(target.command),
            }
        }
        let paused = self.is_pausing();
        let mut overdue = Overdue::Nothing;
        for queue in self.submissions() {
            if !paused {
                overdue = overdue.max(queue.look_for_overdue());
            }
            queue.clear_away();
        }
        if overdue == Overdue::Nothing {
            return false;
        }
        // Whoever starts the controller waits for it, and gives up now.
        !self.end_start()
    }

    /// Whether [`Self::draw_consequences`] may have something to do.
    pub(crate) fn has_consequences(&self) -> bool {
        self.submissions().any(|queue| queue.has_remains())
    }

    /// Does what follows from commands that were completed when nobody waited
    /// for them any more. Sends commands, and sleeps.
    pub(crate) fn draw_consequences(&self) {
        self.take_consequences(|consequences| consequences.draw(self));
    }

    /// Calls `each` for what is still to be done about such commands.
    pub(super) fn take_consequences(&self, each: impl Fn(&Consequences)) {
        for queue in self.submissions() {
            while let Some(consequences) = queue.take_consequences() {
                each(&consequences);
            }
        }
    }

    /// Whether the controller processes no commands for a while, and may.
    fn is_pausing(&self) -> bool {
        // One that is started has its limits; one that sleeps is not to be
        // looked at.
        if self.state() != State::Live {
            return false;
        }
        let status = self.registers.status();
        let says_so = status.is_paused() && !status.is_gone();
        let limit_ns = u64::try_from(self.activation_limit().as_nanos()).unwrap_or(0);
        let now = self.pauses.now();
        let paused = self.pauses.watch.lock().look(says_so, limit_ns, now);
        if paused {
            // What it has completed before, and an interrupt got lost of.
            for queue in self.io_queues.iter() {
                queue.process_completions();
            }
        }
        paused
    }
}
