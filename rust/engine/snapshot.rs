// SPDX-License-Identifier: GPL-2.0-only

//! Captured log pages, kept with the events they belong to.
//!
//! Bounded in number by the storage and in bytes by a limit; the oldest go
//! first. The data itself is the caller's type.

use core::ops::DerefMut;

use super::capture::Pending;

/// One captured log page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot<D> {
    /// The page, and the events it was read for.
    pub(crate) wanted: Pending,
    pub(crate) data: D,
    /// How much `data` counts against the limit.
    pub(crate) length_bytes: usize,
}

/// The captured log pages of one controller, oldest first.
///
/// # Invariants
///
/// `used_bytes` is the sum of the lengths of the snapshots in `storage`. The
/// snapshots are the first elements of `storage`, in order of their capture.
pub(crate) struct SnapshotStore<S> {
    storage: S,
    used_bytes: usize,
    limit_bytes: usize,
}

impl<S, D> SnapshotStore<S>
where
    S: DerefMut<Target = [Option<Snapshot<D>>]>,
{
    /// A store over `storage`, whose elements are `None`.
    pub(crate) fn new(storage: S, limit_bytes: usize) -> Self {
        Self {
            storage,
            used_bytes: 0,
            limit_bytes,
        }
    }

    /// Keeps `snapshot`, releasing as many of the oldest as have to go. One
    /// that is longer than the limit is not kept and returned.
    pub(crate) fn keep(&mut self, snapshot: Snapshot<D>) -> Option<Snapshot<D>> {
        if snapshot.length_bytes > self.limit_bytes || self.storage.is_empty() {
            return Some(snapshot);
        }
        let room = self.limit_bytes.saturating_sub(snapshot.length_bytes);
        let full = self.storage.iter().all(Option::is_some);
        if full {
            self.release_oldest();
        }
        while self.used_bytes > room {
            self.release_oldest();
        }
        match self.storage.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => {
                self.used_bytes = self.used_bytes.saturating_add(snapshot.length_bytes);
                *slot = Some(snapshot);
                None
            }
            None => Some(snapshot),
        }
    }

    /// The snapshot that was taken for these events.
    pub(crate) fn find<'a>(&'a self, wanted: &Pending) -> Option<&'a Snapshot<D>>
    where
        D: 'a,
    {
        self.iter().find(|snapshot| snapshot.wanted.covers(wanted))
    }

    /// The snapshots, oldest first.
    pub(crate) fn iter<'a>(&'a self) -> impl Iterator<Item = &'a Snapshot<D>>
    where
        D: 'a,
    {
        self.storage.iter().flatten()
    }

    pub(crate) const fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    pub(crate) const fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    fn release_oldest(&mut self) {
        if let Some(oldest) = self.storage.first_mut().and_then(Option::take) {
            self.used_bytes = self.used_bytes.saturating_sub(oldest.length_bytes);
        }
        self.storage.rotate_left(1);
    }
}
