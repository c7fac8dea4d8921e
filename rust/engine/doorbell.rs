// SPDX-License-Identifier: GPL-2.0-only

//! Shadow doorbells: whether a controller that reads doorbell values in host
//! memory has to be told of a new one (annex B.5 of the NVM Express Base
//! Specification).

/// Whether a doorbell is to be rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ring {
    Needed,
    /// The controller will look by itself.
    NotNeeded,
}

/// Whether to ring when the value of a doorbell goes from `old` to `new`, and
/// the controller asked to be told once it passes `event`.
///
/// Values wrap at the length of the queue, the comparison at 2^16: a queue that
/// wraps may be rung once without need, never too seldom.
pub(crate) const fn ring(event: u16, old: u16, new: u16) -> Ring {
    let passed = new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old);
    if passed {
        Ring::Needed
    } else {
        Ring::NotNeeded
    }
}
