// SPDX-License-Identifier: GPL-2.0-only

//! The controller: how commands go through its queues, and events to the host.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::File,
    io::Write,
    time::{Duration, Instant},
};

use crate::{
    command::{Answer, Command, Status},
    data::{DISK_BYTES, FORMATS},
    lie::{Lie, Lies, Told, NO_LOG_PAGE},
    memory::Memory,
    queue::{Completion, CompletionQueue, SubmissionQueue},
    registers::{Registers, CSTS_FATAL, CSTS_PAUSED},
};

/// BAR 0: registers and doorbells.
pub const BAR_BYTES: u64 = 0x2000;
/// Interrupt vectors.
pub const VECTORS: u16 = 8;
/// Pairs of I/O queues.
pub const IO_QUEUES: u16 = 7;

/// Notice, firmware activation starting, log page 03h.
const EVENT_FIRMWARE_ACTIVATION: u32 = 0x0003_0102;

/// The controller.
#[derive(Default)]
pub struct Controller {
    pub memory: Memory,
    /// The event file of each vector that is in use.
    pub interrupts: BTreeMap<u16, File>,
    pub(crate) lies: Lies,
    pub(crate) sqs: BTreeMap<u16, SubmissionQueue>,
    pub(crate) cqs: BTreeMap<u16, CompletionQueue>,
    pub(crate) features: BTreeMap<u8, u32>,
    /// Event requests that wait for an event, by their command ids.
    pub(crate) requests: VecDeque<u16>,
    /// Events that wait for a request.
    pub(crate) events: VecDeque<u32>,
    /// Log pages whose events are not reported again before they are read.
    pub(crate) latched: Vec<u8>,
    /// Commands that are not completed: queue and id.
    pub(crate) hanging: Vec<(u16, u16)>,
    /// Admin commands that are answered later.
    pub(crate) waiting: Vec<Command>,
    pub(crate) disk: Vec<u8>,
    /// Which of [`FORMATS`] namespace 1 has.
    pub(crate) format: usize,
    pub(crate) registers: Registers,
    /// No commands are processed before.
    pub(crate) paused_until: Option<Instant>,
    idle_interrupts: u32,
    pub(crate) counts: Counts,
}

/// What happened since the truth was last told.
#[derive(Default)]
pub(crate) struct Counts {
    admin: BTreeMap<u8, u32>,
    io: BTreeMap<u8, u32>,
    pub(crate) resets: u32,
    /// Doorbells rung of queues that are not there, or with values that cannot
    /// be, while the controller works.
    pub(crate) misuses: u32,
}

impl Controller {
    pub fn new() -> Self {
        Self {
            disk: vec![0; DISK_BYTES],
            ..Default::default()
        }
    }

    /// Tells that lie from now on, or at once.
    pub fn lie(&mut self, told: Told) {
        self.lies.begin(told);
        if self.lies.has(Lie::Activates) {
            self.activate_firmware();
        }
        if let Some(count) = self.lies.get(Lie::IdleInterrupts) {
            self.idle_interrupts = count;
        }
        if [Lie::LogWaits, Lie::FormatWaits]
            .iter()
            .any(|lie| self.lies.get(*lie) == Some(0))
        {
            self.answer_waiting();
        }
    }

    /// Forgets all lies, counts and formats. A lie about the status is taken
    /// back.
    pub fn tell_the_truth(&mut self) {
        self.lies.end();
        self.answer_waiting();
        self.format = 0;
        if !self.is_enabled() {
            self.disable();
        }
        self.idle_interrupts = 0;
        self.memory.faults = 0;
        self.counts = Counts::default();
    }

    pub fn lies_told(&self) -> u32 {
        self.lies.told
    }

    /// What the guest can ask.
    pub fn answer(&self, question: u32) -> u32 {
        let count = |counts: &BTreeMap<u8, u32>| *counts.get(&(question as u8)).unwrap_or(&0);
        match question {
            0x100..=0x1ff => count(&self.counts.admin),
            0x200..=0x2ff => count(&self.counts.io),
            1 => self.requests.len() as u32,
            2 => self.sqs.keys().filter(|id| **id != 0).count() as u32,
            3 => self.counts.misuses,
            4 => self.hanging.len() as u32,
            5 => self.counts.resets,
            6 => self.idle_interrupts,
            7 => self.memory.faults,
            8 => self.waiting.len() as u32,
            _ => u32::MAX,
        }
    }

    pub fn set_bus_master(&mut self, enabled: bool) {
        self.memory.enabled = enabled;
    }

    /// What time brings about.
    pub fn tick(&mut self) {
        if self.paused_until.is_some_and(|end| Instant::now() >= end) {
            self.paused_until = None;
            self.registers.csts &= !CSTS_PAUSED;
            self.process_all();
        }
        if self.idle_interrupts > 0 {
            self.idle_interrupts -= 1;
            for vector in 0..VECTORS {
                self.interrupt(vector);
            }
        }
    }

    pub(crate) fn forget_commands(&mut self) {
        self.sqs.clear();
        self.cqs.clear();
        self.requests.clear();
        self.events.clear();
        self.latched.clear();
        self.hanging.clear();
        self.waiting.clear();
        self.features.clear();
    }

    pub(crate) fn process_all(&mut self) {
        let ids: Vec<u16> = self.sqs.keys().copied().collect();
        ids.into_iter().for_each(|id| self.process(id));
    }

    /// Carries out what has been submitted.
    pub(crate) fn process(&mut self, id: u16) {
        while self.works() {
            let Some(fetched) = self
                .sqs
                .get_mut(&id)
                .and_then(|sq| sq.fetch(&mut self.memory))
            else {
                return;
            };
            match fetched {
                Ok(command) => self.process_command(id, &command),
                Err(_) => self.registers.csts |= CSTS_FATAL,
            }
        }
    }

    fn process_command(&mut self, sq: u16, command: &Command) {
        let counts = match sq {
            0 => &mut self.counts.admin,
            _ => &mut self.counts.io,
        };
        *counts.entry(command.opcode()).or_default() += 1;
        let id = command.id();
        if self.lies.once_of(Lie::FatalInCommand, sq).is_some() {
            self.registers.csts |= CSTS_FATAL;
            return;
        }
        let deaf = match self.lies.get(Lie::Deaf) {
            Some(1) => sq != 0,
            Some(_) => true,
            None => false,
        };
        if deaf || self.hangs_at(sq, command) || self.lies.once_of(Lie::Hangs, sq).is_some() {
            self.hanging.push((sq, id));
            return;
        }
        let answer = match self.lies.once_of(Lie::Status, sq) {
            Some(status) => Err(Status(status as u16)),
            None if sq == 0 => self.admin_command(command),
            None => self.io_command(command),
        };
        self.conclude(sq, id, answer);
    }

    fn hangs_at(&mut self, sq: u16, command: &Command) -> bool {
        let this = u32::from(command.opcode()) | ((command.cdw10() & 0xff) << 8);
        let hangs = sq == 0 && self.lies.get(Lie::HangsAt) == Some(this);
        hangs && self.lies.once(Lie::HangsAt).is_some()
    }

    /// Answers the commands that wait, or have to wait on.
    fn answer_waiting(&mut self) {
        for command in std::mem::take(&mut self.waiting) {
            let answer = self.admin_command(&command);
            self.conclude(0, command.id(), answer);
        }
    }

    pub(crate) fn block_bytes(&self) -> usize {
        1 << FORMATS[self.format]
    }

    fn conclude(&mut self, sq: u16, id: u16, answer: Result<Answer, Status>) {
        match answer {
            Ok(Answer::Done(dw0)) => self.complete(sq, id, Status::SUCCESS, dw0),
            Ok(Answer::Later) => {}
            Err(status) => self.complete(sq, id, status, 0),
        }
    }

    /// Completes a command, with whatever lies are to be told of that.
    pub(crate) fn complete(&mut self, sq: u16, id: u16, status: Status, dw0: u32) {
        let Some((head, cq)) = self.sqs.get(&sq).map(|sq| (sq.head as u16, sq.cq)) else {
            return;
        };
        let mut completion = Completion {
            dw0,
            head,
            sq,
            id,
            status,
            wrong_phase: false,
        };
        let mut copies = 1;
        if let Some(unknown) = self.lies.once_of(Lie::UnknownCommand, sq) {
            let id = unknown as u16;
            self.post(cq, Completion { id, ..completion });
        }
        if self.lies.once_of(Lie::Twice, sq).is_some() {
            copies = 2;
        }
        if let Some(id) = self.lies.once_of(Lie::QueueId, sq) {
            completion.sq = id as u16;
        }
        if let Some(head) = self.lies.once_of(Lie::QueueHead, sq) {
            completion.head = head as u16;
        }
        completion.wrong_phase = self.lies.once_of(Lie::Phase, sq).is_some();
        for _ in 0..copies {
            self.post(cq, completion);
        }
        self.interrupt_for(cq);
    }

    fn post(&mut self, cq: u16, completion: Completion) {
        if let Some(cq) = self.cqs.get_mut(&cq) {
            cq.post(completion, &mut self.memory);
        }
    }

    pub(crate) fn interrupt_for(&mut self, cq: u16) {
        if self.lies.has(Lie::NoInterrupts) {
            return;
        }
        if let Some(vector) = self.cqs.get(&cq).and_then(|cq| cq.vector) {
            self.interrupt(vector);
        }
    }

    fn interrupt(&mut self, vector: u16) {
        if let Some(file) = self.interrupts.get_mut(&vector) {
            // Only a counter at its end refuses, and that interrupts anyway.
            let _ = file.write(&1_u64.to_ne_bytes());
        }
    }

    /// Aborts a command which hangs. False: there is no such.
    pub(crate) fn abort(&mut self, sq: u16, id: u16) -> bool {
        let Some(place) = self.hanging.iter().position(|&command| command == (sq, id)) else {
            return false;
        };
        self.hanging.swap_remove(place);
        self.complete(sq, id, Status::ABORTED, 0);
        true
    }

    fn activate_firmware(&mut self) {
        let Some(argument) = self.lies.once(Lie::Activates) else {
            return;
        };
        let milliseconds = argument & !NO_LOG_PAGE;
        self.report(match argument & NO_LOG_PAGE {
            0 => EVENT_FIRMWARE_ACTIVATION,
            _ => EVENT_FIRMWARE_ACTIVATION & 0xffff,
        });
        self.registers.csts |= CSTS_PAUSED;
        if milliseconds > 0 {
            let end = Instant::now() + Duration::from_millis(milliseconds.into());
            self.paused_until = Some(end);
        }
    }

    /// Reports an event, or keeps it until it can be.
    pub fn report(&mut self, event: u32) {
        self.events.push_back(event);
        self.report_events();
    }

    /// Reports what can be reported.
    pub(crate) fn report_events(&mut self) {
        let mut kept = VecDeque::new();
        while let Some(event) = self.events.pop_front() {
            let page = (event >> 16) as u8;
            match self.requests.front() {
                Some(&id) if page == 0 || !self.latched.contains(&page) => {
                    self.requests.pop_front();
                    self.latched.extend((page != 0).then_some(page));
                    let again = self.lies.once(Lie::EventAgain).unwrap_or(0);
                    for _ in 0..=again {
                        self.complete(0, id, Status::SUCCESS, event);
                    }
                }
                _ => kept.push_back(event),
            }
        }
        self.events = kept;
    }
}
