// SPDX-License-Identifier: GPL-2.0-only

//! A submission queue and its completion queue in host memory (section 3.3.1).

use core::mem::{offset_of, size_of};

use kernel::{
    device::{Bound, Device},
    prelude::*,
};

use crate::{
    engine::ring::{CompletionRing, SubmissionRing},
    glue::entries::{read_in_order, Entries},
    spec::{
        command::{CommandId, DmaAddress, SubmissionEntry},
        completion::CompletionEntry,
    },
};

const SUBMISSION_WORDS: usize = size_of::<SubmissionEntry>() / size_of::<u64>();
const COMPLETION_WORDS: usize = size_of::<CompletionEntry>() / size_of::<u64>();

/// The word of a completion with its phase tag: the last.
const TAG_WORD: usize = COMPLETION_WORDS - 1;
const _: () = assert!(offset_of!(CompletionEntry, status_and_phase) / size_of::<u64>() == TAG_WORD);

/// A pair of queues of the same size. Not aware of doorbells.
pub(crate) struct QueuePair {
    sq: Entries<SUBMISSION_WORDS>,
    cq: Entries<COMPLETION_WORDS>,
    submission: SubmissionRing,
    completion: CompletionRing,
}

impl QueuePair {
    /// Allocates queues of `entries`.
    ///
    /// # Errors
    ///
    /// EINVAL if no queue can be that short, ENOMEM.
    pub(crate) fn new(device: &Device<Bound>, entries: u16) -> Result<Self> {
        Ok(Self {
            sq: Entries::new(device, entries)?,
            cq: Entries::new(device, entries)?,
            submission: SubmissionRing::new(entries).ok_or(EINVAL)?,
            completion: CompletionRing::new(entries).ok_or(EINVAL)?,
        })
    }

    /// Empties the queues, of which the controller must know nothing, and has
    /// them be `entries` long.
    ///
    /// # Errors
    ///
    /// EINVAL if no queue can be that short or this one that long.
    pub(crate) fn reset(&mut self, entries: u16) -> Result {
        if usize::from(entries) > self.cq.count() {
            return Err(EINVAL);
        }
        self.submission = SubmissionRing::new(entries).ok_or(EINVAL)?;
        self.completion = CompletionRing::new(entries).ok_or(EINVAL)?;
        for index in 0..entries {
            // No phase tag of an earlier round may look like one of the next.
            self.cq.write(index, [0; COMPLETION_WORDS])?;
        }
        Ok(())
    }

    pub(crate) fn sq_address(&self) -> DmaAddress {
        self.sq.address()
    }

    pub(crate) fn cq_address(&self) -> DmaAddress {
        self.cq.address()
    }

    /// Puts `entry`, which is given this `id`, into the submission queue. The controller looks
    /// at it when its doorbell is rung with [`Self::tail`]. There has to be room:
    /// [`commands_max`](crate::engine::ring::commands_max).
    ///
    /// # Errors
    ///
    /// EINVAL, which does not happen: the entry is in the queue.
    pub(crate) fn submit(&mut self, entry: &mut SubmissionEntry, id: CommandId) -> Result {
        entry.command_id.set(id.0);
        let index = self.submission.push();
        self.sq.write(index, zerocopy::transmute!(*entry))
    }

    /// The value for the tail doorbell.
    pub(crate) fn tail(&self) -> u16 {
        self.submission.tail()
    }

    /// The value for the head doorbell.
    pub(crate) fn head(&self) -> u16 {
        self.completion.head()
    }

    /// Takes the next completion, if the controller has written one.
    pub(crate) fn pop(&mut self) -> Option<CompletionEntry> {
        let entry = self.peek().ok()??;
        self.completion.pop();
        Some(entry)
    }

    fn peek(&self) -> Result<Option<CompletionEntry>> {
        let index = self.completion.head();
        // The controller writes the phase tag last, so it is read first.
        let mut words = [0; COMPLETION_WORDS];
        words[TAG_WORD] = self.cq.read_word(index, TAG_WORD)?;
        let tagged: CompletionEntry = zerocopy::transmute!(words);
        if !self.completion.is_new(tagged.phase()) {
            return Ok(None);
        }
        read_in_order();
        Ok(Some(zerocopy::transmute!(self.cq.read(index)?)))
    }
}
