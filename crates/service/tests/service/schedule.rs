//! The scheduler: rotation, expiration, lapse, late runs, several nodes, and a keeper that is away
//! (product.md D11 to D13).

use claviger_domain::event::Position;
use claviger_domain::refusal::Refusal;
use claviger_domain::time::{Period, Timestamp};
use claviger_wire::key_sets::{EndReason, Key, Status};
use serde_json::json;

use crate::workspace::no_reason;
use crate::world::{World, body, fresh, instant};

on_both_databases!(
    d11_the_next_key_comes_at_due_less_lead_and_both_work_until_the_old_one_retires,
    d11_after_downtime_the_schedule_is_replayed_step_by_step,
    d11_a_suspended_set_rotates_and_stays_suspended,
    d11_whoever_acts_settles_first_what_the_clock_demands,
    d11_and_d13_two_years_of_one_key_set_with_the_server_down_for_weeks,
    d12_expiration_is_enforced_by_the_clock_and_then_recorded,
    d13_on_the_same_day_rotation_wins,
    a_set_that_fails_stops_no_other_and_ends_are_recorded_without_the_keeper,
    one_node_at_a_time_keeps_the_schedules,
    a_long_run_tells_of_each_step_when_it_was_done_and_keeps_its_lease,
);

/// What a Key shows of its life.
fn life(key: &Key) -> (u32, Status, [Option<&str>; 5], Option<EndReason>) {
    let dates = [&key.provisioned_at, &key.rotation_due_at, &key.expires_at, &key.retires_at, &key.ended_at];
    (key.generation, key.status, dates.map(|date| date.as_deref().map(|text| &text[..10])), key.end_reason)
}

async fn d11_the_next_key_comes_at_due_less_lead_and_both_work_until_the_old_one_retires(world: World) {
    let policy =
        json!({"rotates_every": "P30D", "rotation_lead": "P7D", "overlap": "P3D", "expires_after": "P1Y"});
    let one = world.one_key_set("api_key", policy).await;
    let before = world.events().await;
    world.set_time(instant("2026-03-24T11:59:59Z"));
    world.run_scheduler().await;
    assert_eq!(world.events().await, before, "nothing is due");
    world.set_time(instant("2026-03-24T12:00:00Z"));
    world.run_scheduler().await;
    let set = world.key_set(&one.id).await;
    let first = [Some("2026-03-01"), Some("2026-03-31"), Some("2027-03-01"), Some("2026-03-31"), None];
    let second = [Some("2026-03-24"), Some("2026-04-30"), Some("2027-03-31"), None, None];
    assert_eq!(life(&set.keys[0]), (1, Status::Active, first, None), "until it is due");
    assert_eq!(life(&set.keys[1]), (2, Status::Active, second, None));
    world.set_time(instant("2026-03-31T12:00:00Z"));
    let set = world.key_set(&one.id).await;
    assert_eq!((set.keys[0].status, set.keys[0].end_reason), (Status::Revoked, Some(EndReason::Rotated)));
    let before = world.events().await;
    world.run_scheduler().await;
    world.run_scheduler().await;
    assert_eq!(world.events().await, before + 1, "its end is recorded, once");
    assert_eq!(world.key_set(&one.id).await.keys[0], set.keys[0], "as the clock had said");
}

async fn d11_after_downtime_the_schedule_is_replayed_step_by_step(world: World) {
    let policy = json!({"rotates_every": "P30D", "overlap": "P3D", "expires_after": null});
    let one = world.one_key_set("api_key", policy).await;
    // Due on 31 March and 30 April; the server comes back on 5 May.
    world.set_time(instant("2026-05-05T00:00:00Z"));
    assert_eq!(
        world.key_set(&one.id).await.status,
        Status::Active,
        "a rotation not yet done retires nothing"
    );
    world.run_scheduler().await;
    let set = world.key_set(&one.id).await;
    let lives: Vec<_> = set.keys.iter().map(life).collect();
    assert_eq!(lives.len(), 3);
    assert_eq!(lives[0].1, Status::Active, "the Key last in use keeps its overlap");
    assert_eq!(lives[0].2[3], Some("2026-05-08"));
    assert_eq!((lives[1].1, lives[1].3), (Status::Revoked, Some(EndReason::Rotated)), "missed wholly");
    assert_eq!(lives[2].1, Status::Active);
    assert_eq!(lives[2].2[1], Some("2026-05-30"), "due dates count from due dates");
    world.pass("P3D");
    assert_eq!(world.key_set(&one.id).await.keys[0].status, Status::Revoked);
}

async fn d11_a_suspended_set_rotates_and_stays_suspended(world: World) {
    let request = world.owner.request();
    let one = world.one_key_set("basic", json!({"rotates_every": "P30D", "overlap": "P5D"})).await;
    fresh(world.service.key_set_suspend(&request, one.key_set_id(), &no_reason()).await);
    world.pass("P31D");
    world.run_scheduler().await;
    let set = world.key_set(&one.id).await;
    assert_eq!(set.keys.iter().map(|key| key.status).collect::<Vec<_>>(), [Status::Suspended; 2]);
    let set = fresh(world.service.key_set_activate(&request, one.key_set_id(), &no_reason()).await);
    assert_eq!(set.keys.iter().map(|key| key.status).collect::<Vec<_>>(), [Status::Active; 2]);
}

async fn d11_whoever_acts_settles_first_what_the_clock_demands(world: World) {
    let request = world.owner.request();
    let policy = json!({"rotates_every": "P30D", "overlap": "P3D", "expires_after": "P40D"});
    let one = world.one_key_set("api_key", policy).await;
    fresh(world.service.application_suspend(&request, one.application_id(), &no_reason()).await);
    // Rotation was due on the 31st; the Key itself expired on 10 April; no scheduler ran.
    world.set_time(instant("2026-04-12T00:00:00Z"));
    let all = body(json!({}));
    let activated = fresh(world.service.application_activate(&request, one.application_id(), &all).await);
    assert_eq!(activated.activated.len(), 1, "its rotated Key lives, and comes back");
    let set = world.key_set(&one.id).await;
    assert_eq!(set.keys.iter().map(|key| key.status).collect::<Vec<_>>(), [Status::Revoked, Status::Active]);
    assert_eq!(set.keys[1].rotation_due_at.as_deref(), Some("2026-04-30T12:00:00Z"));
    let events =
        world.service.store().read().await.expect("a reader").events_of_key_set(one.key_set_id()).await;
    let actors: Vec<_> =
        events.expect("events").iter().rev().take(3).map(|it| it.event.actor.name.clone()).collect();
    assert_eq!(actors.iter().filter(|name| *name == "scheduler").count(), 2, "the schedule's own part");
    world.set_time(instant("2026-05-01T00:00:00Z"));
    let set = fresh(world.service.key_set_suspend(&request, one.key_set_id(), &no_reason()).await);
    assert_eq!(set.keys.len(), 3, "the rotation of 30 April was performed first");
    world.verify_log().await;
}

/// Two years under rotation each month with a week's lead, three days' overlap and a year's life; the
/// scheduler runs daily but for three absences of weeks. Whatever the absences, each generation's dates
/// count from the due date of the one before, no Key is ever without one that works beside or after it,
/// and the timeline tells how late each step was.
async fn d11_and_d13_two_years_of_one_key_set_with_the_server_down_for_weeks(world: World) {
    let policy = json!({"rotates_every": "P1M", "rotation_lead": "P7D", "overlap": "P3D", "expires_after": "P1Y", "retrievable": true});
    world.set_time(instant("2026-01-31T09:00:00Z"));
    let one = world.one_key_set("api_key", policy).await;
    let absences = [("2026-04-10", "2026-05-20"), ("2026-09-01", "2026-11-15"), ("2027-06-20", "2027-07-04")];
    let away =
        |day: Timestamp| absences.iter().any(|(from, until)| (instant(from)..instant(until)).contains(&day));
    let day = |n: i32| instant("2026-01-31T09:00:00Z").plus(&Period::days(n));
    for n in 1..=731 {
        world.set_time(day(n));
        if !away(day(n)) {
            world.run_scheduler().await;
        }
        let set = world.key_set(&one.id).await;
        assert_eq!(set.status, Status::Active, "on {}", day(n));
        let living = set.keys.iter().filter(|key| key.status == Status::Active).count();
        assert!((1..=2).contains(&living), "{living} living on {}", day(n));
    }
    let set = world.key_set(&one.id).await;
    // Started on 31 January 2026, due every month: 24 rotations are due by 31 January 2028, and the lead
    // issues one more.
    let dues: Vec<_> =
        set.keys.iter().map(|key| instant(key.rotation_due_at.as_deref().expect("due"))).collect();
    let mut start = instant("2026-01-31T09:00:00Z");
    let month: Period = "P1M".parse().expect("a period");
    let year: Period = "P1Y".parse().expect("a period");
    for (key, due) in set.keys.iter().zip(&dues) {
        assert_eq!(*due, start.plus(&month), "generation {}", key.generation);
        assert_eq!(key.expires_at.as_deref(), Some(start.plus(&year).to_string().as_str()));
        start = *due;
    }
    assert_eq!(dues[0], instant("2026-02-28T09:00:00Z"), "the last day stands for one that is not there");
    assert_eq!(dues[1], instant("2026-03-28T09:00:00Z"));
    assert_eq!(set.keys.len(), 25);
    let mut late = 0;
    for pair in set.keys.windows(2) {
        let (old, new) = (&pair[0], &pair[1]);
        let provisioned = instant(new.provisioned_at.as_deref().expect("provisioned"));
        let ended = old.ended_at.as_deref().map(instant);
        let due = instant(old.rotation_due_at.as_deref().expect("due"));
        let planned = due.minus(&"P7D".parse().expect("a period"));
        if old.status == Status::Active {
            continue;
        }
        assert_eq!(old.end_reason, Some(EndReason::Rotated), "generation {}", old.generation);
        let ended = ended.expect("ended");
        if provisioned.seconds_since(planned) < 86_400 {
            assert_eq!(ended, due, "on time: the later of due and issue + overlap");
        } else {
            late += 1;
            assert!(ended >= provisioned, "generation {} ended before its heir came", old.generation);
        }
    }
    assert_eq!(late, 4, "April to May: one; September to November: two; June to July: one");
    let missed: Vec<_> = set.keys.iter().filter(|key| key.ended_at == key.provisioned_at).collect();
    assert_eq!(missed.len(), 1, "one generation was issued and ended in one step: {missed:?}");
    let spring = set.keys.iter().find(|key| key.rotation_due_at.as_deref() == Some("2026-04-28T09:00:00Z"));
    let spring = spring.expect("the Key that was in use in spring");
    assert_eq!(spring.retires_at.as_deref(), Some("2026-05-23T09:00:00Z"), "back on 20 May, and the overlap");
    assert_eq!(
        spring.ended_at.as_deref(),
        Some("2026-05-21T09:00:00Z"),
        "a third Key ends the oldest at once"
    );
    let timeline = world.service.key_set_timeline(&world.owner.request(), one.key_set_id()).await;
    let delays =
        timeline.expect("a timeline").items.into_iter().filter(|item| item.delay_seconds > Some(86_400));
    assert!(delays.count() >= 4, "the story tells how late each was");
    world.verify_log().await;
}

async fn d12_expiration_is_enforced_by_the_clock_and_then_recorded(world: World) {
    let one = world.one_key_set("api_key", json!({"expires_after": "P10D"})).await;
    world.set_time(instant("2026-03-11T12:00:00Z"));
    let set = world.key_set(&one.id).await;
    assert_eq!(set.status, Status::Expired, "no job ran");
    assert_eq!(world.listed(&[("status", "expired")]).await, std::slice::from_ref(&one.id));
    assert_eq!(world.listed(&[("status", "active")]).await, Vec::<String>::new());
    world.set_time(instant("2026-03-15T00:00:00Z"));
    world.run_scheduler().await;
    let events =
        world.service.store().read().await.expect("a reader").events_of_key_set(one.key_set_id()).await;
    let last = events.expect("events").pop().expect("the last");
    let json = serde_json::to_value(&last.event.body).expect("serialises");
    assert_eq!(json["kind"], "key.expired");
    assert_eq!(json["data"]["ended"]["planned_at"], "2026-03-11T12:00:00Z");
    assert_eq!(json["data"]["ended"]["ended_at"], "2026-03-11T12:00:00Z");
    assert_eq!(last.event.at, instant("2026-03-15T00:00:00Z"), "recorded when it was");
    assert_eq!(last.event.actor.name, "scheduler");
    let refusal = world
        .refused(world.service.key_set_revoke(&world.owner.request(), one.key_set_id(), &no_reason()))
        .await;
    assert!(matches!(refusal, Refusal::InvalidTransition { from: "expired", .. }));
}

async fn d13_on_the_same_day_rotation_wins(world: World) {
    let same_day =
        world.one_key_set("api_key", json!({"rotates_every": "P30D", "expires_after": "P30D"})).await;
    assert_eq!(world.key_set(&same_day.id).await.keys[0].expires_at, None);
    // Rotation was due on the 31st, expiration on 10 April; the server is back after both.
    let both = world.one_key_set("api_key", json!({"rotates_every": "P30D", "expires_after": "P40D"})).await;
    world.set_time(instant("2026-04-20T00:00:00Z"));
    assert_ne!(
        world.key_set(&both.id).await.status,
        Status::Active,
        "past its expires_at it never works again"
    );
    world.run_scheduler().await;
    let set = world.key_set(&both.id).await;
    let ends: Vec<_> = set.keys.iter().map(|key| (key.status, key.end_reason)).collect();
    assert_eq!(ends, [(Status::Revoked, Some(EndReason::Rotated)), (Status::Active, None)]);
    let ended_at = set.keys[0].ended_at.as_deref();
    assert_eq!(ended_at, Some("2026-04-10T12:00:00Z"), "recorded as rotated, when it stopped working");
    assert_eq!(set.keys[1].rotation_due_at.as_deref(), Some("2026-04-30T12:00:00Z"));
}

async fn a_set_that_fails_stops_no_other_and_ends_are_recorded_without_the_keeper(world: World) {
    let rotating = world.one_key_set("api_key", json!({"rotates_every": "P30D"})).await;
    let expiring = world.one_key_set("api_key", json!({"expires_after": "P20D"})).await;
    world.service.keeper().shutdown();
    world.pass("P31D");
    let run = world.service.scheduler_run_once().await.expect("a run");
    assert_eq!((run.settled, run.waiting_for_keeper, run.failed), (1, 1, 0));
    assert_eq!(world.key_set(&rotating.id).await.keys.len(), 1, "it waits, and works");
    assert_eq!(world.key_set(&rotating.id).await.status, Status::Active);
    let mut reader = world.service.store().read().await.expect("a reader");
    let recorded = reader.key_set(expiring.key_set_id()).await.expect("read").expect("a set");
    assert!(recorded.keys[0].ended.is_some());
}

async fn one_node_at_a_time_keeps_the_schedules(world: World) {
    let one = world.one_key_set("api_key", json!({"rotates_every": "P30D"})).await;
    world.pass("P30D");
    let until = world.now().plus_seconds(60);
    let now = world.now();
    let take = world.service.store().commit("test_lease", |tx| {
        Box::pin(async move { tx.take_lease("scheduler", "another node", now, until).await })
    });
    assert!(take.await.expect("a lease").0);
    let run = world.service.scheduler_run_once().await.expect("a run");
    assert!(run.elsewhere);
    assert_eq!(world.key_set(&one.id).await.keys.len(), 1);
    world.pass("PT61S");
    // Even two that run at once issue one Key: each decides anew in its transaction.
    let runs = (0..4).map(|_| {
        let service = world.service.clone();
        tokio::spawn(async move { service.scheduler_run_once().await })
    });
    for run in runs.collect::<Vec<_>>() {
        run.await.expect("no panic").expect("a run");
    }
    assert_eq!(world.key_set(&one.id).await.keys.len(), 2);
}

async fn a_long_run_tells_of_each_step_when_it_was_done_and_keeps_its_lease(world: World) {
    let rotating = world.template(json!({"rotates_every": "P30D"})).await;
    let rotating = world.api(&["api_key"], &rotating).await;
    for _ in 0..8 {
        world.subscribe(&world.application().await, &rotating).await;
    }
    let waiting = world.template(json!({"approval": "required"})).await;
    let waiting = world.api(&["api_key"], &waiting).await;
    for _ in 0..4 {
        world.subscribe(&world.application().await, &waiting).await;
    }
    world.pass("P40D");
    let (began, before) = (world.now(), world.events().await);
    world.let_time_run(7);
    let run = world.service.scheduler_run_once().await.expect("a run");
    world.let_time_run(0);
    assert_eq!((run.settled, run.lapsed, run.failed, run.elsewhere), (8, 4, 0, false), "{run:?}");
    let mut reader = world.service.store().read().await.expect("a reader");
    let events = reader.events_after(Position(before), 1_000).await.expect("events");
    let mut steps: Vec<_> = events.iter().map(|row| row.event.at).collect();
    assert!(steps.is_sorted() && steps[0] > began, "{steps:?}");
    steps.dedup();
    assert_eq!(steps.len(), 12, "each transaction has its own time");
    assert!(steps[11].seconds_since(began) > 120, "longer than two leases: {steps:?}");
    let due = "2026-03-31T12:00:00Z";
    let mut told = Vec::new();
    for row in &events {
        let (at, json) = (row.event.at.to_string(), serde_json::to_value(&row.event.body).expect("JSON"));
        let kind = json["kind"].as_str().expect("a kind");
        told.push(kind.to_owned());
        match kind {
            "key.issued" => {
                let schedule = &json["data"]["key"]["schedule"];
                assert_eq!((&schedule["start"], &schedule["provisioned_at"]), (&json!(due), &json!(at)));
            }
            "key.revoked" => {
                let ended = &json["data"]["ended"];
                assert_eq!((&ended["planned_at"], &ended["ended_at"]), (&json!(due), &json!(at)));
            }
            "subscription.lapsed" => assert_eq!(json["data"]["planned_at"], due),
            other => assert_eq!(other, "key_set.removed", "what waited goes with its Subscription"),
        }
    }
    let count = |kind: &str| told.iter().filter(|it| *it == kind).count();
    assert_eq!(["key.issued", "key.revoked", "subscription.lapsed"].map(count), [8, 8, 4]);
    drop(reader);
    let now = steps[11];
    let take = world.service.store().commit("test_lease", |tx| {
        Box::pin(async move { tx.take_lease("scheduler", "another node", now, now.plus_seconds(60)).await })
    });
    assert!(!take.await.expect("an answer").0, "it was prolonged on the way");
}
