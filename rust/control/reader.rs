// SPDX-License-Identifier: GPL-2.0-only

//! A reader of an event stream: an open file, or several that share a place
//! and a filter, each record going to one of them.

use kernel::{
    prelude::*,
    sync::Arc, //
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
    turn::{Taken, Turn}, //
};

/// One reader. Its claim on the stream, if it has one, ends with it.
///
/// Whoever reads has the turn from looking for records until the cursor is
/// moved past those copied. Nobody has it while waiting for an event.
#[pin_data(PinnedDrop)]
pub(crate) struct Reader {
    stream: Arc<EventStream>,
    id: ReaderId,
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
                place <- Turn::new(place),
            }),
            GFP_KERNEL,
        )
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
    pub(crate) fn take(&self, blocking: Blocking) -> Result<Taken<'_, Place>> {
        self.place.take(blocking)
    }
}

#[pinned_drop]
impl PinnedDrop for Reader {
    fn drop(self: Pin<&mut Self>) {
        self.stream.release(self.id);
    }
}
