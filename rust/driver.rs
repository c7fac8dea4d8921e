// SPDX-License-Identifier: GPL-2.0-only

//! The PCI driver: composes the layers for one controller, decides nothing.

use kernel::{debugfs::Dir, device::Core, pci, prelude::*, str::CString, sync::Arc};

use crate::{
    control::{
        admin::AERS_MAX,
        binding::Binding,
        controller::Settings,
        handle::Handle,
        stream::EventStream, //
    },
    engine::storm::StormLimits,
    glue::{
        chardev::{Node, Region},
        class::Class,
        pci::{Driver, Match},
        work::Queue,
    },
    module_parameters,
    user::{debug::Inspection, file::EventFile, names::Names, node::NodeAnnouncer},
};

/// What all controllers share, from load to unload of the module.
pub(crate) struct Shared {
    names: Names,
    settings: Settings,
    work: Arc<Queue>,
    class: Arc<Class<Handle>>,
    debug: Dir,
    nodes: Arc<Region<EventFile>>,
}

/// A bound controller. Dropped in the order of the fields: nobody finds it any
/// more, then it goes.
pub(crate) struct Bound {
    _inspection: Pin<KBox<Inspection>>,
    _node: Arc<Node<EventFile>>,
    handle: Arc<Handle>,
}

/// The driver.
pub(crate) struct NvmeDriver;

impl Driver for NvmeDriver {
    type Shared = Shared;
    type Data<'bound> = Bound;

    fn load() -> Result<Arc<Shared>> {
        let first_instance = u32::try_from(module_parameters::first_instance.value()).ok();
        let names = Names::choose(first_instance);
        let shared = Shared {
            names,
            settings: settings()?,
            work: Arc::new(Queue::new(c"nvme_rs")?, GFP_KERNEL)?,
            class: names.make_class()?,
            debug: Dir::new(c"nvme_rs"),
            nodes: Region::new(c"nvme_rs")?,
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
        data.handle.release();
    }

    fn shutdown(data: Pin<&Bound>) {
        if let Some(binding) = data.handle.visit() {
            binding.controller().stop();
        }
    }
}

/// Takes over a controller and makes its node.
fn bind(shared: &Shared, device: &pci::Device<Core<'_>>) -> Result<Bound> {
    let stream = EventStream::new(shared.settings.event_ring_entries)?;
    let binding = Binding::new(device, stream.clone(), &shared.work, shared.settings)?;
    let handle = Handle::new(stream, binding)?;
    let binding = handle.visit().ok_or(ENODEV)?;
    binding.start();

    let node = Node::new(
        &shared.nodes,
        &shared.class,
        device.as_ref(),
        Names::CONTROLLER,
        shared.names.first_instance,
        handle.clone(),
    )?;
    let node = Arc::new(node, GFP_KERNEL)?;
    let announcer = KBox::new(NodeAnnouncer(node.clone()), GFP_KERNEL)?;
    binding.controller().announce_by(announcer);

    let name = CString::try_from_fmt(fmt!("nvme{}", node.instance()))?;
    let inspection = Inspection::new(&shared.debug, &name, handle.clone())?;
    drop(binding);
    Ok(Bound {
        _inspection: inspection,
        _node: node,
        handle,
    })
}

/// 16 MiB of records.
const EVENT_RING_ENTRIES_MAX: u32 = 1 << 20;

const EVENT_SNAPSHOT_BYTES_MAX: u32 = 256 << 20;

/// In seconds.
const EVENT_STORM_PAUSE_MAX: u32 = 3600;

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
    check("aers", aers.into(), 1, AERS_MAX.into())?;
    Ok(Settings {
        event_ring_entries: event_ring_entries as usize,
        event_snapshot_bytes,
        aers,
        storm: StormLimits {
            events_per_second: event_storm_limit,
            pause_min_ns: NS_PER_S,
            pause_max_ns: u64::from(event_storm_pause) * NS_PER_S,
        },
    })
}

const NS_PER_S: u64 = 1_000_000_000;

fn check(name: &str, value: u32, min: u32, max: u32) -> Result {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    pr_err!("{} must be {} to {}\n", name, min, max);
    Err(EINVAL)
}
