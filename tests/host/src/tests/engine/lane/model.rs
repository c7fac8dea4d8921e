// SPDX-License-Identifier: GPL-2.0-only

//! Both rings of a stream, its providers and its readers, against lists that
//! forget nothing.

use proptest::{prelude::*, test_runner::TestCaseResult};

use crate::engine::{
    claim::{Claim, Claimed, ReaderId},
    filter::{Filter, Shown},
    lane::{Place, ProviderId, Stage, Taking, PROVIDERS_MAX},
    record::{Lifecycle, Record, Sequence},
};

use super::{
    list::{At, List},
    rings, said, start, Rings,
};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The driver says something with this information, so often.
    Event(u32, usize),
    Join,
    Leave(usize),
    /// A provider's task runs.
    Run(usize),
    /// A reader reads so many; as many of them arrive.
    Read {
        reader: usize,
        length: usize,
        arrive: usize,
    },
    /// A reader shows what has these values of the information.
    Filter(usize, u32),
    /// A reader joins another.
    Share(usize, usize),
    /// A file is opened again.
    Open(usize),
    /// A reader claims the stream, or gives its claim up.
    Claim(usize),
    Release(usize),
}

const READERS: usize = 3;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_u32, 0..12_usize).prop_map(|(what, count)| Step::Event(what, count)),
        2 => Just(Step::Join),
        1 => (0..4_usize).prop_map(Step::Leave),
        12 => (0..4_usize).prop_map(Step::Run),
        8 => (0..READERS, 0..6_usize, 0..6_usize)
            .prop_map(|(reader, length, arrive)| Step::Read { reader, length, arrive }),
        2 => (0..READERS, any::<u32>()).prop_map(|(reader, bits)| Step::Filter(reader, bits)),
        1 => (0..READERS, 0..READERS).prop_map(|(reader, other)| Step::Share(reader, other)),
        1 => (0..READERS).prop_map(Step::Open),
        1 => (0..READERS).prop_map(Step::Claim),
        2 => (0..READERS).prop_map(Step::Release),
    ]
}

/// A provider, as its author sees it.
#[derive(Clone, Copy, Debug)]
struct Author {
    id: ProviderId,
    /// The event that it gave and has not got back, and whether somebody has
    /// it.
    given: Option<(u32, bool)>,
    /// Its number in the ring.
    number: u64,
}

#[derive(Clone, Copy)]
struct Reader {
    place: Place,
    lane: At,
    events: At,
    id: ReaderId,
}

struct World {
    rings: Rings,
    claim: Claim,
    holder: Option<ReaderId>,
    lane: List,
    events: List,
    authors: Vec<Author>,
    readers: Vec<Reader>,
    /// Each group of files is one reader: which one each file is.
    files: [usize; READERS],
    next_event: u32,
    acknowledged: u32,
    gone: u32,
}

impl World {
    fn new(entries: usize) -> Self {
        let rings = rings(entries);
        let list = || List {
            all: Vec::new(),
            entries,
        };
        let place = start(&rings);
        Self {
            rings,
            claim: Claim::default(),
            holder: None,
            readers: (0..READERS)
                .map(|reader| Reader {
                    place,
                    lane: list().end(),
                    events: list().end(),
                    id: ReaderId(reader as u64),
                })
                .collect(),
            lane: list(),
            events: list(),
            authors: Vec::new(),
            files: core::array::from_fn(|file| file),
            next_event: 0,
            acknowledged: 0,
            gone: 0,
        }
    }

    /// What `control::provider::Provider::run` does.
    fn run(&mut self, index: usize) -> TestCaseResult {
        let Some(author) = self.authors.get_mut(index) else {
            return Ok(());
        };
        match self.rings.0.stage(author.id) {
            Stage::Staged(number) => {
                prop_assert!(number.0 >= self.lane.oldest());
                prop_assert!(matches!(author.given, Some((_, false))));
                return Ok(());
            }
            Stage::Delivered(_) => {
                let (_, delivered) = author.given.take().unwrap();
                prop_assert!(delivered, "acknowledged before a reader had it");
                self.acknowledged += 1;
                self.rings.0.unstage(author.id);
            }
            Stage::Empty => {
                // None of its events, or an overwritten one.
                let overwritten = author.number < self.lane.oldest();
                prop_assert!(author.given.is_none_or(|(_, had)| !had && overwritten));
            }
        }
        // The same event until it is acknowledged.
        let (event, _) = *author.given.get_or_insert_with(|| {
            self.next_event += 1;
            (self.next_event, false)
        });
        let oldest = self.lane.oldest();
        let record = said(event);
        let posted = self.rings.0.post(author.id, record);
        self.lane.post(record);
        author.number = self.lane.all.len() as u64;
        prop_assert_eq!(posted.number.0, author.number);
        let lost = |other: &&Author| {
            other.number == oldest
                && oldest < self.lane.oldest()
                && matches!(other.given, Some((_, false)))
        };
        let expected = self.authors.iter().find(lost).map(|other| other.id);
        prop_assert_eq!(posted.overwritten, expected);
        Ok(())
    }

    fn leave(&mut self, index: usize) -> TestCaseResult {
        if index >= self.authors.len() {
            return Ok(());
        }
        let author = self.authors.remove(index);
        let stage = self.rings.0.leave(author.id);
        match author.given {
            Some((_, true)) => {
                prop_assert_eq!(stage, Stage::Delivered(Sequence(author.number)));
                self.acknowledged += 1;
            }
            Some((_, false)) => {
                prop_assert!(!matches!(stage, Stage::Delivered(_)));
                self.gone += 1;
            }
            None => prop_assert_eq!(stage, Stage::Empty),
        }
        Ok(())
    }

    /// As `user::file` reads.
    fn read(&mut self, file: usize, length: usize, arrive: usize) -> TestCaseResult {
        let reader = &mut self.readers[self.files[file]];
        let allowed = self.holder.is_none_or(|holder| holder == reader.id);
        prop_assert_eq!(
            self.claim.check(reader.id),
            if allowed { Ok(()) } else { Err(Claimed) }
        );
        if !allowed {
            return Ok(());
        }
        let mut out = vec![Record::default(); length];
        let taking = Taking::read(&self.rings.0, &self.rings.1, &reader.place, &mut out);
        let arrived = arrive.min(taking.count());
        let filter = reader.place.filter;
        let (mut lane, mut events) = (reader.lane, reader.events);
        let mut of_providers = 0;
        for (index, record) in out.iter().take(taking.count()).enumerate() {
            let (of_lane, lane_after) = self.lane.next(&filter, lane);
            let (of_events, events_after) = self.events.next(&filter, events);
            prop_assert_eq!(Some(*record), of_lane.or(of_events));
            // What is hidden in the lane is behind whoever got further.
            lane = lane_after;
            if of_lane.is_some() {
                of_providers += 1;
            } else {
                events = events_after;
            }
            if index >= arrived {
                continue;
            }
            (reader.lane, reader.events) = (lane, events);
            let whose = self.authors.iter_mut().find(|author| {
                of_lane.is_some()
                    && u64::from(record.dw2) == author.number
                    && matches!(author.given, Some((_, false)))
            });
            prop_assert_eq!(
                self.rings.0.delivered(record),
                whose.as_ref().map(|author| author.id)
            );
            // The same record again, for another reader: nobody's.
            prop_assert_eq!(self.rings.0.delivered(record), None);
            if let Some(author) = whose {
                author.given = author.given.map(|(event, _)| (event, true));
            }
        }
        if arrived == 0 && taking.count() > 0 {
            // EFAULT: the file stays where it is.
            return Ok(());
        }
        reader.place = taking.after(reader.place, arrived, &out);
        // With room left, all that is hidden was looked at.
        if arrived >= of_providers && of_providers < length {
            reader.lane = self.lane.next(&filter, reader.lane).1;
        }
        if arrived == taking.count() && arrived < length {
            let (left, events) = self.events.next(&filter, reader.events);
            prop_assert_eq!(left, None);
            reader.events = events;
        }
        Ok(())
    }

    /// As a fresh file: before what no reader has, after all else.
    fn open(&mut self, file: usize) -> TestCaseResult {
        let reader = self.readers.len();
        let unread = self.authors.iter().filter(|author| {
            matches!(author.given, Some((_, false))) && author.number >= self.lane.oldest()
        });
        let next = unread.map(|author| author.number).min();
        let place = start(&self.rings);
        let lane = At {
            next: next.unwrap_or(self.lane.end().next),
            lost: 0,
        };
        prop_assert_eq!(place.lane.number(), Sequence(lane.next));
        self.close(file);
        self.files[file] = reader;
        self.readers.push(Reader {
            place,
            lane,
            events: self.events.end(),
            id: ReaderId(reader as u64),
        });
        Ok(())
    }

    /// A claim ends with the last file of its reader.
    fn close(&mut self, file: usize) {
        let reader = self.files[file];
        if self.files.iter().filter(|&&other| other == reader).count() == 1 {
            self.release(reader);
        }
    }

    fn release(&mut self, reader: usize) {
        let id = self.readers[reader].id;
        self.claim.release(id);
        self.holder = self.holder.filter(|&holder| holder != id);
    }

    fn step(&mut self, step: Step) -> TestCaseResult {
        match step {
            Step::Event(information, count) => {
                for _ in 0..count {
                    let record = Record {
                        dw0: information << 8,
                        ..Record::lifecycle(Lifecycle::AerResumed)
                    };
                    self.rings.1.post(record);
                    self.events.post(record);
                }
            }
            Step::Join => match self.rings.0.join() {
                Some(id) => self.authors.push(Author {
                    id,
                    given: None,
                    number: 0,
                }),
                None => prop_assert_eq!(self.authors.len(), PROVIDERS_MAX),
            },
            Step::Leave(index) => self.leave(index)?,
            Step::Run(index) => self.run(index)?,
            Step::Read {
                reader,
                length,
                arrive,
            } => self.read(reader, length, arrive)?,
            Step::Filter(file, bits) => {
                self.readers[self.files[file]].place.filter = Filter {
                    provider: Shown(bits),
                    lifecycle: Shown(bits.rotate_left(16)),
                    ..Filter::ALL
                };
            }
            Step::Share(file, other) => {
                if self.files[file] != self.files[other] {
                    self.close(file);
                }
                self.files[file] = self.files[other];
            }
            Step::Open(file) => self.open(file)?,
            Step::Claim(file) => {
                let id = self.readers[self.files[file]].id;
                let free = self.holder.is_none_or(|holder| holder == id);
                prop_assert_eq!(self.claim.take(id).is_ok(), free);
                self.holder = self.holder.or(Some(id));
            }
            Step::Release(file) => self.release(self.files[file]),
        }
        let given = self.authors.iter().filter(|author| author.given.is_some());
        prop_assert_eq!(
            self.next_event,
            self.acknowledged + self.gone + given.count() as u32
        );
        for reader in self.files.map(|reader| &self.readers[reader]) {
            self.looks_as_the_model(reader)?;
        }
        Ok(())
    }

    /// poll() and the next read find what the model has.
    fn looks_as_the_model(&self, reader: &Reader) -> TestCaseResult {
        let mut out = [Record::default()];
        let filter = reader.place.filter;
        let (of_lane, _) = self.lane.next(&filter, reader.lane);
        let (of_events, _) = self.events.next(&filter, reader.events);
        let taking = Taking::read(&self.rings.0, &self.rings.1, &reader.place, &mut out);
        let found = out.into_iter().take(taking.count()).next();
        prop_assert_eq!(found, of_lane.or(of_events));
        Ok(())
    }
}

proptest! {
    #[test]
    fn readers_and_providers_see_what_the_model_says(
        entries_log2 in 0_u32..=4,
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let mut world = World::new(1 << entries_log2);
        for step in steps {
            world.step(step)?;
        }
    }
}
