// SPDX-License-Identifier: GPL-2.0-only

//! An open `/dev/nvmeN`: a reader of the controller's event stream.

use kernel::{
    fs::File,
    iov::IovIterDest,
    prelude::*,
    sync::{poll::PollTable, Arc}, //
};

use crate::{
    control::{
        handle::Handle,
        stream::{EventStream, NoRecord},
        turn::Turn,
    },
    engine::{
        event_log::{Cursor, Origin},
        record::{Record, Sequence, RECORD_BYTES},
    },
    glue::{
        fasync::AsyncFiles,
        file_operations::{
            Blocking, FileOperations, Ioctl, Issued, OpenMode, Operations, Readiness,
            RingOperations, Stream, Whence,
        },
        uring::{Issue, Poller},
    },
};

use super::{ioctl, ring};

/// How many records are copied at a time.
const BATCH: usize = 16;

/// A reader, with a cursor of its own.
///
/// Whoever reads has the cursor's turn from looking for records until the
/// cursor is moved past those copied, so that threads that share a file get
/// each record once. Nobody has it while waiting for an event.
#[pin_data]
pub(crate) struct EventFile {
    handle: Arc<Handle>,
    #[pin]
    cursor: Turn<Cursor>,
}

impl FileOperations for EventFile {
    type Node = Handle;
    const OPERATIONS: Operations<Self> = Operations::stream().by_ring();

    fn open(handle: Arc<Handle>) -> impl PinInit<Self, Error> {
        let cursor = handle.stream().open();
        try_pin_init!(Self {
            handle,
            cursor <- Turn::new(cursor),
        }? Error)
    }

    fn ioctl(self: Pin<&Self>, call: Ioctl) -> Result<isize> {
        ioctl::run(&self, call)
    }
}

impl RingOperations for EventFile {
    fn issue(self: Pin<&Self>, issue: Issue, mode: OpenMode) -> Result<Issued> {
        ring::on_controller(&self.handle, issue, mode)
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
            position => self.read_at(record_at(position)?, to, blocking),
        }
    }

    fn seek(self: Pin<&Self>, whence: Whence, offset_bytes: i64) -> Result<i64> {
        let origin = match whence {
            Whence::Set => Origin::Start,
            Whence::Current => Origin::Current,
            Whence::End => Origin::End,
        };
        let mut turn = self.cursor.take(Blocking::Allowed)?;
        let cursor = self
            .stream()
            .seek(turn.get(), origin, offset_bytes)
            .map_err(|_| EINVAL)?;
        turn.set(cursor);
        drop(turn);
        self.moved();
        Ok(cursor.position())
    }

    fn async_files(&self) -> &AsyncFiles {
        self.stream().async_files()
    }

    fn poll(self: Pin<&Self>, file: &File, table: &PollTable<'_>) -> Readiness {
        table.register_wait(file, self.stream().changed());
        let glance = self.stream().glance(self.cursor.peek());
        match (glance.has_record, glance.ended) {
            (false, false) => Readiness::Nothing,
            (true, false) => Readiness::Readable,
            (false, true) => Readiness::Gone,
            (true, true) => Readiness::ReadableThenGone,
        }
    }
}

impl EventFile {
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(super) fn stream(&self) -> &EventStream {
        self.handle.stream()
    }

    /// The number of the record that is read next.
    pub(super) fn cursor(&self) -> Cursor {
        self.cursor.peek()
    }

    /// Goes to record `number`.
    ///
    /// # Errors
    ///
    /// EINVAL beyond the next record; ERESTARTSYS.
    pub(super) fn go_to(&self, number: Sequence) -> Result {
        let mut turn = self.cursor.take(Blocking::Allowed)?;
        turn.set(self.stream().at(number).map_err(|_| EINVAL)?);
        drop(turn);
        self.moved();
        Ok(())
    }

    /// Those who wait for a record of this file look at its new place.
    fn moved(&self) {
        self.stream().changed().notify_all();
    }

    /// Reads at the cursor and moves it.
    fn read_on(&self, to: &mut IovIterDest<'_>, blocking: Blocking) -> Result<usize> {
        loop {
            let mut turn = self.cursor.take(blocking)?;
            let (length_bytes, after) = self.copy_records(turn.get(), to)?;
            turn.set(after);
            drop(turn);
            if length_bytes > 0 {
                return Ok(length_bytes);
            }
            self.wait(blocking, || self.cursor.peek())?;
        }
    }

    /// Reads from record `number` on and moves nothing.
    fn read_at(
        &self,
        number: Sequence,
        to: &mut IovIterDest<'_>,
        blocking: Blocking,
    ) -> Result<usize> {
        let cursor = self.stream().at(number).map_err(|_| EINVAL)?;
        loop {
            let (length_bytes, _) = self.copy_records(cursor, to)?;
            if length_bytes > 0 {
                return Ok(length_bytes);
            }
            self.wait(blocking, || cursor)?;
        }
    }

    /// Copies as many whole records as fit and are there. Returns how many
    /// bytes that were, and the cursor after those that arrived.
    ///
    /// # Errors
    ///
    /// EFAULT if not even one record could be copied.
    fn copy_records(
        &self,
        mut cursor: Cursor,
        to: &mut IovIterDest<'_>,
    ) -> Result<(usize, Cursor)> {
        let mut records = [Record::default(); BATCH];
        let mut copied_bytes = 0;
        loop {
            let room = (to.len() / RECORD_BYTES).min(BATCH);
            let space = records.get_mut(..room).ok_or(EINVAL)?;
            let batch = self.stream().read(cursor, space);
            let arrived = space
                .iter()
                .take(batch.count)
                .take_while(|record| to.copy_to_iter(&record.to_bytes()) == RECORD_BYTES)
                .count();
            cursor = batch.after(arrived);
            copied_bytes += arrived * RECORD_BYTES;
            if arrived < batch.count && copied_bytes == 0 {
                return Err(EFAULT);
            }
            if arrived < batch.count || batch.count == 0 {
                return Ok((copied_bytes, cursor));
            }
        }
    }

    /// Waits until there is a record at what `cursor` says.
    fn wait(&self, blocking: Blocking, cursor: impl Fn() -> Cursor) -> Result {
        if blocking == Blocking::Refused {
            let glance = self.stream().glance(cursor());
            return match (glance.has_record, glance.ended) {
                (true, _) => Ok(()),
                (false, true) => Err(ENODEV),
                (false, false) => Err(EAGAIN),
            };
        }
        self.stream().wait(cursor).map_err(|reason| match reason {
            NoRecord::Interrupted => ERESTARTSYS,
            NoRecord::Ended => ENODEV,
        })
    }
}

/// The record at a file position.
///
/// # Errors
///
/// EINVAL between records.
fn record_at(position: i64) -> Result<Sequence> {
    let position = u64::try_from(position).map_err(|_| EINVAL)?;
    if position % RECORD_BYTES as u64 != 0 {
        return Err(EINVAL);
    }
    Ok(Sequence(position / RECORD_BYTES as u64))
}
