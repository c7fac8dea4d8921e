// SPDX-License-Identifier: GPL-2.0-only

//! What the controller says about the effects of commands: its Commands
//! Supported and Effects logs, one for each I/O Command Set.

use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{Atomic, AtomicFlag, Relaxed},
        Mutex,
    },
};

use crate::{
    engine::policy::{
        census::{census, Census},
        Command, CommandSet, FileMode, Node, OpcodeFacts,
    },
    glue::{dma::Buffer, look::Look},
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
            return self.nvm.learn(set, || read(set, inquiry));
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
        table.learn(set, || Ok(log))?;
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
        self.facts(command.set, command.entry.opcode).logged()
    }

    /// As [`OpcodeFacts::is_routine`], of a command of an I/O Command Set.
    #[inline]
    pub(super) fn are_routine(&self, set: CommandSetId, opcode: u8, mode: FileMode) -> bool {
        self.facts(CommandSet::Io(set), opcode).is_routine(mode)
    }

    #[inline]
    fn facts(&self, set: CommandSet, opcode: u8) -> OpcodeFacts {
        let opcode = usize::from(opcode);
        match set {
            CommandSet::Admin => self.nvm.get(opcode),
            CommandSet::Io(CommandSetId::NVM) => self.nvm.get(ADMIN_OPCODES + opcode),
            CommandSet::Io(set) => self.facts_of_other(set, ADMIN_OPCODES + opcode),
        }
    }

    #[cold]
    fn facts_of_other(&self, set: CommandSetId, index: usize) -> OpcodeFacts {
        let others = self.others.lock();
        let entry = others.iter().find(|(known, _)| *known == set);
        entry.map_or_else(OpcodeFacts::default, |(_, table)| table.get(index))
    }
}

/// The I/O commands of a log come after so many admin commands.
const ADMIN_OPCODES: usize = 256;

/// A log, which can be replaced while others look.
struct Table {
    facts: KVec<Atomic<u64>>,
    stale: AtomicFlag,
}

impl Table {
    fn new() -> Result<Self> {
        let mut facts = KVec::with_capacity(2 * ADMIN_OPCODES, GFP_KERNEL)?;
        for _ in 0..2 * ADMIN_OPCODES {
            facts.push(Atomic::new(0), GFP_KERNEL)?;
        }
        Ok(Self {
            facts,
            stale: AtomicFlag::new(true),
        })
    }

    fn learn(&self, set: CommandSetId, read: impl FnOnce() -> Result<KBox<EffectsLog>>) -> Result {
        if !self.stale.load(Relaxed) {
            return Ok(());
        }
        let log = read()?;
        let (admin, io) = (CommandSet::Admin, CommandSet::Io(set));
        for (place, opcode) in self.facts.iter().zip(0..=u8::MAX) {
            let facts = OpcodeFacts::new(admin, opcode, log.admin(opcode));
            place.store(facts.word(), Relaxed);
        }
        for (place, opcode) in self.facts.iter().skip(ADMIN_OPCODES).zip(0..=u8::MAX) {
            let facts = OpcodeFacts::new(io, opcode, log.io(opcode));
            place.store(facts.word(), Relaxed);
        }
        self.stale.store(false, Relaxed);
        Ok(())
    }

    #[inline]
    fn get(&self, index: usize) -> OpcodeFacts {
        let word = self.facts.get(index).map_or(0, |place| place.look());
        OpcodeFacts::from_word(word)
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
