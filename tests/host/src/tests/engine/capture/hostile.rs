// SPDX-License-Identifier: GPL-2.0-only

//! The plans by which log pages are read, from a controller that returns
//! whatever it likes.

use proptest::{prelude::*, test_runner::TestCaseResult};

use crate::{
    engine::capture::CHUNK_BYTES,
    spec::{
        command::RetainEvent,
        identify::IdentifyController,
        log_page::{GroupList, LogPageId, PageLength},
    },
    tests::identify,
};

use super::{carry_out, extended, honest, page_of, plan, telemetry, UNLIMITED};

use RetainEvent::Release;

fn pages() -> impl Strategy<Value = LogPageId> {
    let known = prop::sample::select(vec![
        LogPageId::ERROR_INFORMATION,
        LogPageId::CHANGED_NAMESPACE_LIST,
        LogPageId::TELEMETRY_CONTROLLER_INITIATED,
        LogPageId::PREDICTABLE_LATENCY_AGGREGATE,
        LogPageId::ASYMMETRIC_NAMESPACE_ACCESS,
        LogPageId::REACHABILITY_GROUPS,
        LogPageId::REACHABILITY_ASSOCIATIONS,
        LogPageId::CHANGED_ALLOCATED_NAMESPACE_LIST,
        LogPageId::LBA_STATUS,
        LogPageId::ENDURANCE_GROUP_AGGREGATE,
        LogPageId::RESERVATION_NOTIFICATION,
        LogPageId::CHANGED_ZONE_LIST,
    ]);
    prop_oneof![4 => known, 1 => any::<u8>().prop_map(LogPageId)]
}

/// What decides the length of a page.
#[derive(Clone, Copy, Debug)]
struct Properties {
    lpa: u8,
    elpe: u8,
    nanagrpid: u32,
    nn: u32,
}

impl Properties {
    fn identify(self) -> IdentifyController {
        identify(|identify| {
            identify.lpa = self.lpa;
            identify.elpe = self.elpe;
            identify.nanagrpid = self.nanagrpid.into();
            identify.nn = self.nn.into();
        })
    }
}

prop_compose! {
    fn controllers()(
        lpa: u8,
        elpe: u8,
        nanagrpid in prop_oneof![4 => 0_u32..2000, 1 => any::<u32>()],
        nn in prop_oneof![4 => 0_u32..2000, 1 => any::<u32>()],
    ) -> Properties {
        Properties { lpa, elpe, nanagrpid, nn }
    }
}

/// The first bytes of what a controller returns: small numbers, which look
/// like lengths, or noise.
fn first_bytes() -> impl Strategy<Value = Vec<u8>> {
    let small = prop_oneof![3 => Just(0_u8), 1 => 0_u8..40];
    prop_oneof![
        3 => prop::collection::vec(small, 24),
        1 => prop::collection::vec(any::<u8>(), 24),
    ]
}

/// Whatever the controller returns: what is kept is a page from its beginning
/// without a gap, and the class is released at most once and last.
fn obeys_the_rules(
    id: LogPageId,
    controller: &IdentifyController,
    limit_bytes: u32,
    answers: &[Vec<u8>],
) -> TestCaseResult {
    let mut answers = answers.iter().cycle();
    let reading = carry_out(plan(id, controller, limit_bytes), |read| {
        let mut data = answers.next().cloned().unwrap_or_default();
        data.resize(read.length_bytes as usize, 0);
        data
    });

    let length = id.length(controller);
    if let PageLength::Queue { entry_bytes, .. } = length {
        prop_assert!((1..=256).contains(&reading.reads.len()));
        let every = (0, entry_bytes, Release);
        prop_assert!(reading.reads.iter().all(|read| *read == every));
        prop_assert!(reading.complete);
        return Ok(());
    }

    let mut end = 0;
    for (number, (offset, length, retain)) in reading.reads.iter().copied().enumerate() {
        let is_last = number + 1 == reading.reads.len();
        prop_assert!(length % 4 == 0 && (4..=CHUNK_BYTES).contains(&length));
        prop_assert_eq!(retain == Release, is_last && reading.complete);
        if offset == 0 && number > 0 {
            // Everything is there already, only the release is missing.
            prop_assert!(is_last && retain == Release && length == 4);
        } else {
            prop_assert_eq!(offset, end, "a gap or an overlap");
            end += length;
        }
        prop_assert!(controller.extended_log_page_data() || offset == 0);
    }
    if length == PageLength::Groups {
        // How long it is the controller says on the way.
        prop_assert!(reading.kept.len() <= end.min(limit_bytes) as usize);
        let kept_bytes = reading.kept.len() as u32;
        let mut list = GroupList::new();
        list.look(0, kept_bytes, &reading.kept);
        let whole = list.page_bytes() == Some(kept_bytes);
        prop_assert_eq!(reading.complete, kept_bytes > 0 && whole);
        return Ok(());
    }
    prop_assert_eq!(reading.kept.len(), end as usize);

    let header_bytes = match length {
        PageLength::InHeader(header) => header.header_bytes(),
        _ => 0,
    };
    prop_assert!(end <= limit_bytes.max(header_bytes));
    let page_bytes = match length {
        PageLength::InHeader(header) => header.page_bytes(&reading.kept),
        PageLength::Bytes(bytes) if controller.extended_log_page_data() => bytes,
        PageLength::Bytes(bytes) => bytes.min(CHUNK_BYTES),
        PageLength::Groups | PageLength::Queue { .. } => unreachable!("returned above"),
    };
    // Without an offset nothing can be had that follows a header.
    let can_be_had =
        controller.extended_log_page_data() || header_bytes == 0 || page_bytes == header_bytes;
    let fits = can_be_had && page_bytes <= limit_bytes;
    prop_assert_eq!(reading.complete, fits);
    prop_assert_eq!(end, if fits { page_bytes } else { header_bytes });
    Ok(())
}

/// Data shorter than asked for must not confuse a plan either.
fn ends_whatever_comes(
    id: LogPageId,
    controller: &IdentifyController,
    limit_bytes: u32,
    answers: &[Vec<u8>],
) -> TestCaseResult {
    let mut plan = plan(id, controller, limit_bytes);
    let mut reads = 0;
    for answer in answers.iter().cycle() {
        if plan.next_read().is_none() {
            break;
        }
        let kept = plan.advance(answer);
        // What follows the end of a list of groups is not kept.
        prop_assert!(kept.is_empty() || answer.starts_with(kept));
        reads += 1;
        prop_assert!(reads <= 256 + limit_bytes / CHUNK_BYTES, "no end");
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_class_is_released_once_and_only_by_the_read_that_completes_its_page(
        page in pages(),
        controller in controllers(),
        limit_bytes in prop_oneof![0_u32..10_000, Just(64 * 1024)],
        answers in prop::collection::vec(first_bytes(), 1..8),
    ) {
        obeys_the_rules(page, &controller.identify(), limit_bytes, &answers)?;
    }

    #[test]
    fn a_plan_ends_even_if_data_is_missing(
        page in pages(),
        controller in controllers(),
        limit_bytes in 0_u32..100_000,
        answers in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..24), 1..8),
    ) {
        ends_whatever_comes(page, &controller.identify(), limit_bytes, &answers)?;
    }

    #[test]
    fn an_honest_page_is_kept_byte_for_byte(last_block in 0_u16..60, elpe: u8) {
        let controller = extended(|identify| identify.elpe = elpe);
        let errors = page_of((u32::from(elpe) + 1) * 64, &[]);
        let telemetry = telemetry(last_block);
        for (id, page) in [
            (LogPageId::ERROR_INFORMATION, errors),
            (LogPageId::TELEMETRY_CONTROLLER_INITIATED, telemetry),
        ] {
            let reading = carry_out(plan(id, &controller, UNLIMITED), honest(&page));
            prop_assert!(reading.complete);
            prop_assert!(reading.kept == page);
        }
    }
}
