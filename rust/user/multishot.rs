// SPDX-License-Identifier: GPL-2.0-only

//! Events by io_uring: NVME_URING_CMD_EVENTS of `<linux/nvme_event.h>`.

use core::mem::size_of;

use kernel::{
    prelude::*,
    uaccess::UserSliceWriter, //
};

use crate::{
    control::stream::NoPage,
    engine::{
        lane::Place,
        record::{Record, Source, RECORD_BYTES},
    },
    glue::{
        file_operations::{Blocking, Issued},
        subscription::{Answers, Delivery, Subscribable, Subscription},
        uapi,
        uring::Issue,
    },
};

use super::file::EventFile;

const _: () = assert!(size_of::<[u32; 4]>() == size_of::<uapi::nvme_event_uring>());

/// How many records an answer has at most.
const BATCH: usize = 16;

/// What came of looking for a record.
enum Look {
    /// An answer was given, or a hidden record passed over.
    Progress,
    /// There is none yet, or somebody else is looking for it. The command is
    /// called when there may be one.
    Nothing,
}

/// Gives `file`'s events to a ring from now on.
///
/// # Errors
///
/// EINVAL for flags, reserved words or a command that is not multishot;
/// EOPNOTSUPP if the ring polls; EBADF if the file is open for writing only;
/// ENOMEM.
pub(super) fn subscribe(file: &EventFile, issue: Issue) -> Result<Issued> {
    let [flags, reserved @ ..] = issue.narrow_payload();
    if flags & !uapi::NVME_EVENT_URING_PAGE != 0 || reserved != [0; 3] {
        return Err(EINVAL);
    }
    file.reader()?;
    let subscription = Subscription::new(&issue)?;
    file.stream().subscribe(subscription.clone())?;
    subscription.arm::<EventFile>(issue, flags);
    Ok(Issued::Settled)
}

impl Subscribable for EventFile {
    const OPERATION: u32 = uapi::URING_CMD_EVENTS;

    fn deliver(self: Pin<&Self>, answers: &mut Answers, wish: u32) -> Delivery {
        loop {
            let looked = match wish {
                0 => self.answer_records(answers),
                _ => self.answer_page(answers),
            };
            match looked {
                Ok(Look::Progress) => {}
                Ok(Look::Nothing) => return Delivery::Complete,
                Err(error) => return Delivery::Ended(error),
            }
        }
    }

    fn unsubscribed(self: Pin<&Self>, subscription: &Subscription) {
        self.stream().unsubscribe(subscription);
    }
}

impl EventFile {
    /// Answers with as many records as there are and fit.
    fn answer_records(&self, answers: &mut Answers) -> Result<Look> {
        self.at_next(|place, _| {
            let mut after = place;
            let mut count = 0;
            let mut records = [Record::default(); BATCH];
            answers.give(|writer, room_bytes| {
                let room = (room_bytes / RECORD_BYTES).min(BATCH);
                let space = records.get_mut(..room).unwrap_or(&mut []);
                let taking = self
                    .stream()
                    .read_for(|| self.reader_id(), &place, space)
                    .map_err(|_| EBUSY)?;
                count = taking.count();
                if count == 0 {
                    return Err(EINVAL);
                }
                for record in space.iter().take(count) {
                    writer.write_slice(&record.to_bytes())?;
                }
                after = taking.after(place, count, space);
                Ok(count * RECORD_BYTES)
            })?;
            self.stream().delivered(records.get(..count).unwrap_or(&[]));
            Ok((after, Look::Progress))
        })
    }

    /// Answers with one record and its log page.
    fn answer_page(&self, answers: &mut Answers) -> Result<Look> {
        self.at_next(|place, found| {
            let (record, after) = found;
            // The record is the last that was looked at.
            let details = match record.source() {
                Some(Source::Provider) => self
                    .stream()
                    .lane_details(after.lane.number().minus(1))
                    .map_err(NoPage::Missing),
                _ => self
                    .stream()
                    .details(after.cursor.number().minus(1), Blocking::Refused),
            };
            let details = match details {
                Ok(details) => details,
                // It is called when the page is there.
                Err(NoPage::NotYet) => return Ok((place, Look::Nothing)),
                // Overwritten just now: look again.
                Err(NoPage::Missing(_) | NoPage::Interrupted) => {
                    return Ok((place, Look::Progress))
                }
            };
            let page = details
                .page
                .and_then(|wanted| self.stream().archive().find(&wanted));
            answers.give(|writer, room_bytes| {
                let bytes = page.as_ref().map_or(&[][..], |page| &page.bytes);
                write_event(writer, room_bytes, record, bytes)
            })?;
            self.stream().delivered(&[record]);
            Ok((after, Look::Progress))
        })
    }

    /// Has `answer` do what it does with the next record, at its place, and
    /// moves the reader to the place it returns. It is given where the reader
    /// stands, and the record with the place behind it.
    fn at_next(
        &self,
        answer: impl FnOnce(Place, (Record, Place)) -> Result<(Place, Look)>,
    ) -> Result<Look> {
        let reader = self.reader()?;
        let Ok(mut turn) = reader.take(Blocking::Refused) else {
            // The end of the other's turn calls the command.
            return Ok(Look::Nothing);
        };
        if !self.is(&reader) {
            return Ok(Look::Progress);
        }
        let mut place = turn.get();
        let mut found = [Record::default()];
        let ended = self.stream().is_ended();
        let taking = self
            .stream()
            .read_for(|| self.reader_id(), &place, &mut found)
            .map_err(|_| EBUSY)?;
        let after = taking.after(place, taking.count(), &found);
        let look = if taking.count() > 0 {
            let [record] = found;
            let (moved, look) = answer(place, (record, after))?;
            place = moved;
            look
        } else {
            place = after;
            match (taking.more(), ended) {
                (true, _) => Look::Progress,
                (false, true) => return Err(ENODEV),
                (false, false) => Look::Nothing,
            }
        };
        turn.set(place);
        Ok(look)
    }
}

/// Writes a record and what fits of its log page. Returns how much that is.
///
/// # Errors
///
/// EINVAL if not even the record fits; EFAULT.
fn write_event(
    writer: &mut UserSliceWriter,
    room_bytes: usize,
    record: Record,
    page: &[u8],
) -> Result<usize> {
    let room_bytes = room_bytes.checked_sub(RECORD_BYTES).ok_or(EINVAL)?;
    let part = page.get(..page.len().min(room_bytes)).unwrap_or(&[]);
    writer.write_slice(&record.to_bytes())?;
    writer.write_slice(part)?;
    Ok(RECORD_BYTES + part.len())
}
