// SPDX-License-Identifier: GPL-2.0-only

//! What the controller says about the effects of commands: its Commands
//! Supported and Effects logs, one for each I/O Command Set.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{Acquire, Atomic, AtomicFlag, Relaxed, Release},
        Mutex,
    },
};

use crate::{
    engine::policy::{
        census::{census, Census},
        Command, CommandSet, Node,
    },
    glue::dma::Buffer,
    spec::{
        command::{LogPageRead, NamespaceId, RetainEvent, SubmissionEntry},
        effects::{CommandEffects, EffectsLog},
        log_page::LogPageId,
        namespace::CommandSetId,
    },
};

use super::inquiry::Inquiry;

/// The logs that were read. Those that every command needs are looked up
/// without a lock.
#[pin_data]
pub(crate) struct EffectsLogs {
    /// Of the NVM Command Set, and of admin commands, which are in every log.
    nvm: Table,
    #[pin]
    others: Mutex<KVec<(CommandSetId, Table)>>,
}

impl EffectsLogs {
    /// # Errors
    ///
    /// ENOMEM.
    pub(super) fn new() -> Result<impl PinInit<Self>> {
        let nvm = Table::new()?;
        Ok(pin_init!(Self {
            nvm,
            others <- new_mutex!(KVec::new(), "nvme_rs::EffectsLogs::others"),
        }))
    }

    /// The controller may have changed: every log is to be read again. Until
    /// then, what it said counts.
    pub(super) fn distrust(&self) {
        self.nvm.stale.store(true, Relaxed);
        for (_, table) in self.others.lock().iter() {
            table.stale.store(true, Relaxed);
        }
    }

    /// Reads the log of a command set, unless it is known. Sleeps.
    ///
    /// # Errors
    ///
    /// Those of [`Inquiry::ask`]; ENOMEM.
    pub(super) fn learn(&self, set: CommandSetId, inquiry: &Inquiry) -> Result {
        if set == CommandSetId::NVM {
            return self.nvm.learn(|| read(set, inquiry));
        }
        let known = |others: &KVec<(CommandSetId, Table)>| {
            let entry = others.iter().find(|(known, _)| *known == set);
            entry.is_some_and(|(_, table)| !table.stale.load(Relaxed))
        };
        if known(&self.others.lock()) {
            return Ok(());
        }
        let log = read(set, inquiry)?;
        let table = Table::new()?;
        table.learn(|| Ok(log))?;
        let mut others = self.others.lock();
        match others.iter_mut().find(|(known, _)| *known == set) {
            Some((_, old)) => *old = table,
            None => others.push((set, table), GFP_KERNEL)?,
        }
        Ok(())
    }

    /// Which commands of a command set there are, and who may send them through
    /// a `node`.
    pub(crate) fn census(&self, set: CommandSet, node: Node) -> Census {
        census(set, node, |command| self.of(command))
    }

    /// What the log says of a command; `None` without a log.
    pub(super) fn of(&self, command: Command<'_>) -> Option<CommandEffects> {
        let opcode = usize::from(command.entry.opcode);
        match command.set {
            CommandSet::Admin => self.nvm.get(opcode),
            CommandSet::Io(CommandSetId::NVM) => self.nvm.get(ADMIN_OPCODES + opcode),
            CommandSet::Io(set) => {
                let others = self.others.lock();
                let (_, table) = others.iter().find(|(known, _)| *known == set)?;
                table.get(ADMIN_OPCODES + opcode)
            }
        }
    }
}

/// The I/O commands of a log come after so many admin commands.
const ADMIN_OPCODES: usize = 256;

/// A log, which can be replaced while others look.
struct Table {
    effects: KVec<Atomic<u32>>,
    /// There is something in it.
    known: AtomicFlag,
    stale: AtomicFlag,
}

impl Table {
    fn new() -> Result<Self> {
        let mut effects = KVec::with_capacity(2 * ADMIN_OPCODES, GFP_KERNEL)?;
        for _ in 0..2 * ADMIN_OPCODES {
            effects.push(Atomic::new(0), GFP_KERNEL)?;
        }
        Ok(Self {
            effects,
            known: AtomicFlag::new(false),
            stale: AtomicFlag::new(true),
        })
    }

    fn learn(&self, read: impl FnOnce() -> Result<KBox<EffectsLog>>) -> Result {
        if !self.stale.load(Relaxed) {
            return Ok(());
        }
        let log = read()?;
        for (place, opcode) in self.effects.iter().zip(0..=u8::MAX) {
            place.store(log.admin(opcode).0, Relaxed);
        }
        for (place, opcode) in self.effects.iter().skip(ADMIN_OPCODES).zip(0..=u8::MAX) {
            place.store(log.io(opcode).0, Relaxed);
        }
        self.known.store(true, Release);
        self.stale.store(false, Relaxed);
        Ok(())
    }

    fn get(&self, index: usize) -> Option<CommandEffects> {
        if !self.known.load(Acquire) {
            return None;
        }
        let place = self.effects.get(index)?;
        Some(CommandEffects(place.load(Relaxed)))
    }
}

fn read(set: CommandSetId, inquiry: &Inquiry) -> Result<KBox<EffectsLog>> {
    let read = LogPageRead {
        page: LogPageId::COMMAND_EFFECTS,
        nsid: NamespaceId::BROADCAST,
        offset_bytes: 0,
        length_bytes: size_of::<EffectsLog>() as u32,
        retain: RetainEvent::Retain,
    };
    inquiry.ask(
        |address| SubmissionEntry::get_log_page(read, address).for_command_set(set),
        Buffer::copy_out,
    )
}
