// SPDX-License-Identifier: GPL-2.0-only

use proptest::prelude::*;

use crate::engine::doorbell::{ring, Ring};

#[test]
fn a_controller_is_told_when_it_asked_for_that() {
    // It has seen everything up to 5, and looks again when told.
    assert_eq!(ring(5, 5, 6), Ring::Needed);
    assert_eq!(ring(5, 5, 9), Ring::Needed);
    // It was told of 6 and is still at it.
    assert_eq!(ring(5, 6, 7), Ring::NotNeeded);
    // It looks by itself until 20.
    assert_eq!(ring(20, 6, 7), Ring::NotNeeded);
    assert_eq!(ring(20, 20, 21), Ring::Needed);
}

#[test]
fn a_queue_may_wrap() {
    assert_eq!(ring(1022, 1022, 1), Ring::Needed);
    assert_eq!(ring(1023, 1022, 1), Ring::Needed);
    assert_eq!(ring(0, 0xffff, 1), Ring::Needed);
}

proptest! {
    /// Whoever sleeps at the value it has seen is woken by the next one.
    #[test]
    fn nobody_oversleeps(length in 2_u16.., seen: u16, more: u16) {
        let seen = seen % length;
        let new = (u32::from(seen) + 1 + u32::from(more) % (u32::from(length) - 1)) % u32::from(length);
        prop_assert_eq!(ring(seen, seen, new as u16), Ring::Needed);
    }
}
