// SPDX-License-Identifier: GPL-2.0-only

//! nvme_rs: NVMe controllers as a readable stream of events.
//!
//! Layers, each importing only those below it:
//!
//! - [`user`]: what a process sees;
//! - [`control`]: what happens between probe and unbind;
//! - [`pcie`]: registers and queues;
//! - [`glue`]: what the `kernel` crate lacks, the only `unsafe` code;
//! - [`engine`]: state machines, pure;
//! - [`spec`]: NVMe on the wire, pure.

mod control;
mod driver;
#[forbid(unsafe_code)]
mod engine;
mod glue;
mod pcie;
#[forbid(unsafe_code)]
mod spec;
mod user;

kernel::module_driver! { <T>, glue::pci::Adapter<T>, {
    type: driver::NvmeDriver,
    name: "nvme_rs",
    authors: ["The nvme_rs founders"],
    description: "NVMe controllers: events by read(), commands without the block layer",
    license: "GPL v2",
    params: {
        first_instance: i32 {
            default: -1,
            description: "Lowest number of a controller's node; also selects the class nvme_rs (default: 0 and class nvme, or 100 beside the in-tree driver)",
        },
        override_only: bool {
            default: false,
            description: "Bind only controllers whose driver_override names nvme_rs",
        },
        event_ring_entries: u32 {
            default: 1024,
            description: "Event records kept for each controller, a power of two",
        },
        event_snapshot_bytes: u32 {
            default: 1048576,
            description: "Bytes of captured log pages kept for each controller",
        },
        event_storm_limit: u32 {
            default: 16,
            description: "Events of one class within a second above which the class is left alone for a while",
        },
        event_storm_pause: u32 {
            default: 60,
            description: "Longest time, in seconds, for which an event class is left alone; the first is 1",
        },
        event_smart_interval: u32 {
            default: 10,
            description: "Seconds within which the SMART log is read once at most for those who ask for it",
        },
        poll_queues: u16 {
            default: 0,
            description: "I/O queues for rings that poll, beside those with interrupts",
        },
        io_queue_depth: u16 {
            default: 1024,
            description: "Entries of an I/O queue, at most (2 to 4096)",
        },
        aers: u16 {
            default: 8,
            description: "Asynchronous Event Requests kept outstanding, at most (1 to 16)",
        },
    },
} }
