// SPDX-License-Identifier: GPL-2.0-only

//! The PCI function: configuration space, regions and interrupts.

use std::{
    fs::File,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use vfio_bindings::bindings::vfio::{
    vfio_region_info, VFIO_IRQ_INFO_EVENTFD, VFIO_IRQ_SET_DATA_EVENTFD, VFIO_PCI_BAR0_REGION_INDEX,
    VFIO_PCI_BAR4_REGION_INDEX, VFIO_PCI_CONFIG_REGION_INDEX, VFIO_PCI_MSIX_IRQ_INDEX,
    VFIO_PCI_NUM_IRQS, VFIO_PCI_NUM_REGIONS, VFIO_REGION_INFO_FLAG_READ,
    VFIO_REGION_INFO_FLAG_WRITE,
};
use vfio_user::{DmaMapFlags, DmaUnmapFlags, IrqInfo, ServerBackend, ServerRegion};

use crate::{
    controller::{Controller, BAR_BYTES, VECTORS},
    lie::{Lie, Told},
};

const CONFIG_BYTES: usize = 256;
/// BAR 4 has nothing but the table of MSI-X, which QEMU keeps itself.
const MSIX_BAR_BYTES: u64 = 4096;
const MSIX_PENDING_OFFSET: u32 = 0x800;

const COMMAND: usize = 0x04;
const COMMAND_BUS_MASTER: u8 = 1 << 2;
const CAPABILITIES: usize = 0x34;
const MSIX: usize = 0x40;

/// The vendor-specific capability by which the guest speaks to the controller,
/// and its 32-bit registers. `tests/kselftest/lib/liar.c` knows them.
const VENDOR: usize = 0x60;
const VENDOR_BYTES: u8 = 28;
/// The argument for the lie to be named next.
const ARGUMENT: usize = VENDOR + 4;
/// Written with a lie's number: it is told from now on; with 0: the truth.
/// Reads as all ones after a number that is none's.
const LIE: usize = VENDOR + 8;
/// How many times one was told that is told once. Read only.
const TOLD: usize = VENDOR + 12;
/// Written with dword 0 of an event which the controller then reports.
const EVENT: usize = VENDOR + 16;
/// Written with what is asked ...
const QUESTION: usize = VENDOR + 20;
/// ... and read, when it is answered.
const ANSWER: usize = VENDOR + 24;

/// The controller, which cannot be in a worse state than it is.
pub fn lock(controller: &Mutex<Controller>) -> MutexGuard<'_, Controller> {
    controller.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What interrupts the function has.
pub fn interrupts() -> Vec<IrqInfo> {
    (0..VFIO_PCI_NUM_IRQS)
        .map(|index| IrqInfo {
            index,
            flags: VFIO_IRQ_INFO_EVENTFD,
            count: if index == VFIO_PCI_MSIX_IRQ_INDEX {
                VECTORS.into()
            } else {
                0
            },
        })
        .collect()
}

/// What memory the function has.
pub fn regions() -> Vec<ServerRegion> {
    (0..VFIO_PCI_NUM_REGIONS)
        .map(|index| {
            let size = match index {
                VFIO_PCI_BAR0_REGION_INDEX => BAR_BYTES,
                VFIO_PCI_BAR4_REGION_INDEX => MSIX_BAR_BYTES,
                VFIO_PCI_CONFIG_REGION_INDEX => CONFIG_BYTES as u64,
                _ => 0,
            };
            let flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
            ServerRegion {
                region_info: vfio_region_info {
                    argsz: size_of::<vfio_region_info>() as u32,
                    flags: if size > 0 { flags } else { 0 },
                    index,
                    size,
                    ..Default::default()
                },
                sparse_areas: Vec::new(),
                mmap_fd: None,
            }
        })
        .collect()
}

/// The PCI function of a controller.
pub struct Function {
    config: [u8; CONFIG_BYTES],
    controller: Arc<Mutex<Controller>>,
}

impl Function {
    pub fn new(controller: Arc<Mutex<Controller>>) -> Self {
        let mut config = [0; CONFIG_BYTES];
        let mut put = |offset: usize, bytes: &[u8]| {
            config[offset..offset + bytes.len()].copy_from_slice(bytes);
        };
        put(0x00, &[0x34, 0x12, 0xa5, 0x11]); // vendor and device
        put(0x06, &[0x10, 0x00]); // status: there are capabilities
        put(0x08, &[0x01, 0x02, 0x08, 0x01]); // revision, NVM Express
        put(0x10, &[0x04]); // BARs 0 and 4 have 64 bits
        put(0x20, &[0x04]);
        put(0x2c, &[0x34, 0x12, 0xa5, 0x11]);
        put(CAPABILITIES, &[MSIX as u8]);
        put(MSIX, &[0x11, VENDOR as u8, VECTORS as u8 - 1, 0]);
        put(MSIX + 4, &4_u32.to_le_bytes());
        put(MSIX + 8, &(MSIX_PENDING_OFFSET | 4).to_le_bytes());
        put(VENDOR, &[0x09, 0, VENDOR_BYTES, 0]);
        Self { config, controller }
    }

    fn register(&self, offset: usize) -> u32 {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.config[offset..offset + 4]);
        u32::from_le_bytes(bytes)
    }

    fn set_register(&mut self, offset: usize, value: u32) {
        self.config[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    }

    fn read_config(&mut self, offset: usize, data: &mut [u8]) {
        let controller = lock(&self.controller);
        let told = controller.lies_told();
        let answer = controller.answer(self.register(QUESTION));
        drop(controller);
        self.set_register(TOLD, told);
        self.set_register(ANSWER, answer);
        for (byte, value) in data.iter_mut().zip(self.config.iter().skip(offset)) {
            *byte = *value;
        }
    }

    fn write_config(&mut self, offset: usize, data: &[u8]) {
        for (offset, byte) in (offset..).zip(data) {
            let writable = matches!(offset, COMMAND | 0x05 | 0x3c)
                || offset == MSIX + 3
                || (ARGUMENT..TOLD).contains(&offset)
                || (EVENT..ANSWER).contains(&offset);
            if let (true, Some(place)) = (writable, self.config.get_mut(offset)) {
                *place = *byte;
            }
        }
        let mut controller = lock(&self.controller);
        controller.set_bus_master(self.config[COMMAND] & COMMAND_BUS_MASTER != 0);
        match offset {
            LIE => {
                let number = self.register(LIE);
                let argument = self.register(ARGUMENT);
                match Lie::numbered(number) {
                    Some(lie) => controller.lie(Told { lie, argument }),
                    None if number == 0 => controller.tell_the_truth(),
                    None => {
                        drop(controller);
                        self.set_register(LIE, u32::MAX);
                    }
                }
            }
            EVENT => controller.report(self.register(EVENT)),
            _ => {}
        }
    }
}

impl ServerBackend for Function {
    fn region_read(&mut self, region: u32, offset: u64, data: &mut [u8]) -> io::Result<()> {
        data.fill(0);
        match region {
            VFIO_PCI_CONFIG_REGION_INDEX => self.read_config(offset as usize, data),
            VFIO_PCI_BAR0_REGION_INDEX => lock(&self.controller).read(offset, data),
            _ => {}
        }
        Ok(())
    }

    fn region_write(&mut self, region: u32, offset: u64, data: &[u8]) -> io::Result<()> {
        match region {
            VFIO_PCI_CONFIG_REGION_INDEX => self.write_config(offset as usize, data),
            VFIO_PCI_BAR0_REGION_INDEX => lock(&self.controller).write(offset, data),
            _ => {}
        }
        Ok(())
    }

    fn dma_map(
        &mut self,
        _: DmaMapFlags,
        offset: u64,
        address: u64,
        bytes: u64,
        file: Option<File>,
    ) -> io::Result<()> {
        match file {
            Some(file) => lock(&self.controller)
                .memory
                .map(file, offset, address, bytes),
            // ROMs and the like, where no queue or buffer is.
            None => Ok(()),
        }
    }

    fn dma_unmap(&mut self, _: DmaUnmapFlags, address: u64, bytes: u64) -> io::Result<()> {
        lock(&self.controller).memory.unmap(address, bytes);
        Ok(())
    }

    fn reset(&mut self) -> io::Result<()> {
        self.config[COMMAND] = 0;
        let mut controller = lock(&self.controller);
        controller.set_bus_master(false);
        controller.reset();
        Ok(())
    }

    fn set_irqs(
        &mut self,
        index: u32,
        flags: u32,
        start: u32,
        count: u32,
        files: Vec<File>,
    ) -> io::Result<()> {
        if index != VFIO_PCI_MSIX_IRQ_INDEX {
            return Ok(());
        }
        let mut controller = lock(&self.controller);
        let mut files = files.into_iter();
        match (flags & VFIO_IRQ_SET_DATA_EVENTFD, count) {
            (0, 0) => controller.interrupts.clear(),
            (0, _) => {}
            _ => {
                for vector in start..start.saturating_add(count).min(VECTORS.into()) {
                    controller.interrupts.remove(&(vector as u16));
                    if let Some(file) = files.next() {
                        controller.interrupts.insert(vector as u16, file);
                    }
                }
            }
        }
        Ok(())
    }
}
