//! Every state × every act: one table (product.md D8 to D10, D14).

use claviger_domain::event::EventBody;
use claviger_domain::id::KeySetId;
use claviger_domain::key_sets::{Act, Facts, KeySet};
use claviger_domain::policy_templates::Policy;
use claviger_domain::refusal::Refusal;
use claviger_domain::time::Timestamp;

use crate::support::{DIRECT, PENDING, Story, at, name, period, rotating, template};

/// The set's status after the act; `gone` if there is no set any more; or why nothing happened:
/// `-` is 409 `invalid_transition`, a word in brackets another code.
const TABLE: &str = "
 state                          | suspend   | activate  | regenerate | revoke    | revoke_key | issue        | retrieve  | accept    | remove | policy    | rename
 pending                        | -         | -         | -          | -         | -          | -            | pending   | active    | gone   | pending   | pending
 active                         | suspended | -         | active     | revoked   | -          | -            | active    | -         | -      | active    | active
 active with an older one       | suspended | -         | active     | revoked   | active     | -            | active    | -         | -      | active    | active
 suspended                      | -         | active    | suspended  | revoked   | -          | -            | suspended | -         | -      | suspended | suspended
 suspended with an older one    | -         | active    | suspended  | revoked   | suspended  | -            | suspended | -         | -      | suspended | suspended
 revoked                        | -         | -         | -          | -         | -          | active       | -         | -         | -      | revoked   | revoked
 expired                        | -         | -         | -          | -         | -          | active       | -         | -         | -      | expired   | expired
 expired with an older one      | -         | -         | -          | -         | expired    | active       | -         | -         | -      | expired   | expired
 regeneration not allowed       | suspended | -         | (policy)   | revoked   | -          | -            | active    | -         | -      | active    | active
 shown once                     | suspended | -         | active     | revoked   | -          | -            | (shown)   | -         | -      | active    | active
 issued by rotation, shown once | suspended | -         | active     | revoked   | active     | -            | active    | -         | -      | active    | active
 retrieved once                 | suspended | -         | active     | revoked   | active     | -            | (shown)   | -         | -      | active    | active
 superseded                     | -         | -         | -          | -         | -          | (superseded) | -         | -         | -      | revoked   | revoked
 pending, application suspended | (app)     | (app)     | (app)      | (app)     | (app)      | -            | (app)     | suspended | gone   | pending   | pending
 active, application suspended  | (app)     | (app)     | (app)      | (app)     | (app)      | -            | (app)     | -         | -      | suspended | suspended
 revoked, application suspended | (app)     | (app)     | (app)      | (app)     | (app)      | suspended    | (app)     | -         | -      | revoked   | revoked
";

#[test]
fn every_state_and_every_act() {
    let rows: Vec<Vec<&str>> =
        TABLE.trim().lines().map(|line| line.split('|').map(str::trim).collect()).collect();
    let (head, states) = rows.split_first().expect("a heading");
    for row in states {
        for (act, expected) in head.iter().zip(row).skip(1) {
            let (story, facts) = state(row[0]);
            assert_eq!(outcome(story, act, &facts), *expected, "{} × {act}", row[0]);
        }
        let (story, facts) = state(row[0]);
        let done: Vec<&str> =
            head.iter().zip(row).filter(|(_, cell)| is_status(cell)).map(|it| *it.0).collect();
        let allowed = story.set().allowed_acts(story.now, &facts);
        for act in Act::ALL {
            assert_eq!(allowed.contains(&act), done.contains(&act.as_str()), "{} × {act:?}", row[0]);
        }
    }
}

fn is_status(cell: &str) -> bool {
    cell != "-" && !cell.starts_with('(')
}

fn start() -> Timestamp {
    at("2026-01-01T12:00:00Z")
}

fn days(days: i32) -> Timestamp {
    start().plus(&claviger_domain::time::Period::days(days))
}

/// A set in each state of the table, with what else is true then.
fn state(state: &str) -> (Story, Facts) {
    let mut facts = Facts::default();
    let mut story = match state {
        "pending" | "pending, application suspended" => Story::begin(rotating(), PENDING, start()),
        "expired" => Story::begin(Policy { retrievable: true, ..Policy::default() }, DIRECT, start()),
        "expired with an older one" => {
            let policy = Policy { overlap: period("P2Y"), expires_after: Some(period("P3Y")), ..rotating() };
            Story::begin(Policy { rotates_every: None, ..policy }, DIRECT, start())
        }
        "regeneration not allowed" => {
            Story::begin(Policy { manual_regeneration: false, ..rotating() }, DIRECT, start())
        }
        "shown once" | "issued by rotation, shown once" | "retrieved once" => {
            Story::begin(Policy { retrievable: false, ..rotating() }, DIRECT, start())
        }
        _ => Story::begin(rotating(), DIRECT, start()),
    };
    match state {
        "active with an older one" | "issued by rotation, shown once" => story.settle_at(days(24)),
        "retrieved once" => {
            story.settle_at(days(24));
            let retrieval = story.set().retrieve(None, story.now, &facts).expect("once");
            assert!(retrieval.last_time);
            story.record(vec![retrieval.event]);
        }
        "suspended" => story.record(story.set().suspend(story.now, &facts).expect("active")),
        "suspended with an older one" => {
            story.record(story.set().suspend(story.now, &facts).expect("active"));
            story.settle_at(days(24));
        }
        "revoked" | "superseded" | "revoked, application suspended" => {
            story.record(story.set().revoke(story.now, &facts).expect("active"));
        }
        "expired" => story.settle_at(days(400)),
        "expired with an older one" => {
            let short = Policy { expires_after: Some(period("P1D")), ..story.set().policy.clone() };
            story.record(story.set().change_policy(short, template(2), false, story.now));
            let fresh = story.fresh();
            story.record(story.set().regenerate(story.now, &facts, fresh).expect("active"));
            story.settle_at(days(2));
        }
        "active, application suspended" => story.record(vec![EventBody::KeySetSuspended {
            key_set_id: story.set().id,
            by: claviger_domain::key_sets::SuspendedBy::Application,
        }]),
        _ => {}
    }
    facts.application_suspended = state.ends_with("application suspended");
    facts.superseded_by = (state == "superseded").then_some(KeySetId::from_bytes([8; 16]));
    (story, facts)
}

/// Does the act and says what came of it, as the table writes it.
fn outcome(mut story: Story, act: &str, facts: &Facts) -> String {
    let fresh = story.fresh();
    let (set, now) = (story.set().clone(), story.now);
    let oldest_living = set.living(now).next().or(set.latest()).map(|key| key.id).expect("a Key");
    let decided = match act {
        "suspend" => set.suspend(now, facts),
        "activate" => set.activate(now, facts),
        "regenerate" => set.regenerate(now, facts, fresh),
        "revoke" => set.revoke(now, facts),
        "revoke_key" => set.revoke_key(oldest_living, now, facts),
        "issue" => set.issue(now, facts, fresh),
        "retrieve" => set.retrieve(None, now, facts).map(|retrieval| vec![retrieval.event]),
        "accept" => set.provision(now, facts.application_suspended),
        "remove" => set.remove(now),
        "policy" => Ok(set.change_policy(rotating(), template(2), true, now)),
        "rename" => Ok(set.rename(name("Another name"))),
        other => panic!("no act {other}"),
    };
    match decided {
        Ok(events) => {
            assert!(!events.is_empty(), "an act is an event");
            story.record(events);
            story.set.as_ref().map_or("gone", |set| set.status(now).as_str()).to_owned()
        }
        Err(refusal) => refused(&set, &refusal, act, now, facts),
    }
}

fn refused(set: &KeySet, refusal: &Refusal, act: &str, now: Timestamp, facts: &Facts) -> String {
    match refusal {
        Refusal::InvalidTransition { from, act: named, allowed } => {
            let expected: Vec<&str> = set.allowed_acts(now, facts).into_iter().map(Act::as_str).collect();
            if Act::ALL.iter().any(|known| known.as_str() == act) {
                assert_eq!((*named, allowed), (act, &expected));
            }
            assert_eq!(*from, set.status(now).as_str());
            "-".to_owned()
        }
        Refusal::NotAllowedByPolicy => "(policy)".to_owned(),
        Refusal::ApplicationSuspended => "(app)".to_owned(),
        Refusal::AlreadyShown => "(shown)".to_owned(),
        Refusal::Superseded { .. } => "(superseded)".to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn acts_that_ask_for_nothing_new_are_told_apart() {
    use claviger_domain::key_sets::KeyStatus;
    let already: Vec<(Act, KeyStatus)> = Act::ALL
        .into_iter()
        .flat_map(|act| KeyStatus::ALL.map(|status| (act, status)))
        .filter(|(act, status)| act.is_already(*status))
        .collect();
    assert_eq!(
        already,
        [
            (Act::Suspend, KeyStatus::Suspended),
            (Act::Activate, KeyStatus::Active),
            (Act::Revoke, KeyStatus::Revoked)
        ]
    );
}

#[test]
fn a_key_of_another_set_is_not_found() {
    let (story, facts) = state("active");
    let stranger = claviger_domain::id::KeyId::from_bytes([5; 16]);
    assert_eq!(story.set().revoke_key(stranger, story.now, &facts), Err(Refusal::NotFound));
    assert_eq!(story.set().retrieve(Some(stranger), story.now, &facts), Err(Refusal::NotFound));
}

#[test]
fn an_older_key_can_be_retrieved_and_ended_early_but_latest_only_goes_with_the_set() {
    let (mut story, facts) = state("active with an older one");
    let (old, latest) = (story.set().keys[0].id, story.set().keys[1].id);
    assert_eq!(story.set().retrieve(Some(old), story.now, &facts).map(|it| it.key_id), Ok(old));
    let refusal = story.set().revoke_key(latest, story.now, &facts).expect_err("LATEST stays");
    assert_eq!(refusal.code(), "invalid_transition");
    story.record(story.set().revoke_key(old, story.now, &facts).expect("an older one"));
    assert_eq!(story.set().living(story.now).map(|key| key.id).collect::<Vec<_>>(), [latest]);
    let ended = story.set().keys[0].ended.expect("an end");
    assert_eq!((ended.ended_at, ended.planned_at), (story.now, Some(days(30))));
}

#[test]
fn a_new_key_does_not_bring_back_what_was_suspended_by_hand() {
    let (mut story, facts) = state("active");
    let long = Policy { overlap: period("P300D"), rotates_every: None, ..rotating() };
    let short = Policy { expires_after: Some(period("P1D")), ..long };
    story.record(story.set().change_policy(short, template(2), false, story.now));
    let fresh = story.fresh();
    story.record(story.set().regenerate(story.now, &facts, fresh).expect("active"));
    story.record(story.set().suspend(story.now, &facts).expect("active"));
    story.settle_at(days(2));
    assert_eq!(story.set().living(story.now).count(), 1, "the old one, Suspended");
    let fresh = story.fresh();
    story.record(story.set().issue(story.now, &facts, fresh).expect("LATEST expired"));
    assert_eq!(story.set().living(story.now).count(), 1, "the new one, Active");
    assert_eq!(story.set().keys[0].ended.map(|ended| ended.reason.as_str()), Some("issued"));
}
