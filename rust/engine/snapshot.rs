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
/// `used_bytes` is the sum of the lengths of the snapshots in `storage`. Those
/// are `count` elements from `first` on, in order of their capture, and after
/// the last element comes the first; all others are `None`.
pub(crate) struct SnapshotStore<S> {
    storage: S,
    first: usize,
    count: usize,
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
            first: 0,
            count: 0,
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
        while self.count >= self.storage.len() || self.used_bytes > room {
            self.release_oldest();
        }
        let index = self.index(self.count);
        let Some(slot) = self.storage.get_mut(index) else {
            return Some(snapshot);
        };
        self.used_bytes = self.used_bytes.saturating_add(snapshot.length_bytes);
        self.count = self.count.saturating_add(1);
        *slot = Some(snapshot);
        None
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
        let (behind, before) = self.storage.split_at(self.first.min(self.storage.len()));
        before.iter().chain(behind).flatten()
    }

    pub(crate) const fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    pub(crate) const fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    /// Where the snapshot is, or is to be, that has `older` ones before it.
    fn index(&self, older: usize) -> usize {
        let index = self.first.saturating_add(older);
        // One turn at most: there are no more than elements.
        index.checked_sub(self.storage.len()).unwrap_or(index)
    }

    fn release_oldest(&mut self) {
        let oldest = self.storage.get_mut(self.first).and_then(Option::take);
        let released_bytes = oldest.map_or(0, |oldest| oldest.length_bytes);
        self.used_bytes = self.used_bytes.saturating_sub(released_bytes);
        self.first = self.index(1);
        self.count = self.count.saturating_sub(1);
    }
}
