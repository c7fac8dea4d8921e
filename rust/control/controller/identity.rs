// SPDX-License-Identifier: GPL-2.0-only

//! What a controller says it is, what follows for commands and events, and when
//! it is asked again.

use kernel::{
    prelude::*,
    sync::{atomic::Relaxed, Mutex},
    time::Delta,
};

use crate::{
    control::admin::TIMEOUT,
    engine::sgl::SglSupport,
    glue::{dma::Buffer, look::Look},
    spec::{
        command::{NamespaceId, SubmissionEntry},
        feature::{AdvertisedEvents, EventConfiguration},
        identify::{Cns, IdentifyController},
        namespace::CommandSetId,
    },
};

use super::Controller;

/// Most data of a command, whatever the controller takes; as with the in-tree
/// driver.
pub(super) const DATA_BYTES_MAX: u64 = 8 << 20;

impl Controller {
    /// What the controller said it is, at its last start.
    pub(crate) fn identity(&self) -> &Mutex<Option<KBox<IdentifyController>>> {
        &self.identity
    }

    /// Most bytes of data that a command may transfer: MDTS, or
    /// [`DATA_BYTES_MAX`].
    pub(in crate::control) fn data_limit_bytes(&self) -> u64 {
        self.data_limit_bytes.look()
    }

    /// Which SGLs I/O commands may have. Admin commands may have none.
    pub(in crate::control) fn sgl_support(&self) -> SglSupport {
        SglSupport::of(self.sgls.look())
    }

    /// The event classes to enable when a process wants these: what the driver
    /// acts on as well.
    pub(in crate::control) fn merge_events(
        &self,
        wanted: EventConfiguration,
    ) -> EventConfiguration {
        match self.identity.lock().as_ref() {
            Some(identify) => wanted.merged(self.advertised_events(identify)),
            None => wanted,
        }
    }

    /// A process chose these event classes; they are enabled again after a
    /// reset.
    pub(in crate::control) fn choose_events(&self, chosen: EventConfiguration) {
        *self.chosen_events.lock() = Some(chosen);
    }

    /// How long the controller may process no commands because it activates
    /// firmware: MTFA, or as long as it may take for a command.
    pub(in crate::control) fn activation_limit(&self) -> Delta {
        match self.activation_limit_ms.load(Relaxed) {
            0 => TIMEOUT,
            limit_ms => Delta::from_millis(limit_ms.into()),
        }
    }

    fn advertised_events(&self, identify: &IdentifyController) -> AdvertisedEvents {
        identify.advertised_events(self.registers.capabilities().persistent_memory_region())
    }

    /// Goes by what the controller says it is from now on. Sleeps.
    pub(super) fn renew_identity(&self, identify: KBox<IdentifyController>) {
        let page_shift_min = self.registers.capabilities().page_shift_min();
        let limit_bytes = identify.data_limit_bytes(page_shift_min);
        let limit_bytes = limit_bytes.map_or(DATA_BYTES_MAX, |limit| limit.min(DATA_BYTES_MAX));
        self.data_limit_bytes.store(limit_bytes, Relaxed);
        self.sgls.store(identify.sgls.get(), Relaxed);
        let activation_limit_ms = u32::from(identify.mtfa.get()) * 100;
        self.activation_limit_ms.store(activation_limit_ms, Relaxed);
        let old = self.identity.lock().replace(identify);
        // Memory is given back outside the lock.
        drop(old);
        self.effects.distrust();
        self.rescan();
    }

    /// Brings what is known of the namespaces, and of the commands that they
    /// take, up to date. What cannot be found out stays as it was. Sleeps.
    pub(crate) fn rescan(&self) {
        self.namespaces.rescan(&self.device, &self.inquiry);
        let has_log = |identify: &KBox<IdentifyController>| identify.effects_log();
        if !self.identity.lock().as_ref().is_some_and(has_log) {
            return;
        }
        let Ok(namespaces) = self.namespaces.all() else {
            return;
        };
        let sets = namespaces
            .iter()
            .map(|namespace| namespace.identity().command_set);
        for set in Iterator::chain(core::iter::once(CommandSetId::NVM), sets) {
            if let Err(error) = self.effects.learn(set, &self.inquiry) {
                dev_warn!(
                    self.device,
                    "no effects of commands known for set {:#x}: {:?}\n",
                    set.0,
                    error
                );
                return;
            }
        }
    }

    /// Asks the controller again what it is and what namespaces it has. What
    /// cannot be found out stays as it was. Sleeps.
    pub(crate) fn inquire_again(&self) {
        let identify = self.inquiry.ask(
            |address| SubmissionEntry::identify(Cns::Controller, NamespaceId::NONE, address),
            Buffer::copy_out,
        );
        match identify {
            Ok(identify) => self.renew_identity(identify),
            Err(error) => dev_warn!(self.device, "no answer to Identify: {:?}\n", error),
        }
    }

    pub(super) fn wanted_events(&self, identify: &IdentifyController) -> EventConfiguration {
        let advertised = self.advertised_events(identify);
        match *self.chosen_events.lock() {
            Some(chosen) => chosen.merged(advertised),
            None => EventConfiguration::all_advertised(advertised),
        }
    }

    /// The event classes that the controller was told to report, and how many
    /// Asynchronous Event Requests it takes. `None` before it has answered.
    pub(crate) fn event_limits(&self) -> Option<(EventConfiguration, u16)> {
        let identity = self.identity.lock();
        let identify = identity.as_deref()?;
        Some((self.wanted_events(identify), identify.aer_limit()))
    }
}
