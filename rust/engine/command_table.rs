// SPDX-License-Identifier: GPL-2.0-only

//! Outstanding commands of one submission queue.
//!
//! A command id is a slot number in its low bits and the slot's generation in
//! the rest. A completion whose id was never given out, was already returned
//! or belongs to an earlier use of the slot is recognised and changes nothing,
//! whatever the controller says.
//!
//! Slots are handed out last-in first-out, so that a lightly used queue keeps
//! touching the same memory.

use crate::spec::command::CommandId;

/// No slot can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableFull;

/// The id belongs to no outstanding command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnknownCommand;

/// Who may take a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Any slot but the reserved ones.
    Ordinary,
    /// Any slot: for commands that must never wait for another one.
    Reserved,
}

/// Never given out: the Error Information log says by this id that an error
/// belongs to no command (section 3.3.3.1).
const NO_COMMAND: u16 = u16::MAX;

/// The end of the list of free slots.
const END: u16 = u16::MAX;

#[derive(Clone, Debug)]
enum State<T> {
    Free { next: u16 },
    Outstanding(T),
}

#[derive(Clone, Debug)]
struct Slot<T> {
    generation: u16,
    state: State<T>,
}

/// A table of at most `N` outstanding commands, each with the caller's `T`.
///
/// # Invariants
///
/// The free slots, and only they, form the list that starts at `free_head`
/// and has `free_count` members.
#[derive(Debug)]
pub(crate) struct CommandTable<T, const N: usize> {
    slots: [Slot<T>; N],
    free_head: u16,
    free_count: usize,
    reserved: usize,
}

impl<T, const N: usize> CommandTable<T, N> {
    /// Bits of a command id that number the slot.
    const SLOT_BITS: u32 = {
        assert!(N > 0 && N <= 4096, "a command id has room for 4,096 slots");
        usize::BITS - (N - 1).leading_zeros()
    };
    const SLOT_MASK: u16 = ((1_u32 << Self::SLOT_BITS) - 1) as u16;

    /// An empty table that keeps `reserved` slots for [`Claim::Reserved`].
    pub(crate) fn new(reserved: usize) -> Self {
        Self {
            slots: core::array::from_fn(|index| Slot {
                generation: 0,
                state: State::Free {
                    // CAST: `index` is less than `N`, which fits in 12 bits.
                    next: if index + 1 < N { index as u16 + 1 } else { END },
                },
            }),
            free_head: 0,
            free_count: N,
            reserved,
        }
    }

    /// Puts a command in and returns the id to send it with.
    ///
    /// # Errors
    ///
    /// [`TableFull`]: `command` is dropped; retry after a completion.
    pub(crate) fn insert(&mut self, claim: Claim, command: T) -> Result<CommandId, TableFull> {
        let kept_back = match claim {
            Claim::Ordinary => self.reserved,
            Claim::Reserved => 0,
        };
        if self.free_count <= kept_back {
            return Err(TableFull);
        }
        let index = self.free_head;
        let slot = self.slots.get_mut(usize::from(index)).ok_or(TableFull)?;
        let State::Free { next } = slot.state else {
            return Err(TableFull);
        };
        slot.state = State::Outstanding(command);
        self.free_head = next;
        self.free_count = self.free_count.wrapping_sub(1);
        Ok(CommandId(
            slot.generation.wrapping_shl(Self::SLOT_BITS) | index,
        ))
    }

    /// Takes a command out, after its completion.
    ///
    /// # Errors
    ///
    /// [`UnknownCommand`]: the id names no outstanding command.
    pub(crate) fn remove(&mut self, id: CommandId) -> Result<T, UnknownCommand> {
        let free_head = self.free_head;
        let slot = self.outstanding(id)?;
        let old = core::mem::replace(&mut slot.state, State::Free { next: free_head });
        slot.generation = slot.generation.wrapping_add(1);
        if slot.generation.wrapping_shl(Self::SLOT_BITS) | (id.0 & Self::SLOT_MASK) == NO_COMMAND {
            slot.generation = slot.generation.wrapping_add(1);
        }
        self.free_head = id.0 & Self::SLOT_MASK;
        self.free_count = self.free_count.wrapping_add(1);
        match old {
            State::Outstanding(command) => Ok(command),
            State::Free { .. } => Err(UnknownCommand),
        }
    }

    /// Hands an outstanding command over to another owner and returns the
    /// previous one.
    ///
    /// # Errors
    ///
    /// [`UnknownCommand`]: the id names no outstanding command.
    pub(crate) fn replace(&mut self, id: CommandId, command: T) -> Result<T, UnknownCommand> {
        match &mut self.outstanding(id)?.state {
            State::Outstanding(owner) => Ok(core::mem::replace(owner, command)),
            State::Free { .. } => Err(UnknownCommand),
        }
    }

    /// Calls `each` with the owner of every outstanding command.
    pub(crate) fn for_each_mut(&mut self, mut each: impl FnMut(&mut T)) {
        for slot in &mut self.slots {
            if let State::Outstanding(owner) = &mut slot.state {
                each(owner);
            }
        }
    }

    fn outstanding(&mut self, id: CommandId) -> Result<&mut Slot<T>, UnknownCommand> {
        let index = id.0 & Self::SLOT_MASK;
        let slot = self
            .slots
            .get_mut(usize::from(index))
            .ok_or(UnknownCommand)?;
        let current = slot.generation.wrapping_shl(Self::SLOT_BITS) | index;
        match slot.state {
            State::Outstanding(_) if current == id.0 => Ok(slot),
            _ => Err(UnknownCommand),
        }
    }
}
