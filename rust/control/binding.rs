// SPDX-License-Identifier: GPL-2.0-only

//! A controller tied to its device: interrupt, tasks, and the PCI function.

use kernel::{
    device::Core,
    irq::IrqReturn,
    pci,
    prelude::*,
    sync::Arc,
    time::Delta, //
};

use crate::glue::{
    cpu::possible_cpus,
    interrupt::{Handler, Interrupt, Preference, Vectors},
    pci::Enabled,
    plug::Plugged,
    work::{Next, Queue, Task, WorkItem},
};

use super::{
    admin::{AdminQueue, Found},
    attendant::Attendant,
    controller::{Announcer, Controller, ResetScope, Settings},
    io_queue::IoQueue,
    refresh::Refresher,
    stream::EventStream,
};

/// How often a controller is looked after. Its status is read twice.
const WATCH_INTERVAL: Delta = Delta::from_secs(1);

/// A controller, and what keeps it going.
///
/// Dropping it stops the controller, then gives everything back in the order of
/// the fields: the tasks, the interrupt handler with its references to them,
/// queues and registers, and last the PCI function.
#[pin_data(PinnedDrop)]
pub(crate) struct Binding {
    watchman: Arc<WorkItem<Watchman>>,
    resetter: Arc<WorkItem<Resetter>>,
    attendant: Arc<WorkItem<Attendant>>,
    _io_interrupts: KVec<Interrupt<IoInterrupt>>,
    _interrupt: Interrupt<AdminInterrupt>,
    controller: Arc<Controller>,
    #[pin]
    refresher: Refresher,
    _enabled: Enabled,
}

/// The task that resets a controller nobody waits for.
pub(crate) struct Resetter(Arc<Controller>);

impl Task for Resetter {
    fn run(&self) -> Next {
        // What failed is in the stream and in the log.
        let _ = self.0.reset(ResetScope::Controller);
        Next::Done
    }
}

/// The task that looks after a controller nobody may be talking to, and after
/// commands that take too long.
pub(crate) struct Watchman {
    controller: Arc<Controller>,
    attendant: Arc<WorkItem<Attendant>>,
    resetter: Arc<WorkItem<Resetter>>,
}

impl Task for Watchman {
    fn run(&self) -> Next {
        // What an interrupt got lost of. What is to clear away, is right below.
        let found = self.controller.admin().process_completions();
        follow(found, &self.attendant, &self.resetter);
        // Commands first: they may wait for it.
        let overdue = self.controller.look_after_commands();
        if self.controller.has_consequences() {
            self.attendant.queue();
        }
        if self.controller.look_after() || overdue {
            self.resetter.queue();
        }
        Next::Again(WATCH_INTERVAL)
    }
}

/// Sees to the events among what the admin queue had. Any context.
fn follow(found: Found, attendant: &WorkItem<Attendant>, resetter: &WorkItem<Resetter>) {
    if found >= Found::Events {
        attendant.queue();
    }
    if found == Found::Fault {
        resetter.queue();
    }
}

/// The handler of the admin queue's interrupt.
struct AdminInterrupt {
    admin: Arc<AdminQueue>,
    attendant: Arc<WorkItem<Attendant>>,
    resetter: Arc<WorkItem<Resetter>>,
    watchman: Arc<WorkItem<Watchman>>,
}

impl Handler for AdminInterrupt {
    fn handle(&self) -> IrqReturn {
        let found = self.admin.process_completions();
        follow(found, &self.attendant, &self.resetter);
        match found {
            Found::Nothing => return IrqReturn::None,
            Found::ToClear => self.watchman.queue(),
            Found::Completions | Found::Events | Found::Fault => {}
        }
        IrqReturn::Handled
    }
}

/// The handler of an I/O queue's interrupt.
struct IoInterrupt {
    queue: Arc<Plugged<IoQueue>>,
    watchman: Arc<WorkItem<Watchman>>,
}

impl Handler for IoInterrupt {
    fn handle(&self) -> IrqReturn {
        match self.queue.process_completions() {
            Found::Nothing => return IrqReturn::None,
            Found::ToClear => self.watchman.queue(),
            Found::Completions | Found::Events | Found::Fault => {}
        }
        IrqReturn::Handled
    }
}

impl Binding {
    /// Takes over a controller, whatever state it is in. One that does not
    /// start is kept as well: a reset may revive it.
    ///
    /// # Errors
    ///
    /// ENOMEM, those of the PCI core.
    pub(crate) fn new(
        device: &pci::Device<Core<'_>>,
        stream: Arc<EventStream>,
        work: &Arc<Queue>,
        settings: Settings,
    ) -> Result<impl PinInit<Self, Error>> {
        let enabled = Enabled::new(device)?;
        let wanted = possible_cpus().saturating_add(1);
        let vectors = Vectors::allocate(device, wanted)?;
        let controller = Controller::new(device, stream, settings, &vectors)?;
        let resetter = Arc::pin_init(
            WorkItem::new(work.clone(), Ok::<_, Error>(Resetter(controller.clone()))),
            GFP_KERNEL,
        )?;
        let attendant = Arc::pin_init(
            WorkItem::new(
                work.clone(),
                Attendant::new(controller.clone(), resetter.clone())?,
            ),
            GFP_KERNEL,
        )?;
        let watchman = Watchman {
            controller: controller.clone(),
            attendant: attendant.clone(),
            resetter: resetter.clone(),
        };
        let watchman = Arc::pin_init(
            WorkItem::new(work.clone(), Ok::<_, Error>(watchman)),
            GFP_KERNEL,
        )?;
        let handler = AdminInterrupt {
            admin: controller.admin().clone(),
            attendant: attendant.clone(),
            resetter: resetter.clone(),
            watchman: watchman.clone(),
        };
        let handler = Arc::new(handler, GFP_KERNEL)?;
        let interrupt = Interrupt::request(&vectors, 0, c"nvme_rs", Preference::Any, handler)?;
        let mut io_interrupts = KVec::new();
        for queue in controller.io_queues().iter() {
            let handler = IoInterrupt {
                queue: queue.clone(),
                watchman: watchman.clone(),
            };
            let handler = Arc::new(handler, GFP_KERNEL)?;
            let vector = queue.vector().into();
            let preference = queue.preference();
            let interrupt = Interrupt::request(&vectors, vector, c"nvme_rs", preference, handler)?;
            io_interrupts.push(interrupt, GFP_KERNEL)?;
        }
        Ok(try_pin_init!(Self {
            watchman,
            resetter,
            attendant,
            _io_interrupts: io_interrupts,
            _interrupt: interrupt,
            controller,
            refresher <- Refresher::new(settings.smart_interval),
            _enabled: enabled,
        }? Error))
    }

    /// Starts the controller and looks after it from now on.
    pub(crate) fn start(&self) {
        // First of all: it sees to it that commands do not take for ever.
        self.watchman.queue();
        self.controller.start();
    }

    /// Has `announcer` tell udev from now on, first of what the controller said
    /// while it was started.
    pub(crate) fn announce_by(&self, announcer: KBox<dyn Announcer>) {
        self.controller.announce_by(announcer);
        self.attendant.queue();
    }

    /// Has commands that take too long be looked after now.
    pub(super) fn look_after_commands(&self) {
        self.watchman.queue();
    }

    pub(crate) fn controller(&self) -> &Arc<Controller> {
        &self.controller
    }

    pub(super) fn refresher(&self) -> &Refresher {
        &self.refresher
    }
}

#[pinned_drop]
impl PinnedDrop for Binding {
    fn drop(self: Pin<&mut Self>) {
        self.controller.stop();
        self.controller.buffers().unmap_all();
        self.watchman.disable();
        self.resetter.disable();
        self.attendant.disable();
        self.controller.namespaces().withdraw();
    }
}
