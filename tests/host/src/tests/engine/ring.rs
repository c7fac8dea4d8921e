// SPDX-License-Identifier: GPL-2.0-only

//! Both rings against a simulated controller, which keeps its own positions
//! with its own arithmetic, and against plain queues that say what should be
//! in them.

use std::collections::VecDeque;

use proptest::{prelude::*, test_runner::TestCaseResult};

use crate::{
    engine::ring::{commands_max, CompletionRing, SubmissionRing},
    spec::completion::Phase,
};

#[test]
fn a_queue_has_at_least_two_entries() {
    for entries in [0, 1] {
        assert!(SubmissionRing::new(entries).is_none(), "{entries}");
        assert!(CompletionRing::new(entries).is_none(), "{entries}");
    }
    for entries in [2, 3, 4096, u16::MAX] {
        assert!(SubmissionRing::new(entries).is_some(), "{entries}");
        assert!(CompletionRing::new(entries).is_some(), "{entries}");
    }
}

#[test]
fn a_submission_queue_begins_again_after_its_last_entry() {
    for entries in [2, 3, 31, 32, u16::MAX] {
        let mut ring = SubmissionRing::new(entries).unwrap();
        for index in (0..entries).chain(0..entries) {
            assert_eq!(ring.push(), index);
            assert_eq!(ring.tail(), (index + 1) % entries, "{entries} entries");
        }
    }
}

#[test]
fn one_entry_of_a_queue_is_never_used() {
    for (entries, commands) in [(0, 0), (1, 0), (2, 1), (256, 255), (u16::MAX, 65534)] {
        assert_eq!(commands_max(entries), commands);
    }
}

#[test]
fn a_completion_queue_expects_the_other_phase_after_each_round() {
    for entries in [2_u16, 3, 32, u16::MAX] {
        let mut ring = CompletionRing::new(entries).unwrap();
        for phase in [Phase::One, Phase::Zero, Phase::One] {
            for index in 0..entries {
                assert_eq!(ring.head(), index);
                assert!(ring.is_new(phase), "{entries} entries, index {index}");
                assert!(!ring.is_new(phase.flipped()));
                ring.pop();
            }
        }
    }
}

/// What the two sides do to each other.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The host submits as many commands and rings the doorbell once.
    Submit(u8),
    /// The controller consumes as many.
    Consume(u8),
    /// It completes one of those it has consumed.
    Complete(prop::sample::Index),
    /// The host takes as many completions.
    Reap(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_u8..12).prop_map(Step::Submit),
        4 => (0_u8..12).prop_map(Step::Consume),
        16 => any::<prop::sample::Index>().prop_map(Step::Complete),
        4 => (0_u8..12).prop_map(Step::Reap),
    ];
    prop::collection::vec(step, 0..120)
}

#[derive(Clone, Copy)]
struct Completion {
    command: u32,
    phase: bool,
}

/// Host and controller, with the memory they share.
struct Pair {
    sq: SubmissionRing,
    cq: CompletionRing,
    sq_memory: Vec<u32>,
    cq_memory: Vec<Completion>,
    sq_doorbell: usize,
    cq_doorbell: usize,

    // The controller.
    sq_head: usize,
    cq_tail: usize,
    phase: bool,

    // What should be there.
    submitted: VecDeque<u32>,
    /// Consumed by the controller.
    consumed: Vec<u32>,
    completed: VecDeque<u32>,
    /// Of which the host does not know that they are completed.
    outstanding: usize,
    next_command: u32,
}

impl Pair {
    fn new(sq_entries: u16, cq_entries: u16) -> Self {
        let zeroed = Completion {
            command: 0,
            phase: false,
        };
        Self {
            sq: SubmissionRing::new(sq_entries).unwrap(),
            cq: CompletionRing::new(cq_entries).unwrap(),
            sq_memory: vec![0; sq_entries.into()],
            cq_memory: vec![zeroed; cq_entries.into()],
            sq_doorbell: 0,
            cq_doorbell: 0,
            sq_head: 0,
            cq_tail: 0,
            phase: true,
            submitted: VecDeque::new(),
            consumed: Vec::new(),
            completed: VecDeque::new(),
            outstanding: 0,
            next_command: 1,
        }
    }

    /// As many commands as there may be.
    fn submit(&mut self) {
        let entries = self.sq_memory.len().min(self.cq_memory.len());
        if self.outstanding == commands_max(entries.try_into().unwrap()) {
            return;
        }
        let index = self.sq.push();
        self.sq_memory[usize::from(index)] = self.next_command;
        self.submitted.push_back(self.next_command);
        self.next_command += 1;
        self.outstanding += 1;
    }

    fn consume(&mut self) -> TestCaseResult {
        if self.sq_head == self.sq_doorbell {
            return Ok(());
        }
        let command = self.sq_memory[self.sq_head];
        prop_assert_eq!(
            Some(command),
            self.submitted.pop_front(),
            "overwritten or out of order"
        );
        self.sq_head = (self.sq_head + 1) % self.sq_memory.len();
        self.consumed.push(command);
        Ok(())
    }

    fn complete(&mut self, index: prop::sample::Index) -> TestCaseResult {
        if self.consumed.is_empty() {
            return Ok(());
        }
        let command = self.consumed.swap_remove(index.index(self.consumed.len()));
        let next = (self.cq_tail + 1) % self.cq_memory.len();
        prop_assert_ne!(next, self.cq_doorbell, "no room for a completion");
        self.cq_memory[self.cq_tail] = Completion {
            command,
            phase: self.phase,
        };
        self.completed.push_back(command);
        self.cq_tail = next;
        self.phase ^= self.cq_tail == 0;
        Ok(())
    }

    fn reap(&mut self) -> TestCaseResult {
        let entry = self.cq_memory[usize::from(self.cq.head())];
        let new = self.cq.is_new(Phase::of(entry.phase.into()));
        prop_assert_eq!(new, !self.completed.is_empty());
        if new {
            prop_assert_eq!(Some(entry.command), self.completed.pop_front());
            self.outstanding -= 1;
            self.cq.pop();
        }
        Ok(())
    }

    fn run(&mut self, step: Step) -> TestCaseResult {
        match step {
            Step::Submit(count) => {
                for _ in 0..count {
                    self.submit();
                }
                self.sq_doorbell = self.sq.tail().into();
                prop_assert!(self.sq_doorbell < self.sq_memory.len());
            }
            Step::Consume(count) => {
                for _ in 0..count {
                    self.consume()?;
                }
            }
            Step::Complete(index) => self.complete(index)?,
            Step::Reap(count) => {
                for _ in 0..count {
                    self.reap()?;
                }
                self.cq_doorbell = self.cq.head().into();
            }
        }
        Ok(())
    }
}

proptest! {
    /// Nothing that the controller has not consumed is overwritten, and there is
    /// room for all completions, in whatever order they come.
    #[test]
    fn every_command_arrives_once_and_in_order(
        sq_entries in 2_u16..20,
        cq_entries in 2_u16..20,
        steps in steps(),
        last in any::<prop::sample::Index>(),
    ) {
        let mut pair = Pair::new(sq_entries, cq_entries);
        for step in steps {
            pair.run(step)?;
        }
        // Both sides carry on until nothing is left on the way.
        for _ in 0..pair.outstanding {
            pair.run(Step::Consume(1))?;
            pair.run(Step::Complete(last))?;
            pair.run(Step::Reap(1))?;
        }
        prop_assert!(pair.submitted.is_empty() && pair.consumed.is_empty());
        prop_assert!(pair.completed.is_empty());
        prop_assert_eq!(pair.outstanding, 0);
    }
}
