//! Policy templates: versions, live Key Sets untouched, names, and what uses them.

use claviger_domain::refusal::Refusal;
use claviger_wire::policy_templates::{Create, Update};
use serde_json::json;

use crate::workspace::no_reason;
use crate::world::{World, body, fresh, pointers, query};

on_both_databases!(
    d3_an_edit_is_a_new_version_and_touches_no_live_key_set,
    d3_a_new_policy_is_put_on_a_key_set_with_or_without_rescheduling,
    d16_a_policy_that_can_not_be_is_refused_with_its_fields,
    a_template_in_use_stays_and_its_name_is_its_own,
    many_templates_are_made_at_once_or_none,
);

async fn d3_an_edit_is_a_new_version_and_touches_no_live_key_set(world: World) {
    let request = world.owner.request();
    let one = world.one_key_set("api_key", json!({"expires_after": "P1Y"})).await;
    let id = one.template_id.parse().expect("an id");
    let change: Update = body(json!({"expires_after": "P30D", "retrievable": true}));
    let edited = fresh(world.service.policy_template_update(&request, id, &change).await);
    assert_eq!((edited.version, edited.policy.expires_after.as_deref()), (2, Some("P30D")));
    let again = fresh(world.service.policy_template_update(&request, id, &change).await);
    assert_eq!(again.version, 2, "the same values are no new version");
    let set = world.key_set(&one.id).await;
    assert_eq!((set.policy.template_version, set.policy.policy.expires_after.as_deref()), (1, Some("P1Y")));
    assert_eq!(set.keys[0].expires_at.as_deref(), Some("2027-03-01T12:00:00Z"));
    // Another version is another policy: a second API under it gets a set of its own (D1).
    let second = world.api(&["api_key"], &one.template_id).await;
    let subscription = world.subscribe(&one.application, &second).await;
    assert_ne!(subscription.key_sets[0].id, one.id);
    assert_eq!(subscription.key_sets[0].reused, Some(false));
}

async fn d3_a_new_policy_is_put_on_a_key_set_with_or_without_rescheduling(world: World) {
    let request = world.owner.request();
    let one = world.one_key_set("api_key", json!({"expires_after": "P1Y"})).await;
    let shorter = world.template(json!({"expires_after": "P90D", "rotates_every": "P30D"})).await;
    world.pass("P10D");
    let keep = body(json!({"policy_template_id": shorter}));
    let set = fresh(world.service.key_set_set_policy(&request, one.key_set_id(), &keep).await);
    assert_eq!((set.policy.template_id.as_str(), set.policy.template_version), (shorter.as_str(), 1));
    assert_eq!(set.keys[0].expires_at.as_deref(), Some("2027-03-01T12:00:00Z"));
    assert_eq!(set.keys[0].rotation_due_at, None);
    let enforce = body(json!({"policy_template_id": shorter, "enforce_schedule": true}));
    let set = fresh(world.service.key_set_set_policy(&request, one.key_set_id(), &enforce).await);
    assert_eq!(
        set.keys[0].rotation_due_at.as_deref(),
        Some("2026-03-31T12:00:00Z"),
        "counted from the start"
    );
    assert_eq!(set.keys[0].expires_at.as_deref(), Some("2026-05-30T12:00:00Z"));
    let unknown = body(json!({"policy_template_id": "pol_00000000000000000000000000"}));
    let refusal = world.refused(world.service.key_set_set_policy(&request, one.key_set_id(), &unknown)).await;
    assert_eq!(pointers(&refusal), ["/policy_template_id"]);
    fresh(world.service.key_set_revoke(&request, one.key_set_id(), &no_reason()).await);
}

async fn d16_a_policy_that_can_not_be_is_refused_with_its_fields(world: World) {
    let request = world.owner.request();
    for (policy, named) in [
        (json!({"rotates_every": "P2Y", "expires_after": "P1Y"}), "/rotates_every"),
        (json!({"rotates_every": "P30D", "rotation_lead": "P30D"}), "/rotation_lead"),
        (json!({"rotates_every": "P30D", "overlap": "P31D"}), "/overlap"),
        (json!({"expires_after": "P0D"}), "/expires_after"),
        (json!({"expires_after": "1 year"}), "/expires_after"),
        (json!({"rate_limit": {"limit": 0, "per": "second"}}), "/rate_limit/limit"),
        (json!({"quota": {"limit": 1_000_000_001, "per": "month"}}), "/quota/limit"),
    ] {
        let mut typed = policy;
        typed["name"] = json!("Wrong");
        let create: Create = body(typed);
        let refusal = world.refused(world.service.policy_template_create(&request, &create)).await;
        assert_eq!(pointers(&refusal), [named], "{create:?}");
    }
    let made = world.template(json!({"rotates_every": "P1M", "expires_after": "P1M"})).await;
    let id = made.parse().expect("an id");
    let read = world.service.policy_template_read(&request, id).await.expect("a template").body;
    assert_eq!(read.policy.rotates_every.as_deref(), Some("P1M"), "on the same day is soon enough");
}

async fn a_template_in_use_stays_and_its_name_is_its_own(world: World) {
    let request = world.owner.request();
    let create: Create = body(json!({"name": "Gold"}));
    let made = fresh(world.service.policy_template_create(&request, &create).await);
    assert_eq!(made.policy.expires_after.as_deref(), Some("P1Y"));
    assert_eq!(made.policy.notify_before, ["P7D", "P1D"]);
    let again: Create = body(json!({"name": "gold"}));
    let refusal = world.refused(world.service.policy_template_create(&request, &again)).await;
    assert_eq!(refusal, Refusal::NameTaken { pointer: "/name".into() });
    let api = world.api(&["api_key"], &made.id).await;
    let id = made.id.parse().expect("an id");
    let refusal = world.refused(world.service.policy_template_delete(&request, id)).await;
    assert!(matches!(&refusal, Refusal::InUse { users } if users.len() == 1 && users[0].id == api.entry.id));
    fresh(world.service.api_delete(&request, &api.entry.slug).await);
    fresh(world.service.policy_template_delete(&request, id).await);
    let given = query("/v1/policy-templates", &[("q", "OLD")]);
    let page = world.service.policy_template_list(&request, &given).await.expect("a page");
    assert!(page.items.is_empty());
}

async fn many_templates_are_made_at_once_or_none(world: World) {
    let request = world.owner.request();
    let good = body(json!({"items": [{"name": "One"}, {"name": "Two", "retrievable": true}]}));
    let made = fresh(world.service.policy_template_create_bulk(&request, &good).await);
    assert_eq!(made.items.iter().map(|made| made.name.as_str()).collect::<Vec<_>>(), ["One", "Two"]);
    let wrong = body(json!({"items": [{"name": "Three"}, {"name": "Four", "overlap": "x"}]}));
    let refusal = world.refused(world.service.policy_template_create_bulk(&request, &wrong)).await;
    assert_eq!(pointers(&refusal), ["/items/1/overlap"]);
    let taken = body(json!({"items": [{"name": "Three"}, {"name": "ONE"}]}));
    let refusal = world.refused(world.service.policy_template_create_bulk(&request, &taken)).await;
    assert_eq!(refusal, Refusal::NameTaken { pointer: "/items/1/name".into() });
}
