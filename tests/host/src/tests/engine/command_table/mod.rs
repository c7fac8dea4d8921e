// SPDX-License-Identifier: GPL-2.0-only

//! The table of outstanding commands: examples, for every size.

mod model;

use crate::{
    engine::command_table::{Claim, CommandTable, Slot, TableFull, UnknownCommand, SLOTS_MAX},
    spec::command::CommandId,
};

/// Runs `$check::<N>()` for every size worth a look: the smallest,
/// one that is no power of two, what the driver uses, the largest.
macro_rules! for_every_size {
    ($check:ident) => {{
        $check::<1>();
        $check::<2>();
        $check::<31>();
        $check::<64>();
        $check::<4096>();
    }};
}

type Table<T> = CommandTable<Vec<Slot<T>>>;

fn table<T, const N: usize>(reserved: usize) -> Table<T> {
    let slots = std::iter::repeat_with(Slot::default).take(N).collect();
    CommandTable::new(slots, reserved).unwrap()
}

fn filled<const N: usize>() -> (Table<usize>, Vec<CommandId>) {
    let mut table = table::<_, N>(0);
    let ids = (0..N)
        .map(|command| table.insert(Claim::Ordinary, || command).unwrap())
        .collect();
    (table, ids)
}

#[test]
fn a_table_holds_n_commands_and_no_more() {
    fn check<const N: usize>() {
        let (mut table, ids) = filled::<N>();
        assert_eq!(table.insert(Claim::Ordinary, || N), Err(TableFull));
        assert_eq!(table.insert(Claim::Reserved, || N), Err(TableFull));
        for (command, id) in ids.iter().enumerate() {
            assert_eq!(table.remove(*id), Ok(command), "{N} slots");
        }
        // All slots are free again, not only some.
        for command in 0..N {
            assert!(
                table.insert(Claim::Ordinary, || command).is_ok(),
                "{N} slots"
            );
        }
    }
    for_every_size!(check);
}

#[test]
fn there_is_no_table_without_slots_nor_with_more_than_ids_can_tell_apart() {
    for slots in [0, SLOTS_MAX + 1] {
        let slots: Vec<Slot<u32>> = std::iter::repeat_with(Slot::default).take(slots).collect();
        assert!(CommandTable::new(slots, 0).is_none());
    }
    assert_eq!(usize::from(table::<u32, SLOTS_MAX>(0).len()), SLOTS_MAX);
}

#[test]
fn an_id_is_good_for_one_completion() {
    fn check<const N: usize>() {
        let (mut table, ids) = filled::<N>();
        for (command, id) in ids.iter().enumerate() {
            assert_eq!(table.remove(*id), Ok(command), "{N} slots");
            assert_eq!(table.remove(*id), Err(UnknownCommand), "{N} slots");
            assert_eq!(table.get_mut(*id), Err(UnknownCommand), "{N} slots");
        }
    }
    for_every_size!(check);
}

#[test]
fn an_id_of_an_earlier_use_of_the_slot_is_recognised() {
    fn check<const N: usize>() {
        let mut table = table::<u32, N>(0);
        // What the slot number leaves over counts the uses; one of them may be
        // skipped.
        let generations = (1_u32 << 16) / (N as u32).next_power_of_two() - 1;
        let stale = table.insert(Claim::Ordinary, || 0).unwrap();
        assert_eq!(table.remove(stale), Ok(0));
        for command in 1..generations {
            let id = table.insert(Claim::Ordinary, || command).unwrap();
            assert_ne!(id, stale, "{N} slots, use {command}");
            assert_eq!(table.remove(stale), Err(UnknownCommand));
            assert_eq!(table.get_mut(stale), Err(UnknownCommand));
            assert_eq!(table.remove(id), Ok(command), "still there, unchanged");
        }
    }
    for_every_size!(check);
}

#[test]
fn the_id_that_means_no_command_is_never_given_out() {
    fn check<const N: usize>() {
        let (mut table, mut ids) = filled::<N>();
        // The last slot alone, through all its generations and on.
        let mut last = *ids.last().unwrap();
        for _ in 0..2 * (1 << 16) / N.next_power_of_two() {
            assert_ne!(last, CommandId(u16::MAX), "{N} slots");
            table.remove(last).unwrap();
            last = table.insert(Claim::Ordinary, || 0).unwrap();
        }
        // And its neighbours are as they were.
        ids.pop();
        for (command, id) in ids.iter().enumerate() {
            assert_eq!(table.remove(*id), Ok(command), "{N} slots");
        }
    }
    for_every_size!(check);
}

#[test]
fn the_slot_used_last_is_used_next() {
    let (mut table, ids) = filled::<31>();
    table.remove(ids[7]).unwrap();
    table.remove(ids[20]).unwrap();
    let slots = [20, 7].map(|slot| (slot, table.insert(Claim::Ordinary, || 0).unwrap()));
    for (slot, id) in slots {
        assert_eq!(id.0 & 0x1f, slot);
    }
}

#[test]
fn ordinary_claims_leave_the_reserved_slots_alone() {
    fn check<const N: usize>() {
        for reserved in [0, 1, N / 2, N - 1, N, N + 1] {
            let mut table = table::<usize, N>(reserved);
            for command in 0..N.saturating_sub(reserved) {
                assert!(table.insert(Claim::Ordinary, || command).is_ok());
            }
            assert_eq!(table.insert(Claim::Ordinary, || 0), Err(TableFull));
            for command in 0..reserved.min(N) {
                assert!(table.insert(Claim::Reserved, || command).is_ok());
            }
            assert_eq!(table.insert(Claim::Reserved, || 0), Err(TableFull));
        }
    }
    for_every_size!(check);
}

#[test]
fn get_mut_hands_a_command_over() {
    let mut table = table::<_, 4>(0);
    let id = table.insert(Claim::Ordinary, || "waiter").unwrap();
    assert_eq!(
        table
            .get_mut(id)
            .map(|owner| std::mem::replace(owner, "nobody")),
        Ok("waiter")
    );
    assert_eq!(table.remove(id), Ok("nobody"));
}

#[test]
fn a_part_is_taken_with_the_slot_or_not_at_all() {
    fn check<const N: usize>() {
        let (mut table, ids) = filled::<N>();
        for (command, id) in ids.iter().enumerate() {
            assert_eq!(table.take_part(*id, |_| None::<usize>), None);
            assert_eq!(table.take_part(*id, |part| Some(*part)), Some(command));
            assert_eq!(table.take_part(*id, |part| Some(*part)), None, "{N} slots");
            assert_eq!(table.outstanding(), N - command - 1);
        }
        for command in 0..N {
            assert!(table.insert(Claim::Ordinary, || command).is_ok());
        }
    }
    for_every_size!(check);
}

#[test]
fn what_cannot_be_inserted_is_not_made() {
    let (mut table, _) = filled::<2>();
    let full = table.insert(Claim::Reserved, || unreachable!());
    assert_eq!(full, Err(TableFull));
}

#[test]
fn for_each_reaches_every_owner_and_no_free_slot() {
    fn check<const N: usize>() {
        let (mut table, ids) = filled::<N>();
        let (freed, kept) = ids.split_at(N / 2);
        for id in freed {
            table.remove(*id).unwrap();
        }
        let mut visited = Vec::new();
        table.for_each_mut(|id, command| {
            assert_eq!(id, ids[*command]);
            visited.push(*command);
            *command += N;
        });
        visited.sort_unstable();
        assert!(visited.into_iter().eq(N / 2..N), "{N} slots");
        for (command, id) in (N / 2..N).zip(kept) {
            assert_eq!(table.remove(*id), Ok(command + N), "{N} slots");
        }
        table.for_each_mut(|_, _| panic!("an empty table has no owners"));
    }
    for_every_size!(check);
}
