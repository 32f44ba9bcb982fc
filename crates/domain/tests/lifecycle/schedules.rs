//! What the clock demands, by example: dates at issue, rotation, overlap, expiration, downtime
//! (product.md D10 to D13, D16).

use claviger_domain::event::EventBody;
use claviger_domain::key_sets::{
    CatchUpError, Custody, EndReason, Facts, IssueCause, KeyStatus, MAX_GENERATIONS_PER_RUN, Schedule,
};
use claviger_domain::policy_templates::Policy;
use claviger_domain::time::{Period, Timestamp};

use crate::support::{DIRECT, PENDING, Story, at, period, rotating, template};

fn start() -> Timestamp {
    at("2026-01-01T12:00:00Z")
}

fn day(days: i32) -> Timestamp {
    start().plus(&Period::days(days))
}

/// Of each Key: its start, and its end with the reason, both as days since the start.
fn chain(story: &Story) -> Vec<(i64, Option<(i64, EndReason)>)> {
    let days = |instant: Timestamp| instant.seconds_since(start()) / 86_400;
    let keys = story.set().keys.iter();
    keys.map(|key| {
        let begun = key.schedule.map_or(-1, |schedule| days(schedule.start));
        (begun, key.ended.map(|ended| (days(ended.ended_at), ended.reason)))
    })
    .collect()
}

#[test]
fn dates_at_issue() {
    for (rotates, expires, due, end) in [
        (Some("P1M"), Some("P1Y"), Some("2026-02-28T12:00:00Z"), Some("2027-01-31T12:00:00Z")),
        (Some("P1M"), None, Some("2026-02-28T12:00:00Z"), None),
        (None, Some("P1M"), None, Some("2026-02-28T12:00:00Z")),
        // On one UTC day rotation wins, whichever comes first.
        (Some("P30D"), Some("P30D"), Some("2026-03-02T12:00:00Z"), None),
        (Some("P30DT11H"), Some("P30D"), Some("2026-03-02T23:00:00Z"), None),
        (Some("P30DT12H"), Some("P30D"), Some("2026-03-03T00:00:00Z"), Some("2026-03-02T12:00:00Z")),
    ] {
        let policy =
            Policy { rotates_every: rotates.map(period), expires_after: expires.map(period), ..rotating() };
        let begun = at("2026-01-31T12:00:00Z");
        let schedule = Schedule::starting(begun, begun, &policy);
        let expected = (due.map(at), end.map(at));
        assert_eq!((schedule.rotation_due_at, schedule.expires_at), expected, "{rotates:?} {expires:?}");
    }
}

#[test]
fn a_timely_rotation() {
    let mut story = Story::begin(rotating(), DIRECT, start());
    assert_eq!(story.set().next_due_at(), Some(day(23)), "due − lead");
    story.settle_at(day(23));
    let [old, new] = &story.set().keys[..] else { panic!("two Keys") };
    assert_eq!(old.retirement.map(|it| it.retires_at), Some(day(30)), "due is later than issue + overlap");
    assert_eq!((new.planned_at, new.issued_by), (Some(day(23)), IssueCause::Rotated));
    let dates = new.schedule.expect("dates");
    assert_eq!((dates.start, dates.provisioned_at, dates.rotation_due_at), (day(30), day(23), Some(day(60))));
    assert_eq!(story.set().next_due_at(), Some(day(30)), "the old one's end is recorded next");
    assert_eq!(old.stopped(day(30).plus_seconds(-1)), None);
    assert_eq!(old.stopped(day(30)), Some(EndReason::Rotated), "by the clock, recorded or not");
    story.settle_at(day(31));
    let ended = story.set().keys[0].ended.expect("recorded");
    assert_eq!(
        (ended.ended_at, ended.planned_at, ended.reason),
        (day(30), Some(day(30)), EndReason::Rotated)
    );
    assert_eq!(story.set().next_due_at(), Some(day(53)));
}

#[test]
fn a_pending_set_has_no_dates_until_it_is_accepted() {
    let mut story = Story::begin(rotating(), PENDING, start());
    assert_eq!(story.set().next_due_at(), None);
    story.now = day(10);
    story.record(story.set().provision(story.now, false).expect("pending"));
    let dates = story.set().keys[0].schedule.expect("dates");
    assert_eq!((dates.start, dates.rotation_due_at), (day(10), Some(day(40))));
}

#[test]
fn a_late_rotation_keeps_the_overlap_of_the_key_in_use() {
    let mut story = Story::begin(rotating(), DIRECT, start());
    story.settle_at(day(40));
    assert_eq!(chain(&story), [(0, None), (30, None)]);
    assert_eq!(story.set().keys[0].retirement.map(|it| it.retires_at), Some(day(43)), "issue + overlap");
    story.settle_at(day(50));
    assert_eq!(chain(&story)[0].1, Some((43, EndReason::Rotated)));
}

#[test]
fn no_overlap_goes_past_the_expiration() {
    let policy = Policy { expires_after: Some(period("P31D")), overlap: period("P9D"), ..rotating() };
    let mut story = Story::begin(policy, DIRECT, start());
    story.settle_at(day(25));
    assert_eq!(story.set().keys[0].retirement.map(|it| it.retires_at), Some(day(31)));
    story.settle_at(day(32));
    assert_eq!(chain(&story), [(0, Some((31, EndReason::Rotated))), (30, None)]);
}

#[test]
fn a_rotation_not_yet_done_retires_nothing() {
    let story = Story::begin(rotating(), DIRECT, start());
    assert_eq!(story.set().status(day(200)), KeyStatus::Active);
}

#[test]
fn generations_missed_wholly_are_issued_and_ended_in_one_step() {
    let mut story = Story::begin(rotating(), DIRECT, start());
    story.settle_at(day(100));
    let missed = Some((100, EndReason::Rotated));
    assert_eq!(chain(&story), [(0, None), (30, missed), (60, missed), (90, None)]);
    assert_eq!(story.set().keys[0].retirement.map(|it| it.retires_at), Some(day(103)));
    assert_eq!(story.set().living(day(100)).count(), 2);
    assert_eq!(story.set().keys[2].planned_at, Some(day(53)));
    assert_eq!(story.set().keys[2].ended.and_then(|ended| ended.planned_at), Some(day(90)));
}

#[test]
fn a_generation_due_to_go_when_it_is_issued_does_not_cost_the_key_in_use_its_overlap() {
    let mut story = Story::begin(rotating(), DIRECT, start());
    // Between the second rotation's lead and its due date.
    story.settle_at(day(55));
    assert_eq!(chain(&story), [(0, None), (30, Some((55, EndReason::Rotated))), (60, None)]);
    assert_eq!(story.set().keys[0].retirement.map(|it| it.retires_at), Some(day(58)));
}

#[test]
fn a_key_past_its_expiration_never_works_again_but_its_earlier_rotation_is_performed() {
    let policy = Policy { expires_after: Some(period("P45D")), ..rotating() };
    let mut story = Story::begin(policy, DIRECT, start());
    let key = story.set().keys[0].clone();
    assert_eq!(key.stopped(day(44)), None);
    assert_eq!(key.stopped(day(45)), Some(EndReason::Rotated), "what it will be recorded as");
    story.settle_at(day(50));
    assert_eq!(chain(&story), [(0, Some((45, EndReason::Rotated))), (30, None)]);
    assert_eq!(story.status(), KeyStatus::Active);
    // The new one expires at 75, its rotation is due at 60.
    story.settle_at(day(80));
    assert_eq!(chain(&story)[1..], [(30, Some((75, EndReason::Rotated))), (60, None)]);
}

#[test]
fn an_expiration_before_the_rotation_is_the_end() {
    // In months of 31 days the rotation would be a day late.
    let policy = Policy {
        rotates_every: Some(period("P1M")),
        expires_after: Some(period("P30D")),
        rotation_lead: period("P7D"),
        ..rotating()
    };
    assert_eq!(policy.validate(), []);
    let mut story = Story::begin(policy, DIRECT, start());
    assert_eq!(story.set().next_due_at(), Some(day(30)));
    story.settle_at(day(45));
    assert_eq!(chain(&story), [(0, Some((30, EndReason::Expired)))]);
    assert_eq!((story.status(), story.set().next_due_at()), (KeyStatus::Expired, None));
    let ended = story.set().keys[0].ended.expect("recorded");
    assert_eq!(ended.planned_at, Some(day(30)));
}

#[test]
fn regenerating_with_and_without_overlap() {
    let facts = Facts::default();
    let mut story = Story::begin(rotating(), DIRECT, start());
    story.settle_at(day(10));
    let fresh = story.fresh();
    story.record(story.set().regenerate(story.now, &facts, fresh).expect("active"));
    let [old, new] = &story.set().keys[..] else { panic!("two Keys") };
    assert_eq!(old.retirement.map(|it| (it.retires_at, it.reason)), Some((day(13), EndReason::Regenerated)));
    assert_eq!(new.schedule.map(|dates| dates.start), Some(day(10)), "the start is the act");
    // A third ends the oldest at once, with the reason of the act that issued it.
    story.settle_at(day(11));
    let fresh = story.fresh();
    story.record(story.set().regenerate(story.now, &facts, fresh).expect("active"));
    assert_eq!(chain(&story), [(0, Some((11, EndReason::Regenerated))), (10, None), (11, None)]);
    // Never past its own expiration.
    let mut story =
        Story::begin(Policy { expires_after: Some(period("P32D")), ..rotating() }, DIRECT, start());
    story.now = day(20);
    let long = Policy { overlap: period("P20D"), ..story.set().policy.clone() };
    story.record(story.set().change_policy(long, template(2), false, story.now));
    let fresh = story.fresh();
    story.record(story.set().regenerate(story.now, &facts, fresh).expect("active"));
    assert_eq!(story.set().keys[0].retirement.map(|it| it.retires_at), Some(day(32)));
    // No overlap: at once.
    let mut story = Story::begin(Policy { overlap: Period::zero(), ..rotating() }, DIRECT, start());
    story.now = day(1);
    let fresh = story.fresh();
    story.record(story.set().regenerate(story.now, &facts, fresh).expect("active"));
    assert_eq!(chain(&story), [(0, Some((1, EndReason::Regenerated))), (1, None)]);
}

#[test]
fn custody_follows_the_policy_and_who_saw_the_value() {
    let facts = Facts::default();
    let mut story = Story::begin(Policy { retrievable: false, ..rotating() }, DIRECT, start());
    story.settle_at(day(23));
    let fresh = story.fresh();
    story.record(story.set().regenerate(story.now, &facts, fresh).expect("active"));
    let custody: Vec<Custody> = story.set().keys.iter().map(|key| key.custody).collect();
    assert_eq!(custody, [Custody::Shown, Custody::Once, Custody::Shown]);
    let once = story.set().keys[1].id;
    let retrieval = story.set().retrieve(Some(once), story.now, &facts).expect("never seen");
    assert!(retrieval.last_time);
    story.record(vec![retrieval.event]);
    let refusal = story.set().retrieve(Some(once), story.now, &facts).expect_err("seen");
    assert_eq!(refusal.code(), "already_shown");
    let story = Story::begin(rotating(), DIRECT, start());
    assert_eq!(story.set().keys[0].custody, Custody::Retrievable);
}

#[test]
fn a_policy_put_on_a_set_reschedules_the_live_key_only_if_asked() {
    let mut story = Story::begin(rotating(), DIRECT, start());
    story.now = day(20);
    let yearly = Policy { rotates_every: Some(period("P90D")), ..rotating() };
    story.record(story.set().change_policy(yearly.clone(), template(2), false, story.now));
    assert_eq!(story.set().keys[0].schedule.and_then(|dates| dates.rotation_due_at), Some(day(30)));
    assert_eq!((story.set().template, &story.set().policy), (template(2), &yearly));
    story.record(story.set().change_policy(yearly, template(2), true, story.now));
    assert_eq!(story.set().keys[0].schedule.and_then(|dates| dates.rotation_due_at), Some(day(90)));
    // Dates that would have passed are now: nothing ends in the past that worked until now.
    let daily = Policy { rotates_every: Some(period("P1D")), rotation_lead: Period::zero(), ..rotating() };
    story.record(story.set().change_policy(daily, template(3), true, story.now));
    let dates = story.set().keys[0].schedule.expect("dates");
    assert_eq!((dates.start, dates.rotation_due_at), (start(), Some(day(20))));
    story.settle();
    assert_eq!(chain(&story), [(0, None), (20, None)]);
}

#[test]
fn too_few_fresh_keys_decide_nothing() {
    let mut story = Story::begin(rotating(), DIRECT, start());
    assert_eq!(story.set().keys_needed(day(100)), 3);
    let fresh = [story.fresh(), story.fresh()];
    assert_eq!(story.set().catch_up(day(100), fresh), Err(CatchUpError::NotEnoughFreshKeys));
    assert_eq!(story.set().catch_up(day(22), []), Ok(Vec::new()));
}

#[test]
fn a_template_in_seconds_comes_back_in_several_runs() {
    let policy = Policy {
        rotates_every: Some(period("PT10S")),
        rotation_lead: period("PT2S"),
        overlap: period("PT1S"),
        ..rotating()
    };
    let mut story = Story::begin(policy, DIRECT, start());
    story.now = start().plus_seconds(3_605);
    // The hundredth is in its time, and its own successor is due: both in one run.
    assert_eq!(story.set().keys_needed(start().plus_seconds(1_009)), MAX_GENERATIONS_PER_RUN + 1);
    assert_eq!(story.set().keys_needed(start().plus_seconds(1_011)), MAX_GENERATIONS_PER_RUN);
    assert_eq!(story.set().keys_needed(story.now), MAX_GENERATIONS_PER_RUN);
    let fresh: Vec<_> = (0..MAX_GENERATIONS_PER_RUN).map(|_| story.fresh()).collect();
    story.record(story.set().catch_up(story.now, fresh).expect("enough"));
    assert!(story.set().next_due_at() <= Some(story.now), "the rest is for the next run");
    let one_more = start().plus_seconds(3_606);
    story.settle_at(one_more);
    assert_eq!(story.set().keys.len(), 361);
    assert!(story.set().next_due_at() > Some(story.now));
    let living: Vec<u32> = story.set().living(story.now).map(|key| key.generation).collect();
    assert_eq!(living.last(), Some(&361));
    assert!(living.len() <= 2);
}

#[test]
fn far_behind_and_past_its_expiration_a_set_can_still_be_revoked_at_once() {
    let policy = Policy {
        rotates_every: Some(period("PT10S")),
        expires_after: Some(period("P1D")),
        rotation_lead: Period::zero(),
        overlap: Period::zero(),
        ..rotating()
    };
    let mut story = Story::begin(policy, DIRECT, start());
    story.now = day(300);
    assert_eq!(story.status(), KeyStatus::Revoked, "by the clock");
    story.record(story.set().revoke(story.now, &Facts::default()).expect("behind, not dead"));
    assert_eq!((story.set().next_due_at(), story.status()), (None, KeyStatus::Revoked));
}

#[test]
fn a_suspended_set_rotates_and_stays_suspended() {
    let mut story = Story::begin(rotating(), DIRECT, start());
    story.record(story.set().suspend(story.now, &Facts::default()).expect("active"));
    story.settle_in_time(day(200));
    assert_eq!((story.set().keys.len(), story.status()), (7, KeyStatus::Suspended));
    assert!(
        story
            .set()
            .living(story.now)
            .all(|key| story.set().key_status(key, story.now) == KeyStatus::Suspended)
    );
    story.record(story.set().activate(story.now, &Facts::default()).expect("suspended"));
    assert_eq!(story.status(), KeyStatus::Active);
}

/// Two years of one set, the server down for weeks in between (issue: the frozen-clock run).
#[test]
fn two_years_with_downtime() {
    let mut story = Story::begin(rotating(), DIRECT, start());
    let mut timely = story.clone();
    timely.settle_in_time(day(730));
    for (up_from, up_until) in [(0, 100), (135, 300), (370, 371), (480, 730)] {
        story.now = story.now.max(day(up_from));
        story.settle();
        story.settle_in_time(day(up_until));
        assert!(story.set().living(story.now).count() <= 2);
        assert_eq!(story.status(), KeyStatus::Active);
    }
    assert_eq!(story.dates(), timely.dates());
    // 730 days: generations 1 to 25, and the one that the last lead issued.
    assert_eq!(story.set().keys.len(), 25);
    for (index, key) in story.set().keys.iter().enumerate() {
        assert_eq!(
            key.schedule.map(|dates| dates.start),
            Some(day(30 * i32::try_from(index).expect("small")))
        );
    }
    let issued = story.log.iter().filter(|(_, body)| matches!(body, EventBody::KeyIssued { .. })).count();
    assert_eq!(issued, 25);
}
