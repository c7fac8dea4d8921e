// SPDX-License-Identifier: GPL-2.0-only

//! Who waits for records of a stream: processes that sleep or poll, files that
//! want a signal, rings.

use kernel::{
    new_condvar, new_poll_condvar, new_spinlock_irq,
    prelude::*,
    sync::{poll::PollCondVar, Arc, CondVar, SpinLockIrq},
};

use crate::glue::{
    bell::Listener,
    fasync::AsyncFiles,
    subscription::Subscription, //
};

use super::EventStream;

/// Those who wait for a record.
#[pin_data]
pub(super) struct Waiters {
    #[pin]
    changed: PollCondVar,
    /// For those who wait for a log page. What polls has nothing to read then.
    #[pin]
    settled: CondVar,
    #[pin]
    async_files: AsyncFiles,
    #[pin]
    subscriptions: SpinLockIrq<KVec<Arc<Subscription>>>,
}

impl Waiters {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            changed <- new_poll_condvar!("nvme_rs::EventStream::changed"),
            settled <- new_condvar!("nvme_rs::EventStream::settled"),
            async_files <- AsyncFiles::new(),
            subscriptions <- new_spinlock_irq!(
                KVec::new(),
                "nvme_rs::EventStream::subscriptions"
            ),
        })
    }

    /// Has all look again. Not in hard interrupt context.
    fn wake(&self) {
        self.changed.notify_all();
        self.settle();
    }

    fn settle(&self) {
        self.settled.notify_all();
        self.call();
    }

    fn call(&self) {
        for subscription in self.subscriptions.lock().iter() {
            subscription.call();
        }
    }
}

impl Listener for Waiters {
    fn heard(&self) {
        self.wake();
        self.async_files.signal_readable();
    }
}

impl EventStream {
    /// Has all who wait look again. Not in hard interrupt context.
    pub(crate) fn notify(&self) {
        self.bell.listener().wake();
    }

    /// Has those look again who wait for a log page. As of [`Self::notify`].
    pub(super) fn notify_settled(&self) {
        self.bell.listener().settle();
    }

    /// Has the rings look again. As of [`Self::notify`].
    pub(in super::super) fn notify_subscribers(&self) {
        self.bell.listener().call();
    }

    /// Calls `subscription` from now on, when there may be a record, or what
    /// belongs to one.
    ///
    /// # Errors
    ///
    /// ENOMEM.
    pub(crate) fn subscribe(&self, subscription: Arc<Subscription>) -> Result {
        let mut subscriptions = self.bell.listener().subscriptions.lock();
        Ok(subscriptions.push(subscription, GFP_ATOMIC)?)
    }

    /// Does not call it any more.
    pub(crate) fn unsubscribe(&self, subscription: &Subscription) {
        let mut subscriptions = self.bell.listener().subscriptions.lock();
        let index = subscriptions
            .iter()
            .position(|other| core::ptr::eq(&**other, subscription));
        // Their order does not matter.
        let removed = index.and_then(|index| {
            let last = subscriptions.len().checked_sub(1)?;
            subscriptions.swap(index, last);
            subscriptions.pop()
        });
        drop(subscriptions);
        drop(removed);
    }

    /// What is notified when [`Self::glance`] may have changed.
    pub(crate) fn changed(&self) -> &PollCondVar {
        &self.bell.listener().changed
    }

    /// What is notified when a log page may be there.
    pub(super) fn settled(&self) -> &CondVar {
        &self.bell.listener().settled
    }

    /// The files that get a signal when there is a record.
    pub(crate) fn async_files(&self) -> &AsyncFiles {
        &self.bell.listener().async_files
    }
}
