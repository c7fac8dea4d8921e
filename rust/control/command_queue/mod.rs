// SPDX-License-Identifier: GPL-2.0-only

//! A pair of queues and the commands outstanding on them.
//!
//! No lock of its own: the admin queue and each I/O queue have theirs.

mod abort;
mod completion;

use kernel::{
    device::{Bound, Device},
    prelude::*, //
};

use crate::{
    engine::{
        command_table::{Claim, CommandTable, Slot},
        ring::commands_max,
    },
    glue::dma::DmaDevice,
    pcie::queue::QueuePair,
    spec::command::{CommandId, DmaAddress, SubmissionEntry},
};

pub(super) use self::{abort::Overdue, completion::Completed};

use super::{
    outstanding::{Ending, Outstanding, Owner, Patience},
    scratch::Scratch,
};

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

/// The queues and what is outstanding.
pub(super) struct CommandQueue {
    pair: QueuePair,
    device: DmaDevice,
    commands: CommandTable<KVVec<Slot<Outstanding>>>,
    /// For commands to come; never more than there are commands.
    spare: KVVec<KBox<Scratch>>,
    access: Access,
    /// Whoever opens the queue, it is to be empty.
    frozen: bool,
    to_clear: bool,
    /// What the doorbells were last rung with.
    rung_tail: u16,
    rung_head: u16,
}

impl CommandQueue {
    /// Allocates closed queues of `entries`, with `reserved` of the commands
    /// for [`Claim::Reserved`].
    ///
    /// # Errors
    ///
    /// ENOMEM; EINVAL for a length that no queue can have.
    pub(super) fn new(device: &Device<Bound>, entries: u16, reserved: usize) -> Result<Self> {
        let count = commands_max(entries);
        let mut slots = KVVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            slots.push(Slot::default(), GFP_KERNEL)?;
        }
        Ok(Self {
            pair: QueuePair::new(device, entries)?,
            device: DmaDevice::new(device),
            commands: CommandTable::new(slots, reserved).ok_or(EINVAL)?,
            spare: KVVec::with_capacity(count, GFP_KERNEL)?,
            access: Access::Closed,
            frozen: false,
            to_clear: false,
            rung_tail: 0,
            rung_head: 0,
        })
    }

    pub(super) fn sq_address(&self) -> DmaAddress {
        self.pair.sq_address()
    }

    pub(super) fn cq_address(&self) -> DmaAddress {
        self.pair.cq_address()
    }

    /// What the tail doorbell was rung with, and what it is to be rung with; once.
    /// `None` if there is no news, or nobody to tell.
    pub(super) fn take_tail(&mut self) -> Option<(u16, u16)> {
        if !matches!(self.access, Access::Open | Access::Frozen) {
            return None;
        }
        let old = core::mem::replace(&mut self.rung_tail, self.pair.tail());
        (old != self.rung_tail).then_some((old, self.rung_tail))
    }

    /// As [`Self::take_tail`], of the head doorbell.
    pub(super) fn take_head(&mut self) -> Option<(u16, u16)> {
        let old = core::mem::replace(&mut self.rung_head, self.pair.head());
        (old != self.rung_head).then_some((old, self.rung_head))
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
        (self.rung_tail, self.rung_head) = (0, 0);
        self.commands.limit(commands_max(entries));
        self.pair.reset(entries)
    }

    /// Opens the queues, which the controller knows now. If they are frozen,
    /// they stay so.
    ///
    /// # Errors
    ///
    /// ENODEV once retired.
    pub(super) fn open(&mut self) -> Result {
        if self.access == Access::Retired {
            return Err(ENODEV);
        }
        self.access = if self.frozen {
            Access::Frozen
        } else {
            Access::Open
        };
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

    /// Lets nobody submit for the moment, or everybody again. A queue that is
    /// closed will be so when it is opened.
    pub(super) fn freeze(&mut self, frozen: bool) {
        self.frozen = frozen;
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
        if index >= self.commands.len() {
            return None;
        }
        let mut owner = self.commands.take(index).map(|command| command.owner);
        if let Some(Owner::Ring { memory, .. }) = &mut owner {
            // After this the memory is the process's again.
            memory.unmap(&self.device);
        }
        Some(owner)
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

    /// Whether a command can be submitted at this moment, if there is room for it
    /// among the outstanding ones.
    fn admit(&self) -> Result<(), Refusal> {
        match self.access {
            Access::Open => Ok(()),
            Access::Frozen => Err(Refusal::NotNow),
            Access::Closed | Access::Retired => Err(Refusal::Closed),
        }
    }

    /// Puts a command into the submission queue. The controller looks at it
    /// when its doorbell is rung with what [`Self::take_tail`] gives. If it is not submitted,
    /// `owner` is dropped. `entry` is given its id.
    pub(super) fn submit(
        &mut self,
        entry: &mut SubmissionEntry,
        claim: Claim,
        owner: Owner,
        patience: Patience,
    ) -> Result<CommandId, Refusal> {
        self.submit_of(entry, claim, patience, || owner)
    }

    /// As [`Self::submit`]; whose the command is, is asked for only if it can be
    /// submitted.
    #[inline(always)]
    pub(super) fn submit_of(
        &mut self,
        entry: &mut SubmissionEntry,
        claim: Claim,
        patience: Patience,
        owner: impl FnOnce() -> Owner,
    ) -> Result<CommandId, Refusal> {
        self.admit()?;
        let opcode = entry.opcode;
        let id = self
            .commands
            .insert(claim, || Outstanding::new(opcode, owner(), patience))
            .map_err(|_| Refusal::NotNow)?;
        if self.pair.submit(entry, id).is_err() {
            let _ = self.commands.remove(id);
            return Err(Refusal::NotNow);
        }
        Ok(id)
    }
}
