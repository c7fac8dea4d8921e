// SPDX-License-Identifier: GPL-2.0-only

//! Which names and numbers the driver's nodes get.
//!
//! Class `nvme` and `/dev/nvme0` on: the names that clients look for. But the
//! kernel would not stop two drivers from giving two controllers the same node,
//! and whoever comes second would silently talk to the wrong drive. So the
//! driver stands aside, with a class and numbers of its own, where the in-tree
//! driver is there first, or where the administrator chose the numbers.

use kernel::{prelude::*, str::CString, sync::Arc};

use crate::{
    control::handle::Handle,
    glue::{chardev::Node, class::Class, module},
};

use super::{
    file::EventFile,
    namespace::NamespaceNode,
    sysfs::{
        controller,
        generic,
        subsystem::{self, Subsystem}, //
    },
};

/// The first number next to the in-tree driver.
const FIRST_BESIDE_IN_TREE: u32 = 100;

/// The names of this load of the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Names {
    controller_class: &'static CStr,
    subsystem_class: &'static CStr,
    generic_class: &'static CStr,
    /// The lowest number a controller or a subsystem can get.
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
                controller_class: c"nvme",
                subsystem_class: c"nvme-subsystem",
                generic_class: c"nvme-generic",
                first_instance: 0,
            };
        }
        Self {
            controller_class: c"nvme_rs",
            subsystem_class: c"nvme_rs-subsystem",
            generic_class: c"nvme_rs-generic",
            first_instance: first_instance.unwrap_or(FIRST_BESIDE_IN_TREE),
        }
    }

    /// Makes the classes.
    ///
    /// # Errors
    ///
    /// Those of [`Class::new`].
    pub(crate) fn make_classes(self) -> Result<Classes> {
        Ok(Classes {
            controller: Class::new(
                self.controller_class,
                Some(c"NVME_TRTYPE=pcie"),
                &controller::ATTRIBUTES,
            )?,
            subsystem: Class::new(self.subsystem_class, None, &subsystem::ATTRIBUTES)?,
            generic: Class::new(self.generic_class, None, &generic::ATTRIBUTES)?,
        })
    }
}

/// The classes in `/sys/class`.
pub(crate) struct Classes {
    pub(crate) controller: Arc<Class<Handle>>,
    pub(crate) subsystem: Arc<Class<Subsystem>>,
    /// Of the nodes of namespaces.
    pub(crate) generic: Arc<Class<NamespaceNode>>,
}

/// `nvmeN`.
///
/// # Errors
///
/// ENOMEM.
pub(crate) fn controller_name(node: &Node<EventFile>) -> Result<CString> {
    CString::try_from_fmt(fmt!("nvme{}", node.instance()))
}

/// `ngNnM`, the node of a namespace.
///
/// # Errors
///
/// ENOMEM.
pub(crate) fn generic_name(node: &Node<EventFile>, number: u32) -> Result<CString> {
    CString::try_from_fmt(fmt!("ng{}n{}", node.instance(), number))
}

/// `nvmeNnM`, the folder of a namespace.
///
/// # Errors
///
/// ENOMEM.
pub(crate) fn namespace_name(node: &Node<EventFile>, number: u32) -> Result<CString> {
    CString::try_from_fmt(fmt!("nvme{}n{}", node.instance(), number))
}
