// SPDX-License-Identifier: GPL-2.0-only

//! Which names and numbers the driver's nodes get.
//!
//! Class `nvme` and `/dev/nvme0` on: the names that clients look for. But the
//! kernel would not stop two drivers from giving two controllers the same node,
//! and whoever comes second would silently talk to the wrong drive. So the
//! driver stands aside, with a class and numbers of its own, where the in-tree
//! driver is there first, or where the administrator chose the numbers.

use kernel::{prelude::*, sync::Arc};

use crate::{
    control::handle::Handle,
    glue::{class::Class, module}, //
};

use super::attributes;

/// The first number next to the in-tree driver.
const FIRST_BESIDE_IN_TREE: u32 = 100;

/// The names of this load of the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    class: &'static CStr,
    /// The lowest number a controller can get.
    pub(crate) first_instance: u32,
}

impl Names {
    /// The prefix of a controller's node, before its number.
    pub(crate) const CONTROLLER: &'static CStr = c"nvme";

    /// Decides by what is loaded now. `first_instance` is the administrator's
    /// choice, if there is one.
    pub(crate) fn choose(first_instance: Option<u32>) -> Self {
        if first_instance.is_none() && !module::nvme_core_is_loaded() {
            return Self {
                class: c"nvme",
                first_instance: 0,
            };
        }
        Self {
            class: c"nvme_rs",
            first_instance: first_instance.unwrap_or(FIRST_BESIDE_IN_TREE),
        }
    }

    /// Makes the class.
    ///
    /// # Errors
    ///
    /// Those of [`Class::new`].
    pub(crate) fn make_class(self) -> Result<Arc<Class<Handle>>> {
        Class::new(self.class, c"NVME_TRTYPE=pcie", &attributes::CONTROLLER)
    }
}
