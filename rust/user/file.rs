// SPDX-License-Identifier: GPL-2.0-only

//! An open `/dev/nvmeN`: a reader of the controller's event stream, alone or
//! with others.

use kernel::{
    fs::File,
    iov::IovIterDest,
    new_spinlock_irq,
    prelude::*,
    sync::{poll::PollTable, Arc, SpinLockIrq}, //
};

use crate::{
    control::{
        handle::Handle,
        reader::Reader,
        stream::{EventStream, NoRecord},
    },
    engine::{
        claim::{Claimed, ReaderId},
        event_log::{Cursor, Origin},
        filter::Filter,
        lane::Place,
        record::{Record, RECORD_BYTES},
    },
    glue::{
        fasync::AsyncFiles,
        file_operations::{
            Blocking, FileOperations, Ioctl, Issued, OpenMode, Operations, Own, Readiness,
            RingOperations, Stream, Whence,
        },
        uapi,
        uring::{Cancellation, Issue, Poller},
    },
};

use super::{
    events, ioctl, multishot,
    position::{lane_offset, record_at, LANE_POSITION},
    ring,
};

/// How many records are copied at a time.
const BATCH: usize = 16;

/// An open file. One that is open for reading is a [`Reader`], its own or one
/// that it shares with others.
#[pin_data(PinnedDrop)]
pub(crate) struct EventFile {
    handle: Arc<Handle>,
    #[pin]
    reader: SpinLockIrq<Option<Arc<Reader>>>,
}

impl FileOperations for EventFile {
    type Node = Handle;
    const OPERATIONS: Operations<Self> = Operations::stream().by_ring().subscribable();

    fn open(handle: Arc<Handle>, mode: OpenMode) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            let reader = match mode {
                OpenMode::ReadOnly | OpenMode::Writable => {
                    let reader = Reader::new(handle.stream().clone())?;
                    reader.join();
                    Some(reader)
                }
                OpenMode::WriteOnly => None,
            };
            Ok(try_pin_init!(Self {
                handle,
                reader <- new_spinlock_irq!(reader, "nvme_rs::EventFile::reader"),
            }? Error))
        })
    }

    fn ioctl(self: Pin<&Self>, own: Own<'_, Self>, call: Ioctl) -> Result<isize> {
        match events::run(&self, &own, call) {
            Some(answer) => answer,
            None => ioctl::run(&self.handle, call),
        }
    }
}

impl RingOperations for EventFile {
    fn issue(self: Pin<&Self>, issue: Issue, mode: OpenMode) -> Result<Issued> {
        if issue.operation() == uapi::URING_CMD_EVENTS {
            return multishot::subscribe(&self, issue);
        }
        ring::on_controller(&self.handle, issue, mode)
    }

    fn cancel(self: Pin<&Self>, cancellation: Cancellation) {
        ring::cancel(&self.handle, cancellation);
    }

    fn poll_commands(self: Pin<&Self>, poller: &Poller) -> usize {
        ring::poll(&self.handle, poller)
    }
}

impl Stream for EventFile {
    fn read(
        self: Pin<&Self>,
        position: i64,
        to: &mut IovIterDest<'_>,
        blocking: Blocking,
    ) -> Result<usize> {
        if to.len() < RECORD_BYTES {
            return Err(EINVAL);
        }
        match position {
            // No record is there; io_uring says -1 where it means the same.
            0 | -1 => self.read_on(to, blocking),
            position => self.read_at(position, to, blocking),
        }
    }

    fn seek(self: Pin<&Self>, whence: Whence, offset_bytes: i64) -> Result<i64> {
        let origin = match whence {
            Whence::Set => Origin::Start,
            Whence::Current => Origin::Current,
            Whence::End => Origin::End,
        };
        let reader = self.reader()?;
        let mut turn = reader.take(Blocking::Allowed)?;
        let stood = turn.get();
        let (place, position) = match lane_offset(origin, offset_bytes) {
            Some(offset_bytes) => {
                let lane = self.stream().seek_in_lane(stood.lane, origin, offset_bytes);
                let lane = lane.map_err(|_| EINVAL)?;
                (Place { lane, ..stood }, lane.position() | LANE_POSITION)
            }
            None => {
                let cursor = self.stream().seek(stood.cursor, origin, offset_bytes);
                let cursor = cursor.map_err(|_| EINVAL)?;
                (Place { cursor, ..stood }, cursor.position())
            }
        };
        turn.set(place);
        drop(turn);
        // Whoever only asks wakes nobody.
        if place != stood {
            self.moved();
        }
        Ok(position)
    }

    fn async_files(&self) -> &AsyncFiles {
        self.stream().async_files()
    }

    fn poll(self: Pin<&Self>, file: &File, table: &PollTable<'_>) -> Readiness {
        table.register_wait(file, self.stream().changed());
        let Ok(reader) = self.reader() else {
            // One that is open for writing only has nothing to read, ever.
            return match self.stream().is_ended() {
                true => Readiness::Gone,
                false => Readiness::Nothing,
            };
        };
        let glance = self.stream().glance(|| self.reader_id(), reader.peek());
        match (glance.has_record, glance.ended) {
            _ if glance.claimed => Readiness::Refused,
            (false, false) => Readiness::Nothing,
            (true, false) => Readiness::Readable,
            (false, true) => Readiness::Gone,
            (true, true) => Readiness::ReadableThenGone,
        }
    }
}

impl EventFile {
    pub(super) fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    pub(super) fn stream(&self) -> &EventStream {
        self.handle.stream()
    }

    /// The reader that this file is at this moment.
    ///
    /// # Errors
    ///
    /// EBADF if it is open for writing only.
    pub(super) fn reader(&self) -> Result<Arc<Reader>> {
        self.reader.lock().clone().ok_or(EBADF)
    }

    /// The same, to be told from others.
    pub(super) fn reader_id(&self) -> Option<ReaderId> {
        self.reader.lock().as_ref().map(|reader| reader.id())
    }

    /// Whether it is still that one.
    pub(super) fn is(&self, reader: &Arc<Reader>) -> bool {
        let current = self.reader.lock();
        current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, reader))
    }

    /// Makes this file a reader of its own, where it stands.
    ///
    /// # Errors
    ///
    /// EBADF, ERESTARTSYS, ENOMEM.
    pub(super) fn part(&self) -> Result {
        let reader = self.reader()?;
        // Whoever reads has moved the place, or starts again.
        let turn = reader.take(Blocking::Allowed)?;
        self.become_part_of(reader.part(turn.get())?);
        Ok(())
    }

    /// Makes this file part of another reader. Reads that wait go on there.
    pub(super) fn become_part_of(&self, reader: Arc<Reader>) {
        reader.join();
        let mut old = None;
        self.stream().release(|| {
            old = self.reader.lock().replace(reader);
            old.as_ref()?.leave()
        });
        // Memory is given back outside of the locks.
        drop(old);
        self.moved();
    }

    /// Changes where the reader stands or what it sees.
    ///
    /// # Errors
    ///
    /// EBADF, ERESTARTSYS, those of `change`.
    pub(super) fn change(&self, change: impl FnOnce(Place) -> Result<Place>) -> Result {
        let reader = self.reader()?;
        let mut turn = reader.take(Blocking::Allowed)?;
        turn.set(change(turn.get())?);
        drop(turn);
        self.moved();
        Ok(())
    }

    /// Those who wait for a record of this file look at its new place.
    fn moved(&self) {
        self.stream().notify();
    }

    /// Reads at the cursor and moves it.
    fn read_on(&self, to: &mut IovIterDest<'_>, blocking: Blocking) -> Result<usize> {
        loop {
            let reader = self.reader()?;
            let mut turn = reader.take(blocking)?;
            if !self.is(&reader) {
                continue;
            }
            let (length_bytes, after) = self.copy_records(turn.get(), to)?;
            turn.set(after);
            drop(turn);
            if length_bytes > 0 {
                return Ok(length_bytes);
            }
            // It may have become another one when there is something to read.
            drop(reader);
            self.wait(blocking, None)?;
        }
    }

    /// Reads at a position and moves nothing.
    fn read_at(
        &self,
        position: i64,
        to: &mut IovIterDest<'_>,
        blocking: Blocking,
    ) -> Result<usize> {
        // As if the reader stood there, and after all else in the other ring.
        let mut place = self.place_at(position)?;
        loop {
            place.filter = self.reader()?.peek().filter;
            let (length_bytes, after) = self.copy_records(place, to)?;
            if length_bytes > 0 {
                return Ok(length_bytes);
            }
            place = after;
            self.wait(blocking, Some(place))?;
        }
    }

    /// # Errors
    ///
    /// EINVAL if no record is or comes next there.
    fn place_at(&self, position: i64) -> Result<Place> {
        let stream = self.stream();
        let in_lane = position & LANE_POSITION != 0;
        let number = record_at(position & !LANE_POSITION)?;
        Ok(if in_lane {
            Place {
                cursor: Cursor::NOWHERE,
                lane: stream.at_in_lane(number).map_err(|_| EINVAL)?,
                filter: Filter::ALL,
            }
        } else {
            Place {
                cursor: stream.at(number).map_err(|_| EINVAL)?,
                lane: Cursor::NOWHERE,
                filter: Filter::ALL,
            }
        })
    }

    /// Copies as many whole records as fit and are there. Returns how many
    /// bytes that were, and the place after those that arrived and those that
    /// are hidden.
    ///
    /// # Errors
    ///
    /// EFAULT if not even one record could be copied; EBUSY if another reader
    /// has the stream to itself.
    fn copy_records(&self, mut place: Place, to: &mut IovIterDest<'_>) -> Result<(usize, Place)> {
        let mut records = [Record::default(); BATCH];
        let mut copied_bytes = 0;
        loop {
            let room = (to.len() / RECORD_BYTES).min(BATCH);
            if room == 0 {
                return Ok((copied_bytes, place));
            }
            let space = records.get_mut(..room).ok_or(EINVAL)?;
            let taking = match self.stream().read_for(|| self.reader_id(), &place, space) {
                Ok(taking) => taking,
                // What was copied was so before the claim.
                Err(Claimed) if copied_bytes > 0 => return Ok((copied_bytes, place)),
                Err(Claimed) => return Err(EBUSY),
            };
            let arrived = space
                .iter()
                .take(taking.count())
                .take_while(|record| to.copy_to_iter(&record.to_bytes()) == RECORD_BYTES)
                .count();
            place = taking.after(place, arrived, space);
            copied_bytes += arrived * RECORD_BYTES;
            self.stream().delivered(space.get(..arrived).unwrap_or(&[]));
            if arrived < taking.count() && copied_bytes == 0 {
                return Err(EFAULT);
            }
            if arrived < taking.count() || !taking.more() {
                return Ok((copied_bytes, place));
            }
        }
    }

    /// Waits until there is a record, hidden or not, at `place`, or where the
    /// file stands.
    fn wait(&self, blocking: Blocking, place: Option<Place>) -> Result {
        let place = || {
            let reader = self.reader.lock();
            reader
                .as_ref()
                .map(|reader| (reader.id(), place.unwrap_or_else(|| reader.peek())))
        };
        if blocking == Blocking::Refused {
            let (_, place) = place().ok_or(EBADF)?;
            let everything = Place {
                filter: Filter::ALL,
                ..place
            };
            let glance = self.stream().glance(|| self.reader_id(), everything);
            return match (glance.has_record, glance.ended) {
                _ if glance.claimed => Err(EBUSY),
                (true, _) => Ok(()),
                (false, true) => Err(ENODEV),
                (false, false) => Err(EAGAIN),
            };
        }
        self.stream().wait(place).map_err(|reason| match reason {
            NoRecord::Interrupted => ERESTARTSYS,
            NoRecord::Ended => ENODEV,
            NoRecord::Claimed => EBUSY,
            NoRecord::NoReader => EBADF,
        })
    }
}

#[pinned_drop]
impl PinnedDrop for EventFile {
    fn drop(self: Pin<&mut Self>) {
        self.stream()
            .release(|| self.reader.lock().as_ref()?.leave());
    }
}
