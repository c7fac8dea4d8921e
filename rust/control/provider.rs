// SPDX-License-Identifier: GPL-2.0-only

//! Event providers: their events are staged for all readers, one at a time, and
//! given back when the first reader has them.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
    time::Delta,
};

use crate::{
    engine::{
        lane::{ProviderId, Stage},
        record::{Payload, Record},
    },
    glue::{
        provider::{Callbacks, Host, Provided, Registration},
        work::{Next, Queue, Task, WorkItem},
    },
};

use super::{archive::Page, stream::EventStream};

/// A controller's event stream, to providers.
pub(crate) struct ProviderHost {
    pub(crate) stream: Arc<EventStream>,
    pub(crate) work: Arc<Queue>,
}

/// One provider, and the task that calls it.
#[pin_data]
pub(crate) struct Provider {
    stream: Arc<EventStream>,
    id: ProviderId,
    callbacks: Callbacks,
    /// The event that it has in the stream.
    #[pin]
    event: Mutex<Option<Provided>>,
}

impl Host for ProviderHost {
    fn register(&self, callbacks: Callbacks) -> Result<Arc<dyn Registration>> {
        let id = self.stream.join()?;
        let provider = try_pin_init!(Provider {
            stream: self.stream.clone(),
            id,
            callbacks,
            event <- new_mutex!(None, "nvme_rs::Provider::event"),
        }? Error);
        let item = Arc::pin_init(
            WorkItem::new::<Error>(self.work.clone(), provider),
            GFP_KERNEL,
        );
        let item = match item {
            Ok(item) => item,
            Err(error) => {
                self.stream.leave(id);
                return Err(error);
            }
        };
        self.stream.attend(id, item.clone());
        item.queue();
        Ok(item)
    }
}

impl Registration for WorkItem<Provider> {
    fn notify(&self) {
        self.queue();
    }

    fn end(&self) {
        let provider = self.context();
        // Nobody else calls the provider from here on.
        self.disable();
        let stage = provider.stream.leave(provider.id);
        let event = provider.event.lock().take();
        if let Some(event) = event {
            provider.callbacks.acknowledge(
                event,
                match stage {
                    Stage::Delivered(_) => Ok(()),
                    Stage::Empty | Stage::Staged(_) => Err(ENODEV),
                },
            );
        }
    }
}

impl Provider {
    /// Puts an event into the stream.
    ///
    /// # Errors
    ///
    /// ENOMEM; ENODEV if the stream has ended.
    fn stage(&self, event: &Provided) -> Result {
        let (dw0, dw1) = event.dwords();
        let limit_bytes = self.stream.archive().limit_bytes();
        let (page, payload) = match event.payload_bytes() {
            None => (None, Payload::Absent),
            // As if it had made room for others already.
            Some(length_bytes) if length_bytes > limit_bytes => (None, Payload::Present),
            Some(length_bytes) => {
                let full_bytes = u32::try_from(length_bytes).unwrap_or(u32::MAX);
                let page = Page::new(event.payload()?, full_bytes, false)?;
                (Some(page), Payload::Present)
            }
        };
        let record = Record::provider(dw0, dw1, payload);
        self.stream.stage_event(self.id, record, page)
    }
}

/// How long to wait for memory.
const RETRY: Delta = Delta::from_millis(100);

impl Task for Provider {
    fn run(&self) -> Next {
        // Nobody but `end` takes it besides, and that after this.
        let mut current = self.event.lock();
        loop {
            match self.stream.stage(self.id) {
                Stage::Staged(_) => return Next::Done,
                Stage::Delivered(_) => {
                    if let Some(event) = current.take() {
                        self.stream.unstage(self.id);
                        self.callbacks.acknowledge(event, Ok(()));
                    }
                }
                // The same one again, if it was overwritten before anybody
                // read it.
                Stage::Empty => {}
            }
            if current.is_none() {
                if self.stream.is_ended() {
                    return Next::Done;
                }
                *current = self.callbacks.fetch();
            }
            let Some(event) = current.as_ref() else {
                return Next::Done;
            };
            match self.stage(event) {
                Ok(()) => {}
                // It waits for the provider to go.
                Err(error) if error == ENODEV => return Next::Done,
                Err(_) => return Next::Again(RETRY),
            }
        }
    }
}
