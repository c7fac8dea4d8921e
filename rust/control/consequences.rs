// SPDX-License-Identifier: GPL-2.0-only

//! What follows from a command of a process besides its answer: other commands
//! wait until it is over, the driver learns, those who read events are told.
//!
//! It does not depend on who waits for the command, or whether anybody does.

use kernel::prelude::*;

use crate::{
    engine::{
        policy::{
            self, lesson::Lesson, Activation, Aftermath, Change, Command, CommandSet, Knowledge,
            Quiesce,
        },
        record::Record,
    },
    spec::{command::SubmissionEntry, completion::CompletionEntry},
};

use super::{controller::Controller, io_queues::Quiet, request::Request};

/// What follows from one command.
pub(super) struct Consequences {
    set: CommandSet,
    entry: SubmissionEntry,
    after: Aftermath,
    answer: Option<CompletionEntry>,
    /// Until all is learned: commands that waited go by that.
    _quiet: Option<Quiet>,
}

impl Consequences {
    /// Of a command that is to be sent; I/O commands wait from now on, if they
    /// have to. Sleeps.
    ///
    /// # Errors
    ///
    /// ERESTARTSYS if a signal arrives while those before it are executed,
    /// EINTR if the process is killed; ENOMEM.
    pub(super) fn new(controller: &Controller, request: &Request<'_>) -> Result<KBox<Self>> {
        let command = request.command();
        let effect = policy::effect(command, controller.effects().of(command));
        let quiet = match effect.before {
            Quiesce::Nothing => None,
            // A controller's namespaces share its queues.
            Quiesce::Namespace(_) | Quiesce::All => Some(controller.io_queues().quiesce()?),
        };
        let consequences = Self {
            set: command.set,
            entry: request.entry,
            after: effect.after,
            answer: None,
            _quiet: quiet,
        };
        Ok(KBox::new(consequences, GFP_KERNEL)?)
    }

    /// The controller has completed the command. Any context.
    pub(super) fn completed(&mut self, answer: CompletionEntry) {
        self.answer = Some(answer);
    }

    /// Does what follows. Nothing if the command was not completed. Sleeps.
    pub(super) fn draw(&self, controller: &Controller) {
        let Some(lesson) = self.lesson() else {
            return;
        };
        if self.after.controller == Knowledge::Stale
            || lesson.change == Change::Firmware(Activation::Done)
        {
            controller.inquire_again();
        } else if self.after.namespaces == Knowledge::Stale {
            controller.rescan();
        }
        tell(controller, &lesson);
    }

    /// As [`Self::draw`], of a controller that is being stopped: it will be
    /// asked for everything when it is started.
    pub(super) fn draw_at_stop(&self, controller: &Controller) {
        if let Some(lesson) = self.lesson() {
            tell(controller, &lesson);
        }
    }

    fn lesson(&self) -> Option<Lesson> {
        let answer = self.answer?;
        let command = Command::new(self.set, &self.entry);
        Some(policy::lesson(command, answer.status(), answer.dw0.get()))
    }
}

fn tell(controller: &Controller, lesson: &Lesson) {
    if let Change::EventConfiguration(chosen) = lesson.change {
        controller.choose_events(chosen);
    }
    if let Some(event) = lesson.event {
        controller.stream().post(Record::command_effect(event));
    }
}
