// SPDX-License-Identifier: GPL-2.0-only

//! Commands that the controller has completed, and what is left of them.

use kernel::prelude::*;

use crate::{
    control::{
        outstanding::{outcome, Abortion, Ending, Outstanding, Owner, Remains, Tell},
        scratch::Scratch,
    },
    engine::aborts::AbortSlot,
    spec::{command::CommandId, completion::CompletionEntry},
};

use super::CommandQueue;

/// Whose command a completion was for.
pub(in crate::control) enum Completed {
    /// Somebody who was told, or will be.
    Told,
    /// Nobody that can be told here: there is something to clear away.
    ToClear,
    EventRequest,
    Abort(AbortSlot),
    /// It was not outstanding.
    Unknown(CommandId),
}

impl CommandQueue {
    /// Takes the next completion, if there is one, and tells whose it is.
    #[inline(always)]
    pub(in crate::control) fn complete(
        &mut self,
        tell: &mut Tell<'_>,
    ) -> Option<(CompletionEntry, Completed)> {
        let entry = self.pair.pop()?;
        // How most commands end.
        if let Some(ring) = self
            .commands
            .take_part(entry.command_id(), Outstanding::take_mere_ring)
        {
            tell.end(ring, outcome(&entry));
            return Some((entry, Completed::Told));
        }
        let completed = self.complete_other(entry, tell);
        Some((entry, completed))
    }

    /// Handles a completion that is for something else than a command of a ring
    /// of which nothing but the ring is left.
    #[inline(never)]
    fn complete_other(&mut self, entry: CompletionEntry, tell: &mut Tell<'_>) -> Completed {
        let id = entry.command_id();
        let Ok(command) = self.commands.get_mut(id) else {
            return Completed::Unknown(id);
        };
        let abortion = command.abortion;
        let aborted = abortion == Abortion::Sent;
        let owner = match &mut command.owner {
            Owner::Ring {
                command: ring,
                memory,
            } => {
                let scratch = match memory.take_call() {
                    Some(call) => call.complete(ring.take(), entry),
                    None => {
                        let scratch = memory.release(&self.device);
                        if let Some(ring) = ring.take() {
                            tell.end(ring, outcome(&entry));
                        }
                        scratch
                    }
                };
                return self.ring_told(id, abortion, scratch);
            }
            owner => core::mem::replace(owner, Owner::Completed),
        };
        let completed = match owner {
            Owner::EventRequest => Completed::EventRequest,
            Owner::Abort(slot) => Completed::Abort(slot),
            Owner::Driver(waiter) | Owner::Process(waiter) => {
                waiter.wake(Ending::Completed(entry));
                Completed::Told
            }
            Owner::Ring { .. } => Completed::Told,
            Owner::Orphan(mut orphan) => {
                if let Some(consequences) = &mut orphan.consequences {
                    consequences.completed(entry);
                }
                self.bury(id, Remains::Orphan(orphan));
                return Completed::ToClear;
            }
            // The second completion of one command.
            Owner::Buried(remains) => {
                self.bury(id, remains);
                return Completed::Unknown(id);
            }
            Owner::Completed if aborted => Completed::Unknown(id),
            Owner::Completed => Completed::Told,
        };
        if !aborted {
            // It is there: it was found by its id.
            let _ = self.commands.take(self.commands.index(id));
        }
        completed
    }

    /// The ring of command `id`, which is over, knows. What is in the slot stays
    /// where it is.
    fn ring_told(
        &mut self,
        id: CommandId,
        abortion: Abortion,
        scratch: Option<KBox<Scratch>>,
    ) -> Completed {
        if let Some(scratch) = scratch.and_then(|scratch| self.keep_scratch(scratch)) {
            self.bury(id, Remains::Scratch(scratch));
            return Completed::ToClear;
        }
        if abortion != Abortion::Sent {
            self.commands.discard(self.commands.index(id));
        } else if let Ok(command) = self.commands.get_mut(id) {
            command.owner = Owner::Completed;
        }
        Completed::Told
    }

    fn bury(&mut self, id: CommandId, remains: Remains) {
        if let Ok(command) = self.commands.get_mut(id) {
            command.owner = Owner::Buried(remains);
            self.to_clear = true;
        }
    }

    /// Whether something is left of a command that is over.
    pub(in crate::control) fn has_remains(&self) -> bool {
        self.to_clear
    }

    /// What is left of a command, if it is `wanted`, to be given back outside of
    /// locks. Each is returned once.
    pub(in crate::control) fn take_remains(
        &mut self,
        wanted: impl Fn(&Remains) -> bool,
    ) -> Option<Remains> {
        if !core::mem::take(&mut self.to_clear) {
            return None;
        }
        let mut found = None;
        let mut others = false;
        self.commands.for_each_mut(|id, command| {
            let Owner::Buried(remains) = &command.owner else {
                return;
            };
            if found.is_some() || !wanted(remains) {
                others = true;
                return;
            }
            let owner = core::mem::replace(&mut command.owner, Owner::Completed);
            found = Some((id, command.abortion, owner));
        });
        self.to_clear = others;
        let (id, abortion, owner) = found?;
        if abortion != Abortion::Sent {
            let _ = self.commands.remove(id);
        }
        match owner {
            Owner::Buried(remains) => Some(remains),
            _ => None,
        }
    }
}
