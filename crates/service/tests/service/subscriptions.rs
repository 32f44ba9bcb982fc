//! Subscribing: sets made and reused, approval, lapse, the two sides, and renewal.

use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_wire::key_sets::Status as KeySetStatus;
use claviger_wire::subscriptions::Status;
use serde_json::json;

use crate::workspace::{no_reason, subscription_body};
use crate::world::{World, body, forbidden, fresh, in_organization, pointers, query, replayed};

on_both_databases!(
    d1_a_set_for_each_auth_type_is_made_or_reused,
    d1_the_oldest_fitting_set_is_reused_and_only_among_apis_of_one_organization,
    d1_a_reused_set_keeps_its_state,
    d1_forty_at_once_make_one_subscription_and_one_key_set,
    d1_one_live_subscription_per_application_api_and_environment,
    d2_key_sets_are_named_after_auth_type_and_application,
    d4_a_subscription_waits_for_the_provider,
    d4_a_rejected_one_takes_its_pending_set_along,
    d4_twenty_may_wait_and_each_lapses_after_thirty_days,
    d17_a_subscription_outlives_its_set_and_is_renewed,
    f6_the_provider_narrows_what_a_subscription_holds,
    what_a_subscription_can_not_be_between_is_named,
    each_side_sees_its_own_and_does_its_own_acts,
    many_subscribe_at_once_or_none,
);

async fn d1_a_set_for_each_auth_type_is_made_or_reused(world: World) {
    let template = world.template(json!({})).await;
    let first = world.api(&["api_key", "basic"], &template).await;
    let second = world.api(&["api_key", "api_key_and_secret"], &template).await;
    let application = world.application().await;
    let subscription = world.subscribe(&application, &first).await;
    assert_eq!(subscription.status, Status::Active);
    let made: Vec<_> = subscription.key_sets.iter().map(|set| (set.reused, set.status)).collect();
    assert_eq!(made, [(Some(false), KeySetStatus::Active); 2]);
    let credentials = subscription.credentials.expect("shown once");
    assert_eq!(credentials.len(), 2);
    assert!(credentials[0].key.starts_with("clv_key_") && credentials[0].secret.is_none());
    assert!(credentials[1].secret.as_ref().is_some_and(|secret| secret.starts_with("clv_secret_")));
    let again = world.subscribe(&application, &second).await;
    let reused: Vec<_> = again.key_sets.iter().map(|set| set.reused).collect();
    assert_eq!(reused, [Some(true), Some(false)]);
    assert_eq!(again.key_sets[0].id, subscription.key_sets[0].id);
    assert_eq!(again.credentials.expect("of the new one").len(), 1);
    let other_policy = world.template(json!({})).await;
    let third = world.api(&["api_key"], &other_policy).await;
    let apart = world.subscribe(&application, &third).await;
    assert_eq!(apart.key_sets[0].reused, Some(false), "another template: a new one");
    let id = apart.id.parse().expect("an id");
    let read = world.service.subscription_read(&world.owner.request(), id).await.expect("it").body;
    assert_eq!((read.credentials, read.key_sets[0].reused), (None, None));
}

async fn d1_the_oldest_fitting_set_is_reused_and_only_among_apis_of_one_organization(world: World) {
    let request = world.owner.request();
    let template = world.template(json!({})).await;
    let apis = [world.api(&["api_key"], &template).await, world.api(&["api_key"], &template).await];
    let application = world.application().await;
    let first = world.subscribe(&application, &apis[0]).await;
    let first_set = first.key_sets[0].id.parse().expect("an id");
    fresh(world.service.key_set_revoke(&request, first_set, &no_reason()).await);
    world.pass("P1D");
    let second = world.subscribe(&application, &apis[1]).await;
    assert_ne!(second.key_sets[0].id, first.key_sets[0].id, "a dead one fits nothing");
    let third = world.api(&["api_key"], &template).await;
    assert_eq!(world.subscribe(&application, &third).await.key_sets[0].id, second.key_sets[0].id);
    // The other Organization's API may have the same rules; it never gets the same credential.
    let other = world.other_organization().await;
    let own = fresh(
        world
            .service
            .policy_template_create(
                &request,
                &body(json!({"name": "Theirs", "organization_id": other.organization_id})),
            )
            .await,
    );
    let theirs = json!({"group_id": other.group_id, "policy_template_id": own.id, "visibility": "all"});
    let theirs = world.api_with(theirs).await;
    let across = world.subscribe(&application, &theirs).await;
    assert_eq!(across.key_sets[0].reused, Some(false));
    assert_eq!(across.api_organization.id, other.organization_id);
}

async fn d1_a_reused_set_keeps_its_state(world: World) {
    let request = world.owner.request();
    let one = world.one_key_set("api_key", json!({})).await;
    fresh(world.service.key_set_suspend(&request, one.key_set_id(), &no_reason()).await);
    let second = world.api(&["api_key"], &one.template_id).await;
    let reused = world.subscribe(&one.application, &second).await;
    let uses: Vec<_> = reused.key_sets.iter().map(|set| (set.id.clone(), set.reused, set.status)).collect();
    assert_eq!(uses, [(one.id, Some(true), KeySetStatus::Suspended)]);
}

async fn d1_forty_at_once_make_one_subscription_and_one_key_set(world: World) {
    let template = world.template(json!({"retrievable": true})).await;
    let api = world.api(&["api_key"], &template).await;
    let application = world.application().await;
    let before = world.events().await;
    let body = subscription_body(&application, &api);
    let request = world.owner.request();
    let asking = (0..40).map(|_| {
        let (service, request, body) = (world.service.clone(), request.clone(), body.clone());
        tokio::spawn(async move { service.subscription_create(&request, &body).await })
    });
    let mut made = Vec::new();
    let mut refused = Vec::new();
    for asked in asking.collect::<Vec<_>>() {
        match asked.await.expect("no panic") {
            Ok(written) => made.push(fresh(Ok(written))),
            Err(claviger_service::Error::Refused(refusal)) => refused.push(refusal),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((made.len(), refused.len()), (1, 39));
    let subscription_id = made[0].id.clone();
    assert!(
        refused.iter().all(
            |refusal| *refusal == Refusal::AlreadySubscribed { subscription_id: subscription_id.clone() }
        )
    );
    assert_eq!(world.listed(&[("application_id", &application.id)]).await, [made[0].key_sets[0].id.clone()]);
    assert_eq!(world.events().await, before + 3, "a set, its Key and the Subscription");
}

async fn d1_one_live_subscription_per_application_api_and_environment(world: World) {
    let request = world.owner.request();
    let one = world.one_key_set("api_key", json!({})).await;
    let refusal = world.refused(world.try_subscribe(&one.application, &one.api)).await;
    assert_eq!(refusal, Refusal::AlreadySubscribed { subscription_id: one.subscription.id.clone() });
    let mut elsewhere = subscription_body(&one.application, &one.api);
    elsewhere.environment_id = "sandbox".to_owned();
    let in_sandbox = fresh(world.service.subscription_create(&request, &elsewhere).await);
    assert_eq!(in_sandbox.key_sets[0].reused, Some(false), "a key is valid in one Environment");
    // The same request under one key makes nothing twice, and its values are told once.
    let mut third = elsewhere.clone();
    third.application_id = world.application().await.id;
    let claimed = world.owner.request_under("k1", "/v1/subscriptions", &third);
    let made = fresh(world.service.subscription_create(&claimed, &third).await);
    let told = replayed(world.service.subscription_create(&claimed, &third).await);
    assert_eq!(told["id"], made.id.as_str());
    assert!(made.credentials.is_some() && told.get("credentials").is_none());
}

async fn d2_key_sets_are_named_after_auth_type_and_application(world: World) {
    let request = world.owner.request();
    let template = world.template(json!({})).await;
    let api = world.api(&["api_key", "api_key_and_secret", "basic"], &template).await;
    let name = "N".repeat(100);
    let application = fresh(world.service.application_create(&request, &body(json!({"name": name}))).await);
    let subscription = world.subscribe(&application, &api).await;
    let mut names = Vec::new();
    for used in &subscription.key_sets {
        names.push(world.key_set(&used.id).await.name);
    }
    let expected = |label: &str| format!("{label} – {name}").chars().take(100).collect::<String>();
    assert_eq!(names, ["API key", "API key and secret", "Basic"].map(expected));
    let id = subscription.key_sets[0].id.parse().expect("an id");
    let renamed = body(json!({"name": names[1]}));
    let set = fresh(world.service.key_set_update(&request, id, &renamed).await);
    assert_eq!(set.name, names[1], "names may repeat");
}

async fn d4_a_subscription_waits_for_the_provider(world: World) {
    let request = world.owner.request();
    let one = world.one_key_set("api_key", json!({"approval": "required", "expires_after": "P30D"})).await;
    assert_eq!(one.subscription.status, Status::Pending);
    assert_eq!(one.subscription.lapses_at.as_deref(), Some("2026-03-31T12:00:00Z"));
    assert_eq!(one.subscription.credentials.as_ref().map(Vec::len), Some(1), "shown to the subscriber");
    let set = world.key_set(&one.id).await;
    assert_eq!((set.status, set.keys[0].provisioned_at.as_ref()), (KeySetStatus::Pending, None));
    for act in ["revoke", "suspend", "regenerate", "issue"] {
        let bulk = body(json!({"act": act, "ids": [one.id]}));
        let outcome = &fresh(world.service.key_set_bulk(&request, &bulk).await).items[0];
        let refusal = outcome.refusal.as_ref().expect("refused");
        assert_eq!((refusal.code.as_str(), refusal.from.as_deref()), ("invalid_transition", Some("pending")));
    }
    world.pass("P10D");
    let accepted =
        fresh(world.service.subscription_accept(&request, one.subscription_id(), &no_reason()).await);
    assert_eq!((accepted.status, accepted.credentials), (Status::Active, None), "never to the approver");
    assert_eq!(accepted.decided_at.as_deref(), Some("2026-03-11T12:00:00Z"));
    let set = world.key_set(&one.id).await;
    assert_eq!(set.status, KeySetStatus::Active);
    assert_eq!(set.keys[0].provisioned_at.as_deref(), Some("2026-03-11T12:00:00Z"));
    assert_eq!(
        set.keys[0].expires_at.as_deref(),
        Some("2026-04-10T12:00:00Z"),
        "counted from the acceptance"
    );
    let refusal =
        world.refused(world.service.subscription_accept(&request, one.subscription_id(), &no_reason())).await;
    let expected =
        Refusal::InvalidTransition { from: "active", act: "accept", allowed: vec!["end", "renew"] };
    assert_eq!(refusal, expected);
}

async fn d4_a_rejected_one_takes_its_pending_set_along(world: World) {
    let request = world.owner.request();
    let one = world.one_key_set("api_key", json!({"approval": "required"})).await;
    let second = world.api(&["api_key"], &one.template_id).await;
    let shared = world.subscribe(&one.application, &second).await;
    assert_eq!((shared.key_sets[0].reused, shared.key_sets[0].status), (Some(true), KeySetStatus::Pending));
    let rejected =
        fresh(world.service.subscription_reject(&request, one.subscription_id(), &no_reason()).await);
    assert_eq!(rejected.status, Status::Rejected);
    assert_eq!(
        world.key_set(&one.id).await.status,
        KeySetStatus::Pending,
        "the other one still waits with it"
    );
    let id = shared.id.parse().expect("an id");
    fresh(world.service.subscription_end(&request, id, &no_reason()).await);
    let refusal = world.refused(world.service.key_set_read(&request, one.key_set_id())).await;
    assert_eq!(refusal, Refusal::NotFound, "with its Key");
    let refusal =
        world.refused(world.service.subscription_end(&request, one.subscription_id(), &no_reason())).await;
    assert!(matches!(refusal, Refusal::InvalidTransition { from: "rejected", act: "end", .. }));
    let anew = world.subscribe(&one.application, &one.api).await;
    assert_eq!(anew.status, Status::Pending, "subscribing anew is allowed");
}

async fn d4_twenty_may_wait_and_each_lapses_after_thirty_days(world: World) {
    let template = world.template(json!({"approval": "required"})).await;
    let application = world.application().await;
    let mut first = None;
    for _ in 0..20 {
        let api = world.api(&["api_key"], &template).await;
        let made = world.subscribe(&application, &api).await;
        first.get_or_insert((made, api));
    }
    let (first, first_api) = first.expect("twenty");
    let one_more = world.api(&["api_key"], &template).await;
    let refusal = world.refused(world.try_subscribe(&application, &one_more)).await;
    assert_eq!(refusal, Refusal::LimitReached { limit: 20 });
    world.pass("P30D");
    let id = first.id.parse().expect("an id");
    let read = world.service.subscription_read(&world.owner.request(), id).await.expect("it").body;
    assert_eq!(read.status, Status::Ended, "by the clock, before any job ran");
    world.pass("P2D");
    world.subscribe(&application, &one_more).await;
    let again = world.subscribe(&application, &first_api).await;
    assert_ne!(again.id, first.id);
    world.run_scheduler().await;
    let read = world.service.subscription_read(&world.owner.request(), id).await.expect("it").body;
    assert_eq!((read.status, read.lapses_at), (Status::Ended, None));
    let events = world.service.store().read().await.expect("a reader").events_of(&first.id).await;
    let lapsed = events.expect("events").pop().expect("the last");
    assert_eq!(lapsed.event.body.kind(), "subscription.lapsed");
    let json = serde_json::to_value(&lapsed.event.body).expect("serialises");
    assert_eq!(json["data"]["planned_at"], "2026-03-31T12:00:00Z");
}

async fn d17_a_subscription_outlives_its_set_and_is_renewed(world: World) {
    let request = world.owner.request();
    let one = world.one_key_set("api_key", json!({})).await;
    let id = one.subscription_id();
    let refusal = world.refused(world.service.subscription_renew(&request, id, &no_reason())).await;
    assert_eq!(refusal, Refusal::InvalidTransition { from: "active", act: "renew", allowed: vec!["end"] });
    fresh(world.service.key_set_revoke(&request, one.key_set_id(), &no_reason()).await);
    let read = world.service.subscription_read(&request, id).await.expect("it").body;
    assert_eq!((read.status, read.key_sets[0].status), (Status::Active, KeySetStatus::Revoked));
    let more = body(json!({"auth_types": ["api_key", "basic"]}));
    fresh(world.service.api_update(&request, &one.api.entry.id, &more).await);
    let renewed = fresh(world.service.subscription_renew(&request, id, &no_reason()).await);
    let uses: Vec<_> = renewed.key_sets.iter().map(|set| (set.status, set.reused)).collect();
    let active = (KeySetStatus::Active, Some(false));
    assert_eq!(uses, [(KeySetStatus::Revoked, Some(true)), active, active], "also types added since");
    assert_eq!(renewed.credentials.expect("of the new ones").len(), 2);
    let refusal = world.refused(world.service.key_set_issue(&request, one.key_set_id(), &no_reason())).await;
    assert_eq!(refusal, Refusal::Superseded { by: renewed.key_sets[1].id.clone() });
    fresh(world.service.subscription_end(&request, id, &no_reason()).await);
    let unused = world.key_set(&renewed.key_sets[1].id).await;
    assert_eq!(unused.status, KeySetStatus::Active, "the sets live on");
    assert!(unused.subscriptions.is_empty() && unused.authorized_apis.is_empty(), "shown as unused");
    let anew = world.subscribe(&one.application, &one.api).await;
    assert_eq!(anew.key_sets[0].id, unused.id);
}

async fn f6_the_provider_narrows_what_a_subscription_holds(world: World) {
    let request = world.owner.request();
    let api = world.api_with(json!({"permissions": ["read", "write", "delete"]})).await;
    let application = world.application().await;
    let mut typed = subscription_body(&application, &api);
    typed.permissions = Some(vec!["write".into(), "fly".into()]);
    let refusal = world.refused(world.service.subscription_create(&request, &typed)).await;
    assert_eq!(pointers(&refusal), ["/permissions/1"]);
    typed.permissions = Some(vec!["write".into(), "read".into()]);
    let made = fresh(world.service.subscription_create(&request, &typed).await);
    assert_eq!(made.permissions, Some(vec!["read".into(), "write".into()]), "in the API's order");
    let id = made.id.parse().expect("an id");
    let narrowed = body(json!({"permissions": ["read"]}));
    let subscription = fresh(world.service.subscription_update(&request, id, &narrowed).await);
    assert_eq!(subscription.permissions, Some(vec!["read".into()]));
    let before = world.events().await;
    fresh(world.service.subscription_update(&request, id, &narrowed).await);
    assert_eq!(world.events().await, before, "no change is no event");
    let all = body(json!({"permissions": null}));
    assert_eq!(fresh(world.service.subscription_update(&request, id, &all).await).permissions, None);
}

async fn what_a_subscription_can_not_be_between_is_named(world: World) {
    let request = world.owner.request();
    let api = world.api_with(json!({"environments": ["sandbox"]})).await;
    let application = world.application().await;
    let typed = subscription_body(&application, &api);
    let refusal = world.refused(world.service.subscription_create(&request, &typed)).await;
    assert_eq!(pointers(&refusal), ["/environment_id"], "the API is not offered there");
    let nothing = body(json!({
        "application_id": "app_00000000000000000000000000", "api_id": "nothing", "environment_id": "moon",
        "note": "x".repeat(1_001),
    }));
    let refusal = world.refused(world.service.subscription_create(&request, &nothing)).await;
    assert_eq!(pointers(&refusal), ["/application_id", "/api_id", "/environment_id", "/note"]);
}

async fn each_side_sees_its_own_and_does_its_own_acts(world: World) {
    let other = world.other_organization().await;
    let request = world.owner.request();
    let template =
        body(json!({"name": "T", "organization_id": other.organization_id, "approval": "required"}));
    let template = fresh(world.service.policy_template_create(&request, &template).await);
    let api = world
        .api_with(json!({
            "group_id": other.group_id, "policy_template_id": template.id, "visibility": "all",
        }))
        .await;
    let application = world.application().await;
    let subscription = world.subscribe(&application, &api).await;
    let id = subscription.id.parse().expect("an id");
    let permissions = [
        Permission::SubscriptionsRead,
        Permission::SubscriptionsAccept,
        Permission::SubscriptionsUpdate,
        Permission::SubscriptionsRenew,
        Permission::KeySetsRead,
        Permission::ApplicationsRead,
    ];
    let provider = world.actor(&permissions, in_organization(&other.organization_id)).await;
    let consumer = world.actor(&permissions, in_organization(world.organization_id)).await;
    for side in [&provider, &consumer] {
        let page = world.service.subscription_list(&side.request(), &query("/v1/subscriptions", &[])).await;
        let seen = page.expect("a page").items;
        assert_eq!(seen.len(), 1);
        assert_eq!((&seen[0].application.name, &seen[0].api.name), (&application.name, &api.entry.name));
        assert_eq!(seen[0].key_sets[0].status, KeySetStatus::Pending);
    }
    let stranger = world.other_organization().await;
    let stranger = world.actor(&permissions, in_organization(&stranger.organization_id)).await;
    let refusal = world.refused(world.service.subscription_read(&stranger.request(), id)).await;
    assert_eq!(refusal, Refusal::NotFound);
    let accept = world.service.subscription_accept(&consumer.request(), id, &no_reason()).await;
    assert!(matches!(accept, Err(claviger_service::Error::Refused(refusal))
        if refusal == forbidden(Permission::SubscriptionsAccept)));
    fresh(world.service.subscription_accept(&provider.request(), id, &no_reason()).await);
    let renew = world.refused(world.service.subscription_renew(&provider.request(), id, &no_reason())).await;
    assert_eq!(renew, forbidden(Permission::SubscriptionsRenew));
    let set = subscription.key_sets[0].id.parse().expect("an id");
    let refusal = world.refused(world.service.key_set_read(&provider.request(), set)).await;
    assert_eq!(refusal, Refusal::NotFound, "the other side's Key Sets are told by the Subscription alone");
}

async fn many_subscribe_at_once_or_none(world: World) {
    let request = world.owner.request();
    let template = world.template(json!({"retrievable": true})).await;
    let apis = [world.api(&["api_key"], &template).await, world.api(&["basic"], &template).await];
    let application = world.application().await;
    let items = apis.each_ref().map(|api| subscription_body(&application, api)).to_vec();
    let mut twice = items.clone();
    twice.push(items[0].clone());
    let bulk = claviger_wire::bulk::Bulk { items: twice };
    let refusal = world.refused(world.service.subscription_create_bulk(&request, &bulk)).await;
    assert!(matches!(refusal, Refusal::AlreadySubscribed { .. }), "{refusal:?}");
    let bulk = claviger_wire::bulk::Bulk { items };
    let made = fresh(world.service.subscription_create_bulk(&request, &bulk).await).items;
    assert_eq!(made.len(), 2);
    assert!(made.iter().all(|made| made.credentials.is_none()), "what can be retrieved is not shown");
}
