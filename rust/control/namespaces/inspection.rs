// SPDX-License-Identifier: GPL-2.0-only

//! What the controller says about its namespaces, when asked.

use kernel::prelude::*;

use crate::{
    control::inquiry::Inquiry,
    glue::dma::Buffer,
    spec::{
        command::{NamespaceId, SubmissionEntry},
        identify::{active_namespaces, Cns, IDENTIFY_BYTES, NAMESPACES_PER_LIST},
        namespace::{CommandSetId, Descriptors, Format, IdentifyNamespace, NvmIdentifyNamespace},
    },
};

/// Most namespaces that a controller is believed to have: more than any has,
/// and a list of them takes no large piece of memory.
const NAMESPACES_MAX: usize = 16 * NAMESPACES_PER_LIST;

/// What makes a namespace that namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) command_set: CommandSetId,
    pub(crate) descriptors: Descriptors,
}

/// What a format can change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// `None` for command sets without logical blocks.
    pub(crate) format: Option<Format>,
    /// Namespace Size, logical blocks.
    pub(crate) nsze: u64,
    /// Namespace Utilization, logical blocks.
    pub(crate) nuse: u64,
}

/// What the controller says about a namespace.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub(super) identity: Identity,
    pub(super) size: Size,
}

/// Asks the controller which namespaces are attached to it.
///
/// # Errors
///
/// Those of [`Inquiry::ask`], ENOMEM, EIO if the controller's list is not in
/// ascending order, E2BIG if it does not come to an end.
pub(super) fn scan(inquiry: &Inquiry) -> Result<KVec<NamespaceId>> {
    let mut active = KVec::new();
    let mut list = KVec::<u8>::new();
    list.resize(IDENTIFY_BYTES, 0, GFP_KERNEL)?;
    let mut last = NamespaceId::NONE;
    loop {
        let before = active.len();
        // Lists those above `last`.
        inquiry.ask(
            |address| SubmissionEntry::identify(Cns::ActiveNamespaceList, last, address),
            |page| page.copy_to(0, &mut list),
        )?;
        for nsid in active_namespaces(&list) {
            if nsid <= last {
                return Err(EIO);
            }
            active.push(nsid, GFP_KERNEL)?;
            last = nsid;
        }
        if active.len() - before < NAMESPACES_PER_LIST {
            return Ok(active);
        }
        if active.len() >= NAMESPACES_MAX {
            return Err(E2BIG);
        }
    }
}

/// Asks the controller what a namespace is like.
///
/// # Errors
///
/// Those of [`Inquiry::ask`], ENOMEM.
pub(super) fn inspect(inquiry: &Inquiry, nsid: NamespaceId) -> Result<Found> {
    // A controller of before revision 1.3 has no descriptors. Whatever else goes
    // wrong must not make another namespace of it.
    let mut descriptors = inquiry
        .ask_whether(
            |address| SubmissionEntry::identify(Cns::NamespaceDescriptors, nsid, address),
            Buffer::copy_out::<[u8; IDENTIFY_BYTES]>,
        )?
        .map(|list| Descriptors::parse(&list[..]))
        .unwrap_or_default();
    let command_set = CommandSetId(descriptors.command_set.unwrap_or(CommandSetId::NVM.0));
    let mut size = Size::default();
    if command_set.has_logical_blocks() {
        let identify: KBox<IdentifyNamespace> = inquiry.ask(
            |address| SubmissionEntry::identify(Cns::Namespace, nsid, address),
            Buffer::copy_out,
        )?;
        descriptors.or_from(&identify);
        // Only where protection information can have several sizes.
        let extension: Option<KBox<NvmIdentifyNamespace>> = inquiry.ask_whether(
            |address| SubmissionEntry::identify(Cns::CommandSetNamespace, nsid, address),
            Buffer::copy_out,
        )?;
        size = Size {
            format: identify.format(extension.as_deref()),
            nsze: identify.nsze.get(),
            nuse: identify.nuse.get(),
        };
    }
    Ok(Found {
        identity: Identity {
            command_set,
            descriptors,
        },
        size,
    })
}
