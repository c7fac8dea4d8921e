// SPDX-License-Identifier: GPL-2.0-only

//! What the admin queue and the I/O queues have in common for those who send
//! commands on behalf of processes.

use kernel::{
    prelude::*,
    sync::{
        lock::{Backend, Guard},
        Arc, CondVar,
    },
};

use crate::{
    glue::{
        dma::DmaDevice,
        file_operations::Blocking,
        pins::{Pins, Runs},
        spare::Spare,
        uring::Issue,
    },
    spec::command::{CommandId, QueueId, SubmissionEntry},
};

use super::{
    command_queue::{CommandQueue, Overdue},
    consequences::Consequences,
    outstanding::{Orphan, Owner, Patience, Remains, Tag, Waiter},
    scratch::{Memory, Scratch},
};

/// Why a command was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SubmitError {
    /// The queue takes no commands.
    Closed,
    /// It is an Abort of a command of the driver's own.
    Forbidden,
    /// The queues were frozen since the request was checked: what was found
    /// then may not be true any more.
    Outdated,
    /// There is no room, and waiting for it was not allowed.
    WouldWait,
    /// A signal arrived before there was room.
    Interrupted,
}

/// The command of a ring, but for its entry, from its issue until a queue has
/// it.
pub(super) struct Prepared {
    /// `None` once the command was sent or has ended.
    pub(super) issue: Option<Issue>,
    pub(super) pins: Option<Pins>,
    pub(super) memory: Memory,
}

impl Prepared {
    /// The owner of the command in a queue with this number, once. Whoever drops
    /// it ends the command.
    #[inline(always)]
    pub(super) fn own(&mut self, queue: QueueId) -> Owner {
        let issue = self.issue.take();
        Owner::Ring {
            command: issue.map(|issue| issue.queue(self.pins.take(), queue.0)),
            memory: core::mem::replace(&mut self.memory, Memory::Nowhere),
        }
    }

    /// Whether sending it may sleep.
    pub(super) fn blocking(&self) -> Blocking {
        self.issue
            .as_ref()
            .map_or(Blocking::Refused, |issue| issue.blocking())
    }
}

/// Tells apart what came before and after a time during which the queues were
/// frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Epoch(pub(super) u32);

/// A queue that commands can be sent to.
pub(super) trait Submission: Send + Sync {
    /// Sends a command that was checked after `epoch` was current, waiting for
    /// room if there is none. Sleeps. The end of the command wakes `waiter`;
    /// until then the controller may access what `entry` names.
    fn submit(
        &self,
        entry: SubmissionEntry,
        waiter: &Arc<Waiter>,
        patience: Patience,
        epoch: Epoch,
    ) -> Result<CommandId, SubmitError>;

    /// Sends the command of a ring that was checked after `epoch` was current.
    /// Where it may sleep, waits for room if there is none. The command is the
    /// queue's if this succeeds, else `command` is as it was.
    fn start(
        &self,
        command: &mut Prepared,
        entry: &mut SubmissionEntry,
        patience: Patience,
        epoch: Epoch,
    ) -> Result<(), SubmitError>;

    fn id(&self) -> QueueId;

    /// Calls `act` with the queue, whose lock is held: `act` may not sleep.
    fn with_queue(&self, act: &mut dyn FnMut(&mut CommandQueue));

    /// Places of commands are free that were kept after their completion: tells
    /// those who wait for that.
    fn made_room(&self);

    /// Room to note where many pages are.
    fn spare_runs(&self) -> &Arc<Spare<Runs>>;

    /// Aborts commands that take too long.
    fn look_for_overdue(&self) -> Overdue;

    /// Room for what says where the data of a command is.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    fn take_scratch(&self, device: &DmaDevice) -> Result<KBox<Scratch>> {
        let mut spare = None;
        self.with_queue(&mut |queue| spare = queue.take_scratch());
        spare.map_or_else(|| Scratch::new(device), Ok)
    }

    /// Gives that back.
    fn keep_scratch(&self, scratch: KBox<Scratch>) {
        // Memory is given back outside the lock.
        let mut surplus = Some(scratch);
        self.with_queue(&mut |queue| {
            surplus = surplus
                .take()
                .and_then(|scratch| queue.keep_scratch(scratch));
        });
    }

    /// `waiter` does not wait for the command any more. It is aborted; what the
    /// controller may access is kept until it is over. Returned if it is.
    fn abandon(&self, id: CommandId, waiter: &Arc<Waiter>, orphan: Orphan) -> Option<Orphan> {
        let mut rejected = Some(orphan);
        self.with_queue(&mut |queue| {
            rejected = rejected
                .take()
                .and_then(|orphan| queue.abandon(id, waiter, orphan));
        });
        rejected
    }

    /// Has the commands aborted that a process names so, as soon as somebody
    /// looks for them. Returns how many there are.
    fn abort_tagged(&self, tag: Tag) -> usize {
        let mut count = 0;
        self.with_queue(&mut |queue| count = queue.abort_tagged(tag));
        count
    }

    /// Whether a command is outstanding that may access memory of a process.
    fn has_transfers(&self) -> bool {
        let mut found = false;
        self.with_queue(&mut |queue| found = queue.has_transfers());
        found
    }

    /// The Abort of a command is over.
    fn abort_over(&self, id: CommandId) {
        self.with_queue(&mut |queue| queue.abort_over(id));
        self.made_room();
    }

    /// Gives back the memory that abandoned commands left. Sleeps.
    fn clear_away(&self) {
        loop {
            // Memory is given back outside the lock.
            let mut remains = None;
            self.with_queue(&mut |queue| {
                remains = queue.take_remains(|remains| !remains.has_consequences());
            });
            if remains.is_none() {
                return;
            }
            self.made_room();
        }
    }

    /// Whether abandoned commands left something.
    fn has_remains(&self) -> bool {
        let mut found = false;
        self.with_queue(&mut |queue| found = queue.has_remains());
        found
    }

    /// What is still to be done about an abandoned command that is over.
    fn take_consequences(&self) -> Option<KBox<Consequences>> {
        let mut remains = None;
        self.with_queue(&mut |queue| remains = queue.take_remains(Remains::has_consequences));
        match remains? {
            Remains::Orphan(orphan) => orphan.consequences,
            Remains::Scratch(_) => None,
        }
    }

    /// Ends all commands of a closed queue whose controller is disabled. Sleeps.
    fn cancel(&self) {
        for index in 0..=u16::MAX {
            let mut cancelled = None;
            self.with_queue(&mut |queue| cancelled = queue.cancel(index));
            match cancelled {
                Some(Some(owner)) => owner.end(),
                Some(None) => {}
                None => return,
            }
        }
    }
}

/// Waits for room in a queue; `waiting` is where it counts those who do.
///
/// # Errors
///
/// [`SubmitError::Interrupted`].
pub(super) fn wait_for_room<S: Unpin, B: Backend>(
    room: &CondVar,
    state: &mut Guard<'_, S, B>,
    waiting: fn(&mut S) -> &mut u32,
) -> Result<(), SubmitError> {
    *waiting(state) += 1;
    let interrupted = room.wait_interruptible(state);
    *waiting(state) -= 1;
    if interrupted {
        Err(SubmitError::Interrupted)
    } else {
        Ok(())
    }
}
