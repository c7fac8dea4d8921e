// SPDX-License-Identifier: GPL-2.0-only

//! The parts of the engine together, as the admin queue puts them together,
//! with a controller that completes what it likes with what it likes: ids that
//! were never given out, twice, or long ago; status at random; event requests that all complete at once, with success or an error.

use std::collections::BTreeSet;

use proptest::{prelude::*, test_runner::TestCaseResult};
use zerocopy::FromZeros;

use crate::{
    engine::{
        aer_keeper::{AerKeeper, Outcome, RETRIES},
        capture::{CapturePlan, CaptureQueue},
        command_table::{Claim, CommandTable, Slot},
        event_log::EventLog,
        record::{Lifecycle, Record, Sequence},
        ring::{commands_max, SubmissionRing},
    },
    spec::{
        command::CommandId,
        completion::{CompletionEntry, Status},
        event::AsynchronousEvent,
    },
    tests::identify,
};

const ENTRIES: u16 = 32;
const AERS_MAX: u16 = 8;

/// Whose a command is.
#[derive(Clone, Debug, PartialEq)]
enum Owner {
    EventRequest,
    Driver,
}

/// Which id a completion carries.
#[derive(Clone, Copy, Debug)]
enum Id {
    /// One that is outstanding.
    Live(prop::sample::Index),
    /// One that was given out, perhaps long ago.
    Old(prop::sample::Index),
    Wild(u16),
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    id: Id,
    dw0: u32,
    dw1: u32,
    status: u16,
}

#[derive(Clone, Debug)]
enum Step {
    /// The controller writes completions and interrupts.
    Complete(Vec<Answer>),
    /// The driver sends a command of its own.
    Command,
    /// The driver reads a log page, of which it gets these bytes.
    Capture(Vec<u8>),
    /// The driver learns the controller's limit.
    Want(u16),
    /// The driver lets go of the controller.
    Close,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let index = any::<prop::sample::Index>;
    let id = prop_oneof![
        6 => index().prop_map(Id::Live),
        1 => index().prop_map(Id::Old),
        1 => any::<u16>().prop_map(Id::Wild),
    ];
    let status = prop_oneof![
        6 => Just(0_u16),
        1 => Just(0x0006),
        1 => Just(0x0105),
        1 => 0_u16..0x8000,
    ];
    let answer =
        (id, any::<u32>(), any::<u32>(), status).prop_map(|(id, dw0, dw1, status)| Answer {
            id,
            dw0,
            dw1,
            status,
        });
    let step = prop_oneof![
        20 => prop::collection::vec(answer, 0..12).prop_map(Step::Complete),
        6 => Just(Step::Command),
        4 => prop::collection::vec(any::<u8>(), 0..600).prop_map(Step::Capture),
        2 => (1..=AERS_MAX).prop_map(Step::Want),
        1 => Just(Step::Close),
    ];
    prop::collection::vec(step, 0..80)
}

/// The driver's side, and what is known about it from outside.
struct Driver {
    ring: SubmissionRing,
    commands: CommandTable<Vec<Slot<Owner>>>,
    keeper: AerKeeper,
    log: EventLog<Vec<Record>>,
    captures: CaptureQueue,
    closed: bool,

    requests: BTreeSet<u16>,
    others: BTreeSet<u16>,
    given_out: Vec<u16>,
    submitted: u32,
    events: u32,
    stops: u32,
}

impl Driver {
    fn new() -> Self {
        Self {
            ring: SubmissionRing::new(ENTRIES).unwrap(),
            commands: CommandTable::new(
                std::iter::repeat_with(Slot::default)
                    .take(commands_max(ENTRIES))
                    .collect(),
                usize::from(AERS_MAX),
            )
            .unwrap(),
            keeper: AerKeeper::new(),
            log: EventLog::new(vec![Record::default(); 16]).unwrap(),
            captures: CaptureQueue::new(),
            closed: false,
            requests: BTreeSet::new(),
            others: BTreeSet::new(),
            given_out: Vec::new(),
            submitted: 0,
            events: 0,
            stops: 0,
        }
    }

    /// Returns the id under which the command was submitted, if it was.
    fn submit(&mut self, claim: Claim, owner: Owner) -> Option<u16> {
        let id = self.commands.insert(claim, || owner).ok()?;
        assert!(self.ring.push() < ENTRIES);
        self.given_out.push(id.0);
        Some(id.0)
    }

    fn arm(&mut self) {
        while self.keeper.missing() > 0 {
            let Some(id) = self.submit(Claim::Reserved, Owner::EventRequest) else {
                break;
            };
            self.keeper.armed();
            self.submitted += 1;
            assert!(self.requests.insert(id), "{id:#x} is outstanding twice");
        }
    }

    fn complete(&mut self, entry: &CompletionEntry) -> TestCaseResult {
        let id = entry.command_id().0;
        match self.commands.remove(entry.command_id()) {
            Ok(Owner::EventRequest) => {
                prop_assert!(self.requests.remove(&id));
                self.event_request_completed(entry);
            }
            Ok(Owner::Driver) => prop_assert!(self.others.remove(&id)),
            Err(_) => {
                prop_assert!(!self.requests.contains(&id) && !self.others.contains(&id));
            }
        }
        Ok(())
    }

    fn event_request_completed(&mut self, entry: &CompletionEntry) {
        let status = entry.status();
        match self.keeper.complete(status) {
            Outcome::Event => {
                let event = AsynchronousEvent(entry.dw0.get());
                let parameter = entry.dw1.get();
                let record = Record::controller(event, parameter, status);
                let number = self.log.post(record);
                self.captures.add(event, parameter, number);
                self.events += 1;
            }
            Outcome::Stopped => {
                self.log
                    .post(Record::lifecycle(Lifecycle::AerStopped { status }));
                self.stops += 1;
            }
            Outcome::Failed => assert!(!self.closed),
            Outcome::Drained => assert!(self.closed),
        }
    }

    fn entry(&self, answer: Answer) -> Option<CompletionEntry> {
        let live: Vec<u16> = self.requests.union(&self.others).copied().collect();
        let pick =
            |ids: &[u16], index: prop::sample::Index| (!ids.is_empty()).then(|| *index.get(ids));
        let id = match answer.id {
            Id::Live(index) => pick(&live, index)?,
            Id::Old(index) => pick(&self.given_out, index)?,
            Id::Wild(id) => id,
        };
        let mut entry = CompletionEntry::new_zeroed();
        entry.dw0.set(answer.dw0);
        entry.dw1.set(answer.dw1);
        entry.command_id.set(id);
        entry.status_and_phase.set(answer.status << 1);
        Some(entry)
    }

    fn run(&mut self, step: Step) -> TestCaseResult {
        match step {
            Step::Complete(answers) => {
                for answer in answers {
                    if let Some(entry) = self.entry(answer) {
                        prop_assert_eq!(entry.status(), Status(answer.status));
                        self.complete(&entry)?;
                    }
                }
                self.arm();
            }
            Step::Command => {
                if let Some(id) = self.submit(Claim::Ordinary, Owner::Driver) {
                    prop_assert!(self.others.insert(id), "{:#x} is outstanding twice", id);
                }
            }
            Step::Capture(data) => self.capture(&data)?,
            Step::Want(wanted) => {
                self.keeper.want(wanted);
                self.arm();
            }
            Step::Close => {
                self.closed = true;
                self.keeper.drain();
            }
        }
        self.check()
    }

    fn capture(&mut self, data: &[u8]) -> TestCaseResult {
        let Some(pending) = self.captures.take(|_| true) else {
            return Ok(());
        };
        prop_assert!(pending.first <= pending.last && pending.last < self.log.next());
        let controller = identify(|identify| identify.lpa = 1 << 2);
        let mut plan = CapturePlan::new(pending, &controller, 8192);
        let mut reads = 0;
        while let Some(read) = plan.next_read() {
            let length = data.len().min(read.length_bytes as usize);
            plan.advance(&data[..length]);
            reads += 1;
            prop_assert!(reads <= 256);
        }
        Ok(())
    }

    fn check(&mut self) -> TestCaseResult {
        prop_assert_eq!(usize::from(self.keeper.outstanding()), self.requests.len());
        prop_assert!(self.keeper.outstanding() <= AERS_MAX);
        prop_assert!(self.stops <= 1);
        prop_assert_eq!(
            self.log.next(),
            Sequence(1 + u64::from(self.events + self.stops))
        );
        // Errors earn a few retries between two events and no more.
        let retries = u32::from(RETRIES) * (self.events + 1);
        prop_assert!(self.submitted <= u32::from(AERS_MAX) + self.events + retries);
        let mut owners = 0;
        self.commands.for_each_mut(|_, _| owners += 1);
        prop_assert_eq!(owners, self.requests.len() + self.others.len());
        Ok(())
    }
}

#[test]
fn an_honest_controller_gets_every_request_back() {
    let mut driver = Driver::new();
    driver.arm();
    driver.run(Step::Want(4)).unwrap();
    for _ in 1..=100 {
        let id = *driver.requests.first().unwrap();
        let mut entry = CompletionEntry::new_zeroed();
        entry.dw0.set(0x0002_0101);
        entry.command_id = CommandId(id).0.into();
        driver.complete(&entry).unwrap();
        driver.arm();
        driver.check().unwrap();
        assert_eq!(driver.keeper.outstanding(), 4);
    }
    assert_eq!(driver.log.next(), Sequence(101));
    let shared = driver.captures.take(|_| true).unwrap();
    assert_eq!((shared.first, shared.last), (Sequence(1), Sequence(100)));
}

proptest! {
    #[test]
    fn no_controller_makes_the_driver_lose_count_or_submit_without_end(steps in steps()) {
        let mut driver = Driver::new();
        driver.arm();
        for step in steps {
            let closed = driver.closed;
            let submitted = driver.submitted;
            driver.run(step)?;
            prop_assert!(!closed || driver.submitted == submitted, "submitted after the close");
        }
    }
}
