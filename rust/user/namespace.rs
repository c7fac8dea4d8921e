// SPDX-License-Identifier: GPL-2.0-only

//! `/dev/ngNnM`: the nodes of namespaces and the files on them.

use kernel::{
    prelude::*,
    sync::Arc, //
};

use crate::{
    control::{
        handle::Handle,
        namespaces::{Namespace, Publisher},
    },
    glue::{
        chardev::{Node, Region},
        class::Class,
        file_operations::{
            FileOperations, Ioctl, Issued, OpenMode, Operations, Own, RingOperations,
        },
        uring::{Cancellation, Issue, Poller},
    },
};

use super::{
    file::EventFile,
    names::{generic_name, namespace_name},
    passthrough, ring,
    sysfs::{self, namespace::NamespaceFolder},
};

/// What a namespace's node stands for.
pub(crate) struct NamespaceNode {
    handle: Arc<Handle>,
    namespace: Arc<Namespace>,
}

impl NamespaceNode {
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(super) fn namespace(&self) -> &Namespace {
        &self.namespace
    }
}

/// An open `/dev/ngNnM`.
pub(crate) struct NamespaceFile(Arc<NamespaceNode>);

impl FileOperations for NamespaceFile {
    type Node = NamespaceNode;
    const OPERATIONS: Operations<Self> = Operations::commands().by_ring();

    fn open(node: Arc<NamespaceNode>, _: OpenMode) -> impl PinInit<Self, Error> {
        Ok(Self(node))
    }

    fn ioctl(self: Pin<&Self>, _: Own<'_, Self>, call: Ioctl) -> Result<isize> {
        passthrough::on_namespace(&self.0.handle, &self.0.namespace, call)
    }
}

impl RingOperations for NamespaceFile {
    #[inline(always)]
    fn issue(self: Pin<&Self>, issue: Issue, mode: OpenMode) -> Result<Issued> {
        ring::on_namespace(&self.0.handle, &self.0.namespace, issue, mode)
    }

    fn cancel(self: Pin<&Self>, cancellation: Cancellation) {
        ring::cancel(&self.0.handle, cancellation);
    }

    fn poll_commands(self: Pin<&Self>, poller: &Poller) -> usize {
        ring::poll(&self.0.handle, poller)
    }
}

/// Makes the nodes of one controller's namespaces.
pub(crate) struct NamespacePublisher {
    pub(crate) region: Arc<Region<NamespaceFile>>,
    pub(crate) class: Arc<Class<NamespaceNode>>,
    pub(crate) controller: Arc<Node<EventFile>>,
    pub(crate) handle: Arc<Handle>,
}

/// What there is to see of a namespace.
struct Published {
    _folder: NamespaceFolder,
    _node: Node<NamespaceFile>,
}

impl Publisher for NamespacePublisher {
    fn publish(&self, namespace: &Arc<Namespace>) -> Result<KBox<dyn Send + Sync>> {
        let number = namespace.nsid().0;
        let data = NamespaceNode {
            handle: self.handle.clone(),
            namespace: namespace.clone(),
        };
        let node = Node::named(
            &self.region,
            &self.class,
            &self.controller,
            &generic_name(&self.controller, number)?,
            Arc::new(data, GFP_KERNEL)?,
        )?;
        let folder = sysfs::namespace::show(
            &*self.controller,
            &namespace_name(&self.controller, number)?,
            namespace.clone(),
            self.handle.clone(),
        )?;
        let published = Published {
            _folder: folder,
            _node: node,
        };
        Ok(KBox::new(published, GFP_KERNEL)?)
    }
}
