// SPDX-License-Identifier: GPL-2.0-only

//! Proof that `engine::record` is what `include/uapi/linux/nvme_event.h` says,
//! and `engine::plain_entry` what `nvme_uring.h` beside it does.

use core::mem::{offset_of, size_of};

use crate::{
    engine::{
        claim::Standing,
        plain_entry::{self, PlainEntry},
        record::{dw0, dw3, EffectKind, Lifecycle, Source, RECORD_BYTES},
        storm::EventClass,
    },
    glue::uapi,
    spec::{completion::Status, register::ControllerStatus},
};

const _: () = {
    const fn is(event: Lifecycle, code: u32) {
        assert!(event.code() as u32 == code);
    }
    const fn kind_is(kind: EffectKind, code: u32) {
        assert!(kind as u32 == code);
    }

    assert!(size_of::<uapi::nvme_event>() == RECORD_BYTES);
    assert!(uapi::NVME_EVENT_DW0_OPCODE_SHIFT == dw0::OPCODE_SHIFT);
    assert!(uapi::NVME_EVENT_DW3_STATUS_SHIFT == dw3::STATUS_SHIFT);
    assert!(uapi::NVME_EVENT_DW3_HANDLED == dw3::HANDLED);
    assert!(uapi::NVME_EVENT_DW3_PAYLOAD == dw3::PAYLOAD);
    assert!(uapi::NVME_EVENT_DW3_SOURCE_SHIFT == dw3::SOURCE_SHIFT);
    assert!(uapi::NVME_EVENT_DW3_LOST_MASK == dw3::LOST_MASK);

    assert!(uapi::nvme_event_source_NVME_EVENT_SOURCE_CONTROLLER == Source::Controller as u32);
    assert!(uapi::nvme_event_source_NVME_EVENT_SOURCE_LIFECYCLE == Source::Lifecycle as u32);
    assert!(
        uapi::nvme_event_source_NVME_EVENT_SOURCE_COMMAND_EFFECT == Source::CommandEffect as u32
    );

    assert!(uapi::nvme_event_source_NVME_EVENT_SOURCE_PROVIDER == Source::Provider as u32);
    assert!(uapi::nvme_event_claim_NVME_EVENT_CLAIM_NONE == Standing::Free as u32);
    assert!(uapi::nvme_event_claim_NVME_EVENT_CLAIM_HOLDER == Standing::Holder as u32);
    assert!(uapi::nvme_event_claim_NVME_EVENT_CLAIM_OTHER == Standing::Shut as u32);

    let class = EventClass(0);
    let status = Status(0);
    let csts = ControllerStatus(0);
    let timed_out = Lifecycle::CommandTimedOut {
        queue: 0,
        opcode: 0,
    };
    is(
        Lifecycle::ResetStarted,
        uapi::nvme_event_lifecycle_NVME_EVENT_RESET_STARTED,
    );
    is(
        Lifecycle::ResetSucceeded,
        uapi::nvme_event_lifecycle_NVME_EVENT_RESET_SUCCEEDED,
    );
    is(
        Lifecycle::ResetFailed,
        uapi::nvme_event_lifecycle_NVME_EVENT_RESET_FAILED,
    );
    is(
        timed_out,
        uapi::nvme_event_lifecycle_NVME_EVENT_COMMAND_TIMED_OUT,
    );
    is(
        Lifecycle::AerStopped { status },
        uapi::nvme_event_lifecycle_NVME_EVENT_AER_STOPPED,
    );
    is(
        Lifecycle::AerResumed,
        uapi::nvme_event_lifecycle_NVME_EVENT_AER_RESUMED,
    );
    is(
        Lifecycle::ClassMasked { class },
        uapi::nvme_event_lifecycle_NVME_EVENT_CLASS_MASKED,
    );
    is(
        Lifecycle::ClassUnmasked { class },
        uapi::nvme_event_lifecycle_NVME_EVENT_CLASS_UNMASKED,
    );
    is(
        Lifecycle::FatalStatus { status: csts },
        uapi::nvme_event_lifecycle_NVME_EVENT_FATAL_STATUS,
    );
    is(
        Lifecycle::Suspended,
        uapi::nvme_event_lifecycle_NVME_EVENT_SUSPENDED,
    );
    is(
        Lifecycle::Resumed,
        uapi::nvme_event_lifecycle_NVME_EVENT_RESUMED,
    );
    is(
        Lifecycle::Removed,
        uapi::nvme_event_lifecycle_NVME_EVENT_REMOVED,
    );

    kind_is(
        EffectKind::FirmwareCommitted,
        uapi::nvme_event_effect_NVME_EVENT_FIRMWARE_COMMITTED,
    );
    kind_is(
        EffectKind::Formatted,
        uapi::nvme_event_effect_NVME_EVENT_FORMATTED,
    );
    kind_is(
        EffectKind::NamespaceAttached,
        uapi::nvme_event_effect_NVME_EVENT_NAMESPACE_ATTACHED,
    );
    kind_is(
        EffectKind::NamespaceCreated,
        uapi::nvme_event_effect_NVME_EVENT_NAMESPACE_CREATED,
    );
    kind_is(
        EffectKind::NamespaceDeleted,
        uapi::nvme_event_effect_NVME_EVENT_NAMESPACE_DELETED,
    );
    kind_is(
        EffectKind::NamespaceDetached,
        uapi::nvme_event_effect_NVME_EVENT_NAMESPACE_DETACHED,
    );
    kind_is(
        EffectKind::Sanitized,
        uapi::nvme_event_effect_NVME_EVENT_SANITIZED,
    );
};

const _: () = {
    assert!(offset_of!(PlainEntry, address) == uapi::SQE_ADDR);
    assert!(offset_of!(PlainEntry, length) == uapi::SQE_LEN);
    assert!(offset_of!(PlainEntry, file_index) == uapi::SQE_FILE_INDEX);
    assert!(offset_of!(PlainEntry, payload) == uapi::SQE_CMD);
    assert!(plain_entry::LINK_ERR == uapi::URING_LINK_ERR);

    // `PlainEntry::inline` takes the first word apart.
    assert!(size_of::<uapi::nvme_uring_inline>() == size_of::<[u32; 4]>());
    assert!(offset_of!(uapi::nvme_uring_inline, opcode) == 0);
    assert!(offset_of!(uapi::nvme_uring_inline, flags) == 1);
    assert!(offset_of!(uapi::nvme_uring_inline, timeout_s) == 2);
    assert!(offset_of!(uapi::nvme_uring_inline, cdw10) == 4);
    assert!(offset_of!(uapi::nvme_uring_inline, cdw11) == 8);
    assert!(offset_of!(uapi::nvme_uring_inline, cdw12) == 12);
    assert!(size_of::<uapi::nvme_uring_indirect>() == size_of::<[u32; 4]>());
    assert!(offset_of!(uapi::nvme_uring_indirect, flags) == 0);
};
