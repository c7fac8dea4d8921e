// SPDX-License-Identifier: GPL-2.0-only

//! Positions in `/dev/nvmeN`: sixteen times the number of a record, and a bit that
//! says of which ring.

use kernel::prelude::*;

use crate::engine::{
    event_log::Origin,
    record::{Sequence, RECORD_BYTES},
};

/// The bit of a file position that means the providers' ring.
pub(super) const LANE_POSITION: i64 = 1 << 62;

/// The offset in the providers' ring, if a seek is to go there.
pub(super) fn lane_offset(origin: Origin, offset_bytes: i64) -> Option<i64> {
    let in_lane = offset_bytes >= LANE_POSITION && origin == Origin::Start;
    in_lane.then_some(offset_bytes & !LANE_POSITION)
}

/// The record at a file position.
///
/// # Errors
///
/// EINVAL between records.
pub(super) fn record_at(position: i64) -> Result<Sequence> {
    let position = u64::try_from(position).map_err(|_| EINVAL)?;
    if position % RECORD_BYTES as u64 != 0 {
        return Err(EINVAL);
    }
    Ok(Sequence(position / RECORD_BYTES as u64))
}
