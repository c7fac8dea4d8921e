// SPDX-License-Identifier: GPL-2.0-only

//! A pair of queues and the commands outstanding on them, whose they are and
//! how long they may take.
//!
//! No lock of its own: the admin queue and each I/O queue have theirs.

use kernel::{
    device::{Bound, Device},
    prelude::*,
    sync::{Arc, SetOnce},
    time::{Delta, Instant, Monotonic},
};

use crate::{
    engine::{
        aborts::AbortSlot,
        command_table::{Claim, CommandTable, Slot},
    },
    glue::{
        completion::{Completion, Waited},
        uring::{Outcome, Poller, RingCommand},
    },
    pcie::queue::QueuePair,
    spec::{
        command::{CommandId, DmaAddress, SubmissionEntry},
        completion::CompletionEntry,
    },
};

use super::{scratch::Scratch, transfer::Transfer};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The controller completed it.
    Completed(CompletionEntry),
    /// It was not completed, and will not be: the driver stopped the
    /// controller.
    Cancelled,
}

/// Who waits for a command.
#[pin_data]
pub(super) struct Waiter {
    ending: SetOnce<Ending>,
    #[pin]
    done: Completion,
}

impl Waiter {
    pub(super) fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                ending: SetOnce::new(),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )
    }

    fn wake(&self, ending: Ending) {
        self.ending.populate(ending);
        self.done.complete();
    }

    /// Waits for the end of the command. Sleeps.
    pub(super) fn wait(&self) -> Ending {
        self.done.wait();
        self.ending().unwrap_or(Ending::Cancelled)
    }

    /// As [`Self::wait`], at most for `limit`, or until the process is killed.
    pub(super) fn wait_killable(&self, limit: Option<Delta>) -> Waited {
        self.done.wait_killable(limit)
    }

    pub(super) fn ending(&self) -> Option<Ending> {
        self.ending.copy()
    }
}

/// Whose a command is.
pub(super) enum Owner {
    /// An Asynchronous Event Request.
    EventRequest,
    /// An Abort.
    Abort(AbortSlot),
    /// A command of the driver's own. It does without an answer when the queue
    /// is closed.
    Driver(Arc<Waiter>),
    /// A command of a process, on memory of that process: it has to be over
    /// before anybody goes on.
    Process(Arc<Waiter>),
    /// A command of a ring.
    Ring {
        command: RingCommand,
        scratch: KBox<Scratch>,
    },
    /// The process was killed; its memory stays pinned meanwhile.
    Orphan(KBox<Transfer>),
    /// What is left of a command that is over. Memory can only be given back
    /// elsewhere.
    Buried(Remains),
    /// Over, but an Abort of it is not.
    Completed,
}

/// Memory of a command that is over.
#[expect(dead_code, reason = "only there to be dropped")]
pub(super) enum Remains {
    Transfer(KBox<Transfer>),
    Scratch(KBox<Scratch>),
}

impl Owner {
    /// Ends a command that the controller did not complete, and never will.
    /// Process context, without locks.
    pub(super) fn end(self) {
        match self {
            Self::Driver(waiter) | Self::Process(waiter) => waiter.wake(Ending::Cancelled),
            Self::Ring { command, scratch } => {
                // Unmapped first: after this the memory is the process's again.
                drop(scratch);
                command.complete(Outcome::failed(EINTR), None);
            }
            Self::EventRequest
            | Self::Abort(_)
            | Self::Orphan(_)
            | Self::Buried(_)
            | Self::Completed => {}
        }
    }
}

/// What a ring is told of a completion.
fn outcome(entry: &CompletionEntry) -> Outcome {
    Outcome {
        result: entry.result(),
        res: i32::from(entry.status().0),
    }
}

/// Rings to be told of completions, outside of locks.
pub(super) struct ToTell {
    commands: [Option<(RingCommand, Outcome)>; Self::MAX],
    count: usize,
}

impl ToTell {
    const MAX: usize = 16;

    pub(super) fn new() -> Self {
        Self {
            commands: [const { None }; Self::MAX],
            count: 0,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.count == Self::MAX
    }

    /// To be called only if there is room.
    pub(super) fn push(&mut self, command: RingCommand, outcome: Outcome) {
        if let Some(place) = self.commands.get_mut(self.count) {
            *place = Some((command, outcome));
            self.count += 1;
        }
    }

    /// Any context, without locks.
    pub(super) fn tell(self, poller: Option<&Poller>) {
        for (command, outcome) in self.commands.into_iter().flatten() {
            command.complete(outcome, poller);
        }
    }
}

/// What is done about a command that takes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Abortion {
    NotNeeded,
    Wanted,
    Sent,
    /// The controller answered the Abort, whatever that did.
    Over,
}

/// How long a command may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Until it is aborted; `None`: for ever.
    pub(crate) abort_after: Option<Delta>,
    /// Until the controller is reset, counted from the moment at which it
    /// should have been aborted.
    pub(crate) reset_after: Delta,
}

/// An outstanding command.
pub(super) struct Outstanding {
    owner: Owner,
    opcode: u8,
    abortion: Abortion,
    patience: Patience,
    /// When it was sent; once an Abort is wanted, since when.
    since: Instant<Monotonic>,
}

impl Outstanding {
    fn want_abort(&mut self) {
        if self.abortion == Abortion::NotNeeded {
            self.abortion = Abortion::Wanted;
            self.since = Instant::now();
        }
    }

    fn takes_longer_than(&self, limit: Delta) -> bool {
        self.since.elapsed() >= limit
    }
}

/// Who may submit commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Open,
    /// Nobody for the moment: the queue is to become empty.
    Frozen,
    /// Nobody, until it is opened again.
    Closed,
    /// Nobody, for good.
    Retired,
}

/// Why a command was not submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// For the moment: there is no room, or the queue is frozen.
    NotNow,
    Closed,
}

/// Whose command a completion was for.
pub(super) enum Completed {
    /// Somebody who was told.
    Told,
    /// A ring, which is to be told outside of locks.
    ToTell(RingCommand, Outcome),
    /// Nobody that can be told here: there is something to clear away.
    ToClear,
    EventRequest,
    Abort(AbortSlot),
    /// It was not outstanding.
    Unknown(CommandId),
}

/// What became of the commands when somebody looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Overdue {
    Nothing,
    /// A command outlived its Abort.
    NeedsReset,
}

/// The queues and what is outstanding.
pub(super) struct CommandQueue {
    pair: QueuePair,
    commands: CommandTable<KVVec<Slot<Outstanding>>>,
    /// For commands to come; never more than there are commands.
    spare: KVVec<KBox<Scratch>>,
    access: Access,
    to_clear: bool,
}

impl CommandQueue {
    /// Allocates closed queues of `entries`, with `reserved` of the commands
    /// for [`Claim::Reserved`].
    ///
    /// # Errors
    ///
    /// ENOMEM; EINVAL for a length that no queue can have.
    pub(super) fn new(device: &Device<Bound>, entries: u16, reserved: usize) -> Result<Self> {
        // A queue of n entries holds n - 1.
        let count = usize::from(entries.saturating_sub(1));
        let mut slots = KVVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            slots.push(Slot::default(), GFP_KERNEL)?;
        }
        Ok(Self {
            pair: QueuePair::new(device, entries)?,
            commands: CommandTable::new(slots, reserved).ok_or(EINVAL)?,
            spare: KVVec::with_capacity(count, GFP_KERNEL)?,
            access: Access::Closed,
            to_clear: false,
        })
    }

    pub(super) fn sq_address(&self) -> DmaAddress {
        self.pair.sq_address()
    }

    pub(super) fn cq_address(&self) -> DmaAddress {
        self.pair.cq_address()
    }

    /// The value for the tail doorbell.
    pub(super) fn tail(&self) -> u16 {
        self.pair.tail()
    }

    /// The value for the head doorbell.
    pub(super) fn head(&self) -> u16 {
        self.pair.head()
    }

    pub(super) fn access(&self) -> Access {
        self.access
    }

    pub(super) fn outstanding(&self) -> usize {
        self.commands.outstanding()
    }

    /// Makes closed queues, of which the controller knows nothing, empty and
    /// `entries` long, at most as many as were allocated.
    ///
    /// # Errors
    ///
    /// EBUSY while commands are outstanding.
    pub(super) fn empty(&mut self, entries: u16) -> Result {
        if self.commands.outstanding() > 0 {
            return Err(EBUSY);
        }
        self.pair.reset(entries)
    }

    /// Opens the queues, which the controller knows now.
    ///
    /// # Errors
    ///
    /// ENODEV once retired.
    pub(super) fn open(&mut self) -> Result {
        if self.access == Access::Retired {
            return Err(ENODEV);
        }
        self.access = Access::Open;
        Ok(())
    }

    /// Whether a command is outstanding that may access memory of a process.
    pub(super) fn has_transfers(&mut self) -> bool {
        let mut found = false;
        self.commands.for_each_mut(|_, command| {
            found |= matches!(
                command.owner,
                Owner::Process(_) | Owner::Ring { .. } | Owner::Orphan(_)
            );
        });
        found
    }

    /// Whether command `id` is outstanding and the driver's own.
    pub(super) fn is_own(&mut self, id: CommandId) -> bool {
        self.commands.get_mut(id).is_ok_and(|command| {
            matches!(
                command.owner,
                Owner::EventRequest | Owner::Abort(_) | Owner::Driver(_)
            )
        })
    }

    /// Lets nobody submit for the moment, or everybody again.
    pub(super) fn freeze(&mut self, frozen: bool) {
        self.access = match (self.access, frozen) {
            (Access::Open, true) => Access::Frozen,
            (Access::Frozen, false) => Access::Open,
            (access, _) => access,
        };
    }

    /// Takes no more commands. The driver's own go without an answer.
    pub(super) fn close(&mut self, access: Access) {
        if self.access != Access::Retired {
            self.access = access;
        }
        self.commands.for_each_mut(|_, command| {
            if let Owner::Driver(waiter) = &command.owner {
                waiter.wake(Ending::Cancelled);
                command.owner = Owner::Completed;
            }
        });
    }

    /// Takes out the command in slot `index`, which the controller cannot be
    /// working on any more; to be [ended](Owner::end) outside of locks. `None`
    /// beyond the last slot.
    pub(super) fn cancel(&mut self, index: u16) -> Option<Option<Owner>> {
        (index < self.commands.len())
            .then(|| self.commands.take(index).map(|command| command.owner))
    }

    /// Room for the memory of a command, if there is some left of an earlier
    /// one.
    pub(super) fn take_scratch(&mut self) -> Option<KBox<Scratch>> {
        self.spare.pop()
    }

    /// Keeps the room for the next command. Returns it if there is enough.
    pub(super) fn keep_scratch(&mut self, scratch: KBox<Scratch>) -> Option<KBox<Scratch>> {
        if self.spare.len() == self.spare.capacity() {
            return Some(scratch);
        }
        // There is room, so nothing is allocated.
        match self.spare.push(scratch, GFP_ATOMIC) {
            Ok(()) | Err(_) => None,
        }
    }

    /// Whether a command can be submitted at this moment.
    pub(super) fn admit(&self, claim: Claim) -> Result<(), Refusal> {
        match self.access {
            Access::Open if self.commands.has_room(claim) && self.pair.has_room() => Ok(()),
            Access::Open | Access::Frozen => Err(Refusal::NotNow),
            Access::Closed | Access::Retired => Err(Refusal::Closed),
        }
    }

    /// Puts a command into the submission queue. The controller looks at it
    /// when its doorbell is rung with [`Self::tail`]. Succeeds after
    /// [`Self::admit`]; otherwise `owner` is dropped.
    pub(super) fn submit(
        &mut self,
        entry: SubmissionEntry,
        claim: Claim,
        owner: Owner,
        patience: Patience,
    ) -> Result<CommandId, Refusal> {
        self.admit(claim)?;
        let command = Outstanding {
            owner,
            opcode: entry.opcode,
            abortion: Abortion::NotNeeded,
            patience,
            since: Instant::now(),
        };
        let id = self
            .commands
            .insert(claim, command)
            .map_err(|_| Refusal::NotNow)?;
        if self.pair.submit(entry, id).is_err() {
            let _ = self.commands.remove(id);
            return Err(Refusal::NotNow);
        }
        Ok(id)
    }

    /// Takes the next completion, if there is one, and tells whose it is.
    pub(super) fn complete(&mut self) -> Option<(CompletionEntry, Completed)> {
        let entry = self.pair.pop()?;
        let id = entry.command_id();
        let Ok(command) = self.commands.get_mut(id) else {
            return Some((entry, Completed::Unknown(id)));
        };
        let owner = core::mem::replace(&mut command.owner, Owner::Completed);
        let aborted = command.abortion == Abortion::Sent;
        let completed = match owner {
            Owner::EventRequest => Completed::EventRequest,
            Owner::Abort(slot) => Completed::Abort(slot),
            Owner::Driver(waiter) | Owner::Process(waiter) => {
                waiter.wake(Ending::Completed(entry));
                Completed::Told
            }
            Owner::Ring {
                command: ring,
                mut scratch,
            } => {
                scratch.mapping.unmap();
                if let Some(scratch) = self.keep_scratch(scratch) {
                    self.bury(id, Remains::Scratch(scratch));
                    return Some((entry, Completed::ToTell(ring, outcome(&entry))));
                }
                Completed::ToTell(ring, outcome(&entry))
            }
            Owner::Orphan(transfer) => {
                self.bury(id, Remains::Transfer(transfer));
                return Some((entry, Completed::ToClear));
            }
            // The second completion of one command.
            Owner::Buried(remains) => {
                self.bury(id, remains);
                return Some((entry, Completed::Unknown(id)));
            }
            Owner::Completed if aborted => Completed::Unknown(id),
            Owner::Completed => Completed::Told,
        };
        if !aborted {
            let _ = self.commands.remove(id);
        }
        Some((entry, completed))
    }

    /// The process that waits for command `id` is killed: an Abort is wanted,
    /// and the memory is the queue's now. Returns it if the command is over.
    pub(super) fn abandon(
        &mut self,
        id: CommandId,
        transfer: KBox<Transfer>,
    ) -> Option<KBox<Transfer>> {
        match self.commands.get_mut(id) {
            Ok(command) if matches!(command.owner, Owner::Process(_)) => {
                command.owner = Owner::Orphan(transfer);
                command.want_abort();
                None
            }
            _ => Some(transfer),
        }
    }

    /// Looks for commands that take too long. Calls `timed_out` with the opcode
    /// of each that is to be aborted.
    pub(super) fn look_for_overdue(&mut self, mut timed_out: impl FnMut(u8)) -> Overdue {
        let mut found = Overdue::Nothing;
        self.commands.for_each_mut(|_, command| {
            if matches!(command.owner, Owner::Buried(_) | Owner::Completed) {
                return;
            }
            match (command.abortion, command.patience.abort_after) {
                (Abortion::NotNeeded, Some(limit)) if command.takes_longer_than(limit) => {
                    command.want_abort();
                    timed_out(command.opcode);
                }
                (Abortion::Wanted | Abortion::Sent | Abortion::Over, _)
                    if command.takes_longer_than(command.patience.reset_after) =>
                {
                    found = Overdue::NeedsReset;
                }
                _ => {}
            }
        });
        found
    }

    /// A command that wants an Abort.
    pub(super) fn wants_abort(&mut self) -> Option<CommandId> {
        let mut found = None;
        self.commands.for_each_mut(|id, command| {
            if command.abortion == Abortion::Wanted {
                found = Some(id);
            }
        });
        found
    }

    /// The Abort of command `id` was sent.
    pub(super) fn abort_sent(&mut self, id: CommandId) {
        if let Ok(command) = self.commands.get_mut(id) {
            command.abortion = Abortion::Sent;
        }
    }

    /// The Abort of command `id` is over. If the command is as well, its id is
    /// free again.
    pub(super) fn abort_over(&mut self, id: CommandId) {
        let Ok(command) = self.commands.get_mut(id) else {
            return;
        };
        command.abortion = Abortion::Over;
        if let Owner::Completed = command.owner {
            let _ = self.commands.remove(id);
        }
    }

    fn bury(&mut self, id: CommandId, remains: Remains) {
        if let Ok(command) = self.commands.get_mut(id) {
            command.owner = Owner::Buried(remains);
            self.to_clear = true;
        }
    }

    /// What is left of a command, to be given back outside of locks. Each is
    /// returned once.
    pub(super) fn take_buried(&mut self) -> Option<Remains> {
        if !core::mem::take(&mut self.to_clear) {
            return None;
        }
        let mut found = None;
        self.commands.for_each_mut(|id, command| {
            if found.is_none() && matches!(command.owner, Owner::Buried(_)) {
                let owner = core::mem::replace(&mut command.owner, Owner::Completed);
                found = Some((id, command.abortion, owner));
            }
        });
        let (id, abortion, owner) = found?;
        // There may be more.
        self.to_clear = true;
        if abortion != Abortion::Sent {
            let _ = self.commands.remove(id);
        }
        match owner {
            Owner::Buried(remains) => Some(remains),
            _ => None,
        }
    }
}
