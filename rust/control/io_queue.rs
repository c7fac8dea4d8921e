// SPDX-License-Identifier: GPL-2.0-only

//! The I/O queue pair.
//!
//! Nothing is submitted to it yet. But a controller without I/O queues is one
//! whose host has not finished starting it, and QEMU's does not attach a
//! hot-added namespace to one, nor report it.

use kernel::{
    device::{Bound, Device},
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex}, //
};

use crate::{
    pcie::queue::QueuePair,
    spec::{
        command::{QueueId, QueueSetup, SubmissionEntry},
        feature::FeatureId,
    },
};

use super::admin::{AdminError, AdminQueue};

/// The shortest queue there is: every controller takes it.
const ENTRIES: u16 = 2;

const ID: QueueId = QueueId(1);

/// The one I/O queue pair of a controller.
#[pin_data]
pub(crate) struct IoQueue {
    #[pin]
    pair: Mutex<QueuePair>,
}

impl IoQueue {
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(device: &Device<Bound>) -> Result<Arc<Self>> {
        let pair = QueuePair::new(device, ENTRIES)?;
        Arc::pin_init(
            pin_init!(Self {
                pair <- new_mutex!(pair, "nvme_rs::IoQueue::pair"),
            }),
            GFP_KERNEL,
        )
    }

    /// Has a controller that was just enabled create the queues. Sleeps.
    ///
    /// # Errors
    ///
    /// Those of [`AdminQueue::execute`].
    pub(crate) fn create(&self, admin: &AdminQueue) -> Result<(), AdminError> {
        let mut pair = self.pair.lock();
        pair.reset();
        // One of each, 0-based. The answer says how many there can be; there
        // is always one.
        admin.execute(SubmissionEntry::set_features(FeatureId::NumberOfQueues, 0))?;
        admin.execute(SubmissionEntry::create_io_completion_queue(QueueSetup {
            id: ID,
            entries: ENTRIES,
            address: pair.cq_address(),
        }))?;
        let submission_queue = QueueSetup {
            id: ID,
            entries: ENTRIES,
            address: pair.sq_address(),
        };
        admin.execute(SubmissionEntry::create_io_submission_queue(
            submission_queue,
            ID,
        ))?;
        Ok(())
    }
}
