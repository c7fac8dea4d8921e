// SPDX-License-Identifier: GPL-2.0-only

//! A sleeping lock whose taker can be interrupted, or refuse to wait.
//!
//! `kernel::sync::Mutex` waits for ever.

use kernel::{
    new_condvar, new_spinlock_irq,
    prelude::*,
    sync::{CondVar, SpinLockIrq},
};

use crate::glue::file_operations::Blocking;

/// A value that one task at a time may change, and all may look at.
#[pin_data]
pub(crate) struct Turn<T: Copy + Unpin> {
    #[pin]
    state: SpinLockIrq<State<T>>,
    #[pin]
    ended: CondVar,
}

struct State<T> {
    value: T,
    taken: bool,
    /// Somebody who does not wait was sent away since.
    refused: bool,
}

/// Who came during a turn and did not wait for its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Nobody,
    Somebody,
}

impl<T: Copy + Unpin> Turn<T> {
    pub(crate) fn new(value: T) -> impl PinInit<Self> {
        pin_init!(Self {
            state <- new_spinlock_irq!(
                State {
                    value,
                    taken: false,
                    refused: false,
                },
                "nvme_rs::Turn::state"
            ),
            ended <- new_condvar!("nvme_rs::Turn::ended"),
        })
    }

    /// The value at this moment.
    pub(crate) fn peek(&self) -> T {
        self.state.lock().value
    }

    /// Waits until nobody else has the turn and takes it.
    ///
    /// # Errors
    ///
    /// EAGAIN instead of waiting; ERESTARTSYS if a signal arrives first.
    pub(crate) fn take(&self, blocking: Blocking) -> Result<Taken<'_, T>> {
        let mut state = self.state.lock();
        while state.taken {
            if blocking == Blocking::Refused {
                state.refused = true;
                return Err(EAGAIN);
            }
            if self.ended.wait_interruptible(&mut state) {
                return Err(ERESTARTSYS);
            }
        }
        state.taken = true;
        Ok(Taken { turn: self })
    }

    /// Ends a turn that was [kept](Taken::keep). Who was refused may try again
    /// now.
    pub(crate) fn give_back(&self) -> Refused {
        let mut state = self.state.lock();
        state.taken = false;
        let refused = core::mem::take(&mut state.refused);
        drop(state);
        // All of them: one alone may be on its way out with a signal.
        self.ended.notify_all();
        if refused {
            Refused::Somebody
        } else {
            Refused::Nobody
        }
    }
}

/// Somebody's turn, until dropped.
pub(crate) struct Taken<'a, T: Copy + Unpin> {
    turn: &'a Turn<T>,
}

impl<T: Copy + Unpin> Taken<'_, T> {
    pub(crate) fn get(&self) -> T {
        self.turn.peek()
    }

    pub(crate) fn set(&mut self, value: T) {
        self.turn.state.lock().value = value;
    }

    /// Keeps the turn until [`Turn::give_back`] is called.
    pub(crate) fn keep(self) {
        core::mem::forget(self);
    }

    /// Ends the turn, as dropping it does. Who was refused may try again now.
    pub(crate) fn end(self) -> Refused {
        let turn = self.turn;
        // It is given back once.
        core::mem::forget(self);
        turn.give_back()
    }
}

impl<T: Copy + Unpin> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        self.turn.give_back();
    }
}
