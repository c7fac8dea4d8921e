// SPDX-License-Identifier: GPL-2.0-only

//! Tests by subject, in the folders of what they test. Each file has a table
//! of boundaries first and a property after it.

mod engine;
mod spec;

use zerocopy::FromZeros;

use crate::spec::identify::IdentifyController;

/// What a controller says of itself, zero but for what `fill` sets.
fn identify(fill: impl FnOnce(&mut IdentifyController)) -> IdentifyController {
    let mut identify = IdentifyController::new_zeroed();
    fill(&mut identify);
    identify
}
