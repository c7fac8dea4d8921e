// SPDX-License-Identifier: GPL-2.0-only

//! Abort commands outstanding.

use crate::{
    engine::aborts::{Aborts, Target, ABORTS_MAX},
    spec::command::{CommandId, QueueId},
};

fn target(command: u16) -> Target {
    Target {
        queue: QueueId(1),
        command: CommandId(command),
    }
}

#[test]
fn no_more_than_the_controller_and_the_driver_allow() {
    for (acl, allowed) in [
        (0, 1),
        (1, 2),
        (2, 3),
        (3, 4),
        (4, ABORTS_MAX),
        (255, ABORTS_MAX),
    ] {
        let mut aborts = Aborts::new();
        aborts.set_limit(acl);
        let claimed = (0..16)
            .map_while(|command| aborts.claim(target(command)))
            .count();
        assert_eq!(claimed, allowed, "ACL {acl}");
    }
    let mut aborts = Aborts::new();
    assert!(aborts.claim(target(0)).is_some());
    assert!(aborts.claim(target(1)).is_none(), "before ACL is known");
}

#[test]
fn room_comes_back_when_the_target_was_seen_to() {
    let mut aborts = Aborts::new();
    let slot = aborts.claim(target(7)).unwrap();
    assert_eq!(aborts.take_over(), None);
    aborts.answered(slot);
    assert!(
        aborts.claim(target(8)).is_none(),
        "its target is still kept"
    );
    assert_eq!(aborts.take_over(), Some(target(7)));
    assert_eq!(aborts.take_over(), None);
    let slot = aborts.claim(target(8)).unwrap();

    aborts.release(slot);
    aborts.answered(slot);
    assert_eq!(aborts.take_over(), None, "it was not sent");
    let slot = aborts.claim(target(9)).unwrap();
    aborts.clear();
    aborts.answered(slot);
    assert_eq!(aborts.take_over(), None, "the controller was disabled");
    assert!(aborts.claim(target(10)).is_some());
}
