// SPDX-License-Identifier: GPL-2.0-only

//! The commands that are not like every other, a row each.

use super::{
    effect::Known,
    extent::Extent,
    length::{Dword, Length},
    lesson::Teaches,
    permission::Access,
    CommandSet,
};
use crate::spec::{
    effects::CommandEffects,
    namespace::CommandSetId,
    opcode::{
        AdminOpcode as Admin, IoOpcode as Io, KeyValueOpcode as KeyValue, NvmOpcode as Nvm,
        ZonedOpcode as Zoned,
    },
};

/// All that is to be known, in the order of the opcodes of a family.
const ROWS: &[Row] = &[
    admin(Admin::DeleteIoSubmissionQueue)
        .access(Access::Nobody)
        .length(Length::Nothing),
    admin(Admin::CreateIoSubmissionQueue).access(Access::Nobody),
    admin(Admin::GetLogPage)
        .length(Length::LogPage)
        .extent(Extent::LogPage),
    admin(Admin::DeleteIoCompletionQueue)
        .access(Access::Nobody)
        .length(Length::Nothing),
    admin(Admin::CreateIoCompletionQueue).access(Access::Nobody),
    admin(Admin::Identify)
        .access(Access::ByStructure)
        .length(Length::Fixed(4096)),
    admin(Admin::Abort).length(Length::Nothing),
    admin(Admin::SetFeatures)
        .access(Access::ByFeature)
        .length(Length::SetFeatures)
        .known(Known::ByFeature)
        .teaches(Teaches::Feature),
    admin(Admin::GetFeatures).length(Length::GetFeatures),
    admin(Admin::AsynchronousEventRequest)
        .access(Access::Nobody)
        .length(Length::Nothing),
    admin(Admin::NamespaceManagement)
        .length(Length::NamespaceManagement)
        .known(Known::Adds(INVENTORY))
        .teaches(Teaches::Management),
    admin(Admin::FirmwareCommit)
        .length(Length::Nothing)
        .teaches(Teaches::Firmware),
    admin(Admin::FirmwareImageDownload).length(Length::Dwords(Dword::Cdw10)),
    admin(Admin::DeviceSelfTest).length(Length::Nothing),
    admin(Admin::NamespaceAttachment)
        .length(Length::NamespaceAttachment)
        .known(Known::Adds(INVENTORY))
        .teaches(Teaches::Attachment),
    admin(Admin::KeepAlive).length(Length::Nothing),
    admin(Admin::DirectiveSend).length(Length::DirectiveSend),
    admin(Admin::DirectiveReceive).length(Length::DirectiveReceive),
    admin(Admin::VirtualizationManagement).length(Length::Nothing),
    admin(Admin::CapacityManagement)
        .length(Length::Nothing)
        .known(Known::Adds(INVENTORY)),
    admin(Admin::Lockdown).length(Length::Nothing),
    admin(Admin::DoorbellBufferConfig).access(Access::Nobody),
    admin(Admin::FormatNvm)
        .length(Length::Nothing)
        .known(Known::Adds(FORMAT))
        .teaches(Teaches::Format),
    admin(Admin::SecuritySend).length(Length::Bytes(Dword::Cdw11)),
    // What it returns depends on the Security Send before it, and controllers
    // ask for no other command meanwhile. Quiet I/O queues are no help there.
    admin(Admin::SecurityReceive)
        .length(Length::Bytes(Dword::Cdw11))
        .known(Known::DisturbsNothing),
    admin(Admin::Sanitize)
        .length(Length::Nothing)
        .known(Known::Adds(CommandEffects::ALONE))
        .teaches(Teaches::Sanitize),
    admin(Admin::GetLbaStatus).length(Length::Dwords(Dword::Cdw12)),
    //
    any_io(Io::Flush).length(Length::Nothing),
    any_io(Io::ReservationRegister).length(Length::Fixed(16)),
    any_io(Io::ReservationReport)
        .length(Length::Dwords(Dword::Cdw10))
        .extent(Extent::Registrants),
    any_io(Io::ReservationAcquire).length(Length::Fixed(16)),
    any_io(Io::IoManagementReceive).length(Length::IoManagementReceive),
    any_io(Io::ReservationRelease).length(Length::Fixed(8)),
    // It names commands by queue and identifier, whoever sent them.
    any_io(Io::Cancel)
        .access(Access::Administrator)
        .length(Length::Nothing),
    any_io(Io::IoManagementSend).length(Length::IoManagementSend),
    //
    nvm(Nvm::Write).length(Length::LogicalBlocks),
    nvm(Nvm::Read).length(Length::LogicalBlocks),
    nvm(Nvm::WriteUncorrectable)
        .length(Length::Nothing)
        .known(Known::Adds(CONTENT)),
    nvm(Nvm::Compare).length(Length::LogicalBlocks),
    nvm(Nvm::WriteZeroes)
        .length(Length::Nothing)
        .known(Known::Adds(CONTENT)),
    nvm(Nvm::DatasetManagement).length(Length::Ranges),
    nvm(Nvm::Verify).length(Length::Nothing),
    nvm(Nvm::Copy).length(Length::CopySources),
    //
    zoned(Zoned::ZoneManagementSend).length(Length::ZoneManagementSend),
    zoned(Zoned::ZoneManagementReceive)
        .length(Length::Dwords(Dword::Cdw12))
        .extent(Extent::Zones),
    zoned(Zoned::ZoneAppend).length(Length::LogicalBlocks),
    //
    key_value(KeyValue::Store).length(Length::Bytes(Dword::Cdw10)),
    key_value(KeyValue::Retrieve)
        .length(Length::Bytes(Dword::Cdw10))
        .extent(Extent::Value),
    key_value(KeyValue::List).length(Length::Bytes(Dword::Cdw10)),
    key_value(KeyValue::Delete)
        .length(Length::Nothing)
        .known(Known::Adds(CONTENT)),
    key_value(KeyValue::Exist).length(Length::Nothing),
];

/// Of commands whose opcode does not say that they write.
const CONTENT: CommandEffects = CommandEffects::LOGICAL_BLOCK_CONTENT;
const INVENTORY: CommandEffects = CommandEffects::NAMESPACE_INVENTORY;
const FORMAT: CommandEffects = CommandEffects::NAMESPACE_CAPABILITY.or(CommandEffects::ALONE);

/// An admin command without a row of its own.
const OTHER_ADMIN: &Row = &row_of(Family::Admin, 0, Access::Administrator);
/// An I/O command without a row of its own.
const OTHER_IO: &Row = &row_of(Family::AnyIo, 0, Access::ByEffects);

/// The row of an opcode.
pub(super) fn row(set: CommandSet, opcode: u8) -> &'static Row {
    let (numbers, other) = match set {
        CommandSet::Admin => (&ADMIN, OTHER_ADMIN),
        CommandSet::Io(CommandSetId::NVM) => (&NVM, OTHER_IO),
        CommandSet::Io(CommandSetId::KEY_VALUE) => (&KEY_VALUE, OTHER_IO),
        CommandSet::Io(CommandSetId::ZONED) => (&ZONED, OTHER_IO),
        CommandSet::Io(_) => (&UNKNOWN_SET, OTHER_IO),
    };
    numbers
        .get(usize::from(opcode))
        .and_then(|&number| ROWS.get(usize::from(number)))
        .unwrap_or(other)
}

/// By opcode the number of its row in [`ROWS`], or [`NO_ROW`].
type RowNumbers = [u8; 256];
const NO_ROW: u8 = u8::MAX;

static ADMIN: RowNumbers = row_numbers(&[Family::Admin]);
static NVM: RowNumbers = row_numbers(&[Family::AnyIo, Family::LogicalBlocks]);
static ZONED: RowNumbers = row_numbers(&[Family::AnyIo, Family::LogicalBlocks, Family::Zoned]);
static KEY_VALUE: RowNumbers = row_numbers(&[Family::AnyIo, Family::KeyValue]);
static UNKNOWN_SET: RowNumbers = row_numbers(&[Family::AnyIo]);

/// Evaluated by the compiler, where a wrong index is an error of the build.
const fn row_numbers(families: &[Family]) -> RowNumbers {
    assert!(ROWS.len() < NO_ROW as usize);
    let mut numbers = [NO_ROW; 256];
    let mut number = 0;
    while number < ROWS.len() {
        let row = &ROWS[number];
        let mut index = 0;
        while index < families.len() {
            if families[index] as u8 == row.family as u8 {
                assert!(
                    numbers[row.opcode as usize] == NO_ROW,
                    "an opcode has two rows"
                );
                numbers[row.opcode as usize] = number as u8;
            }
            index += 1;
        }
        number += 1;
    }
    numbers
}

/// Which command sets have a command.
#[derive(Clone, Copy)]
enum Family {
    Admin,
    AnyIo,
    /// NVM and Zoned Namespace.
    LogicalBlocks,
    Zoned,
    KeyValue,
}

/// What is to be known of one command.
#[derive(Clone, Copy)]
pub(super) struct Row {
    family: Family,
    opcode: u8,
    pub(super) access: Access,
    pub(super) length: Length,
    pub(super) known: Known,
    pub(super) teaches: Teaches,
    pub(super) extent: Extent,
}

const fn row_of(family: Family, opcode: u8, access: Access) -> Row {
    Row {
        family,
        opcode,
        access,
        length: Length::Unknown,
        known: Known::Adds(CommandEffects::NONE),
        teaches: Teaches::Nothing,
        extent: Extent::Transferred,
    }
}

const fn admin(opcode: Admin) -> Row {
    row_of(Family::Admin, opcode as u8, Access::Administrator)
}

const fn any_io(opcode: Io) -> Row {
    row_of(Family::AnyIo, opcode as u8, Access::ByEffects)
}

const fn nvm(opcode: Nvm) -> Row {
    row_of(Family::LogicalBlocks, opcode as u8, Access::ByEffects)
}

const fn zoned(opcode: Zoned) -> Row {
    row_of(Family::Zoned, opcode as u8, Access::ByEffects)
}

const fn key_value(opcode: KeyValue) -> Row {
    row_of(Family::KeyValue, opcode as u8, Access::ByEffects)
}

impl Row {
    const fn access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    const fn length(self, length: Length) -> Self {
        Self { length, ..self }
    }

    const fn known(self, known: Known) -> Self {
        Self { known, ..self }
    }

    const fn teaches(self, teaches: Teaches) -> Self {
        Self { teaches, ..self }
    }

    const fn extent(self, extent: Extent) -> Self {
        Self { extent, ..self }
    }
}
