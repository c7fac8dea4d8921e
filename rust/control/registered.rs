// SPDX-License-Identifier: GPL-2.0-only

//! Commands of rings that are waited for, whose data is in a registered buffer.
//!
//! io_uring keeps such a buffer until the ring was told that the command is over.
//! If who waits is killed, that is before the controller is done with it. So the
//! controller has a copy, which stays with the command.

use kernel::prelude::*;

use crate::{
    engine::policy::Implied,
    glue::{
        dma::{Buffer, PAGE_BUFFER_BYTES},
        uring::RegisteredBuffer,
    },
};

use super::{
    binding::Binding,
    outstanding::Waiter,
    passthrough::Attempt,
    request::{direction, Answer, Request, NOT_READY},
    transfer::{Transfer, CHUNK_BYTES},
};

impl Binding {
    /// As [`Self::pass_through`], with the data in `memory`, which is to be read,
    /// or to be written if the controller may write: `request` says how much it
    /// claims to be.
    ///
    /// # Errors
    ///
    /// As [`Self::pass_through`].
    pub(super) fn pass_through_registered(
        &self,
        mut request: Request<'_>,
        memory: &RegisteredBuffer<'_>,
    ) -> Result<Answer> {
        let direction = direction(request.entry.opcode);
        loop {
            let waiter = Waiter::new()?;
            let given = request.given();
            let mut length_bytes = 0;
            let attempt = self.attempt(&mut request, given, &waiter, |request, implied| {
                let (_, metadata) = request.transferred(implied)?;
                length_bytes = self.length_bytes(implied, memory)?;
                let device = self.controller().dma();
                Transfer::filled(device, length_bytes, metadata, direction, |pages| {
                    copy_in(pages, length_bytes, memory)
                })
            })?;
            match attempt {
                Attempt::Completed(completion, transfer) => {
                    if direction.writes_memory() {
                        copy_out(transfer.pages(), length_bytes, memory)?;
                    }
                    transfer.finish(direction)?;
                    return Ok(completion.into());
                }
                Attempt::NotReady => return Ok(NOT_READY),
                // The format may be another one now.
                Attempt::Outdated => continue,
            }
        }
    }

    /// How much is transferred to or from `memory`.
    ///
    /// # Errors
    ///
    /// EINVAL if it is shorter than that, after all, or longer than the
    /// controller takes: a list of pieces may have changed since it was checked.
    fn length_bytes(&self, implied: Implied, memory: &RegisteredBuffer<'_>) -> Result<usize> {
        let length_bytes = match implied {
            Implied::Unknown => memory.length_bytes(),
            Implied::Known { data_bytes, .. } => usize::try_from(data_bytes).map_err(|_| EINVAL)?,
        };
        let is_right =
            length_bytes <= memory.length_bytes() && length_bytes as u64 <= self.data_limit_bytes();
        is_right.then_some(length_bytes).ok_or(EINVAL)
    }
}

/// Copies the first bytes of `memory` to `pages`. Also where the controller is to
/// write: what it does not stays as it was.
fn copy_in(pages: &[Buffer], length_bytes: usize, memory: &RegisteredBuffer<'_>) -> Result {
    let mut reader = memory.reader();
    for_each_part(pages, length_bytes, |page, offset, chunk| {
        reader.read(chunk)?;
        page.copy_from(offset, chunk)
    })
}

/// Copies `pages` over the first bytes of `memory`.
fn copy_out(pages: &[Buffer], length_bytes: usize, memory: &RegisteredBuffer<'_>) -> Result {
    let mut writer = memory.writer()?;
    for_each_part(pages, length_bytes, |page, offset, chunk| {
        page.copy_to(offset, chunk)?;
        writer.write(chunk)
    })
}

/// Calls `each` for parts of the first bytes of `pages`: the page, the place in
/// it, and room for a copy.
fn for_each_part(
    pages: &[Buffer],
    length_bytes: usize,
    mut each: impl FnMut(&Buffer, usize, &mut [u8]) -> Result,
) -> Result {
    let mut chunk = [0; CHUNK_BYTES];
    for at in (0..length_bytes).step_by(CHUNK_BYTES) {
        let page = pages.get(at / PAGE_BUFFER_BYTES).ok_or(EINVAL)?;
        let room = chunk.get_mut(..CHUNK_BYTES.min(length_bytes - at));
        each(page, at % PAGE_BUFFER_BYTES, room.ok_or(EINVAL)?)?;
    }
    Ok(())
}
