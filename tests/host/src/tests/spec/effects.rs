// SPDX-License-Identifier: GPL-2.0-only

use zerocopy::FromBytes;

use crate::spec::effects::{CommandEffects, EffectsLog, Execution};

#[test]
fn each_command_has_its_place_in_the_log() {
    let mut bytes = [0xff_u8; 4096];
    for opcode in 0..256_u32 {
        let at = opcode as usize * 4;
        bytes[at..at + 4].copy_from_slice(&(0x1000 + opcode).to_le_bytes());
        bytes[1024 + at..1024 + at + 4].copy_from_slice(&(0x2000 + opcode).to_le_bytes());
    }
    let log = EffectsLog::read_from_bytes(&bytes).unwrap();
    for opcode in 0..=u8::MAX {
        assert_eq!(
            log.admin(opcode),
            CommandEffects(0x1000 + u32::from(opcode))
        );
        assert_eq!(log.io(opcode), CommandEffects(0x2000 + u32::from(opcode)));
    }
}

#[test]
fn fields_are_where_the_specification_puts_them() {
    let table = [
        (CommandEffects::SUPPORTED, 0x0000_0001),
        (CommandEffects::LOGICAL_BLOCK_CONTENT, 0x0000_0002),
        (CommandEffects::NAMESPACE_CAPABILITY, 0x0000_0004),
        (CommandEffects::NAMESPACE_INVENTORY, 0x0000_0008),
        (CommandEffects::CONTROLLER_CAPABILITY, 0x0000_0010),
        (CommandEffects::EXECUTION_RELAXATION, 0x0000_c000),
        (CommandEffects::EXECUTION, 0x0007_0000),
        (CommandEffects::ALONE, 0x0002_0000),
        (CommandEffects::UUID_SELECTION, 0x0008_0000),
        (CommandEffects::SCOPE, 0xfff0_0000),
    ];
    for (field, bits) in table {
        assert_eq!(field, CommandEffects(bits));
        assert!(CommandEffects(u32::MAX).has(field));
        assert!(!CommandEffects(!bits).has(field));
        assert_eq!(CommandEffects(u32::MAX).without(field).0, !bits);
    }
    assert_eq!(CommandEffects::ALONE.execution(), Execution::Alone);
}
