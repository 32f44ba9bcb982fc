//! The story of a Key Set: planned and actual, past and future (product.md D7).

use claviger_domain::key_sets::{Facts, Milestone, TimelineItem};
use claviger_domain::policy_templates::Policy;
use claviger_domain::time::{Period, Timestamp};

use crate::support::{DIRECT, PENDING, Story, at, rotating};

fn day(days: i32) -> Timestamp {
    at("2026-01-01T12:00:00Z").plus(&Period::days(days))
}

/// Generation, milestone, planned and actual in days.
fn told(story: &Story) -> Vec<(u32, &'static str, Option<i64>, Option<i64>)> {
    let days = |instant: Timestamp| instant.seconds_since(day(0)) / 86_400;
    let events = story.log.iter().map(|(at, body)| (*at, body));
    let line = |item: &TimelineItem| {
        let generation = story.set().key(item.key_id).map_or(0, |key| key.generation);
        (generation, item.milestone.as_str(), item.planned_at.map(days), item.actual_at.map(days))
    };
    story.set().timeline(events, story.now).iter().map(line).collect()
}

#[test]
fn past_and_future_in_one_picture() {
    let mut story = Story::begin(rotating(), DIRECT, day(0));
    assert_eq!(
        told(&story),
        [
            (1, "provisioned", None, Some(0)),
            (1, "rotation", Some(30), None),
            (1, "expiration", Some(365), None)
        ]
    );
    story.settle_in_time(day(24));
    story.settle_at(day(40));
    story.record(story.set().suspend(story.now, &Facts::default()).expect("active"));
    story.now = day(41);
    story.record(story.set().activate(story.now, &Facts::default()).expect("suspended"));
    assert_eq!(
        told(&story),
        [
            (1, "provisioned", None, Some(0)),
            (2, "provisioned", Some(23), Some(23)),
            (1, "rotation", Some(30), Some(30)),
            (2, "suspension", None, Some(40)),
            (2, "activation", None, Some(41)),
            (2, "rotation", Some(60), None),
            (2, "expiration", Some(395), None),
        ]
    );
}

#[test]
fn what_was_late_shows_its_delay() {
    let mut story = Story::begin(rotating(), DIRECT, day(0));
    story.settle_at(day(40));
    story.settle_at(day(44));
    let events = story.log.iter().map(|(at, body)| (*at, body));
    let items = story.set().timeline(events, story.now);
    let delay = |milestone| {
        let past = items.iter().filter(|item| item.milestone == milestone);
        past.filter_map(TimelineItem::delay_seconds).map(|seconds| seconds / 86_400).collect::<Vec<_>>()
    };
    assert_eq!(delay(Milestone::Provisioned), [17], "planned on day 23, done on day 40");
    assert_eq!(delay(Milestone::Rotation), [13], "due on day 30, worked until day 43");
}

#[test]
fn regeneration_revocation_and_expiration() {
    let mut story = Story::begin(rotating(), DIRECT, day(0));
    story.now = day(5);
    let fresh = story.fresh();
    story.record(story.set().regenerate(story.now, &Facts::default(), fresh).expect("active"));
    let planned = &told(&story)[2..4];
    assert_eq!(planned, [(1, "regeneration", Some(8), None), (1, "revocation", Some(8), None)]);
    story.settle_at(day(9));
    story.record(story.set().revoke(story.now, &Facts::default()).expect("active"));
    assert_eq!(
        told(&story),
        [
            (1, "provisioned", None, Some(0)),
            (2, "provisioned", None, Some(5)),
            (1, "regeneration", Some(8), Some(8)),
            (1, "revocation", Some(8), Some(8)),
            (2, "revocation", None, Some(9)),
        ]
    );
    let mut story = Story::begin(Policy::default(), DIRECT, day(0));
    story.now = day(400);
    let by_clock = told(&story);
    story.settle();
    assert_eq!(told(&story), by_clock, "the record adds nothing to what the clock did");
    assert_eq!(by_clock[1], (1, "expiration", Some(365), Some(365)));
}

#[test]
fn a_pending_set_has_no_story_yet() {
    assert_eq!(told(&Story::begin(rotating(), PENDING, day(0))), []);
}
