// SPDX-License-Identifier: GPL-2.0-only

//! How long a controller that pauses is left alone, and one that says so only.

use proptest::prelude::*;

use crate::engine::{
    pause::{PauseWatch, CATCH_UP_NS},
    storm::Moment,
};

const SECOND: u64 = 1_000_000_000;
const LIMIT: u64 = 30 * SECOND;

/// Whether the controller is left alone at each of these times, in seconds, at
/// which it says so or not.
fn left_alone(looks: &[(u64, bool)]) -> Vec<bool> {
    let mut watch = PauseWatch::new();
    looks
        .iter()
        .map(|&(at_s, paused)| watch.look(paused, LIMIT, Moment(at_s * SECOND)))
        .collect()
}

#[test]
fn a_controller_that_does_not_pause_is_not_left_alone() {
    assert_eq!(left_alone(&[(0, false), (1, false)]), [false, false]);
}

#[test]
fn it_is_while_it_pauses_and_some_time_after() {
    let looks = [
        (10, true),
        (40, true),
        (41, false),
        (45, false),
        (46, false),
        (47, false),
    ];
    let expected = [true, true, true, true, false, false];
    assert_eq!(left_alone(&looks), expected);
}

#[test]
fn a_pause_counts_up_to_its_limit() {
    let looks = [(0, true), (30, true), (31, true), (32, false)];
    assert_eq!(left_alone(&looks), [true, true, false, false]);
}

#[test]
fn the_next_pause_counts_after_as_long_a_time() {
    // The first one is over at 6.
    let looks = [
        (0, true),
        (6, false),
        (7, true),
        (35, true),
        (36, true),
        (37, true),
    ];
    let expected = [true, false, false, false, true, true];
    assert_eq!(left_alone(&looks), expected);
}

proptest! {
    /// Whatever it says, it is left alone for no longer than the limit and what
    /// follows, and not again before it was not for as long as the limit.
    #[test]
    fn no_controller_is_left_alone_for_ever(
        looks in prop::collection::vec((any::<bool>(), 0_u64..8 * SECOND), 0..400),
        limit_ns in 0_u64..40 * SECOND,
    ) {
        let mut watch = PauseWatch::new();
        let mut now_ns = 0;
        let mut since_ns = None;
        let mut end_ns = None;
        for (paused, step_ns) in looks {
            now_ns += step_ns;
            let alone = watch.look(paused, limit_ns, Moment(now_ns));
            match (since_ns, alone) {
                (None, true) => {
                    prop_assert!(paused);
                    prop_assert!(end_ns.is_none_or(|end_ns| now_ns - end_ns >= limit_ns));
                    since_ns = Some(now_ns);
                }
                (Some(began_ns), true) => {
                    prop_assert!(now_ns - began_ns <= limit_ns + CATCH_UP_NS);
                }
                (Some(_), false) => {
                    since_ns = None;
                    end_ns = Some(now_ns);
                }
                (None, false) => {}
            }
        }
    }
}
