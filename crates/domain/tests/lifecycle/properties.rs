//! What holds for every life of a Key Set, whatever people do and however late the scheduler is.

use std::collections::BTreeMap;

use claviger_domain::event::EventBody;
use claviger_domain::id::KeyId;
use claviger_domain::key_sets::{Act, EndReason, Facts, KeySet, KeyStatus, Schedule};
use claviger_domain::policy_templates::Policy;
use claviger_domain::time::{Period, Timestamp};
use proptest::prelude::*;

use crate::replay::replay;
use crate::support::{DIRECT, PENDING, Story, at, period, template};

/// Something that happens to a set.
#[derive(Debug, Clone)]
enum Happening {
    Wait(i64),
    Scheduler,
    Do(Act),
    Accept,
    Policy(Box<Policy>, bool),
}

fn start() -> Timestamp {
    at("2026-01-31T22:30:00Z")
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = Period> {
    prop::sample::select(texts).prop_map(period)
}

/// Policies that templates may have, with dates from hours to years.
fn policy() -> impl Strategy<Value = Policy> {
    (
        prop::option::weighted(0.8, one_of(&["P1D", "P7D", "P30D", "P31D", "P1M", "P90D", "P6M", "PT36H"])),
        prop::option::weighted(0.7, one_of(&["P1D", "P8D", "P30D", "P1M", "P45D", "P1Y", "P2Y"])),
        one_of(&["P0D", "PT12H", "P1D", "P6D", "P27D"]),
        one_of(&["P0D", "PT6H", "P1D", "P7D", "P28D", "P30D"]),
        any::<[bool; 2]>(),
    )
        .prop_map(|(rotates_every, expires_after, rotation_lead, overlap, [manual, retrievable])| Policy {
            rotates_every,
            expires_after,
            rotation_lead,
            overlap,
            manual_regeneration: manual,
            retrievable,
            ..Policy::default()
        })
        .prop_filter("templates that are refused", |policy| policy.validate().is_empty())
}

fn rotating_policy() -> impl Strategy<Value = Policy> {
    policy().prop_filter("no rotation", |policy| policy.rotates_every.is_some())
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (0_i64..40 * 86_400).prop_map(Happening::Wait),
        3 => Just(Happening::Scheduler),
        6 => prop::sample::select(Act::ALL.to_vec()).prop_map(Happening::Do),
        1 => Just(Happening::Accept),
        1 => (policy(), any::<bool>()).prop_map(|(policy, enforce)| Happening::Policy(Box::new(policy), enforce)),
    ]
}

/// What the happening decides, if it is not refused.
fn decide(story: &mut Story, happening: &Happening) -> Vec<EventBody> {
    let (facts, fresh, now) = (Facts::default(), story.fresh(), story.now);
    let set = story.set();
    let older = set.living(now).next().map(|key| key.id);
    let decided = match happening {
        Happening::Wait(_) | Happening::Scheduler => return Vec::new(),
        Happening::Accept => set.provision(now, false),
        Happening::Policy(policy, enforce) => {
            Ok(set.change_policy(Policy::clone(policy), template(2), *enforce, now))
        }
        Happening::Do(Act::Suspend) => set.suspend(now, &facts),
        Happening::Do(Act::Activate) => set.activate(now, &facts),
        Happening::Do(Act::Regenerate) => set.regenerate(now, &facts, fresh),
        Happening::Do(Act::Revoke) => set.revoke(now, &facts),
        Happening::Do(Act::Issue) => set.issue(now, &facts, fresh),
        Happening::Do(Act::Retrieve) => set.retrieve(None, now, &facts).map(|it| vec![it.event]),
        Happening::Do(Act::RevokeKey) => older.map_or(Ok(Vec::new()), |id| set.revoke_key(id, now, &facts)),
    };
    decided.unwrap_or_default()
}

/// What is true of a set at every instant.
fn holds(story: &Story, dead: &mut BTreeMap<KeyId, EndReason>) {
    let (set, now) = (story.set(), story.now);
    assert!(set.living(now).count() <= 2, "at most two Keys live: {set:#?}");
    for (index, key) in set.keys.iter().enumerate() {
        assert_eq!(key.generation as usize, index + 1);
        let stopped = key.stopped(now);
        if let Some(reason) = dead.get(&key.id) {
            assert_eq!(stopped, Some(*reason), "no Key leaves Revoked or Expired");
        }
        if let Some(reason) = stopped {
            dead.insert(key.id, reason);
        }
        let dates = key.schedule;
        if let Some(expires_at) = dates.and_then(|dates| dates.expires_at) {
            assert!(stopped.is_some() || now < expires_at, "no Key works past its expiration");
            assert!(key.ended.is_none_or(|ended| ended.ended_at <= expires_at.max(key.created_at)));
            let due = dates.and_then(|dates| dates.rotation_due_at);
            assert!(due.is_none_or(|due| due.utc_day() != expires_at.utc_day()), "D13");
        }
        assert!(key.ended.is_none_or(|ended| (key.created_at..=now).contains(&ended.ended_at)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Replaying the log gives the state; what is dead stays dead; at most two live; an act does what
    /// `allowed_acts` said.
    #[test]
    fn every_life(
        policy in policy(),
        pending in any::<bool>(),
        happenings in prop::collection::vec(happening(), 1..40),
    ) {
        let mut story = Story::begin(policy, if pending { PENDING } else { DIRECT }, start());
        let mut dead = BTreeMap::new();
        for happening in &happenings {
            match happening {
                Happening::Wait(seconds) => story.now = story.now.plus_seconds(*seconds),
                Happening::Scheduler => story.settle(),
                _ => {
                    // Whoever acts settles first.
                    story.settle();
                    holds(&story, &mut dead);
                    let allowed = story.set().allowed_acts(story.now, &Facts::default());
                    let events = decide(&mut story, happening);
                    if let Happening::Do(act) = happening && *act != Act::RevokeKey {
                        prop_assert_eq!(!events.is_empty(), allowed.contains(act), "{:?}", act);
                    }
                    story.record(events);
                }
            }
            holds(&story, &mut dead);
        }
        prop_assert_eq!(replay::<KeySet>(&story.log).expect("applies"), story.set.clone());
        story.settle();
        prop_assert!(story.set().next_due_at().is_none_or(|due| due > story.now));
    }

    /// Nobody need settle for the rules to hold: acts on a set that the scheduler left behind.
    #[test]
    fn every_life_without_a_scheduler(
        policy in policy(),
        happenings in prop::collection::vec(happening(), 1..40),
    ) {
        let mut story = Story::begin(policy, DIRECT, start());
        let mut dead = BTreeMap::new();
        for happening in &happenings {
            if let Happening::Wait(seconds) = happening {
                story.now = story.now.plus_seconds(*seconds);
            }
            holds(&story, &mut dead);
            let events = decide(&mut story, happening);
            story.record(events);
            holds(&story, &mut dead);
        }
        story.settle();
        holds(&story, &mut dead);
    }

    /// D11, D13: due dates decide, not run times. Whenever the scheduler runs, the chain of starts and
    /// dates is the same, and no Key works longer than its bounds.
    #[test]
    fn however_late_the_scheduler_is(
        policy in rotating_policy(),
        suspended in any::<bool>(),
        mut runs in prop::collection::vec(0_i64..500 * 86_400, 0..12),
    ) {
        let end = start().plus(&Period::days(500));
        let mut timely = Story::begin(policy.clone(), DIRECT, start());
        if suspended {
            timely.record(timely.set().suspend(start(), &Facts::default()).expect("active"));
        }
        let mut late = timely.clone();
        timely.settle_in_time(end);
        runs.sort_unstable();
        let mut dead = BTreeMap::new();
        for run in runs {
            late.now = start().plus_seconds(run);
            let in_use = late.set().latest().filter(|key| key.stopped(late.now).is_none()).cloned();
            late.settle();
            holds(&late, &mut dead);
            if let Some(in_use) = in_use {
                let after = late.set().key(in_use.id).expect("it stands");
                let stops_at = after.ended.map_or(after.stops_at(), |ended| Some(ended.ended_at));
                let overlap_ends = late.now.plus(&policy.overlap);
                let expires_at = in_use.schedule.and_then(|dates| dates.expires_at);
                let kept = expires_at.map_or(overlap_ends, |at| at.min(overlap_ends));
                prop_assert!(stops_at.is_none_or(|at| at >= kept), "the Key last in use keeps its overlap");
            }
            if suspended && late.status().is_living() {
                prop_assert_eq!(late.status(), KeyStatus::Suspended);
            }
        }
        late.settle_at(end);
        prop_assert_eq!(late.dates(), timely.dates());
        prop_assert_eq!(late.set().status(end), timely.set().status(end));
        bounds_are_kept(&late, &policy);
        bounds_are_kept(&timely, &policy);
    }

    /// Months are calendar months, and lead and due date are always in order.
    #[test]
    fn dates_are_in_order(policy in policy(), seconds in 0_i64..10 * 366 * 86_400) {
        let begun = start().plus_seconds(seconds);
        let dates = Schedule::starting(begun, begun, &policy);
        for date in [dates.rotation_due_at, dates.expires_at].into_iter().flatten() {
            prop_assert!(date > begun);
        }
        if let Some(due) = dates.rotation_due_at {
            prop_assert!(due.minus(&policy.rotation_lead) >= begun || policy.rotation_lead.is_zero());
        }
        let later = dates.rescheduled(begun.plus_seconds(400 * 86_400), &policy);
        prop_assert!(later.expires_at.is_none_or(|at| at >= begun.plus_seconds(400 * 86_400)));
    }
}

/// A Key that was rotated stopped at the later of due and issue + overlap, never past its expiration,
/// and earlier only if it never was in use or a third took its place.
fn bounds_are_kept(story: &Story, policy: &Policy) {
    let keys = &story.set().keys;
    for pair in keys.windows(2) {
        let (old, new) = (&pair[0], &pair[1]);
        let dates = old.schedule.expect("dates");
        let due = dates.rotation_due_at.expect("it was rotated");
        assert_eq!(new.schedule.map(|dates| dates.start), Some(due), "the next one starts where it was due");
        let latest_end = due.max(new.created_at.plus(&policy.overlap));
        let latest_end = dates.expires_at.map_or(latest_end, |at| at.min(latest_end)).max(old.created_at);
        let stops_at = old.ended.map_or(old.stops_at(), |ended| Some(ended.ended_at));
        assert!(stops_at.is_some_and(|at| at <= latest_end), "{old:?} works past {latest_end}");
        let early = stops_at < Some(latest_end);
        let missed = old.created_at == new.created_at || due <= old.created_at;
        let third =
            keys.iter().any(|key| key.generation > new.generation && stops_at == Some(key.created_at));
        assert!(!early || missed || third, "{old:?} ends before {latest_end}");
        let planned = due.minus(&policy.rotation_lead).max(dates.start);
        assert_eq!(new.planned_at, Some(planned));
        assert!(new.created_at >= planned, "nothing is issued before its time");
    }
}
