// SPDX-License-Identifier: GPL-2.0-only

//! An outstanding command: whose it is and how long it may take.

use core::num::NonZero;

use kernel::{
    prelude::*,
    sync::{Arc, SetOnce},
    time::Delta,
};

use crate::{
    engine::aborts::AbortSlot,
    glue::{
        completion::{Completion, Waited},
        file_operations::FileId,
        ticks::Ticks,
        uring::{Finished, Outcome, Poller, RingCommand},
    },
    spec::completion::CompletionEntry,
};

use super::{
    consequences::Consequences,
    scratch::{Memory, Scratch},
    transfer::Transfer,
};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The controller completed it.
    Completed(CompletionEntry),
    /// It was not completed, and will not be: the driver stopped the
    /// controller.
    Cancelled,
}

/// A process's own name for a command, on one open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) file: FileId,
    pub(crate) number: NonZero<u64>,
}

/// Who waits for a command.
#[pin_data]
pub(super) struct Waiter {
    tag: Option<Tag>,
    ending: SetOnce<Ending>,
    #[pin]
    done: Completion,
}

impl Waiter {
    pub(super) fn new() -> Result<Arc<Self>> {
        Self::tagged(None)
    }

    /// As [`Self::new`], for a command that its process may abort by this name.
    /// The file has to stay open until the command is over, or nobody waits for
    /// it any more.
    pub(super) fn tagged(tag: Option<Tag>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                tag,
                ending: SetOnce::new(),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )
    }

    pub(super) fn wake(&self, ending: Ending) {
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
    /// A command of a ring; `None` once the ring was told of its end.
    Ring {
        command: Option<RingCommand>,
        memory: Memory,
    },
    /// The process was killed.
    Orphan(Orphan),
    /// What is left of a command that is over. Memory can only be given back
    /// elsewhere.
    Buried(Remains),
    /// Over, but an Abort of it is not.
    Completed,
}

/// What is kept for a command nobody waits for.
pub(super) struct Orphan {
    /// Memory of the process, which stays pinned meanwhile.
    pub(super) transfer: KBox<Transfer>,
    pub(super) consequences: Option<KBox<Consequences>>,
}

/// What is left of a command that is over.
pub(super) enum Remains {
    Scratch(#[expect(dead_code, reason = "only there to be dropped")] KBox<Scratch>),
    Orphan(Orphan),
}

impl Remains {
    /// Whether there is more to be done than to give memory back.
    pub(super) fn has_consequences(&self) -> bool {
        matches!(self, Self::Orphan(orphan) if orphan.consequences.is_some())
    }
}

impl Owner {
    /// By what its process names the command.
    pub(super) fn tag(&self) -> Option<Tag> {
        match self {
            Self::Process(waiter) => waiter.tag,
            Self::Ring {
                memory: Memory::Call(call),
                ..
            } => call.tag(),
            _ => None,
        }
    }

    /// Ends a command that the controller did not complete, and never will.
    /// Its memory is not mapped any more. Process context, without locks.
    pub(super) fn end(self) {
        match self {
            Self::Driver(waiter) | Self::Process(waiter) => waiter.wake(Ending::Cancelled),
            Self::Ring { command, .. } => {
                if let Some(command) = command {
                    command.complete(Outcome::failed(EINTR));
                }
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
pub(super) fn outcome(entry: &CompletionEntry) -> Outcome {
    Outcome {
        result: entry.result(),
        res: i32::from(entry.status().0),
    }
}

/// How rings learn of completions.
pub(super) enum Tell<'a> {
    /// Each in its task.
    InTask,
    /// One that polls, after this.
    Poller(&'a mut ToFinish),
}

impl Tell<'_> {
    /// Tells the ring of a command, or will.
    #[inline]
    pub(super) fn end(&mut self, command: RingCommand, outcome: Outcome) {
        match self {
            Self::InTask => command.complete(outcome),
            Self::Poller(list) => list.push(command.finished(outcome)),
        }
    }
}

/// Commands to be finished by the ring that polls, outside of locks.
pub(super) struct ToFinish {
    commands: [Option<Finished>; Self::MAX],
    count: usize,
}

impl ToFinish {
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
    pub(super) fn push(&mut self, command: Finished) {
        if let Some(place) = self.commands.get_mut(self.count) {
            *place = Some(command);
            self.count += 1;
        }
    }

    /// Process context, without locks. Returns how many there were.
    pub(super) fn finish(self, poller: &Poller) -> usize {
        for command in self.commands.into_iter().take(self.count).flatten() {
            command.finish(poller);
        }
        self.count
    }
}

/// What is done about a command that takes too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Abortion {
    NotNeeded,
    Wanted,
    Sent,
    /// The controller answered the Abort, whatever that did; or it is an Abort
    /// itself, and takes too long.
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
    pub(super) owner: Owner,
    pub(super) opcode: u8,
    pub(super) abortion: Abortion,
    pub(super) patience: Patience,
    /// When it was sent; once an Abort is wanted, since when.
    since: Ticks,
}

impl Outstanding {
    /// A command that is being sent.
    #[inline(always)]
    pub(super) fn new(opcode: u8, owner: Owner, patience: Patience) -> Self {
        Self {
            owner,
            opcode,
            abortion: Abortion::NotNeeded,
            patience,
            since: Ticks::now(),
        }
    }

    /// The command of a ring, if that is all there is: no memory to be seen to,
    /// no Abort under way. Nothing is left then.
    #[inline(always)]
    pub(super) fn take_mere_ring(&mut self) -> Option<RingCommand> {
        match &mut self.owner {
            Owner::Ring {
                command,
                memory: Memory::Nowhere,
            } if self.abortion != Abortion::Sent => command.take(),
            _ => None,
        }
    }

    pub(super) fn want_abort(&mut self) {
        if self.abortion == Abortion::NotNeeded {
            self.abortion = Abortion::Wanted;
            self.since = Ticks::now();
        }
    }

    pub(super) fn takes_longer_than(&self, limit: Delta) -> bool {
        self.since.elapsed() >= limit
    }
}
