// SPDX-License-Identifier: GPL-2.0-only

//! The user-space interface, as its C headers define it.

pub(crate) use super::bindings::{
    nvme_event,
    nvme_event_info,
    nvme_event_lifecycle_NVME_EVENT_AER_RESUMED,
    nvme_event_lifecycle_NVME_EVENT_AER_STOPPED,
    nvme_event_lifecycle_NVME_EVENT_CLASS_MASKED,
    nvme_event_lifecycle_NVME_EVENT_CLASS_UNMASKED,
    nvme_event_lifecycle_NVME_EVENT_COMMAND_TIMED_OUT,
    nvme_event_lifecycle_NVME_EVENT_FATAL_STATUS,
    nvme_event_lifecycle_NVME_EVENT_REMOVED,
    nvme_event_lifecycle_NVME_EVENT_RESET_FAILED,
    nvme_event_lifecycle_NVME_EVENT_RESET_STARTED,
    nvme_event_lifecycle_NVME_EVENT_RESET_SUCCEEDED,
    nvme_event_resume,
    nvme_event_source_NVME_EVENT_SOURCE_CONTROLLER,
    nvme_event_source_NVME_EVENT_SOURCE_LIFECYCLE,
    EVENT_IOCTL_INFO,
    EVENT_IOCTL_RESUME,
    IOCTL_RESET,
    NVME_EVENT_DW3_HANDLED,
    NVME_EVENT_DW3_LOST_MASK,
    NVME_EVENT_DW3_PAYLOAD,
    NVME_EVENT_DW3_SOURCE_SHIFT,
    NVME_EVENT_DW3_STATUS_SHIFT, //
};
