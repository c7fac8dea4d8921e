// SPDX-License-Identifier: GPL-2.0-only

//! Log pages of events: which are to be read, and how.

mod hostile;
mod plan;
mod queue;

use crate::{
    engine::{
        capture::{CapturePlan, Pending},
        record::Sequence,
    },
    spec::{
        command::{LogPageRead, NamespaceId, RetainEvent},
        identify::IdentifyController,
        log_page::LogPageId,
    },
    tests::identify,
};

const SMART_HEALTH: LogPageId = LogPageId(0x02);

fn pending(page: LogPageId, nsid: NamespaceId, first: u64, last: u64) -> Pending {
    Pending {
        page,
        nsid,
        first: Sequence(first),
        last: Sequence(last),
    }
}

const UNLIMITED: u32 = 1 << 20;

/// A controller with offsets into log pages, and what else `fill` sets.
fn extended(fill: impl FnOnce(&mut IdentifyController)) -> IdentifyController {
    identify(|identify| {
        identify.lpa = 1 << 2;
        fill(identify);
    })
}

fn plan(page: LogPageId, identify: &IdentifyController, limit_bytes: u32) -> CapturePlan {
    let pending = pending(page, NamespaceId::BROADCAST, 1, 1);
    CapturePlan::new(pending, identify, limit_bytes)
}

/// How a plan was carried out.
struct Reading {
    /// Offset, length and release of each read.
    reads: Vec<(u32, u32, RetainEvent)>,
    kept: Vec<u8>,
    complete: bool,
}

/// Carries out `plan` on a `controller` that answers every read in full.
fn carry_out(
    mut plan: CapturePlan,
    mut controller: impl FnMut(&LogPageRead) -> Vec<u8>,
) -> Reading {
    let mut reads = Vec::new();
    let mut kept = Vec::new();
    while let Some(read) = plan.next_read() {
        assert!(!plan.is_complete());
        assert!(reads.len() < 1000, "a plan ends");
        let data = controller(&read);
        assert_eq!(data.len(), read.length_bytes as usize);
        reads.push((read.offset_bytes, read.length_bytes, read.retain));
        kept.extend_from_slice(plan.advance(&data));
    }
    // Over is over.
    assert!(plan.advance(&[0xff; 16]).is_empty());
    assert_eq!(plan.next_read(), None);
    // What was read to its end has the length that it was said to have.
    let length_bytes = plan.page_bytes().filter(|_| plan.is_complete());
    assert!(length_bytes.is_none_or(|length_bytes| length_bytes as usize == kept.len()));
    Reading {
        reads,
        kept,
        complete: plan.is_complete(),
    }
}

/// A controller that has `page` and, as they do, zeroes behind its end.
fn honest(page: &[u8]) -> impl FnMut(&LogPageRead) -> Vec<u8> + '_ {
    |read| {
        page.iter()
            .copied()
            .skip(read.offset_bytes as usize)
            .chain(std::iter::repeat(0))
            .take(read.length_bytes as usize)
            .collect()
    }
}

/// `length` bytes of which no two dwords are alike, but for `header`.
fn page_of(length: u32, header: &[(usize, &[u8])]) -> Vec<u8> {
    let mut page: Vec<u8> = (1..=length / 4).flat_map(u32::to_le_bytes).collect();
    for (offset, part) in header {
        page[*offset..*offset + part.len()].copy_from_slice(part);
    }
    page
}

/// Telemetry whose last block of area 3 is `last_block`.
fn telemetry(last_block: u16) -> Vec<u8> {
    let length = (u32::from(last_block) + 1) * 512;
    page_of(length, &[(12, &last_block.to_le_bytes()), (16, &[0; 4])])
}
