// SPDX-License-Identifier: GPL-2.0-only

//! Commands by io_uring that stay and are answered many times, each time into a
//! buffer that the process provided: multishot.
//!
//! A command is called, in any context, and then runs in its task, where it
//! gives as many answers as there are. It ends when its file says so, or when
//! io_uring cancels it because the task or the ring goes away.

use core::{
    mem::{align_of, offset_of, size_of},
    ptr::NonNull,
};

use kernel::{
    error::to_result,
    new_spinlock_irq,
    prelude::*,
    sync::{Arc, SpinLockIrq},
    uaccess::{UserPtr, UserSlice, UserSliceWriter},
};

use super::{
    bindings,
    file_operations::RingOperations,
    uring::Issue, //
};

/// What a command has come to for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// There is no more for now. The command waits to be called.
    Complete,
    /// The command ends with this error.
    Ended(Error),
}

/// An open file with commands that stay.
pub(crate) trait Subscribable: RingOperations {
    /// The operation of these commands, and of no others.
    const OPERATION: u32;

    /// Answers with what there is, in the task of the command. `wish` is what
    /// [`Subscription::arm`] was given.
    fn deliver(self: Pin<&Self>, answers: &mut Answers, wish: u32) -> Delivery;

    /// The command is over. It may be called, but does nothing any more.
    fn unsubscribed(self: Pin<&Self>, subscription: &Subscription);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not armed yet.
    New,
    /// It waits to be called.
    Armed,
    /// It was called: it runs in its task, or will.
    Called,
    /// It is completed, or is about to be.
    Over,
}

struct State {
    phase: Phase,
    /// It was called again meanwhile.
    again: bool,
    /// It has to end.
    cancelled: bool,
}

/// A command that stays.
///
/// # Invariants
///
/// The command is valid while `state.phase` is `Armed`, and not completed by
/// anybody; while it is `Called`, the same holds for the callback in its task.
#[pin_data]
pub(crate) struct Subscription {
    command: NonNull<bindings::io_uring_cmd>,
    group: u32,
    #[pin]
    state: SpinLockIrq<State>,
}

// SAFETY: The command is used as its phase allows, which is behind a lock.
unsafe impl Send for Subscription {}

// SAFETY: As above.
unsafe impl Sync for Subscription {}

/// What the driver keeps in a command that stays.
///
/// # Invariants
///
/// Initialised from [`Subscription::arm`] until the command is completed.
struct Data {
    /// From `Arc::into_raw`; one reference is the command's.
    subscription: *const Subscription,
    called: unsafe fn(NonNull<bindings::io_uring_cmd>, u32, bool),
    wish: u32,
}

const _: () = {
    let pdu = offset_of!(bindings::io_uring_cmd, pdu);
    assert!(size_of::<Data>() <= offset_of!(bindings::io_uring_cmd, unused) - pdu);
    assert!(pdu % align_of::<Data>() == 0);
};

impl Subscription {
    /// # Errors
    ///
    /// EINVAL if the command is not multishot; EOPNOTSUPP if its ring polls;
    /// ENOMEM.
    pub(crate) fn new(issue: &Issue) -> Result<Arc<Self>> {
        let (command, flags) = issue.parts();
        if flags & bindings::io_uring_cmd_flags_IO_URING_F_IOPOLL as u32 != 0 {
            return Err(EOPNOTSUPP);
        }
        // SAFETY: The command is being issued, so it is valid.
        let (wanted, group) = unsafe {
            (
                (*command.as_ptr()).flags,
                bindings::nvme_rs_uring_cmd_buffer_group(command.as_ptr()),
            )
        };
        if wanted & bindings::IORING_URING_CMD_MULTISHOT == 0 {
            return Err(EINVAL);
        }
        let state = State {
            phase: Phase::New,
            again: false,
            cancelled: false,
        };
        Arc::pin_init(
            pin_init!(Self {
                command,
                group,
                state <- new_spinlock_irq!(state, "nvme_rs::Subscription::state"),
            }),
            GFP_KERNEL,
        )
    }

    /// Has the command stay, and calls it. `issue` is the one that
    /// [`Self::new`] was given, of a file of type `F`.
    pub(crate) fn arm<F: Subscribable>(self: Arc<Self>, issue: Issue, wish: u32) {
        let (command, flags) = issue.parts();
        if command != self.command {
            return;
        }
        let data = Data {
            subscription: Arc::into_raw(self.clone()),
            called: called::<F>,
            wish,
        };
        // SAFETY: The command is valid: it is being issued, and completed by
        // nobody while it is `New`. What is in it for the driver is large enough
        // and aligned, as asserted above. A worker of io_uring waits for the
        // ring's lock here; who cancels the command meanwhile finds the data, and
        // that it is `New`.
        unsafe {
            data_of(command).write(data);
            bindings::io_uring_cmd_mark_cancelable(command.as_ptr(), flags);
        }
        // INVARIANT: The data was initialised before. From here on another
        // processor may complete the command, which io_uring knows of for that:
        // it is not used here any more.
        self.state.lock().phase = Phase::Armed;
        self.call();
    }

    /// Has the command look for something to answer with. Any context.
    pub(crate) fn call(&self) {
        let mut state = self.state.lock();
        match state.phase {
            Phase::Armed => {
                state.phase = Phase::Called;
                // SAFETY: The command is valid by the type invariant, and is
                // called once, as the phase was `Armed`.
                unsafe { bindings::nvme_rs_uring_cmd_call(self.command.as_ptr()) };
            }
            Phase::New | Phase::Called => state.again = true,
            Phase::Over => {}
        }
    }
}

/// The answers of a command that runs in its task.
pub(crate) struct Answers {
    command: NonNull<bindings::io_uring_cmd>,
    flags: u32,
    group: u32,
}

impl Answers {
    /// Answers with what `fill` puts into a buffer, which has so many bytes, and
    /// returns the length of.
    ///
    /// # Errors
    ///
    /// That of `fill`, and the buffer is given back; ENOBUFS if there is none;
    /// EOVERFLOW if the ring has no room for the answer. The command has to end
    /// with it.
    pub(crate) fn give(
        &mut self,
        fill: impl FnOnce(&mut UserSliceWriter, usize) -> Result<usize>,
    ) -> Result {
        let mut provided = bindings::nvme_rs_provided::default();
        // SAFETY: The command runs in its task, with the flags for that.
        to_result(unsafe {
            bindings::nvme_rs_uring_cmd_take_buffer(
                self.command.as_ptr(),
                self.group,
                self.flags,
                &mut provided,
            )
        })?;
        let mut writer = UserSlice::new(
            UserPtr::from_addr(provided.address as usize),
            provided.length,
        )
        .writer();
        let filled = fill(&mut writer, provided.length);
        let result = match filled {
            // CAST: No buffer is longer than `c_long::MAX`.
            Ok(length_bytes) => length_bytes as c_long,
            Err(error) => error.to_errno() as c_long,
        };
        // SAFETY: As above; the buffer was taken just now.
        let last = unsafe {
            bindings::nvme_rs_uring_cmd_answer(
                self.command.as_ptr(),
                self.flags,
                &mut provided,
                result,
            )
        };
        match filled {
            Ok(_) if last => Err(EOVERFLOW),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn data_of(command: NonNull<bindings::io_uring_cmd>) -> *mut Data {
    // SAFETY: Only an address in the command is computed.
    unsafe { (&raw mut (*command.as_ptr()).pdu).cast() }
}

/// # Safety
///
/// The command is armed, on a file of type `F`, was called, and this runs in
/// its task, or, if that is dying, in its place.
unsafe fn called<F: Subscribable>(
    command: NonNull<bindings::io_uring_cmd>,
    flags: u32,
    dying: bool,
) {
    // SAFETY: The data is initialised while the command is not completed, which
    // only happens here while it is `Called`; it has a reference to the
    // subscription. The file is open as long as the command is not completed.
    let (subscription, file, wish) = unsafe {
        let data = &*data_of(command);
        (&*data.subscription, file_of::<F>(command), data.wish)
    };
    let mut answers = Answers {
        command,
        flags,
        group: subscription.group,
    };
    let error = loop {
        let mut state = subscription.state.lock();
        if dying || state.cancelled {
            break ECANCELED;
        }
        state.again = false;
        drop(state);
        let delivery = file.deliver(&mut answers, wish);
        let mut state = subscription.state.lock();
        match delivery {
            Delivery::Ended(error) => break error,
            Delivery::Complete if state.again || state.cancelled => {}
            Delivery::Complete => {
                state.phase = Phase::Armed;
                return;
            }
        }
    };
    subscription.state.lock().phase = Phase::Over;
    // SAFETY: Nobody else completes a command that is `Called`.
    unsafe { finish::<F>(command, flags, error) };
}

/// io_uring wants the command to end.
///
/// # Safety
///
/// The command is not completed, on a file of type `F`, and was marked as one
/// that can be cancelled; `flags` are what io_uring gave.
pub(super) unsafe fn cancel<F: Subscribable>(command: NonNull<bindings::io_uring_cmd>, flags: u32) {
    // SAFETY: As in `called`: what can be cancelled was armed before.
    let subscription = unsafe { &*(*data_of(command)).subscription };
    let mut state = subscription.state.lock();
    match state.phase {
        Phase::Armed => {
            state.phase = Phase::Over;
            drop(state);
            // SAFETY: It was `Armed`, so nobody else completes it.
            unsafe { finish::<F>(command, flags, ECANCELED) };
        }
        // It ends as soon as it runs.
        Phase::New | Phase::Called => state.cancelled = true,
        Phase::Over => {}
    }
}

/// # Safety
///
/// The command is armed, on a file of type `F`, and its phase was set to `Over`
/// by the caller alone; `flags` are what io_uring gave for this context.
unsafe fn finish<F: Subscribable>(
    command: NonNull<bindings::io_uring_cmd>,
    flags: u32,
    error: Error,
) {
    // SAFETY: The data is initialised, and used for the last time; the file is
    // open until the command is completed.
    unsafe {
        let subscription = Arc::from_raw((*data_of(command)).subscription);
        file_of::<F>(command).unsubscribed(&subscription);
        drop(subscription);
        bindings::__io_uring_cmd_done(command.as_ptr(), error.to_errno(), 0, flags, false);
    }
}

/// # Safety
///
/// The command must be valid for `'a`, on a file of type `F`.
unsafe fn file_of<'a, F: RingOperations>(command: NonNull<bindings::io_uring_cmd>) -> Pin<&'a F> {
    use kernel::types::ForeignOwnable;

    // SAFETY: The private data was set when the file was opened, and lives
    // until it is released.
    unsafe { Pin::<KBox<F>>::borrow((*(*command.as_ptr()).file).private_data) }
}

/// A command that was called runs in its task, or in one that stands in for it.
///
/// # Safety
///
/// Called once for each `nvme_rs_uring_cmd_call()`, by io_uring.
#[no_mangle]
unsafe extern "C" fn nvme_rs_uring_cmd_called(
    command: *mut bindings::io_uring_cmd,
    flags: u32,
    dying: bool,
) {
    if let Some(command) = NonNull::new(command) {
        // SAFETY: The command was armed before it was called, so that its data
        // is initialised; the rest is required of our caller.
        unsafe { ((*data_of(command)).called)(command, flags, dying) };
    }
}
