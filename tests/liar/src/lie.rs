// SPDX-License-Identifier: GPL-2.0-only

//! What the controller can be told to lie about.

use std::{collections::BTreeMap, str::FromStr};

use clap::ValueEnum;

/// A lie. The numbers are those of `tests/kselftest/lib/liar.h`. Where it says
/// "once", the lie is over when it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
#[repr(u32)]
pub enum Lie {
    /// All registers read as ones, and writes are lost.
    Vanished = 1,
    /// CSTS.RDY stays 0 after CC.EN was set.
    NeverReady = 2,
    /// CSTS.RDY stays 1 after CC.EN was cleared.
    NeverStops = 3,
    /// CSTS.CFS instead of CSTS.RDY after CC.EN was set.
    FatalAtStart = 4,
    /// Once: CSTS.CFS instead of the completion of the next command.
    FatalInCommand = 5,
    /// CSTS.SHST never says that a shutdown is complete.
    NeverShutDown = 6,
    /// Once, at once: firmware is activated. The argument is how many
    /// milliseconds that takes; 0: until a reset. With [`NO_LOG_PAGE`], the event
    /// names no log page.
    Activates = 7,
    /// CAP.MQES is the argument.
    QueueEntries = 8,
    /// CAP.DSTRD is the argument.
    DoorbellStride = 9,
    /// CAP.MPSMIN is the argument.
    PageSize = 10,
    /// MDTS is the argument.
    TransferSize = 11,
    /// An administrative controller, without I/O queues and namespaces.
    Administrative = 12,
    /// Namespace 2 exists, and its I/O command set is the argument.
    CommandSet = 13,
    /// SGLS is the argument, and as to SGLs, the controller keeps its word.
    Sgls = 14,
    /// Once: before the next completion, one of a command with that id.
    UnknownCommand = 15,
    /// Once: the next command is completed twice.
    Twice = 16,
    /// Once: the next completion names that submission queue.
    QueueId = 17,
    /// Once: the next completion names that submission queue head.
    QueueHead = 18,
    /// Once: the next completion has the phase of an entry not yet written.
    Phase = 19,
    /// Once: the next command is not completed, unless it is aborted.
    Hangs = 20,
    /// No command is completed; argument 1: no I/O command.
    Deaf = 21,
    /// Abort says that the command was aborted, which it was not.
    AbortsNothing = 22,
    /// Completions come without interrupts.
    NoInterrupts = 23,
    /// So many interrupts of each vector come without completions.
    IdleInterrupts = 24,
    /// Once: the request that reports the next event is completed so many times
    /// more.
    EventAgain = 25,
    /// Event requests fail at once, with that status.
    EventStatus = 26,
    /// Create I/O Completion Queue fails, with that status.
    CreateFails = 27,
    /// Only so many pairs of I/O queues can be had, and Set Features says so.
    GrantsFewer = 28,
    /// Only so many pairs of I/O queues can be had, and Set Features grants
    /// 65,535.
    GrantsTooMany = 29,
    /// What Identify of that CNS returns is all zeros; 100h: of any CNS.
    IdentifyZeros = 30,
    /// What Identify of that CNS returns is all ones; 100h: of any CNS.
    IdentifyOnes = 31,
    /// Active namespace lists are always full, and go on.
    EndlessList = 32,
    /// Active namespace lists descend.
    DescendingList = 33,
    /// Data area 3 of the telemetry log ends with that block.
    TelemetryBlocks = 34,
    /// Get Log Page of that page fails.
    LogFails = 35,
    /// Once: the next command fails with that status.
    Status = 36,
    /// Get Log Page of that page is not answered until this is told with 0, or
    /// the truth.
    LogWaits = 37,
    /// Format NVM is not answered until this is told with 0, or the truth.
    FormatWaits = 38,
    /// Once: the next admin command with the opcode in bits 7:0 and the low byte
    /// of dword 10 in bits 15:8 is not completed, unless it is aborted.
    HangsAt = 39,
    /// Once: CSTS reads with RDY cleared.
    UnreadyOnce = 40,
    /// Abort aborts, but is not completed itself.
    AbortsHang = 41,
    /// CAP.TO is the argument, in units of 500 ms.
    ReadyTimeout = 42,
    /// MTFA is the argument, in units of 100 ms.
    ActivationTime = 43,
    /// Once: as soon as there is a request for events, that one is reported.
    EarlyEvent = 44,
}

/// Set in the argument of what is told of "the next command": one of the admin
/// queue's; otherwise, of an I/O queue's.
pub const OF_ADMIN_QUEUE: u32 = 1 << 31;

/// Set in the argument of [`Lie::Activates`].
pub const NO_LOG_PAGE: u32 = 1 << 31;

impl Lie {
    /// The lie with that number.
    pub fn numbered(number: u32) -> Option<Self> {
        let all = Self::value_variants().iter();
        all.copied().find(|lie| *lie as u32 == number)
    }
}

/// A lie with its argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Which.
    pub lie: Lie,
    /// What it means depends on the lie.
    pub argument: u32,
}

impl FromStr for Told {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, number) = text.split_once('=').unwrap_or((text, "0"));
        let parsed = match number.strip_prefix("0x") {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => number.parse(),
        };
        Ok(Self {
            lie: Lie::from_str(name, false)?,
            argument: parsed.map_err(|error| format!("'{number}': {error}"))?,
        })
    }
}

/// The lies that are being told.
#[derive(Debug, Default)]
pub struct Lies {
    on: BTreeMap<Lie, u32>,
    /// How many times one was told that is told once.
    pub told: u32,
}

impl Lies {
    /// Tells it from now on.
    pub fn begin(&mut self, Told { lie, argument }: Told) {
        self.on.insert(lie, argument);
    }

    /// The truth from now on.
    pub fn end(&mut self) {
        *self = Self::default();
    }

    /// The argument, if the lie is told.
    pub fn get(&self, lie: Lie) -> Option<u32> {
        self.on.get(&lie).copied()
    }

    /// Whether the lie is told.
    pub fn has(&self, lie: Lie) -> bool {
        self.on.contains_key(&lie)
    }

    /// The argument of a lie that is told only now.
    pub fn once(&mut self, lie: Lie) -> Option<u32> {
        let argument = self.on.remove(&lie)?;
        self.told += 1;
        Some(argument)
    }

    /// The same for what is told of "the next command", if this is one.
    pub fn once_of(&mut self, lie: Lie, queue: u16) -> Option<u32> {
        let argument = self.get(lie)?;
        if (argument & OF_ADMIN_QUEUE != 0) != (queue == 0) {
            return None;
        }
        self.once(lie).map(|argument| argument & !OF_ADMIN_QUEUE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_name_each_lie() {
        for lie in Lie::value_variants() {
            assert_eq!(Lie::numbered(*lie as u32), Some(*lie));
        }
        assert_eq!(Lie::numbered(0), None);
    }

    #[test]
    fn the_command_line_names_lies() {
        let told = |lie, argument| Ok(Told { lie, argument });
        assert_eq!("never-ready".parse(), told(Lie::NeverReady, 0));
        assert_eq!("queue-entries=0x10".parse(), told(Lie::QueueEntries, 16));
        assert!("queue-entries=x".parse::<Told>().is_err());
        assert!("honest".parse::<Told>().is_err());
    }

    #[test]
    fn what_is_told_once_is_over_then() {
        let mut lies = Lies::default();
        lies.begin(Told {
            lie: Lie::QueueId,
            argument: 7,
        });
        assert_eq!(lies.once_of(Lie::QueueId, 0), None);
        assert_eq!(lies.once_of(Lie::QueueId, 1), Some(7));
        assert_eq!(lies.once_of(Lie::QueueId, 1), None);
        lies.begin(Told {
            lie: Lie::QueueId,
            argument: OF_ADMIN_QUEUE | 7,
        });
        assert_eq!(lies.once_of(Lie::QueueId, 1), None);
        assert_eq!(lies.once_of(Lie::QueueId, 0), Some(7));
        assert_eq!(lies.told, 2);
    }
}
