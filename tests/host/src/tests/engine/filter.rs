// SPDX-License-Identifier: GPL-2.0-only

//! Filters, alone and in the hands of readers, against a list of all records.

use proptest::{prelude::*, test_runner::TestCaseResult};

use crate::engine::{
    event_log::{Cursor, EventLog},
    filter::{Filter, Shown, EVENT_TYPES},
    record::{Record, Sequence},
};

const NOTHING: Filter = Filter {
    controller: [Shown(0); EVENT_TYPES],
    lifecycle: Shown(0),
    command_effect: Shown(0),
    provider: Shown(0),
};

fn record(source: u32, event_type: u32, information: u32) -> Record {
    Record {
        dw0: event_type | (information << 8) | 0x0200_0000,
        dw1: 0,
        dw2: 0,
        dw3: source << 12,
    }
}

#[test]
fn all_of_it_shows_everything_and_none_of_it_nothing() {
    for source in 0..4 {
        for event_type in 0..8 {
            for information in 0..256 {
                let record = record(source, event_type, information);
                assert!(Filter::ALL.shows(&record));
                assert!(!NOTHING.shows(&record));
            }
        }
    }
}

#[test]
fn sources_which_do_not_exist_yet_are_shown() {
    for source in 4..8 {
        assert!(NOTHING.shows(&record(source, 1, 1)));
    }
}

#[test]
fn each_map_is_for_what_it_says() {
    for bit in 0..32 {
        for event_type in 0..8 {
            let mut filter = NOTHING;
            filter.controller[event_type as usize] = Shown(1 << bit);
            for source in 0..4 {
                for other_type in 0..8 {
                    for information in [0, 1, 2, 7, 29, 30, 31, 32, 100, 255] {
                        let shown = source == 0
                            && other_type == event_type
                            && (information == bit || (bit == 31 && information > 31));
                        let record = record(source, other_type, information);
                        assert_eq!(filter.shows(&record), shown, "{record:?} {filter:?}");
                    }
                }
            }
        }
        // The type of these is not looked at.
        for (source, filter) in [
            (
                1,
                Filter {
                    lifecycle: Shown(1 << bit),
                    ..NOTHING
                },
            ),
            (
                2,
                Filter {
                    command_effect: Shown(1 << bit),
                    ..NOTHING
                },
            ),
            (
                3,
                Filter {
                    provider: Shown(1 << bit),
                    ..NOTHING
                },
            ),
        ] {
            for information in 0..256 {
                let shown = information == bit || (bit == 31 && information > 31);
                assert_eq!(
                    filter.shows(&record(source, information % 8, information)),
                    shown
                );
                assert!(!filter.shows(&record((source + 1) % 4, 0, information)));
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// So many records of this kind.
    Post(u32, u32, usize),
    /// Reads so many; as many of them arrive.
    Read(usize, usize),
    /// Shows what is in these bits from now on.
    Filter(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_u32, 0..40_u32, 0..6_usize)
            .prop_map(|(source, information, count)| Step::Post(source, information, count)),
        1 => (0..4_u32, 0..40_u32, 200..700_usize)
            .prop_map(|(source, information, count)| Step::Post(source, information, count)),
        6 => (0..10_usize, 0..10_usize).prop_map(|(length, taken)| Step::Read(length, taken)),
        2 => any::<u32>().prop_map(Step::Filter),
    ]
}

fn by_bits(bits: u32) -> Filter {
    Filter {
        controller: [Shown(bits); EVENT_TYPES],
        lifecycle: Shown(bits.rotate_left(7)),
        command_effect: Shown(bits.rotate_left(13)),
        provider: Shown(!bits),
    }
}

/// What a reader that looks at one record after the other sees.
struct Model {
    /// All records, from number 1 on.
    posted: Vec<Record>,
    next: u64,
    lost: u64,
}

impl Model {
    fn oldest(&self, entries: usize) -> u64 {
        (self.posted.len().saturating_sub(entries)) as u64 + 1
    }

    /// The next record, if there is one, and where the reader stands after it.
    fn read(
        &self,
        entries: usize,
        filter: &Filter,
        from: (u64, u64),
    ) -> (Option<Record>, (u64, u64)) {
        let (mut next, mut lost) = from;
        let oldest = self.oldest(entries);
        if next < oldest {
            lost += oldest - next;
            next = oldest;
        }
        while let Some(record) = self.posted.get(next as usize - 1) {
            next += 1;
            if filter.shows(record) {
                let lost = lost.min(4095) as u32;
                let seen = Record {
                    dw2: next as u32 - 1,
                    dw3: record.dw3 | lost,
                    ..*record
                };
                return (Some(seen), (next, 0));
            }
        }
        (None, (next, lost))
    }
}

fn a_reader_sees_what_the_model_sees(entries: usize, steps: Vec<Step>) -> TestCaseResult {
    let mut log = EventLog::new(vec![Record::default(); entries]).unwrap();
    let mut cursor: Cursor = log.end();
    let mut filter = Filter::ALL;
    let mut model = Model {
        posted: Vec::new(),
        next: 1,
        lost: 0,
    };
    for step in steps {
        match step {
            Step::Post(source, information, count) => {
                for _ in 0..count {
                    let record = record(source, information % 8, information);
                    log.post(record);
                    model.posted.push(record);
                }
            }
            Step::Filter(bits) => filter = by_bits(bits),
            Step::Read(length, taken) => {
                let mut out = vec![Record::default(); length];
                let mut got = Vec::new();
                // As the file does: until the buffer is full or all was seen.
                let mut at = (model.next, model.lost);
                let before = cursor;
                loop {
                    let room = length - got.len();
                    if room == 0 {
                        break;
                    }
                    let batch = log.read(cursor, &filter, &mut out[..room]);
                    let arrives = taken.saturating_sub(got.len()).min(batch.count);
                    got.extend_from_slice(&out[..arrives]);
                    cursor = batch.after(arrives, &out);
                    if arrives < batch.count && got.is_empty() {
                        // EFAULT: the file stays where it was.
                        cursor = before;
                    }
                    if arrives < batch.count || !batch.more {
                        break;
                    }
                }
                for record in &got {
                    let (seen, after) = model.read(entries, &filter, at);
                    prop_assert_eq!(seen, Some(*record));
                    at = after;
                }
                // What was passed over since was hidden.
                while at.0 < cursor.number().0 {
                    let oldest = model.oldest(entries);
                    if at.0 < oldest {
                        at = (oldest, at.1 + oldest - at.0);
                    } else {
                        prop_assert!(!filter.shows(&model.posted[at.0 as usize - 1]));
                        at.0 += 1;
                    }
                }
                prop_assert_eq!(at.0, cursor.number().0);
                (model.next, model.lost) = at;
            }
        }
        let (visible, _) = model.read(entries, &filter, (model.next, model.lost));
        prop_assert_eq!(poll(&log, cursor, &filter), visible.is_some());
    }
    Ok(())
}

/// As poll() looks.
fn poll(log: &EventLog<Vec<Record>>, mut cursor: Cursor, filter: &Filter) -> bool {
    let mut out = [Record::default()];
    loop {
        let batch = log.read(cursor, filter, &mut out);
        if batch.count > 0 || !batch.more {
            return batch.count > 0;
        }
        cursor = batch.after(0, &out);
    }
}

#[test]
fn a_loss_is_told_with_the_next_record_that_is_shown() {
    let mut log = EventLog::new(vec![Record::default(); 4]).unwrap();
    let mut cursor = log.end();
    let mut out = [Record::default(); 4];
    for _ in 0..9 {
        log.post(record(1, 0, 1));
    }
    // All that is left is hidden: the loss is remembered.
    let filter = Filter {
        lifecycle: Shown(0),
        ..Filter::ALL
    };
    let batch = log.read(cursor, &filter, &mut out);
    assert_eq!((batch.count, batch.more), (0, false));
    cursor = batch.after(0, &out);
    assert_eq!(cursor.number(), Sequence(10));
    log.post(record(1, 0, 1));
    log.post(record(0, 1, 1));
    let batch = log.read(cursor, &filter, &mut out);
    assert_eq!(batch.count, 1);
    assert_eq!((out[0].dw2, out[0].dw3 & 0xfff), (11, 5));
}

proptest! {
    #[test]
    fn readers_see_what_their_filter_shows(
        entries_log2 in 0_u32..=9,
        steps in prop::collection::vec(step(), 0..60),
    ) {
        a_reader_sees_what_the_model_sees(1 << entries_log2, steps)?;
    }
}
