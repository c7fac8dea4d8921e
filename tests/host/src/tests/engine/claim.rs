// SPDX-License-Identifier: GPL-2.0-only

use proptest::prelude::*;

use crate::engine::claim::{Claim, Claimed, ReaderId, Standing};

#[derive(Clone, Copy, Debug)]
enum Step {
    Take(u64),
    Release(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4_u64).prop_map(Step::Take),
        (0..4_u64).prop_map(Step::Release),
    ]
}

#[test]
fn a_stream_is_free_at_first() {
    let claim = Claim::default();
    assert_eq!(claim.check(ReaderId(1)), Ok(()));
    assert_eq!(claim.standing(ReaderId(1)), Standing::Free);
}

proptest! {
    /// The model is a variable with the holder in it.
    #[test]
    fn one_reader_at_most_has_it(steps in prop::collection::vec(step(), 0..50)) {
        let mut claim = Claim::default();
        let mut holder = None;
        for step in steps {
            match step {
                Step::Take(reader) => {
                    let free = holder.is_none_or(|holder| holder == reader);
                    prop_assert_eq!(
                        claim.take(ReaderId(reader)),
                        if free { Ok(()) } else { Err(Claimed) }
                    );
                    if free {
                        holder = Some(reader);
                    }
                }
                Step::Release(reader) => {
                    let held = holder == Some(reader);
                    prop_assert_eq!(claim.release(ReaderId(reader)), held);
                    if held {
                        holder = None;
                    }
                }
            }
            for reader in 0..4 {
                let standing = match holder {
                    None => Standing::Free,
                    Some(holder) if holder == reader => Standing::Holder,
                    Some(_) => Standing::Shut,
                };
                prop_assert_eq!(claim.standing(ReaderId(reader)), standing);
                prop_assert_eq!(
                    claim.check(ReaderId(reader)).is_ok(),
                    standing != Standing::Shut
                );
            }
        }
    }
}
