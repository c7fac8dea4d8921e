// SPDX-License-Identifier: GPL-2.0-only

//! The ring of records against a list that forgets nothing.

use proptest::{prelude::*, test_runner::TestCaseResult};

use crate::engine::{
    event_log::{BadPosition, Cursor, EventLog, Missing, NotAPowerOfTwo, Origin},
    filter::Filter,
    record::{Record, Sequence},
};

type Log = EventLog<Vec<Record>>;

const LOST_MAX: u64 = 4095;

fn log(entries: usize) -> Log {
    EventLog::new(vec![Record::default(); entries]).unwrap()
}

/// Something to recognise the `number`th event of a test by. Its loss count is
/// not zero: what a record says of a reader is the reader's, not the poster's.
fn event(number: u64) -> Record {
    Record {
        dw0: number as u32 ^ 0x5a5a_0000,
        dw1: (number >> 16) as u32,
        dw2: 0xdead_beef,
        dw3: 0xabcd_9123,
    }
}

/// What a reader that missed `lost` sees of it.
fn seen(number: u64, lost: u64) -> Record {
    Record {
        dw2: number as u32,
        dw3: 0xabcd_9000 | lost.min(LOST_MAX) as u32,
        ..event(number)
    }
}

fn post(log: &mut Log, count: u64) {
    for _ in 0..count {
        let number = log.next();
        assert_eq!(log.post(event(number.0)), number);
    }
}

/// Reads at most `length` records and takes them all.
fn take(log: &Log, cursor: &mut Cursor, length: usize) -> Vec<Record> {
    let mut out = vec![Record::default(); length];
    let batch = log.read(*cursor, &Filter::ALL, &mut out);
    *cursor = batch.after(batch.count, &out);
    out.truncate(batch.count);
    out
}

#[test]
fn a_ring_has_a_power_of_two_of_entries() {
    for entries in [0, 3, 5, 6, 7, 9, 1023, 1025] {
        let refused = EventLog::new(vec![Record::default(); entries]).err();
        assert_eq!(refused, Some(NotAPowerOfTwo), "{entries}");
    }
    for entries in [1, 2, 4, 64, 1024] {
        assert!(EventLog::new(vec![Record::default(); entries]).is_ok());
    }
}

#[test]
fn numbers_start_at_one_and_say_what_is_there() {
    let mut log = log(4);
    let mut cursor = log.end();
    assert!(!log.has_record(cursor));
    assert_eq!(take(&log, &mut cursor, 8), []);

    // Records posted, oldest, next, overwritten.
    for (posted, oldest, next, overwritten) in [
        (0, 1, 1, 0),
        (1, 1, 2, 0),
        (4, 1, 5, 0),
        (5, 2, 6, 1),
        (9, 6, 10, 5),
    ] {
        let more = posted + 1 - log.next().0;
        post(&mut log, more);
        assert_eq!(log.oldest(), Sequence(oldest), "{posted} posted");
        assert_eq!(log.next(), Sequence(next), "{posted} posted");
        assert_eq!(log.overwritten(), overwritten, "{posted} posted");
    }
}

#[test]
fn a_reader_gets_what_comes_after_it_opened() {
    let mut log = log(8);
    post(&mut log, 3);
    let mut cursor = log.end();
    assert!(!log.has_record(cursor));
    post(&mut log, 2);
    assert!(log.has_record(cursor));
    assert_eq!(take(&log, &mut cursor, 8), [seen(4, 0), seen(5, 0)]);
    assert!(!log.has_record(cursor));
    assert_eq!(take(&log, &mut cursor, 8), []);
}

#[test]
fn loss_is_told_once_by_the_record_after_it() {
    let mut log = log(4);
    let mut cursor = log.end();
    post(&mut log, 4);
    let mut slow = cursor;
    assert_eq!(
        take(&log, &mut slow, 1),
        [seen(1, 0)],
        "just not overwritten"
    );

    post(&mut log, 3);
    assert_eq!(take(&log, &mut cursor, 2), [seen(4, 3), seen(5, 0)]);
    assert_eq!(take(&log, &mut cursor, 2), [seen(6, 0), seen(7, 0)]);
    assert_eq!(take(&log, &mut slow, 9)[0], seen(4, 2));
}

#[test]
fn loss_saturates() {
    for (posted, lost) in [(4096, 4095), (4095, 4094), (4097, 4096), (70_000, 69_999)] {
        let mut log = log(1);
        let mut cursor = log.end();
        post(&mut log, posted);
        let read = take(&log, &mut cursor, 2);
        assert_eq!(read, [seen(posted, lost)]);
        assert_eq!(u64::from(read[0].dw3 & 0xfff), lost.min(LOST_MAX));
    }
}

#[test]
fn what_did_not_arrive_is_read_again() {
    let mut log = log(4);
    let start = log.end();
    post(&mut log, 6);
    let mut first = [Record::default(); 4];
    let mut again = first;
    let batch = log.read(start, &Filter::ALL, &mut first);
    assert_eq!(batch.count, 4);

    // Nothing arrived: the same again, and the same loss.
    assert_eq!(batch.after(0, &first), start);
    assert_eq!(
        log.read(batch.after(0, &first), &Filter::ALL, &mut again),
        batch
    );
    assert_eq!(again, first);
    assert_eq!(first[0], seen(3, 2));

    // A part arrived: the loss was told, the rest comes next.
    let mut cursor = batch.after(2, &first);
    assert_eq!(take(&log, &mut cursor, 4), [seen(5, 0), seen(6, 0)]);
    // More cannot have arrived than was read.
    assert_eq!(batch.after(5, &first), batch.after(4, &first));
    assert_eq!(batch.after(4, &first), log.end());
}

#[test]
fn a_failed_copy_does_not_hide_a_loss_that_grows() {
    let mut log = log(2);
    let start = log.end();
    post(&mut log, 3);
    let mut first = [Record::default(); 2];
    let batch = log.read(start, &Filter::ALL, &mut first);
    post(&mut log, 3);
    let mut cursor = batch.after(0, &first);
    assert_eq!(take(&log, &mut cursor, 1), [seen(5, 4)]);
}

#[test]
fn no_room_reads_nothing_and_loses_nothing() {
    let mut log = log(2);
    let mut cursor = log.end();
    post(&mut log, 5);
    assert_eq!(take(&log, &mut cursor, 0), []);
    assert_eq!(take(&log, &mut cursor, 1), [seen(4, 3)]);
}

#[test]
fn the_low_half_of_the_number_wraps_and_nothing_else_does() {
    let start = (1 << 32) - 3;
    let mut log = EventLog::starting_at(vec![Record::default(); 8], Sequence(start)).unwrap();
    let mut cursor = log.end();
    post(&mut log, 6);
    let numbers: Vec<u32> = take(&log, &mut cursor, 8)
        .iter()
        .map(|record| record.dw2)
        .collect();
    assert_eq!(numbers, [0xffff_fffd, 0xffff_fffe, 0xffff_ffff, 0, 1, 2]);
    assert_eq!(log.next(), Sequence((1 << 32) + 3));
    assert!(!log.has_record(cursor));

    // A loss across the wrap.
    post(&mut log, 20);
    assert_eq!(take(&log, &mut cursor, 1), [seen((1 << 32) + 15, 12)]);
}

#[test]
fn positions_are_numbers_times_sixteen_and_zero_is_none() {
    let mut log = log(4);
    assert_eq!(log.end().position(), 16);
    assert_eq!(log.at(Sequence(0)), Err(BadPosition));
    assert_eq!(log.at(Sequence(2)), Err(BadPosition));
    post(&mut log, 3);
    assert_eq!(log.end().position(), 64);
    assert_eq!(log.end().number(), Sequence(4));
    assert_eq!(log.at(Sequence(2)).unwrap().position(), 32);
    assert_eq!(log.at(Sequence(4)).unwrap(), log.end());
    assert_eq!(log.at(Sequence(5)), Err(BadPosition));
}

#[test]
fn the_table_of_seeks() {
    use Origin::{Current, End, Start};

    // Records 7 to 10 are kept, 11 comes next, the reader stands at 9.
    let mut log = log(4);
    post(&mut log, 10);
    let cursor = log.at(Sequence(9)).unwrap();
    let table = [
        (Start, 0, Some(7)),
        (Start, 16, Some(1)),
        (Start, 16 * 6, Some(6)),
        (Start, 16 * 11, Some(11)),
        (Start, 16 * 12, None),
        (Start, 8, None),
        (Start, -16, None),
        (Start, 1 << 62, None),
        (Start, i64::MAX, None),
        (Start, i64::MIN, None),
        (Current, 0, Some(9)),
        (Current, 32, Some(11)),
        (Current, 48, None),
        (Current, -16 * 8, Some(1)),
        (Current, -16 * 9, None),
        (Current, 1, None),
        (End, 0, Some(11)),
        (End, -16, Some(10)),
        (End, 16, None),
        (End, -16 * 11, None),
        (End, i64::MIN, None),
    ];
    for (origin, offset_bytes, number) in table {
        let sought = log.seek(cursor, origin, offset_bytes);
        let expected = number.map(|number| log.at(Sequence(number)).unwrap());
        assert_eq!(
            sought,
            expected.ok_or(BadPosition),
            "{origin:?} {offset_bytes}"
        );
    }
}

#[test]
fn a_seek_to_an_overwritten_record_tells_the_loss_and_one_to_the_oldest_does_not() {
    let mut log = log(4);
    post(&mut log, 10);
    let mut cursor = log.seek(log.end(), Origin::Start, 16 * 2).unwrap();
    assert_eq!(take(&log, &mut cursor, 1), [seen(7, 5)]);
    let mut cursor = log.seek(cursor, Origin::Start, 0).unwrap();
    assert_eq!(take(&log, &mut cursor, 1), [seen(7, 0)]);
}

#[test]
fn a_record_is_found_by_its_number_while_it_is_kept() {
    let mut log = log(4);
    assert_eq!(log.record(Sequence(1)), Err(Missing::NotPosted));
    post(&mut log, 6);
    for number in 0..9 {
        let expected = match number {
            1 | 2 => Err(Missing::Overwritten),
            3..=6 => Ok(seen(number, 0).dw2),
            _ => Err(Missing::NotPosted),
        };
        let found = log.record(Sequence(number)).map(|record| record.dw2);
        assert_eq!(found, expected, "{number}");
    }
    assert_eq!(log.record(Sequence(u64::MAX)), Err(Missing::NotPosted));
    assert_eq!(log.index(Sequence(6)), 2);
}

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
