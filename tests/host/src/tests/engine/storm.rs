// SPDX-License-Identifier: GPL-2.0-only

//! When a class is masked, for how long, and what a controller that does not
//! care about it gets.

use proptest::prelude::*;

use crate::{
    engine::storm::{EventClass, Moment, StormGuard, StormLimits, Verdict, CLASSES_MAX},
    spec::{event::AsynchronousEvent, log_page::LogPageId},
};

const SECOND: u64 = 1_000_000_000;
const LIMITS: StormLimits = StormLimits {
    events_per_second: 16,
    pause_min_ns: SECOND,
    pause_max_ns: 60 * SECOND,
};
const ERROR: EventClass = EventClass(0x0001_0000);
const SMART: EventClass = EventClass(0x0002_0001);

/// Has `class` fire once a millisecond from `start_ns` on until it is masked;
/// returns when that was.
fn storm(guard: &mut StormGuard, class: EventClass, start_ns: u64) -> u64 {
    for after_ms in 0..100 {
        let now_ns = start_ns + after_ms * 1_000_000;
        match guard.event(class, Moment(now_ns)) {
            Verdict::Calm => {}
            Verdict::Mask => return now_ns,
            Verdict::Hold => panic!("held before it was masked"),
        }
    }
    panic!("a hundred events in 100 ms are no storm");
}

#[test]
fn the_types_of_what_is_masked_are_known() {
    let mut guard = StormGuard::new(LIMITS);
    assert_eq!(guard.masked_types(), 0);
    storm(&mut guard, SMART, 0);
    assert_eq!(guard.masked_types(), 1 << 1);
    storm(&mut guard, ERROR, 0);
    assert_eq!(guard.masked_types(), 0b11);
}

#[test]
fn what_differs_in_information_only_is_one_class() {
    assert_eq!(EventClass::of(AsynchronousEvent(0x0002_0001)), SMART);
    assert_eq!(EventClass::of(AsynchronousEvent(0x0002_0201)), SMART);
    assert_ne!(EventClass::of(AsynchronousEvent(0x0004_0002)), SMART);
}

#[test]
fn the_event_beyond_the_limit_within_a_second_masks_its_class_alone() {
    let mut guard = StormGuard::new(LIMITS);
    for nth in 0..16 {
        assert_eq!(guard.event(ERROR, Moment(nth)), Verdict::Calm, "{nth}");
    }
    assert_eq!(guard.event(SMART, Moment(16)), Verdict::Calm);
    assert_eq!(guard.event(ERROR, Moment(17)), Verdict::Mask);
    assert_eq!(guard.masked(), 1);
    assert!(guard.is_masked(LogPageId(1)));
    assert!(!guard.is_masked(LogPageId(2)));
    assert_eq!(guard.next_end(), Some(Moment(17 + SECOND)));
}

#[test]
fn sixteen_events_every_second_are_no_storm() {
    let mut guard = StormGuard::new(LIMITS);
    for nth in 0..1600 {
        let now = Moment(nth * SECOND / 16);
        assert_eq!(guard.event(ERROR, now), Verdict::Calm, "{nth}");
    }
}

#[test]
fn pauses_double_up_to_the_maximum_and_start_over_after_a_calm_time() {
    let mut guard = StormGuard::new(LIMITS);
    let mut now_ns = 0;
    for pause_s in [1, 2, 4, 8, 16, 32, 60, 60] {
        let masked_ns = storm(&mut guard, ERROR, now_ns);
        let end_ns = masked_ns + pause_s * SECOND;
        assert_eq!(guard.next_end(), Some(Moment(end_ns)), "{pause_s}");
        assert_eq!(guard.unmask(Moment(end_ns - 1)), None);
        assert_eq!(guard.unmask(Moment(end_ns)), Some(ERROR));
        assert_eq!(guard.unmask(Moment(end_ns)), None);
        assert_eq!(guard.next_end(), None);
        now_ns = end_ns;
    }
    // As long as the last pause, and a little.
    let masked_ns = storm(&mut guard, ERROR, now_ns + 61 * SECOND);
    assert_eq!(guard.next_end(), Some(Moment(masked_ns + SECOND)));
}

#[test]
fn a_masked_class_that_storms_on_holds_the_requests() {
    let mut guard = StormGuard::new(LIMITS);
    let masked_ns = storm(&mut guard, ERROR, 0);
    let verdicts: Vec<_> = (1..=17)
        .map(|nth| guard.event(ERROR, Moment(masked_ns + nth)))
        .collect();
    assert_eq!(verdicts[..16], [Verdict::Calm; 16]);
    assert_eq!(verdicts[16], Verdict::Hold);
}

/// The nth of as many classes as anybody likes.
fn class(nth: u64) -> EventClass {
    EventClass((((nth % 256) << 16) | (nth / 256 % 8)) as u32)
}

/// However many classes there are, events come a few at a time: so many within
/// two minutes, of a controller that has one ready each 10 us.
#[test]
fn new_classes_all_the_time_are_a_storm() {
    for classes in [CLASSES_MAX as u64 + 1, 100, 2048] {
        let mut guard = StormGuard::new(LIMITS);
        let mut now_ns = 0;
        let mut events = 0;
        while now_ns < 120 * SECOND {
            while guard.unmask(Moment(now_ns)).is_some() {}
            events += 1;
            assert!(events < 20_000, "{classes} classes, after {now_ns} ns");
            now_ns = match guard.event(class(events % classes), Moment(now_ns)) {
                Verdict::Hold => guard.next_end().expect("something is masked").0,
                Verdict::Calm | Verdict::Mask => now_ns + 10_000,
            };
        }
    }
}

#[test]
fn a_class_that_comes_late_is_not_blamed_for_others() {
    let mut guard = StormGuard::new(LIMITS);
    for nth in 0..CLASSES_MAX as u64 {
        for _ in 0..16 {
            assert_eq!(guard.event(class(nth), Moment(nth)), Verdict::Calm);
        }
    }
    assert_eq!(guard.event(SMART, Moment(2 * SECOND)), Verdict::Calm);
    assert_eq!(guard.masked(), 0);
}

#[test]
fn a_class_without_a_page_masks_no_page() {
    let mut guard = StormGuard::new(LIMITS);
    storm(&mut guard, EventClass(0x0000_0007), 0);
    assert_eq!(guard.masked(), 1);
    assert!((0..=255).all(|page| !guard.is_masked(LogPageId(page))));
}

proptest! {
    /// Whatever fires whenever: a class is masked only by a storm, for a pause
    /// within the limits, and every pause ends with one unmasking.
    #[test]
    fn every_mask_is_a_storm_and_ends(
        events in prop::collection::vec((0_u32..40, 0_u64..SECOND / 4), 0..600),
    ) {
        let mut guard = StormGuard::new(LIMITS);
        let mut now_ns = 0;
        let mut history: Vec<(u32, u64)> = Vec::new();
        let mut masked: Vec<(EventClass, u64)> = Vec::new();
        for (class, step_ns) in events {
            // A few classes fire more than the others.
            let class = EventClass(if class < 20 { 0x1_0000 } else { class << 16 });
            now_ns += step_ns;
            while let Some(unmasked) = guard.unmask(Moment(now_ns)) {
                let at = masked.iter().position(|&(class, _)| class == unmasked);
                let (_, end_ns) = masked.remove(at.expect("only what is masked is unmasked"));
                prop_assert!(end_ns <= now_ns);
            }
            history.push((class.0, now_ns));
            if guard.event(class, Moment(now_ns)) == Verdict::Mask {
                let recent = history
                    .iter()
                    .filter(|&&(other, at_ns)| other == class.0 && now_ns - at_ns < SECOND)
                    .count();
                prop_assert!(recent > 16, "{recent} events are no storm");
                prop_assert!(masked.iter().all(|&(other, _)| other != class));
                masked.push((class, now_ns + SECOND));
            }
            prop_assert_eq!(guard.masked(), masked.len());
            // All of these classes have type 0.
            prop_assert_eq!(guard.masked_types(), u8::from(!masked.is_empty()));
            if let Some(end) = guard.next_end() {
                prop_assert!(end > Moment(now_ns));
                prop_assert!(end.since_ns(Moment(now_ns)) <= LIMITS.pause_max_ns);
            }
        }
    }
}
