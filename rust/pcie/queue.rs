// SPDX-License-Identifier: GPL-2.0-only

//! A submission queue and its completion queue in host memory (section 3.3.1).

use zerocopy::FromZeros;

use kernel::{
    device::{Bound, Device},
    dma::Coherent,
    io::{io_project, Io},
    prelude::*,
    sync::barrier::{dma_mb, Read},
};

use crate::{
    engine::ring::{CompletionRing, SubmissionRing},
    spec::{
        command::{CommandId, DmaAddress, SubmissionEntry},
        completion::{CompletionEntry, Phase},
    },
};

/// A pair of queues of the same size. Not aware of doorbells.
pub(crate) struct QueuePair {
    sq: Coherent<[SubmissionEntry]>,
    cq: Coherent<[CompletionEntry]>,
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
            sq: Coherent::zeroed_slice(device, usize::from(entries), GFP_KERNEL)?,
            cq: Coherent::zeroed_slice(device, usize::from(entries), GFP_KERNEL)?,
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
        if usize::from(entries) > self.cq.len() {
            return Err(EINVAL);
        }
        self.submission = SubmissionRing::new(entries).ok_or(EINVAL)?;
        self.completion = CompletionRing::new(entries).ok_or(EINVAL)?;
        for index in 0..self.cq.len() {
            // No phase tag of an earlier round may look like one of the next.
            self.blank(index)?;
        }
        Ok(())
    }

    fn blank(&self, index: usize) -> Result {
        io_project!(self.cq, [try: index]).copy_write(CompletionEntry::new_zeroed());
        Ok(())
    }

    pub(crate) fn sq_address(&self) -> DmaAddress {
        DmaAddress(self.sq.dma_address())
    }

    pub(crate) fn cq_address(&self) -> DmaAddress {
        DmaAddress(self.cq.dma_address())
    }

    /// Puts `entry`, which is given this `id`, into the submission queue. The controller looks
    /// at it when its doorbell is rung with [`Self::tail`].
    ///
    /// # Errors
    ///
    /// EBUSY if the queue is full; retry after a completion.
    pub(crate) fn submit(&mut self, entry: &mut SubmissionEntry, id: CommandId) -> Result {
        entry.command_id.set(id.0);
        let index = self.submission.push().map_err(|_| EBUSY)?;
        io_project!(self.sq, [try: usize::from(index)]).copy_write(*entry);
        Ok(())
    }

    /// Whether [`Self::submit`] would succeed.
    pub(crate) fn has_room(&self) -> bool {
        self.submission.has_room()
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
        // A head out of range is the controller's mistake: the old one is
        // kept, and commands are still told apart by their ids.
        let _ = self.submission.consumed(entry.sq_head.get());
        Some(entry)
    }

    fn peek(&self) -> Result<Option<CompletionEntry>> {
        let slot = io_project!(self.cq, [try: usize::from(self.completion.head())]);
        let tag = io_project!(slot, .status_and_phase).copy_read();
        if !self.completion.is_new(Phase::of(tag.get())) {
            return Ok(None);
        }
        // The controller writes the phase tag last, so it is read first.
        dma_mb(Read);
        Ok(Some(slot.copy_read()))
    }
}
