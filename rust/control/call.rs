// SPDX-License-Identifier: GPL-2.0-only

//! Commands in an envelope: with their data, to and fro.
//!
//! The data goes through a copy. So what the driver looks at afterwards is what
//! the process gets, and data that there is no room for has a place to go.

use kernel::{prelude::*, time::Delta};

use crate::{
    engine::{
        envelope::{gives, Sizes},
        policy::{
            self,
            extent::{Received, HEAD_BYTES},
            Command, CommandSet, FileMode, Node,
        },
    },
    glue::{mapping::Direction, pins::UserRange},
    spec::{
        command::SubmissionEntry,
        completion::{CompletionEntry, Status},
        log_page::PageLength,
    },
};

use super::{
    binding::Binding,
    namespaces::Namespace,
    outstanding::{Tag, Waiter},
    passthrough::Attempt,
    request::{direction, Given, Request, NOT_READY},
    transfer::Transfer,
};

/// A command as a process wants it sent.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) entry: SubmissionEntry,
    /// The namespace whose I/O queue it is for; `None`: the admin queue.
    pub(crate) namespace: Option<&'a Namespace>,
    /// Where the file is open that it came through.
    pub(crate) node: Node,
    pub(crate) mode: FileMode,
    /// How long it may take; `None`: the usual time.
    pub(crate) timeout: Option<Delta>,
    pub(crate) payload: Payload,
    pub(crate) tag: Option<Tag>,
}

/// Where the data of a call is: that for the controller, that from it, metadata.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payload {
    pub(crate) address: usize,
    pub(crate) sizes: Sizes,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Called {
    pub(crate) status: Status,
    /// Dwords 0 and 1 of the completion.
    pub(crate) result: u64,
    /// `None` if the driver answered in place of the controller.
    pub(crate) completion: Option<CompletionEntry>,
    /// How much data the controller had.
    pub(crate) extent_bytes: u32,
}

impl<'a> Call<'a> {
    /// As others are, without memory: the payload is not looked at yet.
    pub(super) fn request(&self) -> Request<'a> {
        Request {
            entry: self.entry,
            namespace: self.namespace,
            node: self.node,
            mode: self.mode,
            data: &[],
            metadata: None,
            timeout: self.timeout,
        }
    }
}

impl Payload {
    /// A part, if it is not empty. Where it ends is seen to when it is accessed.
    fn part(self, offset_bytes: usize, length_bytes: u64) -> Option<UserRange> {
        let whole = UserRange {
            address: self.address.wrapping_add(offset_bytes),
            length_bytes: usize::MAX,
        };
        whole.up_to(usize::try_from(length_bytes).unwrap_or(usize::MAX))
    }

    /// So much of the data for the controller.
    fn taken(self, limit_bytes: u64) -> Option<UserRange> {
        self.part(0, u64::from(self.sizes.in_bytes).min(limit_bytes))
    }

    /// So much of the room for data from the controller.
    fn given(self, length_bytes: u32) -> Option<UserRange> {
        self.part(self.sizes.in_bytes as usize, length_bytes.into())
    }

    /// So much of the metadata.
    fn metadata(self, limit_bytes: u64) -> Option<UserRange> {
        let offset_bytes =
            (self.sizes.in_bytes as usize).saturating_add(self.sizes.out_bytes as usize);
        self.part(
            offset_bytes,
            u64::from(self.sizes.metadata_bytes).min(limit_bytes),
        )
    }
}

impl Binding {
    /// Sends a command and waits for its end. Sleeps; a signal that kills the
    /// process ends the wait.
    ///
    /// # Errors
    ///
    /// Those of [`Self::pass_through`]. EFAULT also if what comes back cannot be
    /// written, although the command was executed.
    pub(crate) fn call(&self, call: Call<'_>) -> Result<Called> {
        let mut request = call.request();
        loop {
            let waiter = Waiter::tagged(call.tag)?;
            let given = given(&request, call.payload.sizes);
            let mut delivery = None;
            let attempt = self.attempt(&mut request, given, &waiter, |request, implied| {
                let wanted = delivery.insert(self.delivery(request, implied, call.payload)?);
                self.provide(wanted, implied)
            })?;
            match attempt {
                Attempt::Completed(completion, transfer) => {
                    return delivery.ok_or(EIO)?.deliver(completion, &*transfer)
                }
                Attempt::NotReady => return Ok(Called::NOT_READY),
                // The format may be another one now.
                Attempt::Outdated => continue,
            }
        }
    }

    /// Has the commands aborted that `tag` names. Returns how many there are.
    ///
    /// # Errors
    ///
    /// ENOENT if there is none.
    pub(crate) fn abort(&self, tag: Tag) -> Result<usize> {
        match self.controller().abort_tagged(tag) {
            0 => Err(ENOENT),
            count => {
                self.look_after_commands();
                Ok(count)
            }
        }
    }

    /// What has to be known of a command that was checked once it is over.
    ///
    /// # Errors
    ///
    /// EINVAL if it transfers more than there is room for, after all: the format
    /// may have changed since.
    pub(super) fn delivery(
        &self,
        request: &Request<'_>,
        implied: policy::Implied,
        payload: Payload,
    ) -> Result<Delivery> {
        let command = request.command();
        let length_bytes = payload
            .sizes
            .transferred_bytes(request.entry.opcode, implied)
            .filter(|&bytes| bytes <= self.data_limit_bytes())
            .ok_or(EINVAL)?;
        let identity = match request.namespace {
            None => Some(self.controller().identity().lock()),
            Some(_) => None,
        };
        let identify = identity.as_ref().and_then(|identity| identity.as_deref());
        Ok(Delivery {
            set: command.set,
            entry: request.entry,
            page: policy::page_length(command, identify),
            payload,
            length_bytes: usize::try_from(length_bytes).map_err(|_| EINVAL)?,
        })
    }

    /// Copies what the controller is to have of a payload.
    fn provide(&self, wanted: &Delivery, implied: policy::Implied) -> Result<KBox<Transfer>> {
        let metadata_limit_bytes = match implied {
            policy::Implied::Known { metadata_bytes, .. } => metadata_bytes,
            policy::Implied::Unknown => u64::MAX,
        };
        Transfer::copied(
            self.controller().dma(),
            wanted.taken(),
            wanted.length_bytes,
            wanted.payload.metadata(metadata_limit_bytes),
            wanted.direction(),
        )
    }
}

/// Where the controller's data is, once the command is over.
pub(super) trait Returned {
    /// The first bytes, at most as many as `to` has; how many there are.
    fn read(&self, to: &mut [u8]) -> Result<usize>;

    /// Gives the process the first bytes, as many as `to` is long, and what else
    /// belongs to them. Sleeps.
    ///
    /// # Errors
    ///
    /// EFAULT.
    fn give(&self, to: Option<UserRange>, direction: Direction) -> Result;
}

impl Returned for Transfer {
    fn read(&self, to: &mut [u8]) -> Result<usize> {
        self.read(to)
    }

    fn give(&self, to: Option<UserRange>, direction: Direction) -> Result {
        self.give(to, direction)
    }
}

/// What is known of a command that is under way.
pub(super) struct Delivery {
    set: CommandSet,
    entry: SubmissionEntry,
    page: Option<PageLength>,
    payload: Payload,
    /// How much it transfers.
    pub(super) length_bytes: usize,
}

impl Delivery {
    /// What the controller is to have of the payload.
    pub(super) fn taken(&self) -> Option<UserRange> {
        self.payload.taken(self.length_bytes as u64)
    }

    pub(super) fn direction(&self) -> Direction {
        direction(self.entry.opcode)
    }

    /// Gives the process what came of the command. Sleeps.
    ///
    /// # Errors
    ///
    /// EFAULT.
    pub(super) fn deliver(
        &self,
        completion: CompletionEntry,
        returned: &impl Returned,
    ) -> Result<Called> {
        let transferred_bytes = self.length_bytes as u64;
        let mut extent_bytes = 0;
        if completion.status().is_success() && gives(self.entry.opcode) {
            extent_bytes = self.extent_bytes(completion, returned)?;
            let sizes = self.payload.sizes;
            let given_bytes = sizes.returned_bytes(transferred_bytes, extent_bytes);
            returned.give(self.payload.given(given_bytes), self.direction())?;
        }
        Ok(Called {
            status: completion.status(),
            result: completion.result(),
            completion: Some(completion),
            extent_bytes: u32::try_from(extent_bytes).unwrap_or(u32::MAX),
        })
    }

    fn extent_bytes(&self, completion: CompletionEntry, returned: &impl Returned) -> Result<u64> {
        let mut head = [0; HEAD_BYTES];
        let space = head
            .get_mut(..self.length_bytes.min(HEAD_BYTES))
            .ok_or(EINVAL)?;
        let length = returned.read(space)?;
        let received = Received {
            dw0: completion.dw0.get(),
            transferred_bytes: self.length_bytes as u64,
            head: head.get(..length).unwrap_or(&[]),
            page: self.page,
        };
        Ok(policy::extent_bytes(
            Command::new(self.set, &self.entry),
            received,
        ))
    }
}

impl Called {
    pub(super) const NOT_READY: Self = Self {
        status: NOT_READY.status,
        result: NOT_READY.result,
        completion: None,
        extent_bytes: 0,
    };
}

/// How much memory there is for a request.
pub(super) fn given(request: &Request<'_>, sizes: Sizes) -> Given {
    let implied = policy::implied(request.command(), request.format());
    Given {
        data_bytes: sizes.room_bytes(request.entry.opcode, implied),
        metadata_bytes: sizes.metadata_bytes.into(),
    }
}
