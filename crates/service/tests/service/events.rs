//! The log as callers read it (product.md G1): who, what, when, from where, why; searched, exported, and
//! shown to nobody past what they may see.

use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_service::{Error, Request};
use claviger_wire::acts::Act;
use claviger_wire::events::Event;
use claviger_wire::scope::Scope;
use serde_json::json;

use crate::workspace::{no_reason, subscription_body};
use crate::world::{World, body, everywhere, forbidden, fresh, in_organization, query};

on_both_databases!(
    an_event_says_who_what_when_from_where_and_why,
    the_chain_has_no_gap,
    filters_combine,
    an_export_is_in_the_log_before_its_first_line,
    shown_as_far_as_the_scope_goes,
    the_other_side_is_not_told_who_acted,
    no_secret_is_in_it,
);

impl World {
    async fn log(&self, request: &Request, pairs: &[(&str, &str)]) -> Vec<Event> {
        self.service.event_list(request, &query("/v1/events", pairs)).await.expect("a page").items
    }
}

async fn an_event_says_who_what_when_from_where_and_why(world: World) {
    let actor = world.actor(&[Permission::ApisRead], everywhere()).await;
    world.set_time(world.now().plus_seconds(90));
    let source = Some("2001:db8::7".parse().expect("an address"));
    let request = Request { source, ..world.owner.request() };
    let why = Act { reason: Some("left the team\non Monday".to_owned()) };
    let id = actor.caller.service_key_id;
    fresh(world.service.service_key_deactivate(&request, id, &why).await);
    let newest = world.log(&world.owner.request(), &[("limit", "1")]).await.remove(0);
    assert_eq!(
        (newest.kind.as_str(), newest.at.as_str()),
        ("service_key.deactivated", "2026-03-01T12:01:30Z")
    );
    assert_eq!((newest.subject.kind.as_str(), newest.subject.id.clone()), ("service_key", id.to_string()));
    let owner = world.owner.caller.service_key_id.to_string();
    assert_eq!((newest.actor.kind.as_str(), newest.actor.id.clone()), ("service_key", Some(owner)));
    assert_eq!(newest.actor.name, "First key of the owner");
    assert_eq!(newest.from.as_deref(), Some("2001:db8::7"));
    assert_eq!(newest.reason.as_deref(), Some("left the team\non Monday"));
    let read = world.service.event_read(&world.owner.request(), &newest.id).await.expect("it").body;
    assert_eq!(read.hash, newest.hash);
    let secret = Act { reason: Some(format!("leaked: {}", actor.value)) };
    let refusal = world.refused(world.service.service_key_activate(&request, id, &secret)).await;
    assert_eq!(refusal, Refusal::LooksLikeASecret { pointer: "/reason".into() });
}

async fn the_chain_has_no_gap(world: World) {
    world.actor(&[Permission::ApisRead], everywhere()).await;
    let events = world.log(&world.owner.request(), &[("sort", "position"), ("limit", "200")]).await;
    for (at, pair) in events.windows(2).enumerate() {
        assert_eq!((pair[1].position, &pair[1].previous_hash), (pair[0].position + 1, &pair[0].hash), "{at}");
    }
    let newest = events.last().expect("events");
    let proof = world.service.event_proof(&world.owner.request()).await.expect("a proof").body;
    assert_eq!((proof.position, &proof.head_hash, proof.epoch), (newest.position, &newest.hash, 1));
    let blind = world.actor(&[Permission::ApisRead], everywhere()).await.request();
    let refusal = world.refused(world.service.event_proof(&blind)).await;
    assert_eq!(refusal, forbidden(Permission::EventsRead));
    let listed = query("/v1/events", &[]);
    let refusal = world.refused(world.service.event_list(&blind, &listed)).await;
    assert_eq!(refusal, forbidden(Permission::EventsRead));
}

async fn filters_combine(world: World) {
    let request = world.owner.request();
    let start = world.now();
    world.set_time(start.plus_seconds(3_600));
    let group = fresh(world.service.group_create(&request, &body(json!({"name": "Team"}))).await);
    let id = group.id.parse().expect("an id");
    let later = start.plus_seconds(7_200);
    world.set_time(later);
    fresh(world.service.group_update(&request, id, &body(json!({"name": "Crew"}))).await);
    let kinds = async |pairs: &[(&str, &str)]| {
        let events = world.log(&world.owner.request(), pairs).await;
        events.into_iter().map(|event| event.kind).collect::<Vec<_>>()
    };
    let subject = ("subject_id", group.id.as_str());
    assert_eq!(kinds(&[subject]).await, ["group.updated", "group.created"]);
    assert_eq!(kinds(&[subject, ("kind", "group.created")]).await, ["group.created"]);
    let two = [("kind", "group.created"), ("kind", "group.updated"), subject];
    assert_eq!(kinds(&two).await.len(), 2);
    let (from, until) = (later.to_string(), later.to_string());
    // `_after` includes the instant, `_before` excludes it.
    assert_eq!(kinds(&[subject, ("at_after", &from)]).await, ["group.updated"]);
    assert_eq!(kinds(&[subject, ("at_before", &until)]).await, ["group.created"]);
    assert_eq!(kinds(&[("subject_kind", "group"), ("at_after", "2026-03-01")]).await.len(), 3);
    let owner = world.owner.caller.service_key_id.to_string();
    assert_eq!(kinds(&[("actor_id", &owner), ("subject_kind", "group")]).await.len(), 2);
    assert!(kinds(&[("actor_id", "svk_none")]).await.is_empty());
    let wrong = query("/v1/events", &[("at_after", "yesterday")]);
    let answer = world.service.event_list(&request, &wrong).await;
    assert!(matches!(answer, Err(Error::BadQuery { parameter, .. }) if parameter == "at_after"));
}

async fn an_export_is_in_the_log_before_its_first_line(world: World) {
    let request = world.owner.request();
    let before = world.events().await;
    let listed = query("/v1/events", &[]);
    let mut export = world.service.event_export(&request, &listed).await.expect("an export");
    assert_eq!(world.events().await, before + 1);
    let mut positions = Vec::new();
    loop {
        let events = world.service.event_export_next(&mut export).await.expect("events");
        if events.is_empty() {
            break;
        }
        positions.extend(events.iter().map(|event| event.position));
    }
    assert_eq!(positions, (1..=before).collect::<Vec<_>>());
    let newest = world.log(&request, &[("limit", "1")]).await.remove(0);
    assert_eq!(newest.kind, "log.exported");
    assert_eq!(newest.data["to_position"], before);
    let reader = world.actor(&[Permission::EventsRead], everywhere()).await.request();
    let refusal = world.refused(world.service.event_export(&reader, &listed)).await;
    assert_eq!(refusal, forbidden(Permission::EventsExport));
}

async fn shown_as_far_as_the_scope_goes(world: World) {
    let other = world.other_organization().await.organization_id;
    let set = world.one_key_set("api_key", json!({})).await;
    let reading = [Permission::EventsRead];
    let in_production = Scope { environment_id: Some("production".to_owned()), ..everywhere() };
    for (scope, sees_set, sees_application) in [
        (in_organization(world.organization_id), true, true),
        (in_organization(&other), false, false),
        (in_production, true, false),
        (Scope { environment_id: Some("sandbox".to_owned()), ..everywhere() }, false, false),
    ] {
        let request = world.actor(&reading, scope.clone()).await.request();
        let of = async |id: &str| !world.log(&request, &[("subject_id", id)]).await.is_empty();
        assert_eq!(of(&set.id).await, sees_set, "{scope:?}");
        assert_eq!(of(&set.application.id).await, sees_application, "{scope:?}");
        for (id, seen) in [(&set.id, sees_set), (&set.application.id, sees_application)] {
            let event = world.log(&world.owner.request(), &[("subject_id", id)]).await.remove(0);
            let read = world.service.event_read(&request, &event.id).await;
            assert_eq!(read.is_ok(), seen, "{scope:?}");
        }
    }
}

async fn the_other_side_is_not_told_who_acted(world: World) {
    let provider = world.other_organization().await;
    let members = json!({"group_id": provider.group_id, "visibility": "all"});
    let api = world.api_with(members).await;
    let application = world.application().await;
    let source = Some("10.0.0.1".parse().expect("an address"));
    let request = Request { source, ..world.owner.request() };
    let create = subscription_body(&application, &api);
    let made = fresh(world.service.subscription_create(&request, &create).await);
    let of_it = [("subject_id", made.id.as_str())];
    let scope = in_organization(&provider.organization_id);
    let theirs = world.actor(&[Permission::EventsRead], scope).await.request();
    let event = world.log(&theirs, &of_it).await.remove(0);
    assert_eq!((event.actor.id, event.actor.name.as_str(), event.from), (None, "", None));
    let read = world.service.event_read(&theirs, &event.id).await.expect("it").body;
    assert_eq!((read.actor.id, read.from), (None, None));
    let own = world.log(&world.owner.request(), &of_it).await.remove(0);
    assert_eq!((own.actor.name.as_str(), own.from.as_deref()), ("First key of the owner", Some("10.0.0.1")));
}

async fn no_secret_is_in_it(world: World) {
    let actor = world.actor(&[Permission::ApisRead], everywhere()).await;
    let set = world.one_key_set("api_key_and_secret", json!({})).await;
    let shown = set.subscription.credentials.clone().expect("shown once").remove(0);
    fresh(world.service.key_set_revoke(&world.owner.request(), set.key_set_id(), &no_reason()).await);
    let events = world.log(&world.owner.request(), &[("limit", "200")]).await;
    let text = serde_json::to_string(&events).expect("JSON");
    let secret = shown.secret.expect("a secret");
    for value in [&world.owner.value, &actor.value, &shown.key, &secret] {
        assert!(!text.contains(value.as_str()) && !text.contains(&value[12..]));
    }
    assert!(text.contains(&actor.value[..12]), "the masked value is there, so the search would find it");
}
