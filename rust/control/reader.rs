// SPDX-License-Identifier: GPL-2.0-only

//! A reader of an event stream: an open file, or several that share a place
//! and a filter, each record going to one of them.

use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
    },
};

use crate::{
    engine::{
        claim::ReaderId,
        lane::Place, //
    },
    glue::file_operations::Blocking,
};

use super::{
    stream::EventStream,
    turn::{Refused, Taken, Turn}, //
};

/// One reader. Its claim on the stream, if it has one, ends when the last file
/// leaves it, though a read that sleeps may look at it for longer.
///
/// Whoever reads has the turn from looking for records until the cursor is
/// moved past those copied. Nobody has it while waiting for an event.
#[pin_data]
pub(crate) struct Reader {
    stream: Arc<EventStream>,
    id: ReaderId,
    /// How many files it is.
    files: Atomic<u64>,
    #[pin]
    place: Turn<Place>,
}

impl Reader {
    /// A reader of what comes from now on.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(stream: Arc<EventStream>) -> Result<Arc<Self>> {
        let place = stream.open();
        Self::at(stream, place)
    }

    /// Another reader of the stream.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn part(&self, place: Place) -> Result<Arc<Self>> {
        Self::at(self.stream.clone(), place)
    }

    fn at(stream: Arc<EventStream>, place: Place) -> Result<Arc<Self>> {
        let id = stream.next_reader();
        Arc::pin_init(
            pin_init!(Self {
                stream,
                id,
                files: Atomic::new(0),
                place <- Turn::new(place),
            }),
            GFP_KERNEL,
        )
    }

    /// One more file is this reader from now on, until [`Self::leave`].
    pub(crate) fn join(&self) {
        self.files.fetch_add(1, Relaxed);
    }

    /// A file is this reader no more. Returns the reader if it was the last: its
    /// claim is to end.
    pub(crate) fn leave(&self) -> Option<ReaderId> {
        (self.files.fetch_sub(1, Relaxed) == 1).then_some(self.id)
    }

    pub(crate) fn id(&self) -> ReaderId {
        self.id
    }

    /// Where it stands at this moment.
    pub(crate) fn peek(&self) -> Place {
        self.place.peek()
    }

    /// The turn to read, or to change the place.
    ///
    /// # Errors
    ///
    /// Those of [`Turn::take`].
    pub(crate) fn take(&self, blocking: Blocking) -> Result<ReaderTurn<'_>> {
        Ok(ReaderTurn {
            reader: self,
            taken: Some(self.place.take(blocking)?),
        })
    }
}

/// Somebody's turn to read, until dropped: those who did not wait for it and can be
/// called, rings, are called then.
pub(crate) struct ReaderTurn<'a> {
    reader: &'a Reader,
    /// There until this is dropped.
    taken: Option<Taken<'a, Place>>,
}

impl ReaderTurn<'_> {
    pub(crate) fn get(&self) -> Place {
        self.reader.peek()
    }

    pub(crate) fn set(&mut self, place: Place) {
        if let Some(taken) = &mut self.taken {
            taken.set(place);
        }
    }
}

impl Drop for ReaderTurn<'_> {
    fn drop(&mut self) {
        let refused = self.taken.take().map(Taken::end);
        if refused == Some(Refused::Somebody) {
            self.reader.stream.notify_subscribers();
        }
    }
}
