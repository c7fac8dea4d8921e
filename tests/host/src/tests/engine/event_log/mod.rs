// SPDX-License-Identifier: GPL-2.0-only

//! The ring of records: examples.

mod model;

use crate::engine::{
    event_log::{BadPosition, Cursor, EventLog, Missing, NotAPowerOfTwo, Origin},
    filter::{Filter, Shown, EVENT_TYPES},
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
fn who_asks_where_it_stands_is_owed_the_same_loss() {
    let mut log = log(4);
    let start = log.end();
    post(&mut log, 10);
    // All six that are gone, and four that are hidden.
    let hides_all = Filter {
        controller: [Shown(0); EVENT_TYPES],
        lifecycle: Shown(0),
        ..Filter::ALL
    };
    let mut out = [Record::default(); 2];
    let batch = log.read(start, &hides_all, &mut out);
    assert_eq!(batch.count, 0);
    let owed = batch.after(0, &out);
    assert_eq!(log.seek(owed, Origin::Current, 0), Ok(owed));
    assert_eq!(log.seek(owed, Origin::Current, 8), Err(BadPosition));
    post(&mut log, 1);
    let mut cursor = log.seek(owed, Origin::Current, 0).unwrap();
    assert_eq!(take(&log, &mut cursor, 1), [seen(11, 6)]);
    // One that goes elsewhere begins anew, if only to come back.
    let back = log.seek(owed, Origin::Current, -16).unwrap();
    let mut back = log.seek(back, Origin::Current, 16).unwrap();
    assert_eq!(take(&log, &mut back, 1), [seen(11, 0)]);
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
