//! APIs: their settings, their slugs, who sees what of them, and what keeps one from being deleted.

use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_wire::apis::{ApiView, PutExposure, Update};
use serde_json::json;

use crate::workspace::no_reason;
use crate::world::{World, body, forbidden, fresh, in_organization, pointers, query};

on_both_databases!(
    an_api_has_its_defaults_and_is_changed_member_by_member,
    c1_a_slug_is_unique_in_the_instance_and_belongs_to_its_organization,
    c1_an_api_that_is_not_exposed_takes_no_subscription,
    c1_claviger_is_no_upstream_of_its_own,
    c2_headers_of_ones_own_are_checked,
    every_wrong_field_of_an_api_is_named,
    an_api_seen_from_outside_is_its_entry_in_the_catalog_and_no_more,
    an_api_with_live_subscriptions_stays,
);

async fn an_api_has_its_defaults_and_is_changed_member_by_member(world: World) {
    let request = world.owner.request();
    let made =
        world.api_with(json!({"exposed": false, "permissions": ["orders:read", "orders:write"]})).await;
    assert_eq!(made.entry.environments, ["production", "sandbox"]);
    assert_eq!(made.credential_headers.preset, Some(claviger_wire::apis::HeaderPreset::Standard));
    assert!(!made.exposed && made.ip_allow_list.is_none());
    let read = world.service.api_read(&request, &made.entry.slug).await.expect("by its slug");
    assert!(matches!(&read.body, ApiView::Whole(api) if **api == made));
    let change: Update =
        body(json!({"version": "2", "environments": ["sandbox"], "ip_allow_list": ["10.0.0.1"]}));
    let stale = world.owner.request_if_match("\"old\"");
    let refusal = world.refused(world.service.api_update(&stale, &made.entry.id, &change)).await;
    assert_eq!(refusal, Refusal::PreconditionFailed);
    let current = world.owner.request_if_match(&read.etag);
    let changed = fresh(world.service.api_update(&current, &made.entry.id, &change).await);
    assert_eq!(changed.entry.version.as_deref(), Some("2"));
    assert_eq!(changed.entry.environments, ["sandbox"]);
    assert_eq!(changed.ip_allow_list.as_deref(), Some(&["10.0.0.1/32".to_owned()][..]));
    assert_eq!(changed.entry.permissions, made.entry.permissions);
    let back: Update = body(json!({"version": null, "ip_allow_list": null}));
    let changed = fresh(world.service.api_update(&request, &made.entry.id, &back).await);
    assert_eq!((changed.entry.version, changed.ip_allow_list), (None, None));
}

async fn c1_a_slug_is_unique_in_the_instance_and_belongs_to_its_organization(world: World) {
    let request = world.owner.request();
    let made = world.api_with(json!({"slug": "orders"})).await;
    let taken = world.api_body(json!({"slug": "orders"}));
    let refusal = world.refused(world.service.api_create(&request, &taken)).await;
    assert_eq!(refusal, Refusal::NameTaken { pointer: "/slug".into() });
    let other = world.other_organization().await;
    let theirs = world.api_body(json!({"slug": "orders", "group_id": other.group_id}));
    let refusal = world.refused(world.service.api_create(&request, &theirs)).await;
    assert_eq!(refusal, Refusal::NameTaken { pointer: "/slug".into() }, "whoever has it");
    fresh(world.service.api_delete(&request, "orders").await);
    let refusal = world.refused(world.service.api_create(&request, &theirs)).await;
    assert_eq!(refusal, Refusal::NameTaken { pointer: "/slug".into() }, "for ever");
    let anew = fresh(world.service.api_create(&request, &taken).await);
    assert_ne!(anew.entry.id, made.entry.id, "ids are never used again");
}

async fn c1_an_api_that_is_not_exposed_takes_no_subscription(world: World) {
    let request = world.owner.request();
    let api = world.api_with(json!({"exposed": false})).await;
    let application = world.application().await;
    let refusal = world.refused(world.try_subscribe(&application, &api)).await;
    assert_eq!(refusal, Refusal::ApiNotExposed);
    let exposed = |exposed| PutExposure { exposed };
    assert!(fresh(world.service.api_set_exposure(&request, &api.entry.slug, &exposed(true)).await).exposed);
    let before = world.events().await;
    assert!(fresh(world.service.api_set_exposure(&request, &api.entry.slug, &exposed(true)).await).exposed);
    assert_eq!(world.events().await, before, "what is so already is no event");
    let subscription = world.subscribe(&application, &api).await;
    let taken_back = world.service.api_set_exposure(&request, &api.entry.slug, &exposed(false)).await;
    assert!(!fresh(taken_back).exposed);
    let set = world.key_set(&subscription.key_sets[0].id).await;
    assert_eq!(set.status, claviger_wire::key_sets::Status::Active, "keys made before are kept");
}

async fn c1_claviger_is_no_upstream_of_its_own(world: World) {
    let request = world.owner.request();
    for upstream in ["http://127.0.0.1:7700", "http://localhost:7700/x", "http://169.254.169.254/"] {
        let typed = world.api_body(json!({"upstreams": ["http://10.0.0.7", upstream]}));
        let refusal = world.refused(world.service.api_create(&request, &typed)).await;
        assert_eq!(pointers(&refusal), ["/upstreams/1"], "{upstream}");
    }
}

async fn c2_headers_of_ones_own_are_checked(world: World) {
    let request = world.owner.request();
    let own =
        world.api_with(json!({"credential_headers": {"key": "X_My-Key", "secret": "X-My-Secret"}})).await;
    assert_eq!(own.credential_headers.key.as_deref(), Some("x-my-key"));
    for (headers, named) in [
        (json!({"key": "Cookie", "secret": "X-B"}), "/credential_headers/key"),
        (json!({"key": "X-A", "secret": "X-Claviger-A"}), "/credential_headers/secret"),
        (json!({"key": "X-A", "secret": "x_a"}), "/credential_headers/secret"),
        (json!({"preset": "ibm", "key": "X-A", "secret": "X-B"}), "/credential_headers"),
        (json!({"key": "X-A"}), "/credential_headers"),
    ] {
        let typed = world.api_body(json!({ "credential_headers": headers }));
        let refusal = world.refused(world.service.api_create(&request, &typed)).await;
        assert_eq!(pointers(&refusal), [named]);
    }
}

async fn every_wrong_field_of_an_api_is_named(world: World) {
    let typed = world.api_body(json!({
        "slug": "No", "name": "a\u{7}", "upstreams": [], "environments": ["moon"], "auth_types": [],
        "permissions": ["a", "a", "b c"], "policy_template_id": "pol_x", "rate_limit": {"limit": -1, "per": "hour"},
        "cors": {"origins": ["*", "nowhere"], "credentials": true}, "ip_allow_list": ["300.1.1.1"],
        "environment_upstreams": {"a/b": ["http://10.0.0.1"]},
    }));
    let refusal = world.refused(world.service.api_create(&world.owner.request(), &typed)).await;
    let mut named = pointers(&refusal);
    named.sort_unstable();
    assert_eq!(
        named,
        [
            "/auth_types",
            "/cors/credentials",
            "/cors/origins/1",
            "/environment_upstreams/a~1b",
            "/environments/0",
            "/ip_allow_list/0",
            "/name",
            "/permissions/1",
            "/permissions/2",
            "/policy_template_id",
            "/rate_limit/limit",
            "/slug",
            "/upstreams",
        ]
    );
}

async fn an_api_seen_from_outside_is_its_entry_in_the_catalog_and_no_more(world: World) {
    let hidden = world.api_with(json!({})).await;
    let shown = world.api_with(json!({"visibility": "all"})).await;
    let other = world.other_organization().await;
    let permissions = [Permission::ApisRead, Permission::ApisUpdate];
    let outsider = world.actor(&permissions, in_organization(&other.organization_id)).await;
    let request = outsider.request();
    let never = "api_00000000000000000000000000";
    for missing in [hidden.entry.id.as_str(), hidden.entry.slug.as_str(), never, "no-such-api"] {
        let refusal = world.refused(world.service.api_read(&request, missing)).await;
        assert_eq!(refusal, Refusal::NotFound, "{missing}");
    }
    let seen = world.service.api_read(&request, &shown.entry.slug).await.expect("the entry").body;
    assert_eq!(seen, ApiView::Entry(Box::new(shown.entry.clone())));
    let members = serde_json::to_value(&seen).expect("serialises");
    let mut names: Vec<_> = members.as_object().expect("an object").keys().cloned().collect();
    names.sort();
    let allowed = [
        "auth_types",
        "description",
        "document",
        "environments",
        "id",
        "name",
        "organization",
        "permissions",
        "slug",
        "version",
    ];
    assert_eq!(names, allowed);
    let page = world.service.api_list(&request, &query("/v1/apis", &[])).await.expect("a page");
    assert_eq!(page.items, [ApiView::Entry(Box::new(shown.entry.clone()))]);
    let change = body(json!({"name": "Mine"}));
    let refusal = world.refused(world.service.api_update(&request, &shown.entry.id, &change)).await;
    assert_eq!(refusal, forbidden(Permission::ApisUpdate));
    let refusal = world.refused(world.service.api_update(&request, &hidden.entry.id, &change)).await;
    assert_eq!(refusal, Refusal::NotFound);
}

async fn an_api_with_live_subscriptions_stays(world: World) {
    let request = world.owner.request();
    let one = world.one_key_set("api_key", json!({})).await;
    let refusal = world.refused(world.service.api_delete(&request, &one.api.entry.id)).await;
    let Refusal::InUse { users } = refusal else { panic!("{refusal:?}") };
    assert_eq!(users.iter().map(|user| &user.id).collect::<Vec<_>>(), [&one.subscription.id]);
    fresh(world.service.subscription_end(&request, one.subscription_id(), &no_reason()).await);
    fresh(world.service.api_delete(&request, &one.api.entry.id).await);
    let refusal = world.refused(world.service.api_read(&request, &one.api.entry.id)).await;
    assert_eq!(refusal, Refusal::NotFound);
    let reason = no_reason();
    let renew = world.service.subscription_renew(&request, one.subscription_id(), &reason);
    let refusal = world.refused(renew).await;
    assert_eq!(refusal.code(), "invalid_transition", "what ended stays so, its API gone or not");
    let change = body(json!({"permissions": []}));
    let update = world.service.subscription_update(&request, one.subscription_id(), &change);
    let Refusal::InvalidTransition { from, act, allowed } = world.refused(update).await else {
        panic!("refused otherwise")
    };
    assert_eq!((from, act, allowed), ("ended", "update", vec![]));
}
