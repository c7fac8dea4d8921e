// SPDX-License-Identifier: GPL-2.0-only

//! I/O commands, and the data of all commands.

use crate::{
    command::{Answer, Command, Status},
    controller::Controller,
    data::DISK_BYTES,
    lie::Lie,
};

impl Controller {
    pub(crate) fn io_command(&mut self, command: &Command) -> Result<Answer, Status> {
        match (command.nsid(), self.lies.has(Lie::CommandSet)) {
            (1, _) => {}
            // Of a command set that nobody knows: all there is is a command
            // which says how it was called.
            (2, true) if command.opcode() == 0x81 => return Ok(Answer::Done(command.cdw10())),
            (2, true) => return Err(Status::INVALID_OPCODE),
            _ => return Err(Status::INVALID_NAMESPACE),
        }
        let first = command.slba();
        let block_bytes = self.block_bytes();
        let blocks = u64::from(command.cdw12() & 0xffff) + 1;
        let end = first.saturating_add(blocks);
        match command.opcode() {
            0x00 => return Ok(Answer::Done(0)),
            0x01 | 0x02 if end > (DISK_BYTES / block_bytes) as u64 => {
                return Err(Status::LBA_OUT_OF_RANGE)
            }
            0x01 | 0x02 => {}
            _ => return Err(Status::INVALID_OPCODE),
        }
        let mut position = first as usize * block_bytes;
        for (address, bytes) in self.pieces(command, blocks * block_bytes as u64)? {
            let data = &mut self.disk[position..][..bytes as usize];
            match command.opcode() {
                0x01 => self.memory.read(address, data)?,
                _ => self.memory.write(address, data)?,
            }
            position += bytes as usize;
        }
        Ok(Answer::Done(0))
    }

    /// The memory of a command, described in a way that is supported.
    pub(crate) fn pieces(
        &mut self,
        command: &Command,
        bytes: u64,
    ) -> Result<Vec<(u64, u64)>, Status> {
        if command.uses_sgl() && self.lies.get(Lie::Sgls).unwrap_or(0) & 3 == 0 {
            return Err(Status::INVALID_FIELD);
        }
        Ok(self.memory.pieces(command, bytes)?)
    }

    /// Returns data of a command.
    pub(crate) fn send(&mut self, command: &Command, data: &[u8]) -> Result<Answer, Status> {
        let mut left = data;
        for (address, bytes) in self.pieces(command, data.len() as u64)? {
            let (part, rest) = left.split_at(bytes as usize);
            self.memory.write(address, part)?;
            left = rest;
        }
        Ok(Answer::Done(0))
    }
}
