// SPDX-License-Identifier: GPL-2.0-only

//! Admin commands.

use crate::{
    command::{Answer, Command, Status, DONE},
    controller::{Controller, IO_QUEUES, VECTORS},
    data::{identify, log_page, EVENT_REQUESTS, FORMATS},
    lie::Lie,
    queue::{CompletionQueue, SubmissionQueue},
};

const FEATURE_NUMBER_OF_QUEUES: u8 = 0x07;

/// Bit 0 of a queue's attributes: it is contiguous.
const CONTIGUOUS: u32 = 1;
/// Bit 1 of a completion queue's: it interrupts.
const INTERRUPTS: u32 = 1 << 1;

impl Controller {
    pub(crate) fn admin_command(&mut self, command: &Command) -> Result<Answer, Status> {
        match command.opcode() {
            0x00 => self.delete_submission_queue(command.cdw10() as u16),
            0x01 => self.create_submission_queue(command),
            0x02 if self.lies.get(Lie::LogWaits) == Some(command.cdw10() & 0xff) => {
                self.waiting.push(*command);
                Ok(Answer::Later)
            }
            0x02 => self.get_log_page(command),
            0x04 => self.delete_completion_queue(command.cdw10() as u16),
            0x05 => self.create_completion_queue(command),
            0x06 => {
                let set = (command.cdw11() >> 24) as u8;
                let cns = command.cdw10() as u8;
                let data = identify(cns, command.nsid(), set, self.format, &self.lies)?;
                self.send(command, &data)
            }
            0x08 => {
                let (sq, id) = (command.cdw10() as u16, (command.cdw10() >> 16) as u16);
                let aborted = self.lies.has(Lie::AbortsNothing) || self.abort(sq, id);
                if self.lies.has(Lie::AbortsHang) {
                    return Ok(Answer::Later);
                }
                Ok(Answer::Done((!aborted).into()))
            }
            0x09 => self.set_features(command),
            0x0a => {
                let feature = command.cdw10() as u8;
                Ok(Answer::Done(*self.features.get(&feature).unwrap_or(&0)))
            }
            0x0c => self.request_event(command.id()),
            0x80 if self.lies.get(Lie::FormatWaits).is_some_and(|how| how != 0) => {
                self.waiting.push(*command);
                Ok(Answer::Later)
            }
            0x80 => self.format_nvm(command),
            0xc3 => self.invert(command),
            0xe0 => self.surprise(command),
            _ => Err(Status::INVALID_OPCODE),
        }
    }

    /// A command of its own with data both ways: inverts as many bytes as dword
    /// 10 says.
    fn invert(&mut self, command: &Command) -> Result<Answer, Status> {
        for (address, bytes) in self.pieces(command, command.cdw10().into())? {
            let mut data = vec![0; bytes as usize];
            self.memory.read(address, &mut data)?;
            data.iter_mut().for_each(|byte| *byte = !*byte);
            self.memory.write(address, &data)?;
        }
        Ok(Answer::Done(0))
    }

    fn format_nvm(&mut self, command: &Command) -> Result<Answer, Status> {
        let format = (command.cdw10() & 0xf) as usize;
        if format >= FORMATS.len() {
            return Err(Status::INVALID_FIELD);
        }
        self.format = format;
        self.disk.fill(0);
        DONE
    }

    /// A command of its own that returns as many bytes as dword 10 says, although
    /// its opcode says that it transfers nothing.
    fn surprise(&mut self, command: &Command) -> Result<Answer, Status> {
        match command.cdw10() as u16 {
            0 => DONE,
            bytes => self.send(command, &vec![0xe1; bytes.into()]),
        }
    }

    fn request_event(&mut self, id: u16) -> Result<Answer, Status> {
        if let Some(status) = self.lies.get(Lie::EventStatus) {
            return Err(Status(status as u16));
        }
        if self.requests.len() == EVENT_REQUESTS {
            return Err(Status::EVENT_REQUEST_LIMIT);
        }
        self.requests.push_back(id);
        let early = self.lies.once(Lie::EarlyEvent);
        self.events.extend(early);
        self.report_events();
        Ok(Answer::Later)
    }

    pub(crate) fn get_log_page(&mut self, command: &Command) -> Result<Answer, Status> {
        let page = command.cdw10() as u8;
        let dwords = u64::from(command.cdw10() >> 16) + (u64::from(command.cdw11() & 0xffff) << 16);
        let bytes = (dwords as usize + 1) * 4;
        let data = log_page(page, command.log_offset(), bytes, &self.lies)?;
        let answer = self.send(command, &data)?;
        let retain = command.cdw10() & (1 << 15) != 0;
        if !retain {
            self.latched.retain(|latched| *latched != page);
            self.report_events();
        }
        Ok(answer)
    }

    /// How many pairs of I/O queues can be had.
    fn io_queues(&self) -> u16 {
        let lie = |lie| self.lies.get(lie).map(|count| count as u16);
        match self.lies.has(Lie::Administrative) {
            true => 0,
            false => lie(Lie::GrantsFewer)
                .or(lie(Lie::GrantsTooMany))
                .unwrap_or(IO_QUEUES),
        }
    }

    fn set_features(&mut self, command: &Command) -> Result<Answer, Status> {
        let feature = command.cdw10() as u8;
        if feature != FEATURE_NUMBER_OF_QUEUES {
            self.features.insert(feature, command.cdw11());
            return DONE;
        }
        if self.lies.has(Lie::GrantsTooMany) {
            return Ok(Answer::Done(0xfffe_fffe));
        }
        let Some(most) = self.io_queues().checked_sub(1) else {
            return Err(Status::INVALID_FIELD);
        };
        let granted = |wanted: u32| (wanted & 0xffff).min(most.into());
        let wanted = command.cdw11();
        Ok(Answer::Done(
            (granted(wanted >> 16) << 16) | granted(wanted),
        ))
    }

    /// The number and the length of a queue to be created.
    fn new_queue(&self, command: &Command) -> Result<(u16, u32), Status> {
        let (id, entries) = (command.cdw10() as u16, (command.cdw10() >> 16) + 1);
        if id == 0 || id > self.io_queues() {
            return Err(Status::INVALID_QUEUE_ID);
        }
        if !(2..=self.queue_entries_max()).contains(&entries) {
            return Err(Status::INVALID_QUEUE_SIZE);
        }
        if command.cdw11() & CONTIGUOUS == 0 {
            return Err(Status::INVALID_FIELD);
        }
        Ok((id, entries))
    }

    fn create_completion_queue(&mut self, command: &Command) -> Result<Answer, Status> {
        if let Some(status) = self.lies.get(Lie::CreateFails) {
            return Err(Status(status as u16));
        }
        let (id, entries) = self.new_queue(command)?;
        let vector = (command.cdw11() >> 16) as u16;
        if self.cqs.contains_key(&id) {
            return Err(Status::INVALID_QUEUE_ID);
        }
        if vector >= VECTORS {
            return Err(Status::INVALID_VECTOR);
        }
        let vector = (command.cdw11() & INTERRUPTS != 0).then_some(vector);
        self.cqs
            .insert(id, CompletionQueue::new(command.prp1(), entries, vector));
        DONE
    }

    fn create_submission_queue(&mut self, command: &Command) -> Result<Answer, Status> {
        let (id, entries) = self.new_queue(command)?;
        let cq = (command.cdw11() >> 16) as u16;
        if self.sqs.contains_key(&id) {
            return Err(Status::INVALID_QUEUE_ID);
        }
        if cq == 0 || !self.cqs.contains_key(&cq) {
            return Err(Status::INVALID_CQ);
        }
        self.sqs
            .insert(id, SubmissionQueue::new(command.prp1(), entries, cq));
        DONE
    }

    fn delete_submission_queue(&mut self, id: u16) -> Result<Answer, Status> {
        if id == 0 || self.sqs.remove(&id).is_none() {
            return Err(Status::INVALID_QUEUE_ID);
        }
        self.hanging.retain(|(sq, _)| *sq != id);
        DONE
    }

    fn delete_completion_queue(&mut self, id: u16) -> Result<Answer, Status> {
        if self.sqs.values().any(|sq| sq.cq == id) {
            return Err(Status::INVALID_QUEUE_DELETION);
        }
        match self.cqs.remove(&id) {
            Some(_) => DONE,
            None => Err(Status::INVALID_QUEUE_ID),
        }
    }
}
