// SPDX-License-Identifier: GPL-2.0-only

//! The PCI driver: composes the layers for one controller, decides nothing.

use kernel::{debugfs::Dir, device::Core, pci, prelude::*, sync::Arc, time::Delta};

use crate::{
    control::{
        admin::AERS_MAX,
        binding::Binding,
        controller::{Hold, Settings},
        handle::Handle,
        provider::ProviderHost,
        stream::EventStream, //
    },
    engine::storm::StormLimits,
    glue::{
        chardev::{Node, Region, NODES_MAX},
        pci::{Disturbance, Driver, Match},
        provider::{Hosting, Listing},
        work::Queue,
    },
    module_parameters,
    user::{
        debug::Inspection,
        file::EventFile,
        names::{controller_name, Classes, Names},
        namespace::{NamespaceFile, NamespacePublisher},
        node::NodeAnnouncer,
        sysfs::subsystem::Subsystems,
    },
};

/// What all controllers share, from load to unload of the module.
pub(crate) struct Shared {
    names: Names,
    settings: Settings,
    work: Arc<Queue>,
    classes: Classes,
    subsystems: Arc<Subsystems>,
    debug: Dir,
    hosting: Hosting,
    nodes: Arc<Region<EventFile>>,
    generic_nodes: Arc<Region<NamespaceFile>>,
}

/// A bound controller. Dropped in the order of the fields: nobody finds it any
/// more, then it goes.
pub(crate) struct Bound {
    _inspection: Pin<KBox<Inspection>>,
    _listing: Listing,
    _node: Arc<Node<EventFile>>,
    held: Held,
}

/// Lets go of the controller when dropped. What shows the controller refers to
/// it and is owned by it, so it does not go away by itself.
struct Held(Arc<Handle>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// The driver.
pub(crate) struct NvmeDriver;

impl Driver for NvmeDriver {
    type Shared = Shared;
    type Data<'bound> = Bound;

    fn load() -> Result<Arc<Shared>> {
        let names = Names::choose(first_instance()?);
        let settings = settings()?;
        let classes = names.make_classes()?;
        let shared = Shared {
            names,
            settings,
            work: Arc::new(Queue::new(c"nvme_rs")?, GFP_KERNEL)?,
            subsystems: Subsystems::new(classes.subsystem.clone(), names.first_instance)?,
            classes,
            debug: Dir::new(c"nvme_rs"),
            hosting: Hosting::start()?,
            nodes: Region::new(c"nvme_rs")?,
            generic_nodes: Region::new(c"nvme_rs-generic")?,
        };
        Ok(Arc::new(shared, GFP_KERNEL)?)
    }

    fn matches() -> Match {
        if module_parameters::override_only.value() {
            Match::OverrideOnly
        } else {
            Match::NvmExpressClass
        }
    }

    fn probe<'bound>(
        shared: Arc<Shared>,
        device: &'bound pci::Device<Core<'_>>,
    ) -> impl PinInit<Bound, Error> + 'bound {
        pin_init::pin_init_scope(move || {
            // `driver_override` offers whatever it is set on.
            if device.pci_class() != pci::Class::STORAGE_EXPRESS {
                return Err(ENODEV);
            }
            Ok(bind(&shared, device))
        })
    }

    fn unbind<'bound>(_: &'bound pci::Device<Core<'_>>, data: Pin<&Bound>) {
        // While the function is still powered.
        data.held.0.release();
    }

    fn shutdown(data: Pin<&Bound>) {
        if let Some(binding) = data.held.0.visit() {
            binding.controller().stop();
        }
    }

    fn disturb(data: Pin<&Bound>, disturbance: Disturbance) {
        let Some(binding) = data.held.0.visit() else {
            return;
        };
        let controller = binding.controller();
        match disturbance {
            Disturbance::BeforeReset => controller.hold(Hold::FunctionReset),
            Disturbance::BeforeSleep => controller.hold(Hold::Sleep),
            Disturbance::Over => controller.release(),
            Disturbance::Lost => {
                controller.hold(Hold::FunctionReset);
                controller.give_up();
            }
        }
    }
}

/// Takes over a controller and makes its node.
fn bind(shared: &Shared, device: &pci::Device<Core<'_>>) -> Result<Bound> {
    let settings = shared.settings;
    let stream = EventStream::new(
        settings.event_ring_entries,
        settings.event_snapshot_bytes as usize,
    )?;
    let binding = Binding::new(device, stream.clone(), &shared.work, shared.settings)?;
    let held = Held(Handle::new(stream, binding)?);
    let handle = held.0.clone();
    let binding = handle.visit().ok_or(ENODEV)?;
    binding.start();

    let node = Node::numbered(
        &shared.nodes,
        &shared.classes.controller,
        device.as_ref(),
        Names::CONTROLLER,
        shared.names.first_instance,
        handle.clone(),
    )?;
    let node = Arc::new(node, GFP_KERNEL)?;
    let controller = binding.controller();
    binding.announce_by(NodeAnnouncer::new(node.clone(), shared.subsystems.clone())?);
    let publisher = NamespacePublisher {
        region: shared.generic_nodes.clone(),
        class: shared.classes.generic.clone(),
        controller: node.clone(),
        handle: handle.clone(),
    };
    let publisher = KBox::new(publisher, GFP_KERNEL)?;
    controller
        .namespaces()
        .publish_by(publisher, controller.device());
    let name = controller_name(&node)?;
    let host = ProviderHost {
        stream: handle.stream().clone(),
        work: shared.work.clone(),
    };
    let host = Arc::new(host, GFP_KERNEL)?;
    let listing = shared.hosting.list(device.as_ref(), host)?;
    let inspection = Inspection::new(&shared.debug, &name, handle.clone())?;
    drop(binding);
    Ok(Bound {
        _inspection: inspection,
        _listing: listing,
        _node: node,
        held,
    })
}

/// The number of the first node, if the administrator chose one.
///
/// # Errors
///
/// EINVAL if there is no such node.
fn first_instance() -> Result<Option<u32>> {
    const UNSET: i32 = -1;

    match module_parameters::first_instance.value() {
        UNSET => Ok(None),
        number => {
            // A negative number is more than any.
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            check("first_instance", number, 0, NODES_MAX as u32 - 1)?;
            Ok(Some(number))
        }
    }
}

/// 16 MiB of records.
const EVENT_RING_ENTRIES_MAX: u32 = 1 << 20;

const EVENT_SNAPSHOT_BYTES_MAX: u32 = 256 << 20;

/// In seconds.
const EVENT_STORM_PAUSE_MAX: u32 = 3600;

/// In seconds.
const EVENT_SMART_INTERVAL_MAX: u32 = 86400;

/// The module parameters, checked.
///
/// # Errors
///
/// EINVAL if one is out of bounds.
fn settings() -> Result<Settings> {
    let event_ring_entries = module_parameters::event_ring_entries.value();
    let event_snapshot_bytes = module_parameters::event_snapshot_bytes.value();
    let event_storm_limit = module_parameters::event_storm_limit.value();
    let event_storm_pause = module_parameters::event_storm_pause.value();
    let aers = module_parameters::aers.value();

    if !event_ring_entries.is_power_of_two() {
        pr_err!("event_ring_entries must be a power of two\n");
        return Err(EINVAL);
    }
    check(
        "event_ring_entries",
        event_ring_entries,
        1,
        EVENT_RING_ENTRIES_MAX,
    )?;
    check(
        "event_snapshot_bytes",
        event_snapshot_bytes,
        0,
        EVENT_SNAPSHOT_BYTES_MAX,
    )?;
    check("event_storm_limit", event_storm_limit, 1, u32::MAX)?;
    check(
        "event_storm_pause",
        event_storm_pause,
        1,
        EVENT_STORM_PAUSE_MAX,
    )?;
    let smart_interval = module_parameters::event_smart_interval.value();
    check(
        "event_smart_interval",
        smart_interval,
        1,
        EVENT_SMART_INTERVAL_MAX,
    )?;
    check("aers", aers.into(), 1, AERS_MAX.into())?;
    let io_queue_depth = module_parameters::io_queue_depth.value();
    check(
        "io_queue_depth",
        io_queue_depth.into(),
        2,
        IO_QUEUE_DEPTH_MAX,
    )?;
    let poll_queues = module_parameters::poll_queues.value();
    check("poll_queues", poll_queues.into(), 0, POLL_QUEUES_MAX)?;
    Ok(Settings {
        event_ring_entries: event_ring_entries as usize,
        event_snapshot_bytes,
        smart_interval: Delta::from_secs(smart_interval.into()),
        aers,
        io_queue_depth,
        poll_queues,
        storm: StormLimits {
            events_per_second: event_storm_limit,
            pause_min_ns: NS_PER_S,
            pause_max_ns: u64::from(event_storm_pause) * NS_PER_S,
        },
    })
}

const POLL_QUEUES_MAX: u32 = 1024;

/// A command id has to tell uses of an entry apart.
const IO_QUEUE_DEPTH_MAX: u32 = 4096;

const NS_PER_S: u64 = 1_000_000_000;

fn check(name: &str, value: u32, min: u32, max: u32) -> Result {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    pr_err!("{} must be {} to {}\n", name, min, max);
    Err(EINVAL)
}
