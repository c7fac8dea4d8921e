// SPDX-License-Identifier: GPL-2.0-only

use proptest::prelude::*;
use zerocopy::FromZeros;

use super::{ADMIN, IO_SETS, NVM, ZONED};
use crate::{
    engine::policy::{
        blocks, concerns_driver, implied, permission, Command, FileMode, Node, OpcodeFacts,
        Permission,
    },
    spec::{
        command::SubmissionEntry,
        effects::CommandEffects,
        namespace::{Format, MetadataPlace},
    },
};

const SUPPORTED: CommandEffects = CommandEffects::SUPPORTED;

#[test]
fn reading_is_routine_for_all_and_writing_for_those_who_opened_to_write() {
    use FileMode::{ReadOnly, ReadWrite};
    // Opcode, whether routine when opened for reading, and for writing.
    let table = [
        (NVM, 0x00, false, false),
        (NVM, 0x01, false, true),
        (NVM, 0x02, true, true),
        (NVM, 0x05, false, true),
        (NVM, 0x08, false, false),
        (NVM, 0x09, false, false),
        (ZONED, 0x02, true, true),
        (ZONED, 0x79, false, false),
        (ZONED, 0x7d, false, true),
        (ADMIN, 0x02, false, false),
    ];
    for (set, opcode, reading, writing) in table {
        let facts = OpcodeFacts::new(set, opcode, SUPPORTED);
        assert_eq!(facts.is_routine(ReadOnly), reading, "{set:?} {opcode:#x}");
        assert_eq!(facts.is_routine(ReadWrite), writing, "{set:?} {opcode:#x}");
    }
}

#[test]
fn what_the_controller_says_may_end_the_routine() {
    for effects in [
        CommandEffects::NONE,
        SUPPORTED.or(CommandEffects::NAMESPACE_INVENTORY),
        SUPPORTED.or(CommandEffects::CONTROLLER_CAPABILITY),
    ] {
        let facts = OpcodeFacts::new(NVM, 0x02, effects);
        assert!(!facts.is_routine(FileMode::ReadWrite), "{effects:?}");
        assert_eq!(facts.logged(), Some(effects));
    }
    let nothing = OpcodeFacts::default();
    assert!(!nothing.is_routine(FileMode::ReadWrite));
    assert_eq!(nothing.logged(), None);
    assert_eq!(nothing.word(), 0);
}

proptest! {
    /// The short way comes to what the long one does.
    #[test]
    fn a_routine_command_is_what_it_is_said_to_be(
        set in prop::sample::select([&IO_SETS[..], &[ADMIN]].concat()),
        opcode: u8,
        effects in prop_oneof![Just(1), Just(3), any::<u32>()],
        mode in prop::sample::select(vec![FileMode::ReadOnly, FileMode::ReadWrite]),
        dwords: [u32; 6],
        formatted: bool,
    ) {
        let logged = CommandEffects(effects);
        let facts = OpcodeFacts::from_word(OpcodeFacts::new(set, opcode, logged).word());
        prop_assert_eq!(facts.logged(), Some(logged));
        let mut entry = SubmissionEntry::new_zeroed();
        entry.opcode = opcode;
        let [cdw10, cdw11, cdw12, cdw13, cdw14, cdw15] = dwords;
        entry.cdw10.set(cdw10);
        entry.cdw11.set(cdw11);
        entry.cdw12.set(cdw12);
        entry.cdw13.set(cdw13);
        entry.cdw14.set(cdw14);
        entry.cdw15.set(cdw15);
        let command = Command::new(set, &entry);
        let format = formatted.then_some(Format {
            lba_shift: 9,
            metadata_bytes: 8,
            metadata: MetadataPlace::Separate,
            protection_bytes: 8,
        });
        if facts.is_routine(mode) {
            let by_rule = permission(command, Some(logged), mode, Node::Namespace);
            prop_assert_eq!(by_rule, Permission::Anyone);
            prop_assert!(!concerns_driver(command, Some(logged)));
            prop_assert_eq!(blocks(&entry, format), implied(command, format));
        }
    }
}
