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

use core::ops::DerefMut;

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

/// Room for one command.
#[derive(Clone, Debug)]
pub(crate) struct Slot<T> {
    generation: u16,
    state: State<T>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            generation: 0,
            state: State::Free { next: END },
        }
    }
}

/// Most slots a command id can number and still tell uses of a slot apart.
pub(crate) const SLOTS_MAX: usize = 4096;

/// A table of outstanding commands, each with the caller's `T`.
///
/// # Invariants
///
/// The free slots, and only they, form the list that starts at `free_head`
/// and has `free_count` members.
#[derive(Debug)]
pub(crate) struct CommandTable<S> {
    slots: S,
    /// Bits of a command id that number the slot.
    slot_bits: u32,
    free_head: u16,
    free_count: usize,
    /// How many free slots nobody may take.
    unused: usize,
    /// How many [`Claim::Ordinary`] may not: those, and the reserved ones.
    kept_back: usize,
}

impl<S, T> CommandTable<S>
where
    S: DerefMut<Target = [Slot<T>]>,
{
    /// An empty table over `slots`, which are as [`Slot::default`] makes them.
    /// Keeps `reserved` of them for [`Claim::Reserved`]. `None` for no slots or
    /// more than [`SLOTS_MAX`].
    pub(crate) fn new(mut slots: S, reserved: usize) -> Option<Self> {
        let count = slots.len();
        if count == 0 || count > SLOTS_MAX {
            return None;
        }
        // CAST: An index is less than `SLOTS_MAX`.
        for (slot, next) in slots.iter_mut().zip(1_u16..) {
            let next = if usize::from(next) < count { next } else { END };
            slot.state = State::Free { next };
        }
        Some(Self {
            slots,
            slot_bits: usize::BITS - (count - 1).leading_zeros(),
            free_head: 0,
            free_count: count,
            unused: 0,
            kept_back: reserved,
        })
    }

    /// Takes no more than `most` commands at a time from now on, if there are
    /// more slots.
    pub(crate) fn limit(&mut self, most: usize) {
        let reserved = self.kept_back.saturating_sub(self.unused);
        self.unused = self.slots.len().saturating_sub(most);
        self.kept_back = reserved.saturating_add(self.unused);
    }

    /// How many commands are outstanding.
    pub(crate) fn outstanding(&self) -> usize {
        self.slots.len().saturating_sub(self.free_count)
    }

    /// Whether [`Self::insert`] would succeed.
    pub(crate) fn has_room(&self, claim: Claim) -> bool {
        let kept_back = match claim {
            Claim::Ordinary => self.kept_back,
            Claim::Reserved => self.unused,
        };
        self.free_count > kept_back
    }

    /// Which slot a command with this id is in.
    pub(crate) fn index(&self, id: CommandId) -> u16 {
        id.0 & (1_u16.wrapping_shl(self.slot_bits).wrapping_sub(1))
    }

    fn id(&self, generation: u16, index: u16) -> CommandId {
        CommandId(generation.wrapping_shl(self.slot_bits) | index)
    }

    /// Puts in what `command` returns, and returns the id to send it with.
    ///
    /// # Errors
    ///
    /// [`TableFull`]: `command` was not called; retry after a completion.
    #[inline(always)]
    pub(crate) fn insert(
        &mut self,
        claim: Claim,
        command: impl FnOnce() -> T,
    ) -> Result<CommandId, TableFull> {
        if !self.has_room(claim) {
            return Err(TableFull);
        }
        let index = self.free_head;
        let slot = self.slots.get_mut(usize::from(index)).ok_or(TableFull)?;
        let State::Free { next } = slot.state else {
            return Err(TableFull);
        };
        // There is nothing to drop in a free slot, which the compiler does not see.
        core::mem::forget(core::mem::replace(
            &mut slot.state,
            State::Outstanding(command()),
        ));
        let generation = slot.generation;
        self.free_head = next;
        self.free_count = self.free_count.wrapping_sub(1);
        Ok(self.id(generation, index))
    }

    /// Takes a command out, after its completion.
    ///
    /// # Errors
    ///
    /// [`UnknownCommand`]: the id names no outstanding command.
    pub(crate) fn remove(&mut self, id: CommandId) -> Result<T, UnknownCommand> {
        self.get_mut(id)?;
        self.take(self.index(id)).ok_or(UnknownCommand)
    }

    /// The owner of an outstanding command.
    ///
    /// # Errors
    ///
    /// [`UnknownCommand`]: the id names no outstanding command.
    #[inline]
    pub(crate) fn get_mut(&mut self, id: CommandId) -> Result<&mut T, UnknownCommand> {
        let index = self.index(id);
        let slot_bits = self.slot_bits;
        let slot = self
            .slots
            .get_mut(usize::from(index))
            .ok_or(UnknownCommand)?;
        let current = slot.generation.wrapping_shl(slot_bits) | index;
        match &mut slot.state {
            State::Outstanding(owner) if current == id.0 => Ok(owner),
            _ => Err(UnknownCommand),
        }
    }

    /// Calls `each` with id and owner of every outstanding command.
    pub(crate) fn for_each_mut(&mut self, mut each: impl FnMut(CommandId, &mut T)) {
        let slot_bits = self.slot_bits;
        for (slot, index) in self.slots.iter_mut().zip(0_u16..) {
            if let State::Outstanding(owner) = &mut slot.state {
                each(
                    CommandId(slot.generation.wrapping_shl(slot_bits) | index),
                    owner,
                );
            }
        }
    }

    /// Takes the command in slot `index` out, whatever its id, if there is one.
    pub(crate) fn take(&mut self, index: u16) -> Option<T> {
        let (state, free) = self.vacate(index)?;
        match core::mem::replace(state, free) {
            State::Outstanding(command) => Some(command),
            State::Free { .. } => None,
        }
    }

    /// Takes out of a command what `part` does; if that is something, its slot is
    /// free, and what is left there, which should own nothing, is forgotten: it
    /// is neither moved nor dropped.
    #[inline(always)]
    pub(crate) fn take_part<P>(
        &mut self,
        id: CommandId,
        part: impl FnOnce(&mut T) -> Option<P>,
    ) -> Option<P> {
        let taken = part(self.get_mut(id).ok()?)?;
        let (state, free) = self.vacate(self.index(id))?;
        core::mem::forget(core::mem::replace(state, free));
        Some(taken)
    }

    /// As [`Self::take`], without moving what is in the slot: it is dropped.
    pub(crate) fn discard(&mut self, index: u16) {
        if let Some((state, free)) = self.vacate(index) {
            *state = free;
        }
    }

    /// Has the slot be the next to be handed out, if there is a command in it.
    /// Returns what is in it and is to be replaced by what.
    #[inline(always)]
    fn vacate(&mut self, index: u16) -> Option<(&mut State<T>, State<T>)> {
        let slot_bits = self.slot_bits;
        let slot = self.slots.get_mut(usize::from(index))?;
        if let State::Free { .. } = slot.state {
            return None;
        }
        let free = State::Free {
            next: self.free_head,
        };
        slot.generation = slot.generation.wrapping_add(1);
        if slot.generation.wrapping_shl(slot_bits) | index == NO_COMMAND {
            slot.generation = slot.generation.wrapping_add(1);
        }
        self.free_head = index;
        self.free_count = self.free_count.wrapping_add(1);
        Some((&mut slot.state, free))
    }

    /// How many slots there are.
    pub(crate) fn len(&self) -> u16 {
        // CAST: At most `SLOTS_MAX`.
        self.slots.len() as u16
    }
}
