// SPDX-License-Identifier: GPL-2.0-only

//! What a device node and the files on it have of a controller.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use crate::{
    engine::lifecycle::State,
    glue::gate::{Gate, Visit},
};

use super::{binding::Binding, stream::EventStream};

/// The event stream, for as long as somebody wants it, and the way to the
/// controller, for as long as the driver has it.
#[pin_data]
pub(crate) struct Handle {
    stream: Arc<EventStream>,
    #[pin]
    binding: Gate<Binding>,
}

impl Handle {
    pub(crate) fn new(
        stream: Arc<EventStream>,
        binding: impl PinInit<Binding, Error>,
    ) -> Result<Arc<Self>> {
        Arc::pin_init(
            try_pin_init!(Self {
                stream,
                binding <- Gate::new(binding),
            }? Error),
            GFP_KERNEL,
        )
    }

    pub(crate) fn stream(&self) -> &Arc<EventStream> {
        &self.stream
    }

    /// The controller, while the driver has it. Unbind waits for the visit.
    pub(crate) fn visit(&self) -> Option<Visit<'_, Binding>> {
        self.binding.enter()
    }

    pub(crate) fn state(&self) -> State {
        match self.visit() {
            Some(binding) => binding.controller().state(),
            None => State::Deleting,
        }
    }

    /// Lets go of the controller. Sleeps until nobody uses it.
    pub(crate) fn release(&self) {
        if let Some(binding) = self.visit() {
            // Visitors that wait for the controller are sent home.
            binding.controller().stop();
        }
        self.binding.close();
    }
}
