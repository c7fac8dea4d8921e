// SPDX-License-Identifier: GPL-2.0-only

//! Abort commands (section 5.1) that are outstanding.
//!
//! A controller takes only so many at a time. The command that one is for keeps
//! its id until both are over: a late Abort must not hit the next command with
//! that id.

use crate::spec::command::{CommandId, QueueId};

/// Most Abort commands the driver has outstanding, whatever the controller's
/// Abort Command Limit.
pub(crate) const ABORTS_MAX: usize = 4;

/// The command an Abort is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) queue: QueueId,
    pub(crate) command: CommandId,
}

/// One of the Abort commands that can be outstanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AbortSlot(u8);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Free,
    Outstanding(Target),
    /// The controller has answered; nobody has seen to the target yet.
    Over(Target),
}

/// The Abort commands of one controller.
#[derive(Debug)]
pub(crate) struct Aborts {
    slots: [Slot; ABORTS_MAX],
    limit: usize,
}

impl Aborts {
    pub(crate) const fn new() -> Self {
        Self {
            slots: [Slot::Free; ABORTS_MAX],
            limit: 1,
        }
    }

    /// Allows as many as a controller with this Abort Command Limit, 0-based,
    /// takes.
    pub(crate) fn set_limit(&mut self, acl: u8) {
        self.limit = (usize::from(acl) + 1).min(ABORTS_MAX);
    }

    /// Room for an Abort of `target`, if the controller takes one more.
    pub(crate) fn claim(&mut self, target: Target) -> Option<AbortSlot> {
        let (slot, number) = self
            .slots
            .iter_mut()
            .take(self.limit)
            .zip(0_u8..)
            .find(|(slot, _)| **slot == Slot::Free)?;
        *slot = Slot::Outstanding(target);
        Some(AbortSlot(number))
    }

    /// Takes back a claim: the Abort was not sent.
    pub(crate) fn release(&mut self, slot: AbortSlot) {
        if let Some(slot) = self.slots.get_mut(usize::from(slot.0)) {
            *slot = Slot::Free;
        }
    }

    /// The controller has answered an Abort.
    pub(crate) fn answered(&mut self, slot: AbortSlot) {
        if let Some(slot) = self.slots.get_mut(usize::from(slot.0)) {
            if let Slot::Outstanding(target) = *slot {
                *slot = Slot::Over(target);
            }
        }
    }

    /// The target of an Abort that is over, which the controller takes no
    /// notice of any more. Each is returned once.
    pub(crate) fn take_over(&mut self) -> Option<Target> {
        self.slots.iter_mut().find_map(|slot| match *slot {
            Slot::Over(target) => {
                *slot = Slot::Free;
                Some(target)
            }
            _ => None,
        })
    }

    /// The controller was disabled: all of them are over, and so are their
    /// targets.
    pub(crate) fn clear(&mut self) {
        self.slots = [Slot::Free; ABORTS_MAX];
    }
}
