// SPDX-License-Identifier: GPL-2.0-only

//! Not the driver: a stand-in of the same name which has one defect, chosen by the parameter `fault`, when it is bound
//! to a controller. `scripts/check-faults` loads it to see that each kind of defect makes `make check-debug` fail.

use core::mem::forget;

use kernel::{
    bindings,
    device::Core,
    new_mutex, new_spinlock,
    page::{Page, PAGE_SIZE},
    pci,
    prelude::*,
    str::CStr,
    sync::{Mutex, SpinLock},
    time::msecs_to_jiffies,
};

struct Faulty;

kernel::pci_device_table!(
    TABLE,
    <Faulty as pci::Driver>::IdInfo,
    [(pci::DeviceId::from_class(0x010802, 0xffffff), ())]
);

fn use_after_free() -> Result {
    let pointer = KBox::into_raw(KBox::new([0u32; 16], GFP_KERNEL)?);
    // SAFETY: None, see `main`; the first statement is right, the second is the defect.
    unsafe {
        drop(KBox::from_raw(pointer));
        pr_info!("read {}\n", pointer.cast::<u32>().add(4).read_volatile());
    }
    Ok(())
}

fn missed_unlock() -> Result {
    let mutex: &Mutex<u32> = leak(KBox::pin_init(new_mutex!(0), GFP_KERNEL)?);
    forget(mutex.lock());
    Ok(())
}

fn sleep_in_atomic() -> Result {
    let lock: &SpinLock<u32> = leak(KBox::pin_init(new_spinlock!(0), GFP_KERNEL)?);
    let guard = lock.lock();
    // SAFETY: Not with a lock held: the defect.
    unsafe { bindings::msleep(1) };
    drop(guard);
    Ok(())
}

/// For defects which shall not be hidden by another one, that of freeing a lock which is held.
fn leak<T>(object: Pin<KBox<T>>) -> &'static T {
    // SAFETY: Nobody moves out of it.
    KBox::leak(unsafe { Pin::into_inner_unchecked(object) })
}

fn leaked_memory() -> Result {
    for value in 1..=8 {
        forget(KBox::new([value; 32], GFP_KERNEL)?);
    }
    Ok(())
}

fn leaked_page() -> Result {
    forget(Page::alloc_page(GFP_KERNEL)?);
    Ok(())
}

fn leaked_pin() -> Result {
    let mut page = core::ptr::null_mut();
    // SAFETY: We run on behalf of `insmod`, whose stack is mapped; the page is never unpinned: the defect.
    let pinned = unsafe {
        let address = (*(*bindings::get_current()).mm)
            .__bindgen_anon_1
            .start_stack;
        bindings::pin_user_pages_fast(address, 1, bindings::FOLL_WRITE as _, &mut page)
    };
    pr_info!("pinned {pinned}\n");
    Ok(())
}

/// Maps a page and unmaps it `unmaps` times.
fn mapping(device: &pci::Device<Core<'_>>, unmaps: u32) -> Result {
    let device: *mut bindings::pci_dev = core::ptr::from_ref(device).cast_mut().cast();
    let page = Page::alloc_page(GFP_KERNEL)?;
    // SAFETY: The device is being bound, the page is ours. More than one unmap is a defect, and so is none.
    unsafe {
        let device = &raw mut (*device).dev;
        let direction = bindings::dma_data_direction::DMA_FROM_DEVICE;
        let address =
            bindings::dma_map_page_attrs(device, page.as_ptr(), 0, PAGE_SIZE, direction, 0);
        bindings::debug_dma_mapping_error(device, address);
        for _ in 0..unmaps {
            bindings::dma_unmap_page_attrs(device, address, PAGE_SIZE, direction, 0);
        }
    }
    Ok(())
}

extern "C" fn expired(_: *mut bindings::timer_list) {}

fn freed_timer() -> Result {
    let mut timer = KBox::new(pin_init::zeroed::<bindings::timer_list>(), GFP_KERNEL)?;
    let name: &CStr = c"nvme_rs faulty";
    // SAFETY: The timer stays where it is, but is freed while it runs: the defect.
    unsafe {
        bindings::timer_init_key(
            &mut *timer,
            Some(expired),
            0,
            name.as_ptr().cast(),
            kernel::static_lock_class!().as_ptr(),
        );
        bindings::mod_timer(&mut *timer, bindings::jiffies + msecs_to_jiffies(1000));
    }
    drop(timer);
    Ok(())
}

impl pci::Driver for Faulty {
    type IdInfo = ();
    type Data<'bound> = Self;

    const ID_TABLE: pci::IdTable<Self::IdInfo> = &TABLE;

    fn probe<'bound>(
        device: &'bound pci::Device<Core<'_>>,
        _info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self, Error> + 'bound {
        match module_parameters::fault.value() {
            0 => mapping(device, 1)?,
            1 => leaked_memory()?,
            2 => leaked_page()?,
            3 => leaked_pin()?,
            4 => mapping(device, 0)?,
            5 => mapping(device, 2)?,
            6 => freed_timer()?,
            7 => sleep_in_atomic()?,
            8 => missed_unlock()?,
            9 => use_after_free()?,
            _ => return Err(EINVAL),
        }
        Ok(Self)
    }
}

kernel::module_pci_driver! {
    type: Faulty,
    name: "nvme_rs",
    authors: ["The nvme_rs founders"],
    description: "Defects, to test the tests",
    license: "GPL v2",
    params: {
        fault: i32 {
            default: 0,
            description: "Which one; 0: none",
        },
    },
}
