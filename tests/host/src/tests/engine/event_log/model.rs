// SPDX-License-Identifier: GPL-2.0-only

//! The ring of records against a list that forgets nothing.

use proptest::{prelude::*, test_runner::TestCaseResult};

use crate::engine::{
    event_log::{BadPosition, Cursor, EventLog, Origin},
    filter::Filter,
    record::{Record, Sequence},
};

use super::{event, log, post, seen, take, Log};

/// How much of what it read a reader takes.
#[derive(Clone, Copy, Debug)]
enum Taken {
    All,
    /// The copy failed after as many records.
    Only(usize),
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Post(u64),
    /// Another reader opens.
    Open,
    /// A reader starts again after the newest record.
    Skip(prop::sample::Index),
    Read(prop::sample::Index, usize, Taken),
    /// A reader seeks, by this many records and bytes.
    Seek(prop::sample::Index, Origin, i64, i64),
    /// A reader closes.
    Close(prop::sample::Index),
}

const READERS_MAX: usize = 32;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let reader = any::<prop::sample::Index>;
    let taken = prop_oneof![
        3 => Just(Taken::All),
        1 => (0_usize..6).prop_map(Taken::Only),
    ];
    let step = prop_oneof![
        12 => (0_u64..8).prop_map(Step::Post),
        4 => (0_u64..200).prop_map(Step::Post),
        1 => (4000_u64..5000).prop_map(Step::Post),
        6 => Just(Step::Open),
        2 => reader().prop_map(Step::Skip),
        30 => (reader(), 0_usize..70, taken)
            .prop_map(|(reader, length, taken)| Step::Read(reader, length, taken)),
        8 => (
            reader(),
            prop_oneof![Just(Origin::Start), Just(Origin::Current), Just(Origin::End)],
            -80_i64..400,
            prop_oneof![9 => Just(0_i64), 1 => -15_i64..16],
        )
            .prop_map(|(reader, origin, records, bytes)| {
                Step::Seek(reader, origin, records, bytes)
            }),
        1 => reader().prop_map(Step::Close),
    ];
    prop::collection::vec(step, 0..150)
}

struct Reader {
    cursor: Cursor,
    /// Number of the event it is owed next.
    owed: u64,
}

struct Pair {
    log: Log,
    entries: u64,
    /// Number of the first event, and how many were posted.
    first: u64,
    posted: u64,
    readers: Vec<Reader>,
}

impl Pair {
    fn next(&self) -> u64 {
        self.first + self.posted
    }

    fn oldest(&self) -> u64 {
        self.first + self.posted.saturating_sub(self.entries)
    }

    fn run(&mut self, step: Step) -> TestCaseResult {
        let at_end = Reader {
            cursor: self.log.end(),
            owed: self.next(),
        };
        match step {
            Step::Post(count) => {
                for _ in 0..count {
                    let number = self.next();
                    prop_assert_eq!(self.log.post(event(number)), Sequence(number));
                    self.posted += 1;
                }
            }
            Step::Open if self.readers.len() < READERS_MAX => self.readers.push(at_end),
            Step::Skip(reader) if !self.readers.is_empty() => {
                *reader.get_mut(&mut self.readers) = at_end;
            }
            Step::Close(reader) if !self.readers.is_empty() => {
                self.readers.swap_remove(reader.index(self.readers.len()));
            }
            Step::Read(reader, length, taken) if !self.readers.is_empty() => {
                self.read(reader.index(self.readers.len()), length, taken)?;
            }
            Step::Seek(reader, origin, records, bytes) if !self.readers.is_empty() => {
                let reader = reader.index(self.readers.len());
                self.seek(reader, origin, records, bytes)?;
            }
            Step::Open | Step::Skip(_) | Step::Close(_) | Step::Read(..) | Step::Seek(..) => {}
        }
        prop_assert_eq!(self.log.next(), Sequence(self.next()));
        for reader in &self.readers {
            prop_assert_eq!(
                self.log.has_record(reader.cursor),
                reader.owed < self.next()
            );
        }
        Ok(())
    }

    fn seek(&mut self, reader: usize, origin: Origin, records: i64, bytes: i64) -> TestCaseResult {
        let owed = self.readers[reader].owed as i64;
        let oldest = self.oldest() as i64;
        let next = self.next() as i64;
        let wanted = match origin {
            Origin::Start if records == 0 => oldest,
            Origin::Start => records,
            Origin::Current => owed + records,
            Origin::End => next + records,
        };
        // A log made to start late has no records before that to go to.
        if self.first > 1 && (wanted < self.first as i64 || wanted == oldest) {
            return Ok(());
        }
        let cursor = self.readers[reader].cursor;
        let sought = self.log.seek(cursor, origin, records * 16 + bytes);
        if bytes % 16 == 0 && (1..=next).contains(&wanted) {
            prop_assert_eq!(sought.map(Cursor::position), Ok(wanted * 16));
            self.readers[reader] = Reader {
                cursor: sought.unwrap(),
                owed: wanted as u64,
            };
        } else {
            prop_assert_eq!(sought, Err(BadPosition));
        }
        Ok(())
    }

    fn read(&mut self, reader: usize, length: usize, taken: Taken) -> TestCaseResult {
        let start = self.readers[reader].owed.max(self.oldest());
        let lost = start - self.readers[reader].owed;
        let expected: Vec<Record> = (start..self.next())
            .take(length)
            .map(|number| seen(number, if number == start { lost } else { 0 }))
            .collect();

        // What lies behind the records read is left as it is.
        let untouched = event(u64::MAX);
        let mut out = vec![untouched; length];
        let reader = &mut self.readers[reader];
        let batch = self.log.read(reader.cursor, &Filter::ALL, &mut out);
        prop_assert_eq!(&out[..batch.count], expected);
        prop_assert!(out[batch.count..].iter().all(|record| *record == untouched));

        let taken = match taken {
            Taken::All => batch.count,
            Taken::Only(count) => count.min(batch.count),
        };
        reader.cursor = batch.after(taken, &out);
        if taken > 0 {
            reader.owed = start + taken as u64;
        }
        Ok(())
    }

    /// Every reader reads to the end and has then had or missed every record.
    fn finish(&mut self) -> TestCaseResult {
        for reader in 0..self.readers.len() {
            self.read(reader, self.entries as usize, Taken::All)?;
            prop_assert_eq!(self.readers[reader].owed, self.next());
            prop_assert_eq!(self.readers[reader].cursor, self.log.end());
        }
        Ok(())
    }
}

/// Each reader adds up by itself what it got and what it was told it lost,
/// knowing nothing of the ring.
fn received_and_lost_add_up(entries: usize, bursts: Vec<(u64, usize)>) -> TestCaseResult {
    let mut log = log(entries);
    let mut cursor = log.end();
    let mut accounted = 0_u64;
    let mut last_number = 0_u32;
    let mut read = |log: &Log, length| {
        let records = take(log, &mut cursor, length);
        for record in &records {
            let lost = record.dw3 & 0xfff;
            // Below saturation a gap in the numbers equals the loss.
            assert_eq!(record.dw2, last_number + lost + 1);
            last_number = record.dw2;
            accounted += u64::from(lost) + 1;
        }
        accounted
    };
    for (posted, length) in bursts {
        post(&mut log, posted);
        read(&log, length);
    }
    prop_assert_eq!(read(&log, entries), log.next().since(Sequence::FIRST));
    Ok(())
}

proptest! {
    #[test]
    fn every_reader_gets_every_record_once_in_order_or_a_count(
        entries_log2 in 0_u32..=6,
        steps in steps(),
        first in prop_oneof![
            4 => Just(1_u64),
            1 => (1_u64 << 32) - 300..(1_u64 << 32) + 2,
        ],
    ) {
        let entries = 1_usize << entries_log2;
        let storage = vec![Record::default(); entries];
        let mut pair = Pair {
            log: EventLog::starting_at(storage, Sequence(first)).unwrap(),
            entries: entries as u64,
            first,
            posted: 0,
            readers: Vec::new(),
        };
        for step in steps {
            pair.run(step)?;
        }
        pair.finish()?;
    }

    #[test]
    fn what_was_received_and_what_was_lost_add_up(
        entries_log2 in 0_u32..=6,
        bursts in prop::collection::vec((0_u64..100, 0_usize..70), 0..40),
    ) {
        received_and_lost_add_up(1 << entries_log2, bursts)?;
    }
}
