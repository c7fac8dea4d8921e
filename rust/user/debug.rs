// SPDX-License-Identifier: GPL-2.0-only

//! `/sys/kernel/debug/nvme_rs/nvmeN/events`: what the driver knows about a
//! controller's events, one `name: value` a line.

use kernel::{
    debugfs::{Dir, File},
    fmt,
    prelude::*,
    sync::Arc,
};

use crate::{control::handle::Handle, engine::record::Sequence};

/// The event types by their numbers.
const EVENT_TYPES: [&str; 8] = [
    "error",
    "smart",
    "notice",
    "immediate",
    "one_shot",
    "reserved",
    "command_set",
    "vendor",
];

/// The file of one controller, from creation to drop.
#[pin_data]
pub(crate) struct Inspection {
    #[pin]
    events: File<Arc<Handle>>,
    dir: Dir,
}

impl Inspection {
    /// Makes the file, in a folder `name` below `parent`. Without debugfs this
    /// does nothing.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(parent: &Dir, name: &CStr, handle: Arc<Handle>) -> Result<Pin<KBox<Self>>> {
        KBox::pin_init(
            try_pin_init!(Self {
                dir: parent.subdir(name),
                events <- dir.read_callback_file(c"events", handle, &show),
            }? Error),
            GFP_KERNEL,
        )
    }
}

/// Empty once the driver has let go of the controller.
fn show(handle: &Arc<Handle>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Some(binding) = handle.visit() else {
        return Ok(());
    };
    let controller = binding.controller();
    let stream = handle.stream().totals();
    let counts = controller.admin().counts();
    let archive = handle.stream().archive();
    let kept = archive.totals();
    writeln!(
        f,
        "doorbell_buffers: {}",
        u8::from(controller.io_queues().has_doorbell_buffers())
    )?;
    writeln!(f, "posted: {}", stream.next.since(Sequence::FIRST))?;
    writeln!(f, "oldest: {}", stream.oldest.0)?;
    writeln!(f, "overwritten: {}", stream.overwritten)?;
    writeln!(f, "aers_outstanding: {}", counts.aers_outstanding)?;
    writeln!(f, "classes_masked: {}", counts.classes_masked)?;
    writeln!(f, "unknown_completions: {}", counts.unknown_completions)?;
    for (name, count) in EVENT_TYPES.into_iter().zip(counts.events) {
        writeln!(f, "{}_events: {}", name, count)?;
    }
    writeln!(f, "captures_dropped: {}", counts.captures_dropped)?;
    writeln!(f, "captures_failed: {}", kept.failures)?;
    writeln!(f, "snapshot_bytes: {}", kept.used_bytes)?;

    // The event path waits for neither of the locks that these hold.
    let mut result = Ok(());
    archive.for_each(|snapshot| {
        result = result.and_then(|()| {
            writeln!(
                f,
                "snapshot: page {:#04x} events {}..={} {} bytes",
                snapshot.wanted.page.0,
                snapshot.wanted.first.0,
                snapshot.wanted.last.0,
                snapshot.length_bytes
            )
        });
    });
    controller.namespaces().for_each(|namespace| {
        result = result.and_then(|()| writeln!(f, "namespace: {}", namespace.nsid().0));
    });
    result
}
