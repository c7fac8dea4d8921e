// SPDX-License-Identifier: GPL-2.0-only

//! `/sys/class/nvme-subsystem`: one device for each NVM subsystem that at least
//! one controller belongs to, with links to those.
//!
//! libnvme does not show a controller that no subsystem has a link to.

use kernel::{
    fmt::Write,
    new_mutex,
    prelude::*,
    str::CString,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc, Mutex,
    },
};

use crate::{
    glue::{
        class::{Attribute, Class, ClassDevice},
        kobject::{InSysfs, Link},
    },
    spec::{
        identifier::{SubsystemNqn, Text},
        identify::IdentifyController, //
    },
};

/// A subsystem, as the controller that was first in it described it.
pub(crate) struct Subsystem {
    nqn: SubsystemNqn,
    model: [u8; 40],
    serial: [u8; 20],
    /// Text in eight bytes; a reset may find another one.
    firmware: Atomic<u64>,
    discovery: bool,
}

impl Subsystem {
    /// The subsystem of the controller that said this.
    pub(crate) fn of(identify: &IdentifyController) -> Self {
        let nqn = SubsystemNqn::of(identify);
        Self {
            nqn,
            model: identify.model_number,
            serial: identify.serial_number,
            firmware: Atomic::new(u64::from_ne_bytes(identify.firmware_revision)),
            discovery: identify.cntrltype == 2 || nqn.is_discovery(),
        }
    }
}

/// Attributes of a subsystem.
pub(crate) static ATTRIBUTES: [Attribute<Subsystem>; 6] = [
    Attribute::readable(c"model", |subsystem, to| {
        Ok(writeln!(to, "{}", Text(&subsystem.model))?)
    }),
    Attribute::readable(c"serial", |subsystem, to| {
        Ok(writeln!(to, "{}", Text(&subsystem.serial))?)
    }),
    Attribute::readable(c"firmware_rev", |subsystem, to| {
        let firmware = subsystem.firmware.load(Relaxed).to_ne_bytes();
        Ok(writeln!(to, "{}", Text(&firmware))?)
    }),
    Attribute::readable(c"subsysnqn", |subsystem, to| {
        Ok(writeln!(to, "{}", subsystem.nqn)?)
    }),
    Attribute::readable(c"subsystype", |subsystem, to| {
        let name = if subsystem.discovery {
            "discovery"
        } else {
            "nvm"
        };
        Ok(writeln!(to, "{}", name)?)
    }),
    // What the in-tree driver has unless told otherwise. Here nothing chooses
    // a path to a namespace but who opens a node.
    Attribute::readable(c"iopolicy", |_, to| Ok(writeln!(to, "numa")?)),
];

/// All subsystems.
#[pin_data]
pub(crate) struct Subsystems {
    class: Arc<Class<Subsystem>>,
    first_number: u32,
    /// In ascending order of their numbers.
    #[pin]
    present: Mutex<KVec<Entry>>,
}

struct Entry {
    number: u32,
    members: usize,
    device: Arc<ClassDevice<Subsystem>>,
}

impl Subsystems {
    /// The prefix of a subsystem's name, before its number.
    const PREFIX: &'static CStr = c"nvme-subsys";

    /// None yet; they are going to be numbered from `first_number` on.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn new(class: Arc<Class<Subsystem>>, first_number: u32) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                class,
                first_number,
                present <- new_mutex!(KVec::new(), "nvme_rs::Subsystems::present"),
            }),
            GFP_KERNEL,
        )
    }

    /// Makes a controller, known as `name`, a member of its subsystem, which is
    /// made if this is the first. Sleeps.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn join(
        self: &Arc<Self>,
        subsystem: Subsystem,
        controller: &impl InSysfs,
        name: CString,
    ) -> Result<Membership> {
        let mut present = self.present.lock();
        let found = present
            .iter_mut()
            .find(|entry| entry.device.node().nqn == subsystem.nqn);
        let (number, device) = match found {
            Some(entry) => {
                entry.members += 1;
                (entry.number, entry.device.clone())
            }
            None => self.add(&mut present, subsystem)?,
        };
        drop(present);
        // From here on, dropping it undoes what was done.
        let mut membership = Membership {
            link: None,
            number,
            subsystems: self.clone(),
        };
        membership.link = Some(Link::new(device, controller, name)?);
        Ok(membership)
    }

    /// Makes a subsystem with one member.
    fn add(
        &self,
        present: &mut KVec<Entry>,
        subsystem: Subsystem,
    ) -> Result<(u32, Arc<ClassDevice<Subsystem>>)> {
        let (place, number) = present
            .iter()
            .map(|entry| entry.number)
            .zip(self.first_number..)
            .take_while(|(taken, free)| taken == free)
            .fold((0, self.first_number), |(place, _), (taken, _)| {
                (place + 1, taken.saturating_add(1))
            });
        // Before anybody sees it.
        present.reserve(1, GFP_KERNEL)?;
        let subsystem = Arc::new(subsystem, GFP_KERNEL)?;
        let device = ClassDevice::new(&self.class, Self::PREFIX, number, subsystem)?;
        let device = Arc::new(device, GFP_KERNEL)?;
        let entry = Entry {
            number,
            members: 1,
            device: device.clone(),
        };
        present.push(entry, GFP_KERNEL)?;
        if let Some(later) = present.get_mut(place..) {
            later.rotate_right(1);
        }
        Ok((number, device))
    }

    fn leave(&self, number: u32) {
        let mut present = self.present.lock();
        let Some(place) = present.iter().position(|entry| entry.number == number) else {
            return;
        };
        if let Some(entry) = present.get_mut(place) {
            entry.members -= 1;
            if entry.members > 0 {
                return;
            }
        }
        // With the lock held, so that the name is free when the number is.
        drop(present.remove(place));
    }
}

/// A controller's place in its subsystem, until dropped.
pub(crate) struct Membership {
    link: Option<Link<ClassDevice<Subsystem>>>,
    number: u32,
    subsystems: Arc<Subsystems>,
}

impl Membership {
    /// The controller was started again: its firmware may be another one.
    pub(crate) fn refresh(&self, now: &Subsystem) {
        if let Some(link) = &self.link {
            let firmware = now.firmware.load(Relaxed);
            link.from().node().firmware.store(firmware, Relaxed);
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        // First, as it refers to the device.
        self.link = None;
        self.subsystems.leave(self.number);
    }
}
