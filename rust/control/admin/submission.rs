// SPDX-License-Identifier: GPL-2.0-only

//! Commands of processes for the admin queue.

use kernel::{prelude::*, sync::Arc};

use crate::{
    control::{
        command_queue::{CommandQueue, Overdue, Refusal},
        outstanding::{Owner, Patience, Waiter},
        submit::{wait_for_room, Epoch, Prepared, Submission, SubmitError},
    },
    engine::{
        aborts::Target,
        command_table::Claim,
        policy::{self, Command, CommandSet},
        record::{Lifecycle, Record},
    },
    glue::{file_operations::Blocking, pins::Runs, spare::Spare},
    spec::command::{CommandId, QueueId, SubmissionEntry},
};

use super::AdminQueue;

impl Submission for AdminQueue {
    fn submit(
        &self,
        mut entry: SubmissionEntry,
        waiter: &Arc<Waiter>,
        patience: Patience,
        _: Epoch,
    ) -> Result<CommandId, SubmitError> {
        let aborted = aborted_by(&entry);
        let mut state = self.state.lock();
        loop {
            if aborted.is_some_and(|target| state.owns(target)) {
                return Err(SubmitError::Forbidden);
            }
            let owner = Owner::Process(waiter.clone());
            match state
                .queue
                .submit(&mut entry, Claim::Ordinary, owner, patience)
            {
                Ok(id) => {
                    self.ring(&mut state);
                    return Ok(id);
                }
                Err(Refusal::Closed) => return Err(SubmitError::Closed),
                Err(Refusal::NotNow) => {}
            }
            wait_for_room(&self.room, &mut state, |state| &mut state.waiting)?;
        }
    }

    fn start(
        &self,
        command: &mut Prepared,
        entry: &mut SubmissionEntry,
        patience: Patience,
        _: Epoch,
    ) -> Result<(), SubmitError> {
        let aborted = aborted_by(entry);
        let mut state = self.state.lock();
        loop {
            if aborted.is_some_and(|target| state.owns(target)) {
                return Err(SubmitError::Forbidden);
            }
            let owner = || command.own(QueueId::ADMIN);
            match state
                .queue
                .submit_of(entry, Claim::Ordinary, patience, owner)
            {
                Ok(_) => break,
                Err(_) if command.issue.is_none() => return Ok(()),
                Err(Refusal::Closed) => return Err(SubmitError::Closed),
                Err(Refusal::NotNow) if command.blocking() == Blocking::Refused => {
                    return Err(SubmitError::WouldWait)
                }
                Err(Refusal::NotNow) => {}
            }
            wait_for_room(&self.room, &mut state, |state| &mut state.waiting)?;
        }
        self.ring(&mut state);
        Ok(())
    }

    fn id(&self) -> QueueId {
        QueueId::ADMIN
    }

    fn with_queue(&self, act: &mut dyn FnMut(&mut CommandQueue)) {
        act(&mut self.state.lock().queue);
    }

    fn made_room(&self) {
        self.tell_of_room(&self.state.lock());
    }

    fn spare_runs(&self) -> &Arc<Spare<Runs>> {
        &self.spare_runs
    }

    fn look_for_overdue(&self) -> Overdue {
        let mut state = self.state.lock();
        let mut timeouts = state.timeouts;
        let overdue = state.queue.look_for_overdue(|opcode| {
            // Fewer and fewer lines: anybody can choose a short time.
            timeouts = timeouts.wrapping_add(1);
            if timeouts.is_power_of_two() {
                dev_err!(
                    self.device,
                    "admin command {:#04x} timed out, as did {} before\n",
                    opcode,
                    timeouts - 1
                );
            }
            self.stream
                .post(Record::lifecycle(Lifecycle::CommandTimedOut {
                    queue: QueueId::ADMIN.0,
                    opcode,
                }));
        });
        state.timeouts = timeouts;
        while let Some(command) = state.queue.wants_abort() {
            let target = Target {
                queue: QueueId::ADMIN,
                command,
            };
            if !self.send_abort(&mut state, target) {
                break;
            }
            state.queue.abort_sent(command);
        }
        overdue
    }
}

/// Which command an admin command is to abort, if it is an Abort.
fn aborted_by(entry: &SubmissionEntry) -> Option<(QueueId, CommandId)> {
    policy::abort_target(Command::new(CommandSet::Admin, entry))
}
