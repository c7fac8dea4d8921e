// SPDX-License-Identifier: GPL-2.0-only

//! Folders in sysfs that are no devices, with the files in them, and links
//! between folders.
//!
//! The `kernel` crate has no sysfs.

use core::ptr::NonNull;

use kernel::{
    container_of, error::to_result, page::PAGE_SIZE, prelude::*, str::CString, str::Formatter,
    sync::Arc,
};

use super::bindings;

/// Writes the content of a file, newline included.
pub(crate) type Show<N> = fn(&N, &mut Formatter<'_>) -> Result;

/// Something with a folder in sysfs.
///
/// # Safety
///
/// The pointer is to a kobject that is in sysfs from the time a reference to
/// the implementer can be had until it is dropped, and the same each time.
pub(crate) unsafe trait InSysfs {
    /// The folder.
    fn kobject(&self) -> NonNull<bindings::kobject>;
}

/// A file that everybody may read, of a [`Folder`] for an `N`.
pub(crate) struct FolderAttribute<N> {
    name: &'static CStr,
    show: Show<N>,
    has: fn(&N) -> bool,
}

impl<N> FolderAttribute<N> {
    /// A file that each folder has.
    pub(crate) const fn new(name: &'static CStr, show: Show<N>) -> Self {
        Self::optional(name, show, |_| true)
    }

    /// A file that the folders have for whose `N` that is so when they are
    /// made.
    pub(crate) const fn optional(name: &'static CStr, show: Show<N>, has: fn(&N) -> bool) -> Self {
        Self { name, show, has }
    }
}

/// Files side by side.
pub(crate) struct Group<N: 'static> {
    /// Where: in a folder of that name in the folder; `None`: in the folder
    /// itself.
    pub(crate) inside: Option<&'static CStr>,
    pub(crate) attributes: &'static [FolderAttribute<N>],
}

/// A file as sysfs knows it.
///
/// # Invariants
///
/// `raw` names [`show`] for this `N`. `data` is valid as long as sysfs has the
/// file.
#[repr(C)]
struct File<N> {
    raw: bindings::kobj_attribute,
    show: Show<N>,
    data: *const N,
}

/// A folder that shows what an `N` is like, from creation to drop. Dropping it
/// waits for those who are reading.
///
/// What it is in may go first, and takes the files with it.
///
/// # Invariants
///
/// `object` is in sysfs, with one reference to it ours. The files in it are
/// elements of `files`, which do not move, and their `data` is `data`.
pub(crate) struct Folder<N> {
    object: NonNull<bindings::kobject>,
    files: KVec<KVec<File<N>>>,
    data: Arc<N>,
}

// SAFETY: A kobject may be used and removed on any thread. The files are not
// changed after they were made, and what they call takes a shared `N`, from any
// thread, which is why that has to be `Sync` also here.
unsafe impl<N: Send + Sync> Send for Folder<N> {}

// SAFETY: As above.
unsafe impl<N: Send + Sync> Sync for Folder<N> {}

// SAFETY: By the type invariant.
unsafe impl<N> InSysfs for Folder<N> {
    fn kobject(&self) -> NonNull<bindings::kobject> {
        self.object
    }
}

impl<N: Send + Sync + 'static> Folder<N> {
    /// Makes the folder `name`, and its files one after the other. Sleeps.
    ///
    /// # Errors
    ///
    /// ENOMEM, also if the name is taken; the kernel then logs a call trace.
    pub(crate) fn new(
        parent: &impl InSysfs,
        name: &CStr,
        groups: &'static [Group<N>],
        data: Arc<N>,
    ) -> Result<Self> {
        // SAFETY: The parent is in sysfs as long as it is borrowed; what is
        // made takes a reference to it. The name is copied.
        let object = NonNull::new(unsafe {
            bindings::kobject_create_and_add(name.as_char_ptr(), parent.kobject().as_ptr())
        })
        .ok_or(ENOMEM)?;
        // INVARIANT: It is in sysfs, without files. From here on, dropping
        // `this` undoes what was done.
        let mut this = Self {
            object,
            files: KVec::new(),
            data,
        };
        for group in groups {
            this.add(group)?;
        }
        Ok(this)
    }

    fn add(&mut self, group: &'static Group<N>) -> Result {
        let mut files = KVec::with_capacity(group.attributes.len(), GFP_KERNEL)?;
        for attribute in group.attributes {
            if (attribute.has)(&self.data) {
                files.push(File::new(attribute, Arc::as_ptr(&self.data)), GFP_KERNEL)?;
            }
        }
        let mut list = KVec::with_capacity(files.len() + 1, GFP_KERNEL)?;
        for file in files.iter_mut() {
            list.push(&raw mut file.raw.attr, GFP_KERNEL)?;
        }
        list.push(core::ptr::null_mut(), GFP_KERNEL)?;
        // The vector moves, its elements do not. They stay in `self` whatever
        // comes of this, as some of them may be in sysfs.
        self.files.push(files, GFP_KERNEL)?;

        // What else is in it depends on the kernel's configuration.
        let mut raw: bindings::attribute_group = pin_init::zeroed();
        raw.name = match group.inside {
            Some(name) => name.as_char_ptr(),
            None => core::ptr::null(),
        };
        raw.__bindgen_anon_2.attrs = list.as_mut_ptr();
        // SAFETY: The kobject is in sysfs. Group and list are read during the
        // call only, the attributes as long as sysfs has the files, which is no
        // longer than `self` has them.
        to_result(unsafe { bindings::sysfs_create_group(self.object.as_ptr(), &raw) })
    }
}

impl<N> Drop for Folder<N> {
    fn drop(&mut self) {
        // SAFETY: In sysfs, and the reference ours, by the type invariant.
        // Removing it also removes all files in it and waits for calls of
        // `show`; who has a file open gets ENODEV from then on. If the parent
        // went first, that has been done. Only after this are the files and
        // their data dropped. What is left of the kobject, should somebody
        // still refer to it, is the kernel's and knows nothing of ours.
        unsafe {
            bindings::kobject_del(self.object.as_ptr());
            bindings::kobject_put(self.object.as_ptr());
        }
    }
}

impl<N> File<N> {
    #[expect(clippy::disallowed_methods, reason = "as for `class::Attribute`")]
    fn new(attribute: &'static FolderAttribute<N>, data: *const N) -> Self {
        let mut raw: bindings::kobj_attribute = pin_init::zeroed();
        raw.attr.name = attribute.name.as_ptr().cast();
        raw.attr.mode = 0o444;
        raw.__bindgen_anon_1.show = Some(show::<N>);
        // SAFETY: `raw` is valid and not yet known to anybody else. This sets
        // at most the pointer to a static object for lockdep.
        unsafe { bindings::nvme_rs_sysfs_attr_init(&mut raw.attr) };
        // INVARIANT: `data` lives as long as the folder that the file is for.
        Self {
            raw,
            show: attribute.show,
            data,
        }
    }
}

/// The content of a file.
///
/// # Safety
///
/// Called by sysfs only: `attribute` is the `raw` field of a [`File<N>`],
/// `buffer` a page.
unsafe extern "C" fn show<N>(
    _: *mut bindings::kobject,
    attribute: *mut bindings::kobj_attribute,
    buffer: *mut c_char,
) -> isize {
    // SAFETY: By the safety requirement. The file and its data live until the
    // folder is removed, which waits for this call.
    let file = unsafe { &*container_of!(attribute, File<N>, raw).cast_const() };
    // SAFETY: `data` by the type invariant of `File`, shared by all readers;
    // `buffer` by the safety requirement.
    unsafe { content(buffer, file.show, &*file.data) }
}

/// Has `show` write to the buffer that sysfs gave its caller; returns what
/// sysfs wants returned.
///
/// # Safety
///
/// `buffer` must be a page that nobody else accesses meanwhile.
pub(super) unsafe fn content<N>(buffer: *mut c_char, show: Show<N>, node: &N) -> isize {
    // SAFETY: By the safety requirement. Sysfs wants less than a page.
    let buffer = unsafe { core::slice::from_raw_parts_mut(buffer.cast::<u8>(), PAGE_SIZE - 1) };
    let mut formatter = Formatter::new(buffer);
    match show(node, &mut formatter) {
        // CAST: Less than a page.
        Ok(()) => formatter.bytes_written().min(PAGE_SIZE - 1) as isize,
        Err(error) => error.to_errno() as isize,
    }
}

/// A link from one folder to another, until dropped.
///
/// # Invariants
///
/// `from` has a link `name`, which only dropping this removes.
pub(crate) struct Link<D: InSysfs> {
    from: Arc<D>,
    name: CString,
}

impl<D: InSysfs> Link<D> {
    /// Makes a link `name` in the folder `from` that leads to `to`. Sleeps.
    ///
    /// # Errors
    ///
    /// EEXIST if the name is taken; the kernel then logs a call trace. ENOMEM.
    pub(crate) fn new(from: Arc<D>, to: &impl InSysfs, name: CString) -> Result<Self> {
        // SAFETY: Both are in sysfs as long as they are borrowed. The link
        // keeps what it needs of its target, and a copy of the name.
        to_result(unsafe {
            bindings::sysfs_create_link(
                from.kobject().as_ptr(),
                to.kobject().as_ptr(),
                name.as_char_ptr(),
            )
        })?;
        // INVARIANT: Made just now.
        Ok(Self { from, name })
    }

    /// What the folder with the link belongs to.
    pub(crate) fn from(&self) -> &Arc<D> {
        &self.from
    }
}

impl<D: InSysfs> Drop for Link<D> {
    fn drop(&mut self) {
        // SAFETY: `from` is in sysfs, and has the link, by the type invariant.
        unsafe {
            bindings::sysfs_remove_link(self.from.kobject().as_ptr(), self.name.as_char_ptr());
        }
    }
}
