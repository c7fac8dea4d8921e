// SPDX-License-Identifier: GPL-2.0-only

use crate::spec::opcode::Direction;

#[test]
fn the_opcode_says_in_which_direction_data_goes() {
    let by_bits = [
        Direction::Nothing,
        Direction::ToController,
        Direction::FromController,
        Direction::Bidirectional,
    ];
    for (opcode, expected) in (0..=u8::MAX).zip(by_bits.into_iter().cycle()) {
        let direction = Direction::of(opcode);
        assert_eq!(direction, expected, "{opcode:#x}");
        assert_eq!(direction.writes(), opcode & 1 != 0, "{opcode:#x}");
    }
}
