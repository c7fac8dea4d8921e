// SPDX-License-Identifier: GPL-2.0-only

//! Every step in every state.

use crate::engine::lifecycle::{Impossible, State, Step};

#[test]
fn the_table_of_states_and_steps() {
    use {State::*, Step::*};

    // Reset, Started, Failed, Lost, Delete.
    let table = [
        (New, [None, Some(Live), Some(Dead), None, Some(Deleting)]),
        (
            Live,
            [Some(Resetting), None, None, Some(Dead), Some(Deleting)],
        ),
        (
            Resetting,
            [None, Some(Live), Some(Dead), None, Some(Deleting)],
        ),
        (Dead, [Some(Resetting), None, None, None, Some(Deleting)]),
        (Deleting, [None, None, None, None, None]),
    ];
    for (state, after) in table {
        for (step, expected) in [Reset, Started, Failed, Lost, Delete]
            .into_iter()
            .zip(after)
        {
            assert_eq!(
                state.after(step),
                expected.ok_or(Impossible),
                "{state:?} {step:?}"
            );
        }
    }
}

#[test]
fn states_have_the_in_tree_drivers_names() {
    let states = [
        State::New,
        State::Live,
        State::Resetting,
        State::Dead,
        State::Deleting,
    ];
    let names = ["new", "live", "resetting", "dead", "deleting"];
    assert_eq!(states.map(State::name), names);
}

#[test]
fn a_state_is_known_by_its_number() {
    for state in [
        State::New,
        State::Live,
        State::Resetting,
        State::Dead,
        State::Deleting,
    ] {
        assert_eq!(State::from_number(state as u32), state);
    }
}
