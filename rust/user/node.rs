// SPDX-License-Identifier: GPL-2.0-only

//! The node of a controller tells udev what happens to it.

use kernel::{prelude::*, sync::Arc};

use crate::{
    control::controller::Announcer,
    glue::chardev::Node, //
};

use super::file::EventFile;

/// Sends the uevents of a node.
pub(crate) struct NodeAnnouncer(pub(crate) Arc<Node<EventFile>>);

impl Announcer for NodeAnnouncer {
    fn announce(&self, variable: &CStr) {
        self.0.notify_change(variable);
    }
}
