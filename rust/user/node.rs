// SPDX-License-Identifier: GPL-2.0-only

//! The node of a controller tells udev what happens to it, and has it show in
//! its subsystem once it has said which that is.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex}, //
};

use crate::{
    control::controller::Announcer,
    glue::chardev::Node, //
};

use super::{
    file::EventFile,
    names::controller_name,
    sysfs::subsystem::{Membership, Subsystem, Subsystems},
};

/// Sends the uevents of a node.
pub(crate) struct NodeAnnouncer {
    node: Arc<Node<EventFile>>,
    subsystems: Arc<Subsystems>,
    membership: Pin<KBox<Mutex<Option<Membership>>>>,
}

impl NodeAnnouncer {
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(
        node: Arc<Node<EventFile>>,
        subsystems: Arc<Subsystems>,
    ) -> Result<KBox<Self>> {
        let membership = KBox::pin_init(
            new_mutex!(None, "nvme_rs::NodeAnnouncer::membership"),
            GFP_KERNEL,
        )?;
        let this = Self {
            node,
            subsystems,
            membership,
        };
        Ok(KBox::new(this, GFP_KERNEL)?)
    }

    /// Makes the controller a member of its subsystem, unless it is one or
    /// never started.
    fn join(&self) -> Result {
        let Some(subsystem) = self.subsystem() else {
            return Ok(());
        };
        let mut membership = self.membership.lock();
        match &*membership {
            Some(membership) => membership.refresh(&subsystem),
            None => {
                let name = controller_name(&self.node)?;
                *membership = Some(self.subsystems.join(subsystem, &*self.node, name)?);
            }
        }
        Ok(())
    }

    fn subsystem(&self) -> Option<Subsystem> {
        let binding = self.node.node().visit()?;
        let identity = binding.controller().identity().lock();
        identity.as_deref().map(Subsystem::of)
    }
}

impl Announcer for NodeAnnouncer {
    fn announce(&self, variable: &CStr) {
        // Before udev is told, whose rules look at the subsystem. A controller
        // that is in none works all the same.
        if let Err(error) = self.join() {
            pr_warn!("a controller is missing in its subsystem: {:?}\n", error);
        }
        self.node.notify_change(variable);
    }
}
