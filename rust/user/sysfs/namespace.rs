// SPDX-License-Identifier: GPL-2.0-only

//! The folder `nvmeNnM` that a namespace has in the folder of its controller.

use kernel::{
    fmt::Write,
    new_mutex,
    prelude::*,
    str::{CString, Formatter},
    sync::{Arc, Mutex},
    time::{Delta, Instant, Monotonic},
};

use crate::{
    control::{handle::Handle, namespaces::Namespace},
    glue::{
        dma::Buffer,
        kobject::{Folder, FolderAttribute, Group, InSysfs},
    },
    spec::{
        command::SubmissionEntry,
        identifier::{SpacedHex, Uuid, Wwid},
        identify::Cns,
        namespace::IdentifyNamespace,
    },
};

use super::controller::identified;

/// The files of a namespace, until dropped.
pub(crate) type NamespaceFolder = Folder<Shown>;

/// A namespace, and the controller through which it is seen.
#[pin_data]
pub(crate) struct Shown {
    namespace: Arc<Namespace>,
    handle: Arc<Handle>,
    #[pin]
    usage: Mutex<Option<Usage>>,
}

/// How many logical blocks were in use at some time.
#[derive(Clone, Copy)]
struct Usage {
    blocks: u64,
    at: Instant<Monotonic>,
}

/// How old that may be. Everybody can read it, but not have everybody else's
/// commands wait behind those that it takes to find out.
const USAGE_AGE: Delta = Delta::from_secs(5);

/// Makes the folder `name` for a namespace in that of its controller. Sleeps.
///
/// # Errors
///
/// Those of [`Folder::new`].
pub(crate) fn show(
    controller: &impl InSysfs,
    name: &CString,
    namespace: Arc<Namespace>,
    handle: Arc<Handle>,
) -> Result<NamespaceFolder> {
    let shown = Arc::pin_init(
        pin_init!(Shown {
            namespace,
            handle,
            usage <- new_mutex!(None, "nvme_rs::Shown::usage"),
        }),
        GFP_KERNEL,
    )?;
    Folder::new(controller, name, &GROUPS, shown)
}

static GROUPS: [Group<Shown>; 2] = [
    // The in-tree driver's is that of the block device's queue.
    Group {
        inside: Some(c"queue"),
        attributes: &[FolderAttribute::new(c"logical_block_size", |shown, to| {
            let format = shown.namespace.size().format;
            let bytes = format.map_or(SECTOR_BYTES, |format| format.lba_bytes());
            Ok(writeln!(to, "{}", bytes)?)
        })],
    },
    Group {
        inside: None,
        attributes: &ATTRIBUTES,
    },
];

/// What the kernel counts the sizes of disks in.
const SECTOR_BYTES: u32 = 512;

static ATTRIBUTES: [FolderAttribute<Shown>; 9] = [
    FolderAttribute::new(c"wwid", show_wwid),
    FolderAttribute::optional(c"uuid", show_uuid, |shown| {
        let descriptors = shown.namespace.identity().descriptors;
        descriptors.uuid.or(descriptors.nguid).is_some()
    }),
    FolderAttribute::optional(c"nguid", show_nguid, |shown| {
        shown.namespace.identity().descriptors.nguid.is_some()
    }),
    FolderAttribute::optional(c"eui", show_eui, |shown| {
        shown.namespace.identity().descriptors.eui64.is_some()
    }),
    FolderAttribute::new(c"csi", |shown, to| {
        let csi = shown.namespace.identity().command_set.0;
        Ok(writeln!(to, "{}", csi)?)
    }),
    FolderAttribute::new(c"metadata_bytes", |shown, to| {
        let format = shown.namespace.size().format;
        let bytes = format.map_or(0, |format| format.metadata_bytes);
        Ok(writeln!(to, "{}", bytes)?)
    }),
    FolderAttribute::new(c"nuse", show_nuse),
    FolderAttribute::new(c"size", show_size),
    FolderAttribute::new(c"nsid", |shown, to| {
        Ok(writeln!(to, "{}", shown.namespace.nsid().0)?)
    }),
];

fn show_wwid(shown: &Shown, to: &mut Formatter<'_>) -> Result {
    identified(&shown.handle, |identify| {
        let wwid = Wwid {
            descriptors: shown.namespace.identity().descriptors,
            identify,
            nsid: shown.namespace.nsid(),
        };
        writeln!(to, "{}", wwid)
    })
}

/// The NGUID, where there is no UUID: so it has been since before UUIDs.
fn show_uuid(shown: &Shown, to: &mut Formatter<'_>) -> Result {
    let descriptors = shown.namespace.identity().descriptors;
    let uuid = descriptors.uuid.or(descriptors.nguid).ok_or(ENODEV)?;
    Ok(writeln!(to, "{}", Uuid(uuid))?)
}

fn show_nguid(shown: &Shown, to: &mut Formatter<'_>) -> Result {
    let descriptors = shown.namespace.identity().descriptors;
    Ok(writeln!(to, "{}", Uuid(descriptors.nguid.ok_or(ENODEV)?))?)
}

fn show_eui(shown: &Shown, to: &mut Formatter<'_>) -> Result {
    let descriptors = shown.namespace.identity().descriptors;
    Ok(writeln!(
        to,
        "{}",
        SpacedHex(&descriptors.eui64.ok_or(ENODEV)?)
    )?)
}

/// The size in sectors; 0 if the namespace has no logical blocks.
fn show_size(shown: &Shown, to: &mut Formatter<'_>) -> Result {
    let size = shown.namespace.size();
    let sectors = size.format.map_or(0, |format| {
        let sectors_per_block = u64::from(format.lba_bytes() / SECTOR_BYTES);
        size.nsze.saturating_mul(sectors_per_block)
    });
    Ok(writeln!(to, "{}", sectors)?)
}

/// The logical blocks in use. Writing changes that, so the controller is asked
/// now and then.
fn show_nuse(shown: &Shown, to: &mut Formatter<'_>) -> Result {
    let mut kept = shown.usage.lock();
    let recent = kept.filter(|usage| usage.at.elapsed() < USAGE_AGE);
    let usage = match recent {
        Some(usage) => usage,
        None => Usage {
            blocks: ask_for_usage(shown)?,
            at: Instant::now(),
        },
    };
    *kept = Some(usage);
    Ok(writeln!(to, "{}", usage.blocks)?)
}

/// What a controller that does not answer said last.
///
/// # Errors
///
/// ENODEV if the driver has let go of the controller.
fn ask_for_usage(shown: &Shown) -> Result<u64> {
    let binding = shown.handle.visit().ok_or(ENODEV)?;
    let known = shown.namespace.size().nuse;
    if !shown.namespace.identity().command_set.has_logical_blocks() {
        return Ok(known);
    }
    let nsid = shown.namespace.nsid();
    let answer: Result<KBox<IdentifyNamespace>> = binding.controller().inquiry().ask(
        |address| SubmissionEntry::identify(Cns::Namespace, nsid, address),
        Buffer::copy_out,
    );
    Ok(answer.map_or(known, |identify| identify.nuse.get()))
}
