// SPDX-License-Identifier: GPL-2.0-only

//! The keeper of event requests: examples.

mod controller;

use crate::{
    engine::aer_keeper::{AerKeeper, Outcome, RETRIES},
    spec::completion::Status,
};

const SUCCESS: Status = Status(0x000);
/// Generic: Internal Error.
const TRANSIENT: Status = Status(0x006);
/// Generic: Invalid Command Opcode, Do Not Retry.
const REFUSED: Status = Status(0x4001);
/// Command specific: Asynchronous Event Request Limit Exceeded.
const LIMIT_EXCEEDED: Status = Status(0x105);
/// Generic: Command Aborted due to SQ Deletion.
const ABORTED: Status = Status(0x008);

/// Submits what is missing, as the keeper's owner does; returns how many.
fn arm(keeper: &mut AerKeeper) -> u16 {
    let missing = keeper.missing();
    for _ in 0..missing {
        keeper.armed();
    }
    assert_eq!(keeper.missing(), 0);
    missing
}

/// A keeper with `wanted` requests outstanding.
fn armed(wanted: u16) -> AerKeeper {
    let mut keeper = AerKeeper::new();
    keeper.want(wanted);
    assert_eq!(arm(&mut keeper), wanted);
    keeper
}

#[test]
fn one_request_comes_before_all_others() {
    let mut keeper = AerKeeper::new();
    assert_eq!(keeper.outstanding(), 0);
    assert_eq!(arm(&mut keeper), 1);
    keeper.want(8);
    assert_eq!(arm(&mut keeper), 7);
    assert_eq!(keeper.outstanding(), 8);
}

#[test]
fn what_is_wanted_is_outstanding_for_every_limit() {
    // min(AERL + 1, aers) with the default of 8, and the most.
    for wanted in [1, 4, 8, 16, 256] {
        let mut keeper = armed(wanted);
        for _ in 0..3 * wanted {
            assert_eq!(keeper.complete(SUCCESS), Outcome::Event);
            assert_eq!(keeper.missing(), 1, "re-armed at once");
            arm(&mut keeper);
        }
        assert_eq!(keeper.outstanding(), wanted);
    }
}

#[test]
fn a_held_keeper_submits_nothing_until_it_is_released() {
    let mut keeper = armed(3);
    keeper.hold();
    assert_eq!(keeper.complete(SUCCESS), Outcome::Event);
    assert_eq!(keeper.complete(TRANSIENT), Outcome::Failed);
    assert_eq!(keeper.missing(), 0);
    keeper.release();
    assert_eq!(keeper.missing(), 2);

    // Draining is final: neither ends it.
    keeper.drain();
    keeper.hold();
    keeper.release();
    assert_eq!(keeper.missing(), 0);
}

#[test]
fn a_keeper_has_stopped_when_it_gave_up_the_last_request() {
    let mut keeper = armed(2);
    assert_eq!(keeper.complete(REFUSED), Outcome::Failed);
    assert!(!keeper.is_stopped());
    assert_eq!(keeper.complete(REFUSED), Outcome::Stopped);
    assert!(keeper.is_stopped());
}

#[test]
fn wanting_less_takes_no_request_back() {
    let mut keeper = armed(8);
    keeper.want(2);
    assert_eq!(keeper.outstanding(), 8);
    assert_eq!(keeper.missing(), 0);
}

#[test]
fn wanting_more_is_in_vain_once_a_request_was_given_up() {
    for wanted in [1, 2, 4] {
        for hopeless in [REFUSED, LIMIT_EXCEEDED] {
            let mut keeper = armed(wanted);
            keeper.complete(hopeless);
            keeper.want(8);
            assert_eq!(keeper.missing(), 0, "{hopeless:?}");
            assert_eq!(keeper.outstanding(), wanted - 1, "{hopeless:?}");
        }
    }
}

#[test]
fn a_retried_request_does_not_keep_a_keeper_from_wanting_more() {
    let mut keeper = armed(1);
    assert_eq!(keeper.complete(TRANSIENT), Outcome::Failed);
    keeper.want(4);
    assert_eq!(arm(&mut keeper), 4);
}

#[test]
fn a_failed_request_is_retried_only_so_often_in_a_row() {
    let mut keeper = armed(1);
    for retry in 1..=RETRIES {
        assert_eq!(keeper.complete(TRANSIENT), Outcome::Failed, "{retry}");
        assert_eq!(arm(&mut keeper), 1, "{retry}");
    }
    assert_eq!(keeper.complete(TRANSIENT), Outcome::Stopped);
    assert_eq!(keeper.missing(), 0);
}

#[test]
fn an_event_between_failures_starts_the_count_again() {
    let mut keeper = armed(1);
    for _ in 0..10 {
        for _ in 0..RETRIES {
            assert_eq!(keeper.complete(TRANSIENT), Outcome::Failed);
            assert_eq!(arm(&mut keeper), 1);
        }
        assert_eq!(keeper.complete(SUCCESS), Outcome::Event);
        assert_eq!(arm(&mut keeper), 1);
    }
}

#[test]
fn errors_for_ever_end_in_one_stop_after_bounded_submissions() {
    for wanted in [1, 2, 8, 16, 256] {
        let mut keeper = AerKeeper::new();
        keeper.want(wanted);
        let mut submitted = arm(&mut keeper);
        let mut outcomes = Vec::new();
        while keeper.outstanding() > 0 {
            outcomes.push(keeper.complete(TRANSIENT));
            submitted += arm(&mut keeper);
            assert!(submitted <= wanted + RETRIES, "a storm of requests");
        }
        assert_eq!(submitted, wanted + RETRIES, "all retries are used");
        assert_eq!(outcomes.pop(), Some(Outcome::Stopped));
        assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Failed));
    }
}

#[test]
fn do_not_retry_is_obeyed() {
    let mut keeper = armed(3);
    for outstanding in [2, 1] {
        assert_eq!(keeper.complete(REFUSED), Outcome::Failed);
        assert_eq!(keeper.missing(), 0);
        assert_eq!(keeper.outstanding(), outstanding);
    }
    assert_eq!(keeper.complete(REFUSED), Outcome::Stopped);
    assert_eq!(keeper.missing(), 0);
}

#[test]
fn limit_exceeded_gives_up_just_that_request() {
    let mut keeper = armed(8);
    for outstanding in [7, 6, 5, 4, 3] {
        assert_eq!(keeper.complete(LIMIT_EXCEEDED), Outcome::Failed);
        assert_eq!(keeper.missing(), 0);
        assert_eq!(keeper.outstanding(), outstanding);
    }
    // The others go on, with all their retries.
    assert_eq!(keeper.complete(SUCCESS), Outcome::Event);
    assert_eq!(arm(&mut keeper), 1);
    assert_eq!(keeper.outstanding(), 3);
}

#[test]
fn requests_given_up_at_once_use_up_no_retries_of_the_others() {
    for hopeless in [LIMIT_EXCEEDED, REFUSED] {
        let mut keeper = armed(8);
        for _ in 0..=RETRIES {
            assert_eq!(keeper.complete(hopeless), Outcome::Failed);
        }
        for _ in 0..RETRIES {
            assert_eq!(keeper.complete(TRANSIENT), Outcome::Failed);
            assert_eq!(arm(&mut keeper), 1, "after {hopeless:?}");
        }
        assert_eq!(keeper.complete(TRANSIENT), Outcome::Failed);
        assert_eq!(keeper.missing(), 0, "after {hopeless:?}");
    }
}

#[test]
fn a_draining_keeper_submits_nothing_and_reports_no_failure() {
    let mut keeper = armed(4);
    keeper.drain();
    assert_eq!(keeper.missing(), 0);
    for status in [ABORTED, TRANSIENT, REFUSED] {
        assert_eq!(keeper.complete(status), Outcome::Drained);
        assert_eq!(keeper.missing(), 0);
    }
    // What the controller still had to say is not lost.
    assert_eq!(keeper.complete(SUCCESS), Outcome::Event);
    assert_eq!(keeper.missing(), 0);
    assert_eq!(keeper.outstanding(), 0);
    keeper.want(8);
    assert_eq!(keeper.missing(), 0);
}

#[test]
fn a_completion_too_many_does_not_count_below_nothing() {
    let mut keeper = AerKeeper::new();
    assert_eq!(keeper.complete(SUCCESS), Outcome::Event);
    assert_eq!(keeper.outstanding(), 0);
    assert_eq!(keeper.missing(), 1);
}
