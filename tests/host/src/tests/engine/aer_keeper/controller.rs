// SPDX-License-Identifier: GPL-2.0-only

//! The keeper with a simulated controller, which has a limit of its own and
//! need not say the truth about it.

use proptest::{prelude::*, test_runner::TestCaseResult};

use crate::{
    engine::aer_keeper::{AerKeeper, Outcome, RETRIES},
    spec::completion::Status,
};

use super::{arm, armed, LIMIT_EXCEEDED, REFUSED, SUCCESS, TRANSIENT};

/// What the controller does next.
#[derive(Clone, Copy, Debug)]
enum Answer {
    Event,
    Transient,
    Refused,
    /// Nothing, if the controller keeps within its limit.
    LimitExceeded,
}

impl Answer {
    fn status(self) -> Status {
        match self {
            Self::Event => SUCCESS,
            Self::Transient => TRANSIENT,
            Self::Refused => REFUSED,
            Self::LimitExceeded => LIMIT_EXCEEDED,
        }
    }
}

fn answers() -> impl Strategy<Value = Vec<Answer>> {
    let answer = prop_oneof![
        6 => Just(Answer::Event),
        3 => Just(Answer::Transient),
        1 => Just(Answer::Refused),
        1 => Just(Answer::LimitExceeded),
    ];
    prop::collection::vec(answer, 0..200)
}

/// A controller that holds at most `limit` requests and refuses the others,
/// as soon as it looks at them.
struct Controller {
    limit: u16,
    held: u16,
    refused: u16,
}

impl Controller {
    fn submit(&mut self, count: u16) {
        self.held += count;
        let beyond = self.held.saturating_sub(self.limit);
        self.held -= beyond;
        self.refused += beyond;
    }
}

/// Lets `keeper` and `controller` work until the controller has refused what
/// it does not hold. Returns how many requests it refused.
fn settle(keeper: &mut AerKeeper, controller: &mut Controller) -> u16 {
    let mut refused = 0;
    controller.submit(arm(keeper));
    while controller.refused > 0 {
        controller.refused -= 1;
        refused += 1;
        keeper.complete(LIMIT_EXCEEDED);
        controller.submit(arm(keeper));
    }
    refused
}

fn keeps_what_the_limit_allows(wanted: u16, limit: u16, events: usize) -> TestCaseResult {
    let mut keeper = AerKeeper::new();
    let mut controller = Controller {
        limit,
        held: 0,
        refused: 0,
    };
    settle(&mut keeper, &mut controller);
    keeper.want(wanted);
    // The limit is met once, by exactly the requests beyond it.
    let refused = settle(&mut keeper, &mut controller);
    prop_assert_eq!(refused, wanted.saturating_sub(limit));
    for _ in 0..events {
        controller.held -= 1;
        prop_assert_eq!(keeper.complete(SUCCESS), Outcome::Event);
        prop_assert_eq!(settle(&mut keeper, &mut controller), 0, "told once");
        prop_assert_eq!(keeper.outstanding(), wanted.min(limit));
        prop_assert_eq!(controller.held, wanted.min(limit));
    }
    Ok(())
}

fn counts_what_the_controller_holds(wanted: u16, answers: Vec<Answer>) -> TestCaseResult {
    let mut keeper = AerKeeper::new();
    let mut submitted = u32::from(arm(&mut keeper));
    keeper.want(wanted);
    submitted += u32::from(arm(&mut keeper));
    let mut held = wanted;
    let (mut events, mut stops) = (0_u32, 0_u32);

    for answer in answers {
        if held == 0 {
            break;
        }
        held -= 1;
        let outcome = keeper.complete(answer.status());
        let is_event = matches!(answer, Answer::Event);
        prop_assert_eq!(outcome == Outcome::Event, is_event);
        events += u32::from(is_event);
        prop_assert_ne!(outcome, Outcome::Drained);
        prop_assert!(keeper.missing() <= 1, "one answer, at most one request");
        if matches!(answer, Answer::Refused | Answer::LimitExceeded) {
            prop_assert_eq!(keeper.missing(), 0, "given up at once");
        }
        let rearmed = arm(&mut keeper);
        submitted += u32::from(rearmed);
        held += rearmed;
        prop_assert_eq!(keeper.outstanding(), held);
        prop_assert!(held <= wanted);
        prop_assert_eq!(
            outcome == Outcome::Stopped,
            held == 0,
            "said with the last one"
        );
        stops += u32::from(outcome == Outcome::Stopped);
    }
    prop_assert_eq!(stops, u32::from(held == 0));
    // Each event may start the retries again, and earns one request itself.
    let most = u32::from(wanted) + events + u32::from(RETRIES) * (events + 1);
    prop_assert!(submitted <= most, "{} of at most {}", submitted, most);
    Ok(())
}

fn a_drained_controller_comes_to_rest(
    wanted: u16,
    answers: Vec<Answer>,
    drain_after: usize,
) -> TestCaseResult {
    let mut keeper = armed(wanted);
    for (number, answer) in answers.into_iter().enumerate() {
        if number == drain_after {
            keeper.drain();
        }
        if keeper.outstanding() == 0 {
            break;
        }
        let before = keeper.outstanding();
        let outcome = keeper.complete(answer.status());
        if number >= drain_after {
            let expected = match answer {
                Answer::Event => Outcome::Event,
                _ => Outcome::Drained,
            };
            prop_assert_eq!(outcome, expected);
            prop_assert_eq!(arm(&mut keeper), 0);
            prop_assert_eq!(keeper.outstanding(), before - 1);
        } else {
            arm(&mut keeper);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn never_more_outstanding_than_wanted_or_allowed(
        wanted in 1_u16..40,
        limit in 1_u16..40,
        events in 0_usize..40,
    ) {
        keeps_what_the_limit_allows(wanted, limit, events)?;
    }

    #[test]
    fn no_answers_lead_to_a_storm_a_second_stop_or_a_wrong_count(
        wanted in 1_u16..20,
        answers in answers(),
    ) {
        counts_what_the_controller_holds(wanted, answers)?;
    }

    #[test]
    fn after_drain_every_request_ends_and_none_is_submitted(
        wanted in 1_u16..20,
        answers in answers(),
        drain_after in 0_usize..100,
    ) {
        a_drained_controller_comes_to_rest(wanted, answers, drain_after)?;
    }
}
