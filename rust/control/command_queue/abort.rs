// SPDX-License-Identifier: GPL-2.0-only

//! Commands that are to end before the controller has completed them, because
//! they take too long or nobody wants them any more: which need an Abort, and
//! how far that is.

use kernel::sync::Arc;

use crate::{
    control::outstanding::{Abortion, Orphan, Owner, Tag, Waiter},
    glue::uring::Cancellation,
    spec::command::CommandId,
};

use super::CommandQueue;

/// What became of the commands when somebody looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::control) enum Overdue {
    Nothing,
    /// A command outlived its Abort, or an Abort has no answer.
    NeedsReset,
}

impl CommandQueue {
    /// The process that waits for command `id` is killed: an Abort is wanted,
    /// and what is kept for the command is the queue's now. Returns it if the
    /// command is over.
    pub(in crate::control) fn abandon(
        &mut self,
        id: CommandId,
        waiter: &Arc<Waiter>,
        orphan: Orphan,
    ) -> Option<Orphan> {
        match self.commands.get_mut(id) {
            // By now the id may be another command's.
            Ok(command) if matches!(&command.owner, Owner::Process(its) if Arc::ptr_eq(its, waiter)) =>
            {
                command.owner = Owner::Orphan(orphan);
                command.want_abort();
                None
            }
            _ => Some(orphan),
        }
    }

    /// The ring of a command does not want it any more: an Abort is wanted.
    /// Whether the command is outstanding.
    pub(in crate::control) fn cancel_for_ring(&mut self, cancellation: &Cancellation) -> bool {
        let count = self.abort_those(
            |owner| matches!(owner, Owner::Ring { command: Some(ring), .. } if cancellation.is_for(ring)),
        );
        count > 0
    }

    /// Has the commands aborted that a process names so. Returns how many there
    /// are.
    pub(in crate::control) fn abort_tagged(&mut self, tag: Tag) -> usize {
        self.abort_those(|owner| owner.tag() == Some(tag))
    }

    fn abort_those(&mut self, are_meant: impl Fn(&Owner) -> bool) -> usize {
        let mut count: usize = 0;
        self.commands.for_each_mut(|_, command| {
            if are_meant(&command.owner) {
                command.want_abort();
                count = count.saturating_add(1);
            }
        });
        count
    }

    /// Looks for commands that take too long. Calls `timed_out` with the opcode
    /// of each, once.
    pub(in crate::control) fn look_for_overdue(
        &mut self,
        mut timed_out: impl FnMut(u8),
    ) -> Overdue {
        let mut found = Overdue::Nothing;
        self.commands.for_each_mut(|_, command| {
            if matches!(command.owner, Owner::Buried(_) | Owner::Completed) {
                return;
            }
            let patience = command.patience;
            match (command.abortion, patience.abort_after) {
                (Abortion::NotNeeded, Some(limit)) if command.takes_longer_than(limit) => {
                    command.want_abort();
                    timed_out(command.opcode);
                }
                // An event request may take for ever.
                (Abortion::NotNeeded, None)
                    if matches!(command.owner, Owner::Abort(_))
                        && command.takes_longer_than(patience.reset_after) =>
                {
                    command.abortion = Abortion::Over;
                    timed_out(command.opcode);
                    found = Overdue::NeedsReset;
                }
                (Abortion::Wanted | Abortion::Sent | Abortion::Over, _)
                    if command.takes_longer_than(patience.reset_after) =>
                {
                    found = Overdue::NeedsReset;
                }
                _ => {}
            }
        });
        found
    }

    /// A command that wants an Abort.
    pub(in crate::control) fn wants_abort(&mut self) -> Option<CommandId> {
        let mut found = None;
        self.commands.for_each_mut(|id, command| {
            if command.abortion == Abortion::Wanted {
                found = Some(id);
            }
        });
        found
    }

    /// The Abort of command `id` was sent.
    pub(in crate::control) fn abort_sent(&mut self, id: CommandId) {
        if let Ok(command) = self.commands.get_mut(id) {
            command.abortion = Abortion::Sent;
        }
    }

    /// The Abort of command `id` is over. If the command is as well, its id is
    /// free again.
    pub(in crate::control) fn abort_over(&mut self, id: CommandId) {
        let Ok(command) = self.commands.get_mut(id) else {
            return;
        };
        command.abortion = Abortion::Over;
        if let Owner::Completed = command.owner {
            let _ = self.commands.remove(id);
        }
    }
}
