// SPDX-License-Identifier: GPL-2.0-only

//! What the controller says about the effects of commands: its Commands
//! Supported and Effects logs, one for each I/O Command Set.

use kernel::{new_mutex, prelude::*, sync::Mutex};

use crate::{
    engine::policy::{Command, CommandSet},
    glue::dma::Buffer,
    spec::{
        command::{LogPageRead, NamespaceId, RetainEvent, SubmissionEntry},
        effects::{CommandEffects, EffectsLog},
        log_page::LogPageId,
        namespace::CommandSetId,
    },
};

use super::inquiry::Inquiry;

/// The logs that were read.
#[pin_data]
pub(crate) struct EffectsLogs {
    #[pin]
    logs: Mutex<KVec<(CommandSetId, KBox<EffectsLog>)>>,
}

impl EffectsLogs {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            logs <- new_mutex!(KVec::new(), "nvme_rs::EffectsLogs::logs"),
        })
    }

    /// Forgets all logs: the controller may have changed.
    pub(super) fn forget(&self) {
        let old = core::mem::replace(&mut *self.logs.lock(), KVec::new());
        // Memory is given back outside the lock.
        drop(old);
    }

    /// Reads the log of a command set, unless it is known. Sleeps.
    ///
    /// # Errors
    ///
    /// Those of [`Inquiry::ask`]; ENOMEM.
    pub(super) fn learn(&self, set: CommandSetId, inquiry: &Inquiry) -> Result {
        if self.logs.lock().iter().any(|(known, _)| *known == set) {
            return Ok(());
        }
        let read = LogPageRead {
            page: LogPageId::COMMAND_EFFECTS,
            nsid: NamespaceId::BROADCAST,
            offset_bytes: 0,
            length_bytes: size_of::<EffectsLog>() as u32,
            retain: RetainEvent::Retain,
        };
        let log: KBox<EffectsLog> = inquiry.ask(
            |address| SubmissionEntry::get_log_page(read, address).for_command_set(set),
            Buffer::copy_out,
        )?;
        self.logs.lock().push((set, log), GFP_KERNEL)?;
        Ok(())
    }

    /// What the log says of a command; `None` without a log.
    pub(super) fn of(&self, command: Command<'_>) -> Option<CommandEffects> {
        let set = match command.set {
            CommandSet::Admin => CommandSetId::NVM,
            CommandSet::Io(set) => set,
        };
        let logs = self.logs.lock();
        let (_, log) = logs.iter().find(|(known, _)| *known == set)?;
        Some(match command.set {
            CommandSet::Admin => log.admin(command.entry.opcode),
            CommandSet::Io(_) => log.io(command.entry.opcode),
        })
    }
}
