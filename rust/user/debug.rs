// SPDX-License-Identifier: GPL-2.0-only

//! `/sys/kernel/debug/nvme_rs/nvmeN/events`: what the driver knows about a
//! controller's events, one `name: value` a line.

use kernel::{
    debugfs::{Dir, File},
    fmt,
    prelude::*,
    sync::Arc,
};

use crate::{
    control::{attendant::Attendant, binding::Binding, controller::Controller},
    engine::record::Sequence,
    glue::work::WorkItem,
};

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
    events: File<Subject>,
    dir: Dir,
}

impl Inspection {
    /// Makes the file, in a folder `name` below `parent`. Without debugfs this
    /// does nothing.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(parent: &Dir, name: &CStr, binding: &Binding) -> Result<Pin<KBox<Self>>> {
        let subject = Subject {
            controller: binding.controller().clone(),
            attendant: binding.attendant().clone(),
        };
        KBox::pin_init(
            try_pin_init!(Self {
                dir: parent.subdir(name),
                events <- dir.read_callback_file(c"events", subject, &Subject::show),
            }? Error),
            GFP_KERNEL,
        )
    }
}

/// What the file shows.
struct Subject {
    controller: Arc<Controller>,
    attendant: Arc<WorkItem<Attendant>>,
}

impl Subject {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let admin = self.controller.admin();
        let stream = self.controller.stream().totals();
        let counts = admin.counts();
        let kept = self.attendant.context().totals();
        writeln!(f, "posted: {}", stream.next.since(Sequence::FIRST))?;
        writeln!(f, "oldest: {}", stream.oldest.0)?;
        writeln!(f, "overwritten: {}", stream.overwritten)?;
        writeln!(f, "aers_outstanding: {}", admin.aers_outstanding())?;
        writeln!(f, "classes_masked: {}", admin.classes_masked())?;
        writeln!(f, "unknown_completions: {}", counts.unknown_completions)?;
        for (name, count) in EVENT_TYPES.into_iter().zip(counts.events) {
            writeln!(f, "{}_events: {}", name, count)?;
        }
        writeln!(f, "captures_dropped: {}", admin.captures_dropped())?;
        writeln!(f, "captures_failed: {}", kept.failures)?;
        writeln!(f, "snapshot_bytes: {}", kept.used_bytes)?;

        // A formatter is not to be called under a lock that the event path
        // waits for; neither of these is.
        let mut result = Ok(());
        self.attendant.context().for_each(|snapshot| {
            result = result.and_then(|()| {
                writeln!(
                    f,
                    "snapshot: page {:#04x} events {}..={} {} bytes",
                    snapshot.page.0, snapshot.first.0, snapshot.last.0, snapshot.length_bytes
                )
            });
        });
        self.controller.namespaces().for_each(|nsid| {
            result = result.and_then(|()| writeln!(f, "namespace: {}", nsid.0));
        });
        result
    }
}
