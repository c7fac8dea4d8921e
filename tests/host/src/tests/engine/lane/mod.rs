// SPDX-License-Identifier: GPL-2.0-only

//! The lane of providers beside the ring of records: examples.

mod list;
mod model;

use crate::engine::{
    event_log::{Cursor, EventLog},
    filter::{Filter, Shown},
    lane::{Lane, Place, Posted, Stage, Taking, PROVIDERS_MAX},
    record::{Lifecycle, Payload, Record, Sequence, Source},
};

type Rings = (Lane<Vec<Record>>, EventLog<Vec<Record>>);

fn rings(entries: usize) -> Rings {
    (
        Lane::new(vec![Record::default(); entries]).unwrap(),
        EventLog::new(vec![Record::default(); entries]).unwrap(),
    )
}

fn said(number: u32) -> Record {
    Record::provider(number << 8, number, Payload::Absent)
}

fn start((lane, events): &Rings) -> Place {
    Place {
        cursor: events.end(),
        lane: lane.start(),
        filter: Filter::ALL,
    }
}

#[test]
fn a_lane_has_a_power_of_two_of_entries() {
    assert!(Lane::new(vec![Record::default(); 3]).is_err());
    assert!(Lane::new(vec![Record::default(); 4]).is_ok());
}

#[test]
fn records_of_providers_say_so() {
    let record = Record::provider(0x2a00, 7, Payload::Present);
    assert_eq!(record.source(), Some(Source::Provider));
    assert!(record.has_payload());
    assert!(!said(1).has_payload());
    assert!(record.controller_event().is_none());
}

#[test]
fn there_is_room_for_so_many_providers() {
    let (mut lane, _) = rings(4);
    let all: Vec<_> = (0..PROVIDERS_MAX)
        .map(|index| {
            let provider = lane.join().unwrap();
            assert_eq!(provider.index(), index);
            provider
        })
        .collect();
    assert_eq!(lane.join(), None);
    assert_eq!(lane.leave(all[3]), Stage::Empty);
    assert_eq!(lane.join(), Some(all[3]));
    assert_eq!(lane.join(), None);
    // Who has gone has nothing there.
    lane.leave(all[5]);
    lane.post(all[5], said(1));
    assert_eq!(lane.stage(all[5]), Stage::Empty);
    assert_eq!(lane.leave(all[5]), Stage::Empty);
}

#[test]
fn the_lane_comes_first() {
    let mut both = rings(8);
    let place = start(&both);
    let provider = both.0.join().unwrap();
    both.1.post(Record::lifecycle(Lifecycle::ResetStarted));
    both.0.post(provider, said(1));
    let mut out = [Record::default(); 4];
    let taking = Taking::read(&both.0, &both.1, &place, &mut out);
    assert_eq!((taking.count(), taking.more()), (2, false));
    assert_eq!(out[0].source(), Some(Source::Provider));
    assert_eq!(out[1].source(), Some(Source::Lifecycle));
    // What is full of the lane does not get to the other ring.
    let taking = Taking::read(&both.0, &both.1, &place, &mut out[..1]);
    assert_eq!((taking.count(), taking.more()), (1, true));
    let after = taking.after(place, 1, &out);
    assert_eq!(after.lane.number(), Sequence(2));
    assert_eq!(after.cursor, place.cursor);
    assert_eq!(taking.after(place, 0, &out), place);
}

#[test]
fn who_has_not_all_of_the_lane_has_not_passed_over_anything() {
    let mut both = rings(8);
    let mut place = start(&both);
    place.filter.lifecycle = Shown(0);
    for number in 1..=2 {
        let provider = both.0.join().unwrap();
        both.0.post(provider, said(number));
    }
    both.1.post(Record::lifecycle(Lifecycle::ResetStarted));
    let mut out = [Record::default(); 4];
    let taking = Taking::read(&both.0, &both.1, &place, &mut out);
    assert_eq!((taking.count(), taking.more()), (2, false));
    assert_eq!(taking.after(place, 1, &out).cursor, place.cursor);
    assert_eq!(taking.after(place, 2, &out).cursor, both.1.end());
}

#[test]
fn it_does_so_while_there_is_more_of_it_than_is_looked_at() {
    let mut both = rings(512);
    let mut place = start(&both);
    place.filter.provider = Shown(!(1 << 1));
    let provider = both.0.join().unwrap();
    both.1.post(Record::lifecycle(Lifecycle::ResetStarted));
    for _ in 0..300 {
        both.0.post(provider, said(1));
    }
    both.0.post(provider, said(2));
    let mut out = [Record::default(); 4];
    let taking = Taking::read(&both.0, &both.1, &place, &mut out);
    assert_eq!((taking.count(), taking.more()), (0, true));
    place = taking.after(place, 0, &out);
    let taking = Taking::read(&both.0, &both.1, &place, &mut out);
    assert_eq!((taking.count(), taking.more()), (2, false));
    assert_eq!(out[0].dw1, 2);
    assert_eq!(out[1].source(), Some(Source::Lifecycle));
}

#[test]
fn a_place_can_be_in_one_ring_only() {
    let mut both = rings(8);
    let provider = both.0.join().unwrap();
    both.1.post(Record::lifecycle(Lifecycle::ResetStarted));
    both.0.post(provider, said(1));
    let mut out = [Record::default(); 4];
    let mut place = start(&both);
    place.cursor = Cursor::NOWHERE;
    let taking = Taking::read(&both.0, &both.1, &place, &mut out);
    assert_eq!((taking.count(), taking.more()), (1, false));
    assert!(!both.1.has_record(Cursor::NOWHERE));
    place.cursor = both.1.at(Sequence(1)).unwrap();
    place.lane = Cursor::NOWHERE;
    let taking = Taking::read(&both.0, &both.1, &place, &mut out);
    assert_eq!((taking.count(), taking.more()), (1, false));
    assert_eq!(out[0].source(), Some(Source::Lifecycle));
}

#[test]
fn who_is_overwritten_unread_is_told_to_stage_again() {
    let (mut lane, _) = rings(2);
    let (slow, quick) = (lane.join().unwrap(), lane.join().unwrap());
    let none = |number| Posted {
        number: Sequence(number),
        overwritten: None,
    };
    assert_eq!(lane.post(slow, said(1)), none(1));
    for number in 2..4 {
        let posted = lane.post(quick, said(10));
        assert_eq!(posted.number, Sequence(number));
        assert_eq!(posted.overwritten, (number == 3).then_some(slow));
        let staged = Record {
            dw2: number as u32,
            ..said(10)
        };
        assert_eq!(lane.delivered(&staged), Some(quick));
        assert_eq!(lane.stage(quick), Stage::Delivered(Sequence(number)));
        lane.unstage(quick);
    }
    assert_eq!(lane.stage(slow), Stage::Empty);
    // A fresh reader does not look for it where it was.
    assert_eq!(lane.start(), lane.log().end());
    assert_eq!(lane.post(slow, said(1)).number, Sequence(4));
    assert_eq!(lane.stage(slow), Stage::Staged(Sequence(4)));
    assert_eq!(lane.start(), lane.log().at(Sequence(4)).unwrap());
}

#[test]
fn records_of_others_are_not_delivered_for_a_provider() {
    let (mut lane, _) = rings(4);
    let provider = lane.join().unwrap();
    lane.post(provider, said(1));
    let mut other = Record::lifecycle(Lifecycle::ResetStarted);
    other.dw2 = 1;
    assert_eq!(lane.delivered(&other), None);
    assert_eq!(lane.stage(provider), Stage::Staged(Sequence(1)));
}
