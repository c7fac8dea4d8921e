// SPDX-License-Identifier: GPL-2.0-only

//! What is expected of each opcode, feature and structure stands here as
//! numbers, so that nothing is compared with the table it comes from.

mod census;
mod effect;
mod extent;
mod length;
mod lesson;
mod opcode_facts;
mod permission;

use zerocopy::FromZeros;

use crate::{
    engine::policy::{abort_target, event_configuration, Command, CommandSet},
    spec::{
        command::{CommandId, QueueId, SubmissionEntry},
        feature::EventConfiguration,
        namespace::CommandSetId,
    },
};

const ADMIN: CommandSet = CommandSet::Admin;
const NVM: CommandSet = CommandSet::Io(CommandSetId(0));
const KEY_VALUE: CommandSet = CommandSet::Io(CommandSetId(1));
const ZONED: CommandSet = CommandSet::Io(CommandSetId(2));
const UNKNOWN_SET: CommandSet = CommandSet::Io(CommandSetId(0x30));
const IO_SETS: [CommandSet; 4] = [NVM, KEY_VALUE, ZONED, UNKNOWN_SET];

/// An entry with `opcode` and otherwise zero, but for what `fill` sets.
fn entry(opcode: u8, fill: impl FnOnce(&mut SubmissionEntry)) -> SubmissionEntry {
    let mut entry = SubmissionEntry::new_zeroed();
    entry.opcode = opcode;
    fill(&mut entry);
    entry
}

/// An entry with command dwords 10 to 12.
fn with_dwords(opcode: u8, cdw10: u32, cdw11: u32, cdw12: u32) -> SubmissionEntry {
    entry(opcode, |entry| {
        entry.cdw10 = cdw10.into();
        entry.cdw11 = cdw11.into();
        entry.cdw12 = cdw12.into();
    })
}

#[test]
fn an_abort_names_a_queue_and_a_command() {
    for opcode in 0..=u8::MAX {
        let entry = with_dwords(opcode, 0x1234_0056, u32::MAX, u32::MAX);
        let target = (QueueId(0x56), CommandId(0x1234));
        for set in [ADMIN, NVM, KEY_VALUE, ZONED, UNKNOWN_SET] {
            let command = Command::new(set, &entry);
            let expected = (set == ADMIN && opcode == 0x08).then_some(target);
            assert_eq!(abort_target(command), expected, "{opcode:#x}");
        }
    }
}

#[test]
fn only_set_features_0bh_chooses_event_classes() {
    for opcode in 0..=u8::MAX {
        for feature in 0..=u8::MAX {
            // With the bit to save it.
            let entry = with_dwords(opcode, (1 << 31) | u32::from(feature), 0x1ff, 0);
            for set in [ADMIN, NVM] {
                let command = Command::new(set, &entry);
                let expected = (set == ADMIN && opcode == 0x09 && feature == 0x0b)
                    .then_some(EventConfiguration(0x1ff));
                assert_eq!(event_configuration(command), expected);
            }
        }
    }
}
