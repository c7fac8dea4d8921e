// SPDX-License-Identifier: GPL-2.0-only

//! Both rings against a simulated controller, which keeps its own positions
//! with its own arithmetic, and against plain queues that say what should be
//! in them.

use std::collections::VecDeque;

use proptest::{prelude::*, test_runner::TestCaseResult};

use crate::{
    engine::ring::{CompletionRing, RingError, SubmissionRing},
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
fn a_submission_queue_is_full_with_one_entry_unused() {
    for entries in [2, 3, 31, 32, u16::MAX] {
        let mut ring = SubmissionRing::new(entries).unwrap();
        for index in 0..entries - 1 {
            assert_eq!(ring.push(), Ok(index));
            assert_eq!(ring.tail(), index + 1);
        }
        assert_eq!(ring.push(), Err(RingError::Full), "{entries}");
        assert_eq!(ring.tail(), entries - 1, "a refused push moves nothing");

        // One consumed entry makes room for exactly one more, past the end.
        assert_eq!(ring.consumed(1), Ok(()));
        assert_eq!(ring.push(), Ok(entries - 1));
        assert_eq!(ring.tail(), 0);
        assert_eq!(ring.push(), Err(RingError::Full), "{entries}");
    }
}

#[test]
fn a_head_outside_the_queue_is_refused_and_changes_nothing() {
    let mut ring = SubmissionRing::new(4).unwrap();
    for _ in 0..3 {
        ring.push().unwrap();
    }
    for head in [4, 5, 0x7fff, u16::MAX] {
        assert_eq!(ring.consumed(head), Err(RingError::HeadOutOfRange));
        assert_eq!(ring.push(), Err(RingError::Full), "head {head}");
        assert_eq!(ring.tail(), 3);
    }
    assert_eq!(ring.consumed(3), Ok(()), "the last entry is inside");
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
    /// The controller consumes as many and completes each.
    Consume(u8),
    /// The host takes as many completions.
    Reap(u8),
    /// A completion claims a head this far behind the last entry.
    WildHead(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_u8..12).prop_map(Step::Submit),
        4 => (0_u8..12).prop_map(Step::Consume),
        4 => (0_u8..12).prop_map(Step::Reap),
        1 => any::<u16>().prop_map(Step::WildHead),
    ];
    prop::collection::vec(step, 0..120)
}

#[derive(Clone, Copy)]
struct Completion {
    command: u32,
    sq_head: u16,
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
    completed: VecDeque<u32>,
    /// Submitted and not yet known by the host to be consumed.
    in_use: usize,
    next_command: u32,
}

impl Pair {
    fn new(sq_entries: u16, cq_entries: u16) -> Self {
        let zeroed = Completion {
            command: 0,
            sq_head: 0,
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
            completed: VecDeque::new(),
            in_use: 0,
            next_command: 1,
        }
    }

    fn submit(&mut self) -> TestCaseResult {
        let full = self.in_use == self.sq_memory.len() - 1;
        let pushed = self.sq.push();
        prop_assert_eq!(pushed.is_err(), full);
        match pushed {
            Ok(index) => {
                self.sq_memory[usize::from(index)] = self.next_command;
                self.submitted.push_back(self.next_command);
                self.next_command += 1;
                self.in_use += 1;
            }
            Err(error) => prop_assert_eq!(error, RingError::Full),
        }
        Ok(())
    }

    fn consume(&mut self) -> TestCaseResult {
        let cq_full = (self.cq_tail + 1) % self.cq_memory.len() == self.cq_doorbell;
        if self.sq_head == self.sq_doorbell || cq_full {
            return Ok(());
        }
        let command = self.sq_memory[self.sq_head];
        prop_assert_eq!(
            Some(command),
            self.submitted.pop_front(),
            "overwritten or out of order"
        );
        self.sq_head = (self.sq_head + 1) % self.sq_memory.len();
        self.cq_memory[self.cq_tail] = Completion {
            command,
            sq_head: self.sq_head.try_into().unwrap(),
            phase: self.phase,
        };
        self.completed.push_back(command);
        self.cq_tail = (self.cq_tail + 1) % self.cq_memory.len();
        self.phase ^= self.cq_tail == 0;
        Ok(())
    }

    fn reap(&mut self) -> TestCaseResult {
        let entry = self.cq_memory[usize::from(self.cq.head())];
        let new = self.cq.is_new(Phase::of(entry.phase.into()));
        prop_assert_eq!(new, !self.completed.is_empty());
        if new {
            prop_assert_eq!(Some(entry.command), self.completed.pop_front());
            prop_assert_eq!(self.sq.consumed(entry.sq_head), Ok(()));
            self.in_use -= 1;
            self.cq.pop();
        }
        Ok(())
    }

    fn run(&mut self, step: Step) -> TestCaseResult {
        match step {
            Step::Submit(count) => {
                for _ in 0..count {
                    self.submit()?;
                }
                self.sq_doorbell = self.sq.tail().into();
                prop_assert!(self.sq_doorbell < self.sq_memory.len());
            }
            Step::Consume(count) => {
                for _ in 0..count {
                    self.consume()?;
                }
            }
            Step::Reap(count) => {
                for _ in 0..count {
                    self.reap()?;
                }
                self.cq_doorbell = self.cq.head().into();
            }
            Step::WildHead(beyond) => {
                let entries = u16::try_from(self.sq_memory.len()).unwrap();
                prop_assert_eq!(
                    self.sq.consumed(entries.saturating_add(beyond)),
                    Err(RingError::HeadOutOfRange)
                );
            }
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn every_command_arrives_once_and_in_order(
        sq_entries in 2_u16..20,
        cq_entries in 2_u16..20,
        steps in steps(),
    ) {
        let mut pair = Pair::new(sq_entries, cq_entries);
        for step in steps {
            pair.run(step)?;
        }
        // Both sides carry on until nothing is left on the way.
        let left = pair.submitted.len() + pair.completed.len();
        for _ in 0..left {
            pair.run(Step::Consume(1))?;
            pair.run(Step::Reap(1))?;
        }
        prop_assert!(pair.submitted.is_empty() && pair.completed.is_empty());
        prop_assert_eq!(pair.in_use, 0);
    }

    #[test]
    fn no_head_that_a_controller_invents_leads_outside_the_queue(
        entries in 2_u16..40,
        heads in prop::collection::vec(prop_oneof![0_u16..48, any::<u16>()], 0..80),
    ) {
        let mut ring = SubmissionRing::new(entries).unwrap();
        for head in heads {
            prop_assert_eq!(ring.consumed(head).is_ok(), head < entries);
            let mut pushed = 0;
            loop {
                let has_room = ring.has_room();
                let Ok(index) = ring.push() else {
                    prop_assert!(!has_room);
                    break;
                };
                prop_assert!(has_room);
                prop_assert!(index < entries);
                pushed += 1;
                prop_assert!(pushed < entries, "never more than fit");
            }
            prop_assert!(ring.tail() < entries);
        }
    }
}
