// SPDX-License-Identifier: GPL-2.0-only

//! Commands as processes want them sent, whether somebody waits for them or not:
//! how much memory they have, which way data goes, how long they may take.

use kernel::{prelude::*, time::Delta};

use crate::{
    engine::policy::{Command, CommandSet, FileMode, Implied, Node},
    glue::{
        capability::is_system_administrator, mapping::Direction, pins::UserRange, uring::Outcome,
    },
    spec::{
        command::SubmissionEntry,
        completion::{CompletionEntry, Status},
        namespace::Format,
        opcode,
    },
};

use super::{admin, namespaces::Namespace, outstanding::Patience};

/// How long an I/O command may take that names no time, as with the in-tree
/// driver.
const IO_TIMEOUT: Delta = Delta::from_secs(30);

/// A command as a process wants it sent.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) entry: SubmissionEntry,
    /// The namespace whose I/O queue it is for; `None`: the admin queue.
    pub(crate) namespace: Option<&'a Namespace>,
    /// Where the file is open that it came through.
    pub(crate) node: Node,
    pub(crate) mode: FileMode,
    /// None of them empty.
    pub(crate) data: &'a [UserRange],
    pub(crate) metadata: Option<UserRange>,
    /// How long it may take; `None`: the usual time.
    pub(crate) timeout: Option<Delta>,
}

/// What the controller, or the driver in its place, answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: Status,
    /// Dwords 0 and 1 of the completion.
    pub(crate) result: u64,
}

impl From<CompletionEntry> for Answer {
    fn from(entry: CompletionEntry) -> Self {
        Self {
            status: entry.status(),
            result: entry.result(),
        }
    }
}

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self {
            result: answer.result,
            res: i32::from(answer.status.0),
        }
    }
}

impl Request<'_> {
    pub(super) fn command(&self) -> Command<'_> {
        let set = match self.namespace {
            None => CommandSet::Admin,
            Some(namespace) => CommandSet::Io(namespace.identity().command_set),
        };
        Command::new(set, &self.entry)
    }

    fn data_bytes(&self) -> u64 {
        match self.data {
            [range] => range.length_bytes as u64,
            ranges => ranges.iter().fold(0, |sum: u64, range| {
                sum.saturating_add(range.length_bytes as u64)
            }),
        }
    }

    pub(super) fn given(&self) -> Given {
        Given {
            data_bytes: self.data_bytes(),
            metadata_bytes: self.metadata.map_or(0, |range| range.length_bytes as u64),
        }
    }

    pub(super) fn format(&self) -> Option<Format> {
        self.namespace.and_then(|namespace| namespace.format())
    }

    /// The buffers, as far as the command transfers them. What the second PRP
    /// entry is depends on the length of the transfer, so that no more may be
    /// described than that.
    ///
    /// # Errors
    ///
    /// EINVAL if they are shorter than that, after all: the format may have
    /// changed since they were checked; ENOMEM.
    pub(super) fn transferred(
        &self,
        implied: Implied,
    ) -> Result<(KVec<UserRange>, Option<UserRange>)> {
        let (left, metadata_bytes) = match implied {
            Implied::Unknown => (usize::MAX, usize::MAX),
            Implied::Known {
                data_bytes,
                metadata_bytes,
            } => (data_bytes as usize, metadata_bytes as usize),
        };
        let (data, left) = up_to(self.data, left)?;
        let metadata = self.metadata.and_then(|range| range.up_to(metadata_bytes));
        let short = left > 0 || metadata.map_or(0, |range| range.length_bytes) < metadata_bytes;
        if implied != Implied::Unknown && short {
            return Err(EINVAL);
        }
        Ok((data, metadata))
    }
}

/// How much memory there is for a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) data_bytes: u64,
    pub(super) metadata_bytes: u64,
}

/// The first bytes of some ranges, and how many of `limit_bytes` they lack.
///
/// # Errors
///
/// ENOMEM.
pub(super) fn up_to(data: &[UserRange], limit_bytes: usize) -> Result<(KVec<UserRange>, usize)> {
    let mut left = limit_bytes;
    let mut ranges = KVec::with_capacity(data.len(), GFP_KERNEL)?;
    for range in data {
        let Some(range) = range.up_to(left) else {
            break;
        };
        left = left.saturating_sub(range.length_bytes);
        ranges.push(range, GFP_KERNEL)?;
    }
    Ok((ranges, left))
}

/// What the in-tree driver answers in place of a controller that is being
/// reset: Host Path Error.
pub(super) const NOT_READY: Answer = Answer {
    status: Status::HOST_PATH_ERROR,
    result: 0,
};

/// How long to wait for a command. Only an administrator can make the driver
/// reset a controller sooner than it would by itself.
pub(super) fn patience(request: &Request<'_>) -> Patience {
    let usual = match request.namespace {
        None => admin::TIMEOUT,
        Some(_) => IO_TIMEOUT,
    };
    let reset_after = match request.timeout {
        Some(timeout) if is_system_administrator() => timeout.max(admin::ABORT_TIMEOUT),
        _ => usual,
    };
    Patience {
        abort_after: Some(request.timeout.unwrap_or(usual)),
        reset_after,
    }
}

/// Which way data goes. A command that transfers nothing by its opcode may all
/// the same be given a buffer, to which the controller may write at most.
pub(super) fn direction(opcode: u8) -> Direction {
    match opcode::Direction::of(opcode) {
        opcode::Direction::ToController => Direction::ToDevice,
        opcode::Direction::Nothing | opcode::Direction::FromController => Direction::FromDevice,
        opcode::Direction::Bidirectional => Direction::Both,
    }
}
