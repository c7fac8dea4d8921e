// SPDX-License-Identifier: GPL-2.0-only

//! An event provider in Rust. It has `events` events, numbered in dword 1, with
//! a payload of four bytes, the number; what became of them is in the log when
//! it goes.

use kernel::{
    bindings,
    device::Device,
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};

#[path = "../../include/rust/nvme_event_provider.rs"]
mod nvme_event_provider;

use nvme_event_provider::{Event, EventSource, Registration};

module! {
    type: Sample,
    name: "nvme_rs_provider_rust",
    authors: ["The nvme_rs founders"],
    description: "Event provider for the tests of nvme_rs, in Rust",
    license: "GPL v2",
    params: {
        devfn: u32 {
            default: 0x80,
            description: "Device and function of the controller, on bus 0",
        },
        events: u32 {
            default: 3,
            description: "How many events there are",
        },
    },
}

struct Numbers {
    limit: u32,
    fetched: Atomic<u32>,
    delivered: Atomic<u32>,
    gone: Atomic<u32>,
}

impl EventSource for Numbers {
    fn fetch(&self) -> Option<Event> {
        let fetched = self.fetched.load(Relaxed);
        if fetched >= self.limit {
            return None;
        }
        let number = fetched.wrapping_add(1);
        let mut payload = KVec::new();
        payload
            .extend_from_slice(&number.to_ne_bytes(), GFP_KERNEL)
            .ok()?;
        self.fetched.store(number, Relaxed);
        Some(Event {
            dw0: 0x2b << 8,
            dw1: number,
            payload,
        })
    }

    fn ack(&self, _: Event, result: Result) {
        let count = match result {
            Ok(()) => &self.delivered,
            Err(_) => &self.gone,
        };
        count.store(count.load(Relaxed).wrapping_add(1), Relaxed);
    }
}

impl Drop for Numbers {
    /// When the registration has ended.
    fn drop(&mut self) {
        pr_info!(
            "fetched {} delivered {} gone {}\n",
            self.fetched.load(Relaxed),
            self.delivered.load(Relaxed),
            self.gone.load(Relaxed)
        );
    }
}

struct Sample {
    _registration: Registration<Numbers>,
}

impl kernel::Module for Sample {
    fn init(_: &'static ThisModule) -> Result<Self> {
        let devfn = module_parameters::devfn.value();
        // SAFETY: No preconditions.
        let function = unsafe { bindings::pci_get_domain_bus_and_slot(0, 0, devfn) };
        if function.is_null() {
            return Err(ENODEV);
        }
        let source = Numbers {
            limit: module_parameters::events.value(),
            fetched: Atomic::new(0),
            delivered: Atomic::new(0),
            gone: Atomic::new(0),
        };
        // SAFETY: The function is valid, we have a reference to it until it is
        // put.
        let registered = unsafe {
            let device: &Device = Device::from_raw(&raw mut (*function).dev);
            let registered = Registration::new(device, source);
            bindings::pci_dev_put(function);
            registered
        }?;
        registered.notify();
        Ok(Self {
            _registration: registered,
        })
    }
}
