//! The life of Key Sets through the service: acts, refusals, lists, the story told, and nodes behind.

use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_wire::key_sets::{EnforcementState, Status};
use serde_json::json;

use crate::workspace::{no_reason, status_of};
use crate::world::{World, body, everywhere, fresh, query};

on_both_databases!(
    d5_filters_combine_and_each_finds_what_it_says,
    d5_a_page_shows_each_set_as_reading_it_does,
    d5_one_act_on_many_has_one_outcome_each,
    d6_a_key_set_shows_its_chain_its_policy_and_what_it_opens,
    d7_the_timeline_tells_planned_and_actual_with_the_delay,
    d9_suspend_and_activate_by_hand,
    d9_an_application_takes_its_sets_along_and_brings_back_what_it_took,
    d10_regenerate_at_once_or_with_an_overlap,
    d10_regenerate_only_as_the_policy_allows,
    d14_revoke_is_final_and_a_new_key_can_be_issued,
    d14_one_living_key_that_is_not_latest_is_ended_early,
    d15_a_node_that_was_not_told_shows_and_the_act_can_be_repeated,
    g3_what_an_act_would_break_is_told_before,
    what_a_caller_may_not_do_is_not_offered,
);

async fn d5_filters_combine_and_each_finds_what_it_says(world: World) {
    let request = world.owner.request();
    let first = world.one_key_set("api_key", json!({"rotates_every": "P30D", "expires_after": "P1Y"})).await;
    world.pass("P1D");
    let second = world.one_key_set("basic", json!({"expires_after": "P60D"})).await;
    fresh(world.service.key_set_suspend(&request, second.key_set_id(), &no_reason()).await);
    world.pass("P1D");
    let third = world.one_key_set("api_key_and_secret", json!({})).await;
    fresh(world.service.key_set_revoke(&request, third.key_set_id(), &no_reason()).await);
    let key = world.key_set(&second.id).await.keys[0].clone();
    world.used(&key.id).await;
    let ends = key.masked.split_once('…').expect("masked").1.to_owned();
    let both = |a: &str, b: &str| {
        let mut ids = vec![a.to_owned(), b.to_owned()];
        ids.sort();
        ids
    };
    let set = world.key_set(&first.id).await;
    for (filters, expected) in [
        (vec![("status", "active")], vec![first.id.clone()]),
        (vec![("status", "suspended"), ("status", "revoked")], both(&second.id, &third.id)),
        (vec![("auth_type", "basic")], vec![second.id.clone()]),
        (vec![("api_id", third.api.entry.slug.as_str())], vec![third.id.clone()]),
        (vec![("application_id", first.application.id.as_str())], vec![first.id.clone()]),
        (vec![("environment_id", "sandbox")], vec![]),
        (vec![("environment_id", "production"), ("status", "active")], vec![first.id.clone()]),
        (vec![("organization_id", "org_00000000000000000000000000")], vec![]),
        (vec![("group_id", set.group_id.as_str()), ("status", "revoked")], vec![third.id.clone()]),
        (vec![("q", second.application.name.as_str())], vec![second.id.clone()]),
        (vec![("q", first.id.as_str())], vec![first.id.clone()]),
        (vec![("q", ends.as_str())], vec![second.id.clone()]),
        (vec![("created_before", "2026-03-02")], vec![first.id.clone()]),
        (vec![("created_after", "2026-03-02"), ("created_before", "2026-03-03")], vec![second.id.clone()]),
        (vec![("provisioned_after", "2026-03-03T12:00:00Z")], vec![third.id.clone()]),
        (
            vec![("rotation_due_after", "2026-03-31"), ("rotation_due_before", "2026-04-01")],
            vec![first.id.clone()],
        ),
        (vec![("expires_before", "2026-06-01")], vec![second.id.clone()]),
        (vec![("revoked_after", "2026-03-03")], vec![third.id.clone()]),
        (vec![("last_used_after", "2026-03-03")], vec![second.id.clone()]),
        (vec![("last_used_before", "2026-03-03")], vec![]),
    ] {
        assert_eq!(world.listed(&filters).await, expected, "{filters:?}");
    }
    for (name, value) in [("status", "asleep"), ("created_after", "soon"), ("limit", "0"), ("colour", "red")]
    {
        let given = query("/v1/key-sets", &[(name, value)]);
        let listed = world.service.key_set_list(&request, &given).await;
        assert!(
            matches!(listed, Err(claviger_service::Error::BadQuery { parameter, .. }) if parameter == name)
        );
    }
}

async fn d5_a_page_shows_each_set_as_reading_it_does(world: World) {
    let request = world.owner.request();
    let living = world.one_key_set("api_key", json!({})).await;
    let suspended = world.one_key_set("basic", json!({})).await;
    fresh(world.service.key_set_suspend(&request, suspended.key_set_id(), &no_reason()).await);
    let dead = world.one_key_set("api_key", json!({})).await;
    fresh(world.service.key_set_revoke(&request, dead.key_set_id(), &no_reason()).await);
    let of_suspended = world.one_key_set("api_key", json!({})).await;
    let application = of_suspended.application.id.parse().expect("an id");
    fresh(world.service.application_suspend(&request, application, &no_reason()).await);
    let replaced = world.one_key_set("api_key", json!({})).await;
    fresh(world.service.key_set_revoke(&request, replaced.key_set_id(), &no_reason()).await);
    fresh(world.service.key_set_issue(&request, replaced.key_set_id(), &no_reason()).await);
    world.used(&world.key_set(&living.id).await.keys[0].id).await;
    let listed = world.service.key_set_list(&request, &query("/v1/key-sets", &[])).await.expect("a page");
    assert!(listed.items.len() >= 5, "{} sets", listed.items.len());
    for shown in listed.items {
        assert_eq!(shown, world.key_set(&shown.id).await);
    }
}

async fn d5_one_act_on_many_has_one_outcome_each(world: World) {
    let request = world.owner.request();
    let (first, second) =
        (world.one_key_set("api_key", json!({})).await, world.one_key_set("basic", json!({})).await);
    fresh(world.service.key_set_revoke(&request, second.key_set_id(), &no_reason()).await);
    let before = world.events().await;
    let never = "ks_00000000000000000000000000";
    let bulk = body(json!({"act": "regenerate", "ids": [first.id, second.id, never], "reason": "a leak"}));
    let outcomes = fresh(world.service.key_set_bulk(&request, &bulk).await).items;
    assert_eq!(outcomes.iter().map(|outcome| outcome.done).collect::<Vec<_>>(), [true, false, false]);
    let credentials = outcomes[0].key_set.as_ref().and_then(|set| set.credentials.as_ref());
    assert_eq!(credentials.map(Vec::len), Some(1), "shown once");
    let refusal = outcomes[1].refusal.as_ref().expect("refused");
    assert_eq!(refusal.code, "invalid_transition");
    assert_eq!(refusal.allowed.as_deref(), Some(&["issue".to_owned()][..]));
    assert_eq!(outcomes[2].refusal.as_ref().expect("refused").code, "not_found");
    assert_eq!(world.events().await, before + 2, "the old Key's end and the new Key");
    let twice = body(json!({"act": "suspend", "ids": [first.id, first.id, "x"]}));
    let refusal = world.refused(world.service.key_set_bulk(&request, &twice)).await;
    assert_eq!(crate::world::pointers(&refusal), ["/ids/1", "/ids/2"]);
}

async fn d6_a_key_set_shows_its_chain_its_policy_and_what_it_opens(world: World) {
    let request = world.owner.request();
    let one = world.one_key_set("api_key", json!({"overlap": "P3D"})).await;
    let other = world.api(&["basic"], &one.template_id).await;
    world.subscribe(&one.application, &other).await;
    let set = fresh(world.service.key_set_regenerate(&request, one.key_set_id(), &no_reason()).await);
    assert_eq!(set.keys.iter().map(|key| key.latest).collect::<Vec<_>>(), [false, true]);
    assert_eq!(set.keys.iter().map(|key| key.generation).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(set.keys[0].retires_at.as_deref(), Some("2026-03-04T12:00:00Z"));
    assert_eq!(
        (set.environment.slug.as_str(), set.application.id.as_str()),
        ("production", one.application.id.as_str())
    );
    assert_eq!(
        set.authorized_apis.iter().map(|api| api.id.as_str()).collect::<Vec<_>>(),
        [one.api.entry.id.as_str()]
    );
    assert_eq!(set.subscriptions[0].id, one.subscription.id);
    assert_eq!(set.policy.policy.overlap, "P3D");
    assert_eq!(set.enforcement.state, EnforcementState::Enforced);
    for (filters, found) in [
        (vec![], 1),
        (vec![("q", one.api.entry.name.as_str())], 1),
        (vec![("q", "something else")], 0),
        (vec![("organization_id", "org_00000000000000000000000000")], 0),
    ] {
        let given = query("/v1/key-sets/x/authorized-apis", &filters);
        let page = world.service.key_set_authorized_apis(&request, one.key_set_id(), &given).await;
        assert_eq!(page.expect("a page").items.len(), found, "{filters:?}");
    }
}

async fn d7_the_timeline_tells_planned_and_actual_with_the_delay(world: World) {
    let request = world.owner.request();
    let policy = json!({"rotates_every": "P30D", "rotation_lead": "P7D", "expires_after": "P1Y"});
    let one = world.one_key_set("api_key", policy).await;
    world.pass("P1D");
    fresh(world.service.key_set_suspend(&request, one.key_set_id(), &no_reason()).await);
    world.pass("P1D");
    fresh(world.service.key_set_activate(&request, one.key_set_id(), &no_reason()).await);
    // Due on 31 March; the next Key is planned for the 24th, and comes a day late.
    world.set_time(crate::world::instant("2026-03-25T12:00:00Z"));
    world.run_scheduler().await;
    world.set_time(crate::world::instant("2026-04-01T12:00:00Z"));
    world.run_scheduler().await;
    let timeline = world.service.key_set_timeline(&request, one.key_set_id()).await.expect("a timeline");
    let keys = world.key_set(&one.id).await.keys;
    let told: Vec<_> = timeline
        .items
        .iter()
        .map(|item| {
            let generation = keys.iter().find(|key| key.id == item.key_id).expect("a Key").generation;
            let milestone = serde_json::to_value(item.milestone).expect("a word");
            (
                generation,
                milestone.as_str().expect("a word").to_owned(),
                item.planned_at.as_deref().map(|at| at[..10].to_owned()),
                item.actual_at.as_deref().map(|at| at[..10].to_owned()),
                item.delay_seconds,
            )
        })
        .collect();
    let line = |generation, milestone: &str, planned: Option<&str>, actual: Option<&str>, delay| {
        (generation, milestone.to_owned(), planned.map(str::to_owned), actual.map(str::to_owned), delay)
    };
    assert_eq!(
        told,
        [
            line(1, "provisioned", None, Some("2026-03-01"), None),
            line(1, "suspension", None, Some("2026-03-02"), None),
            line(1, "activation", None, Some("2026-03-03"), None),
            line(2, "provisioned", Some("2026-03-24"), Some("2026-03-25"), Some(86_400)),
            line(1, "rotation", Some("2026-03-31"), Some("2026-03-31"), Some(0)),
            line(2, "rotation", Some("2026-04-30"), None, None),
            line(2, "expiration", Some("2027-03-31"), None, None),
        ]
    );
}

async fn d9_suspend_and_activate_by_hand(world: World) {
    let request = world.owner.request();
    let one = world.one_key_set("api_key", json!({"expires_after": "P30D"})).await;
    let id = one.key_set_id();
    let refusal = world.refused(world.service.key_set_activate(&request, id, &no_reason())).await;
    let Refusal::InvalidTransition { from, act, allowed } = refusal else { panic!("{refusal:?}") };
    assert_eq!((from, act), ("active", "activate"));
    assert_eq!(allowed, ["suspend", "regenerate", "revoke"]);
    let reason = body(json!({"reason": "looking into it"}));
    let set = fresh(world.service.key_set_suspend(&request, id, &reason).await);
    assert_eq!(set.status, Status::Suspended);
    assert_eq!(set.can, ["activate", "regenerate", "revoke"]);
    let events = world.service.store().read().await.expect("a reader").events_of_key_set(id).await;
    let last = events.expect("events").pop().expect("the last");
    assert_eq!(last.event.reason.expect("a reason").as_str(), "looking into it");
    let refusal = world.refused(world.service.key_set_suspend(&request, id, &no_reason())).await;
    assert!(matches!(refusal, Refusal::InvalidTransition { from: "suspended", act: "suspend", .. }));
    assert_eq!(
        fresh(world.service.key_set_activate(&request, id, &no_reason()).await).status,
        Status::Active
    );
    fresh(world.service.key_set_suspend(&request, id, &no_reason()).await);
    world.pass("P30D");
    let refusal = world.refused(world.service.key_set_activate(&request, id, &no_reason())).await;
    assert!(matches!(refusal, Refusal::InvalidTransition { from: "expired", .. }), "past its expiration");
}

async fn d9_an_application_takes_its_sets_along_and_brings_back_what_it_took(world: World) {
    let request = world.owner.request();
    let template = world.template(json!({})).await;
    let api = world.api(&["api_key", "basic"], &template).await;
    let application = world.application().await;
    let made = world.subscribe(&application, &api).await;
    let [cascaded, by_hand] = [0, 1].map(|at: usize| made.key_sets[at].id.clone());
    let id = application.id.parse().expect("an id");
    let by_hand_id = by_hand.parse().expect("an id");
    fresh(world.service.key_set_suspend(&request, by_hand_id, &no_reason()).await);
    fresh(world.service.application_suspend(&request, id, &no_reason()).await);
    let refusal = world.refused(world.service.application_suspend(&request, id, &no_reason())).await;
    assert_eq!(
        refusal,
        Refusal::InvalidTransition { from: "suspended", act: "suspend", allowed: vec!["activate"] }
    );
    for set in [&cascaded, &by_hand] {
        assert_eq!(world.key_set(set).await.status, Status::Suspended);
        assert!(world.key_set(set).await.can.is_empty());
    }
    let refusal = world.refused(world.service.key_set_activate(&request, by_hand_id, &no_reason())).await;
    assert_eq!(refusal, Refusal::ApplicationSuspended);
    let later = world.api(&["api_key_and_secret"], &template).await;
    let third = world.subscribe(&application, &later).await.key_sets[0].clone();
    assert_eq!(third.status, Status::Suspended, "made while the Application is");
    let activated = fresh(world.service.application_activate(&request, id, &body(json!({}))).await);
    let mut back: Vec<_> = activated.activated.iter().map(|set| set.id.clone()).collect();
    back.sort();
    let mut expected = vec![cascaded.clone(), third.id];
    expected.sort();
    assert_eq!(back, expected);
    assert_eq!(activated.left_suspended.iter().map(|set| &set.id).collect::<Vec<_>>(), [&by_hand]);
    assert_eq!(world.key_set(&by_hand).await.status, Status::Suspended);
    fresh(world.service.application_suspend(&request, id, &no_reason()).await);
    let all =
        fresh(world.service.application_activate(&request, id, &body(json!({"key_sets": "all"}))).await);
    assert_eq!((all.activated.len(), all.left_suspended.len()), (3, 0));
    let refusal = world.refused(world.service.application_delete(&request, id)).await;
    assert!(
        matches!(&refusal, Refusal::InUse { users } if users.len() == 5),
        "sets and Subscriptions: {refusal:?}"
    );
}

async fn d10_regenerate_at_once_or_with_an_overlap(world: World) {
    let request = world.owner.request();
    let at_once = world.one_key_set("api_key", json!({})).await;
    let set = fresh(world.service.key_set_regenerate(&request, at_once.key_set_id(), &no_reason()).await);
    assert_eq!(set.keys.iter().map(|key| key.status).collect::<Vec<_>>(), [Status::Revoked, Status::Active]);
    let reason = set.keys[0].end_reason;
    assert_eq!(reason, Some(claviger_wire::key_sets::EndReason::Regenerated));
    let credentials = set.credentials.expect("shown once");
    assert_eq!((credentials.len(), &credentials[0].key_id), (1, &set.keys[1].id));
    assert!(world.key_set(&at_once.id).await.credentials.is_none());

    let overlap = world.one_key_set("basic", json!({"overlap": "P3D", "expires_after": "P2D"})).await;
    fresh(world.service.key_set_suspend(&request, overlap.key_set_id(), &no_reason()).await);
    world.pass("P1D");
    let set = fresh(world.service.key_set_regenerate(&request, overlap.key_set_id(), &no_reason()).await);
    assert_eq!(
        set.keys.iter().map(|key| key.status).collect::<Vec<_>>(),
        [Status::Suspended; 2],
        "as the old one was"
    );
    assert_eq!(set.keys[0].retires_at, set.keys[0].expires_at, "never past its own expiration");
    assert_eq!(set.keys[1].expires_at.as_deref(), Some("2026-03-04T12:00:00Z"), "the act is its start");
}

async fn d10_regenerate_only_as_the_policy_allows(world: World) {
    let request = world.owner.request();
    let one = world.one_key_set("api_key", json!({"manual_regeneration": false})).await;
    let refusal =
        world.refused(world.service.key_set_regenerate(&request, one.key_set_id(), &no_reason())).await;
    assert_eq!(refusal, Refusal::NotAllowedByPolicy);
    assert_eq!(world.key_set(&one.id).await.can, ["suspend", "revoke"]);
}

async fn d14_revoke_is_final_and_a_new_key_can_be_issued(world: World) {
    let request = world.owner.request();
    let one = world.one_key_set("api_key", json!({"retrievable": true})).await;
    let id = one.key_set_id();
    let refusal = world.refused(world.service.key_set_issue(&request, id, &no_reason())).await;
    assert!(matches!(refusal, Refusal::InvalidTransition { from: "active", act: "issue", .. }));
    let set = fresh(world.service.key_set_revoke(&request, id, &no_reason()).await);
    assert_eq!((set.status, set.can), (Status::Revoked, vec!["issue".to_owned()]));
    for act in ["revoke", "suspend", "activate", "regenerate"] {
        let bulk = body(json!({"act": act, "ids": [one.id]}));
        let before = world.events().await;
        let outcome = fresh(world.service.key_set_bulk(&request, &bulk).await).items.remove(0);
        assert_eq!(outcome.refusal.expect("refused").from.as_deref(), Some("revoked"), "{act}");
        assert_eq!(world.events().await, before);
    }
    let set = fresh(world.service.key_set_issue(&request, id, &no_reason()).await);
    assert_eq!(set.keys.iter().map(|key| key.status).collect::<Vec<_>>(), [Status::Revoked, Status::Active]);
    assert!(set.credentials.is_none(), "what can be retrieved is not shown");
    fresh(world.service.key_set_revoke(&request, id, &no_reason()).await);
    fresh(world.service.application_suspend(&request, one.application_id(), &no_reason()).await);
    let set = fresh(world.service.key_set_issue(&request, id, &no_reason()).await);
    assert_eq!(set.status, Status::Suspended, "as the Application is");
}

async fn d14_one_living_key_that_is_not_latest_is_ended_early(world: World) {
    let request = world.owner.request();
    let one = world.one_key_set("api_key", json!({"overlap": "P3D"})).await;
    let id = one.key_set_id();
    let set = fresh(world.service.key_set_regenerate(&request, id, &no_reason()).await);
    assert!(set.can.contains(&"revoke_key".to_owned()));
    let [old, latest] = [0, 1].map(|at: usize| set.keys[at].id.parse().expect("an id"));
    let refusal = world.refused(world.service.key_set_revoke_key(&request, id, latest, &no_reason())).await;
    assert!(matches!(refusal, Refusal::InvalidTransition { act: "revoke_key", .. }));
    let set = fresh(world.service.key_set_revoke_key(&request, id, old, &no_reason()).await);
    assert_eq!(set.keys.iter().map(|key| key.status).collect::<Vec<_>>(), [Status::Revoked, Status::Active]);
    let refusal = world.refused(world.service.key_set_revoke_key(&request, id, old, &no_reason())).await;
    assert!(matches!(refusal, Refusal::InvalidTransition { from: "revoked", .. }));
    let foreign = claviger_domain::id::KeyId::from_bytes([7; 16]);
    let refusal = world.refused(world.service.key_set_revoke_key(&request, id, foreign, &no_reason())).await;
    assert_eq!(refusal, Refusal::NotFound);
}

async fn d15_a_node_that_was_not_told_shows_and_the_act_can_be_repeated(world: World) {
    let request = world.owner.request();
    let one = world.one_key_set("api_key", json!({})).await;
    let second = world.another_node(2).await;
    second.report_node().await.expect("a report");
    let set = fresh(world.service.key_set_revoke(&request, one.key_set_id(), &no_reason()).await);
    assert_eq!(set.enforcement.state, EnforcementState::Waiting);
    assert_eq!(
        set.enforcement.nodes_behind.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(),
        ["node-2"]
    );
    let before = world.events().await;
    let again = fresh(world.service.key_set_revoke(&request, one.key_set_id(), &no_reason()).await);
    assert_eq!((status_of(&again).as_str(), world.events().await), ("revoked", before), "200, and no event");
    second.follow().await.expect("it follows");
    second.report_node().await.expect("a report");
    let set = world.key_set(&one.id).await;
    assert_eq!(set.enforcement.state, EnforcementState::Enforced);
    let refusal = world.refused(world.service.key_set_revoke(&request, one.key_set_id(), &no_reason())).await;
    assert!(matches!(refusal, Refusal::InvalidTransition { from: "revoked", act: "revoke", .. }));
    // The same for an Application with its sets.
    fresh(world.service.application_suspend(&request, one.application_id(), &no_reason()).await);
    let before = world.events().await;
    fresh(world.service.application_suspend(&request, one.application_id(), &no_reason()).await);
    assert_eq!(world.events().await, before, "200, and no event");
    second.follow().await.expect("it follows");
    second.report_node().await.expect("a report");
    let refusal =
        world.refused(world.service.application_suspend(&request, one.application_id(), &no_reason())).await;
    assert!(matches!(refusal, Refusal::InvalidTransition { from: "suspended", .. }));
}

async fn g3_what_an_act_would_break_is_told_before(world: World) {
    let request = world.owner.request();
    let one = world.one_key_set("api_key", json!({"overlap": "P1D"})).await;
    let key = world.key_set(&one.id).await.keys[0].id.clone();
    world.used(&key).await;
    for (act, breaks) in [("revoke", 1), ("suspend", 1), ("regenerate", 0), ("activate", 0)] {
        let impact =
            world.service.key_set_impact(&request, one.key_set_id(), Some(act)).await.expect("an impact");
        assert_eq!(impact.breaks.len(), breaks, "{act}");
        assert_eq!(impact.last_used_at.as_deref(), Some("2026-03-01T12:00:00Z"));
    }
    let impact = world.service.application_impact(&request, one.application_id(), Some("suspend")).await;
    assert_eq!(impact.expect("an impact").breaks[0].id, one.id);
    fresh(world.service.key_set_suspend(&request, one.key_set_id(), &no_reason()).await);
    let impact = world.service.key_set_impact(&request, one.key_set_id(), None).await.expect("an impact");
    assert!(impact.breaks.is_empty(), "nothing works that could break");
}

async fn what_a_caller_may_not_do_is_not_offered(world: World) {
    let one = world.one_key_set("api_key", json!({})).await;
    let reader = world.actor(&[Permission::KeySetsRead, Permission::KeySetsSuspend], everywhere()).await;
    let set = world.service.key_set_read(&reader.request(), one.key_set_id()).await.expect("it").body;
    assert_eq!(set.can, ["suspend"]);
    let request = reader.request();
    let refusal = world.refused(world.service.key_set_revoke(&request, one.key_set_id(), &no_reason())).await;
    assert_eq!(refusal, crate::world::forbidden(Permission::KeySetsRevoke));
}
