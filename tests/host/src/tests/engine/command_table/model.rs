// SPDX-License-Identifier: GPL-2.0-only

//! The table of outstanding commands against a map from id to command.

use std::collections::HashMap;

use proptest::{prelude::*, test_runner::TestCaseResult};

use crate::{
    engine::command_table::{Claim, TableFull, UnknownCommand},
    spec::command::CommandId,
};

use super::{table, Table};

#[derive(Clone, Copy, Debug)]
enum Step {
    Insert(Claim),
    /// Complete or hand over the outstanding command of this index.
    Remove(prop::sample::Index),
    Replace(prop::sample::Index),
    /// Complete or hand over by an id given out some time ago.
    RemoveOld(prop::sample::Index),
    ReplaceOld(prop::sample::Index),
    /// Take out what is in a slot.
    Take(u16),
    /// The same without looking at it.
    Discard(u16),
    /// Complete or hand over by an id made up by the controller.
    RemoveWild(u16),
    ReplaceWild(u16),
    /// Hand every outstanding command over.
    ForEach,
    /// Take no more than so many at a time.
    Limit(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let claim = prop_oneof![Just(Claim::Ordinary), Just(Claim::Reserved)];
    let step = prop_oneof![
        24 => claim.prop_map(Step::Insert),
        12 => any::<prop::sample::Index>().prop_map(Step::Remove),
        4 => any::<prop::sample::Index>().prop_map(Step::Replace),
        4 => any::<prop::sample::Index>().prop_map(Step::RemoveOld),
        4 => any::<prop::sample::Index>().prop_map(Step::ReplaceOld),
        4 => (0_u16..70).prop_map(Step::Take),
        4 => (0_u16..70).prop_map(Step::Discard),
        4 => any::<u16>().prop_map(Step::RemoveWild),
        4 => any::<u16>().prop_map(Step::ReplaceWild),
        1 => Just(Step::ForEach),
        2 => (0_usize..70).prop_map(Step::Limit),
    ];
    prop::collection::vec(step, 0..300)
}

/// The table and what should be in it.
struct Pair<const N: usize> {
    table: Table<u32>,
    reserved: usize,
    limit: usize,
    outstanding: HashMap<u16, u32>,
    given_out: Vec<u16>,
    next_command: u32,
}

impl<const N: usize> Pair<N> {
    fn insert(&mut self, claim: Claim) -> TestCaseResult {
        let free = self.limit.saturating_sub(self.outstanding.len());
        let kept_back = if claim == Claim::Ordinary {
            self.reserved
        } else {
            0
        };
        let command = self.new_command();
        match self.table.insert(claim, || command) {
            Ok(id) => {
                prop_assert!(free > kept_back);
                let previous = self.outstanding.insert(id.0, command);
                prop_assert_eq!(previous, None, "{:?} is outstanding twice", id);
                prop_assert_ne!(id, CommandId(u16::MAX));
                self.given_out.push(id.0);
            }
            Err(TableFull) => prop_assert!(free <= kept_back),
        }
        Ok(())
    }

    fn remove(&mut self, id: u16) -> TestCaseResult {
        let expected = self.outstanding.remove(&id).ok_or(UnknownCommand);
        prop_assert_eq!(self.table.remove(CommandId(id)), expected);
        Ok(())
    }

    /// What should be in a slot, and is not any more.
    fn in_slot(&mut self, slot: u16) -> Option<u32> {
        let mask = N.next_power_of_two() as u16 - 1;
        let id = self
            .outstanding
            .keys()
            .copied()
            .find(|id| id & mask == slot)?;
        self.outstanding.remove(&id)
    }

    fn replace(&mut self, id: u16) -> TestCaseResult {
        let command = self.new_command();
        let expected = match self.outstanding.get_mut(&id) {
            Some(owner) => Ok(std::mem::replace(owner, command)),
            None => Err(UnknownCommand),
        };
        let replaced = self
            .table
            .get_mut(CommandId(id))
            .map(|owner| std::mem::replace(owner, command));
        prop_assert_eq!(replaced, expected);
        Ok(())
    }

    fn for_each(&mut self) -> TestCaseResult {
        let mut visited = Vec::new();
        self.table.for_each_mut(|_, command| {
            visited.push(*command);
            *command ^= 1 << 31;
        });
        let mut expected: Vec<u32> = self.outstanding.values().copied().collect();
        for command in self.outstanding.values_mut() {
            *command ^= 1 << 31;
        }
        visited.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(visited, expected);
        Ok(())
    }

    fn run(&mut self, step: Step) -> TestCaseResult {
        let mut live: Vec<u16> = self.outstanding.keys().copied().collect();
        // A map has no order; a failure has to fail again.
        live.sort_unstable();
        let pick =
            |ids: &[u16], index: prop::sample::Index| (!ids.is_empty()).then(|| *index.get(ids));
        match step {
            Step::Insert(claim) => self.insert(claim)?,
            Step::Remove(index) => {
                if let Some(id) = pick(&live, index) {
                    self.remove(id)?;
                }
            }
            Step::Replace(index) => {
                if let Some(id) = pick(&live, index) {
                    self.replace(id)?;
                }
            }
            Step::RemoveOld(index) => {
                if let Some(id) = pick(&self.given_out, index) {
                    self.remove(id)?;
                }
            }
            Step::ReplaceOld(index) => {
                if let Some(id) = pick(&self.given_out, index) {
                    self.replace(id)?;
                }
            }
            Step::Take(slot) => {
                let expected = self.in_slot(slot);
                prop_assert_eq!(self.table.take(slot), expected);
            }
            Step::Discard(slot) => {
                self.in_slot(slot);
                self.table.discard(slot);
            }
            Step::RemoveWild(id) => self.remove(id)?,
            Step::ReplaceWild(id) => self.replace(id)?,
            Step::ForEach => self.for_each()?,
            Step::Limit(most) => {
                self.limit = most.min(N);
                self.table.limit(most);
            }
        }
        prop_assert_eq!(self.table.outstanding(), self.outstanding.len());
        Ok(())
    }

    fn new_command(&mut self) -> u32 {
        self.next_command += 1;
        self.next_command
    }
}

/// A command more or less in a table of 4,096 meets no boundary, so a part of
/// the slots is taken before the steps.
fn behaves_like_a_map<const N: usize>(
    reserved: usize,
    taken: usize,
    steps: &[Step],
) -> TestCaseResult {
    let mut pair = Pair::<N> {
        table: table::<_, N>(reserved),
        reserved,
        limit: N,
        outstanding: HashMap::new(),
        given_out: Vec::new(),
        next_command: 0,
    };
    for _ in 0..taken {
        pair.insert(Claim::Reserved)?;
    }
    for step in steps {
        pair.run(*step)?;
    }
    pair.for_each()
}

proptest! {
    #[test]
    fn one_slot_behaves_like_a_map(reserved in 0_usize..3, steps in steps()) {
        behaves_like_a_map::<1>(reserved, 0, &steps)?;
    }

    #[test]
    fn two_slots_behave_like_a_map(reserved in 0_usize..4, steps in steps()) {
        behaves_like_a_map::<2>(reserved, 0, &steps)?;
    }

    #[test]
    fn thirty_one_slots_behave_like_a_map(
        reserved in 0_usize..33,
        taken in 0_usize..=31,
        steps in steps(),
    ) {
        behaves_like_a_map::<31>(reserved, taken, &steps)?;
    }

    #[test]
    fn sixty_four_slots_behave_like_a_map(
        reserved in 0_usize..66,
        taken in 0_usize..=64,
        steps in steps(),
    ) {
        behaves_like_a_map::<64>(reserved, taken, &steps)?;
    }
}

proptest! {
    // The size makes a case slow, not interesting.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases / 8 + 1,
        ..ProptestConfig::default()
    })]

    #[test]
    fn four_thousand_slots_behave_like_a_map(
        reserved in 0_usize..20,
        taken in 4060_usize..=4096,
        steps in steps(),
    ) {
        behaves_like_a_map::<4096>(reserved, taken, &steps)?;
    }
}
