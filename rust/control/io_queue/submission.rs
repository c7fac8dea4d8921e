// SPDX-License-Identifier: GPL-2.0-only

//! Commands of processes for an I/O queue pair.

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
        record::{Lifecycle, Record},
    },
    glue::{
        file_operations::Blocking,
        pins::Runs,
        plug::{Due, Plugged},
        spare::Spare,
    },
    spec::command::{CommandId, QueueId, SubmissionEntry},
};

use super::IoQueue;

impl Submission for Arc<Plugged<IoQueue>> {
    fn submit(
        &self,
        mut entry: SubmissionEntry,
        waiter: &Arc<Waiter>,
        patience: Patience,
        epoch: Epoch,
    ) -> Result<CommandId, SubmitError> {
        let mut state = self.state.lock();
        loop {
            if state.epoch != epoch {
                return Err(SubmitError::Outdated);
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
        epoch: Epoch,
    ) -> Result<(), SubmitError> {
        let mut state = self.state.lock();
        loop {
            if state.epoch != epoch {
                return Err(SubmitError::Outdated);
            }
            let owner = || command.own(self.id);
            match state
                .queue
                .submit_of(entry, Claim::Ordinary, patience, owner)
            {
                Ok(_) => break,
                Err(_) if command.issue.is_none() => return Ok(()),
                Err(Refusal::Closed) => return Err(SubmitError::Closed),
                // What is in the way may be of this batch.
                Err(Refusal::NotNow) => self.ring(&mut state),
            }
            if command.blocking() == Blocking::Refused {
                return Err(SubmitError::WouldWait);
            }
            wait_for_room(&self.room, &mut state, |state| &mut state.waiting)?;
        }
        if state.batch.defer(self) == Due::Now {
            self.ring(&mut state);
        }
        Ok(())
    }

    fn id(&self) -> QueueId {
        self.id
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
        // What nobody polls for, and what an interrupt got lost of.
        self.process_completions();
        let mut state = self.state.lock();
        let mut timeouts = state.timeouts;
        let overdue = state.queue.look_for_overdue(|opcode| {
            // Fewer and fewer lines: anybody can choose a short time.
            timeouts = timeouts.wrapping_add(1);
            if timeouts.is_power_of_two() {
                dev_err!(
                    self.device,
                    "queue {}: command {:#04x} timed out, as did {} before\n",
                    self.id.0,
                    opcode,
                    timeouts - 1
                );
            }
            self.stream
                .post(Record::lifecycle(Lifecycle::CommandTimedOut {
                    queue: self.id.0,
                    opcode,
                }));
        });
        state.timeouts = timeouts;
        // Under the lock, so that the id still is the command's when the Abort
        // is sent.
        while let Some(command) = state.queue.wants_abort() {
            let target = Target {
                queue: self.id,
                command,
            };
            if !self.admin.abort(target) {
                break;
            }
            state.queue.abort_sent(command);
        }
        overdue
    }
}
