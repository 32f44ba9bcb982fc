//! Requests that come again, and two at once (product.md G2; surface.md, "Writes").

use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_service::request::{Answer as _, Outcome};
use claviger_service::{Error, Request, Written};
use claviger_wire::service_keys::{Create, ServiceKey};
use futures::future::join_all;
use serde_json::json;

use crate::workspace::no_reason;
use crate::world::{Actor, World, body, everywhere, fresh, pointers, query, replayed};

on_both_databases!(
    a_replay_tells_the_same_without_the_secret,
    another_body_under_the_key_is_refused,
    a_record_is_bound_to_its_caller_and_path,
    twins_at_once_make_one_key,
    a_refused_request_may_come_again,
    records_are_kept_for_a_day,
    who_was_deactivated_is_told_nothing_again,
    of_two_changes_the_later_is_refused,
);

const PATH: &str = "/v1/service-keys";

async fn create(world: &World, name: &str) -> Create {
    let group = world.permission_group(&[Permission::ApisRead], None).await;
    body(json!({"name": name, "permission_group_ids": [group]}))
}

async fn make(world: &World, request: &Request, create: &Create) -> Result<Written<ServiceKey>, Error> {
    world.service.service_key_create(request, create).await
}

async fn keys(world: &World) -> usize {
    let listed = query(PATH, &[]);
    let page = world.service.service_key_list(&world.owner.request(), &listed).await;
    page.expect("a page").items.len()
}

async fn a_replay_tells_the_same_without_the_secret(world: World) {
    let create = create(&world, "Key").await;
    let request = world.owner.request_under("once", PATH, &create);
    let first = make(&world, &request, &create).await.expect("made");
    let (before, count) = (world.events().await, keys(&world).await);
    let again = make(&world, &request, &create).await.expect("told again");
    assert_eq!((again.status, &again.location), (first.status, &first.location));
    assert_eq!((&again.etag, again.position), (&first.etag, first.position));
    let Outcome::Fresh(made) = first.outcome else { panic!("the first is fresh") };
    assert!(made.has_secret());
    let Outcome::Replayed(told) = again.outcome else { panic!("the second is told again") };
    assert_eq!(told, made.without_secrets().expect("JSON"));
    assert!(!told.to_string().contains(made.key.as_deref().expect("the value")));
    assert_eq!((world.events().await, keys(&world).await), (before, count));
}

async fn another_body_under_the_key_is_refused(world: World) {
    let (one, other) = (create(&world, "One").await, create(&world, "Other").await);
    fresh(make(&world, &world.owner.request_under("once", PATH, &one), &one).await);
    let request = world.owner.request_under("once", PATH, &other);
    let refusal = world.refused(make(&world, &request, &other)).await;
    assert_eq!(pointers(&refusal), [""]);
    for wrong in [String::new(), "k".repeat(256)] {
        let request = world.owner.request_under(&wrong, PATH, &other);
        let answer = make(&world, &request, &other).await;
        assert!(matches!(answer, Err(Error::BadQuery { parameter, .. }) if parameter == "Idempotency-Key"));
    }
}

async fn a_record_is_bound_to_its_caller_and_path(world: World) {
    let create = create(&world, "Key").await;
    let actor = world.actor(Permission::ALL, everywhere()).await;
    for (by, path) in [(&world.owner, PATH), (&actor, PATH), (&actor, "/v1/elsewhere")] {
        fresh(make(&world, &by.request_under("once", path, &create), &create).await);
        replayed(make(&world, &by.request_under("once", path, &create), &create).await);
    }
}

async fn twins_at_once_make_one_key(world: World) {
    let create = create(&world, "Key").await;
    let count = keys(&world).await;
    let request = world.owner.request_under("once", PATH, &create);
    let answers = join_all((0..8).map(|_| make(&world, &request, &create))).await;
    let mut fresh_ones = 0;
    for answer in answers {
        match answer.map(|written| written.outcome) {
            Ok(Outcome::Fresh(_)) => fresh_ones += 1,
            // Either is the right answer to a twin: the first one's, or that somebody was faster.
            Ok(Outcome::Replayed(_)) | Err(Error::Refused(Refusal::Conflict)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((fresh_ones, keys(&world).await), (1, count + 1));
}

async fn a_refused_request_may_come_again(world: World) {
    let group = body(json!({"name": "Team"}));
    let made = fresh(world.service.group_create(&world.owner.request(), &group).await);
    let request = world.owner.request_under("once", "/v1/groups", &group);
    let refusal = world.refused(world.service.group_create(&request, &group)).await;
    assert_eq!(refusal, Refusal::NameTaken { pointer: "/name".into() });
    let id = made.id.parse().expect("an id");
    world.service.group_delete(&world.owner.request(), id).await.expect("deleted");
    fresh(world.service.group_create(&request, &group).await);
}

async fn records_are_kept_for_a_day(world: World) {
    let create = create(&world, "Key").await;
    let request = world.owner.request_under("once", PATH, &create);
    fresh(make(&world, &request, &create).await);
    world.set_time(world.now().plus_seconds(86_399));
    assert_eq!(world.service.expire_idempotency().await.expect("expired"), 0);
    replayed(make(&world, &request, &create).await);
    world.set_time(world.now().plus_seconds(1));
    // Past its time a record counts for nothing, whether or not it was deleted already.
    fresh(make(&world, &request, &create).await);
    world.set_time(world.now().plus_seconds(86_400));
    assert_eq!(world.service.expire_idempotency().await.expect("expired"), 1);
}

async fn who_was_deactivated_is_told_nothing_again(world: World) {
    let actor: Actor = world.actor(Permission::ALL, everywhere()).await;
    let create = create(&world, "Key").await;
    let request = actor.request_under("once", PATH, &create);
    fresh(make(&world, &request, &create).await);
    let id = actor.caller.service_key_id;
    fresh(world.service.service_key_deactivate(&world.owner.request(), id, &no_reason()).await);
    let answer = make(&world, &request, &create).await;
    assert!(matches!(answer, Err(Error::SignIn(_))), "{answer:?}");
}

async fn of_two_changes_the_later_is_refused(world: World) {
    let group = body(json!({"name": "Team"}));
    let made = world.service.group_create(&world.owner.request(), &group).await.expect("made");
    let etag = made.etag.clone().expect("a tag");
    let id = fresh(Ok(made)).id.parse().expect("an id");
    let read = world.service.group_read(&world.owner.request(), id).await.expect("it");
    assert_eq!(read.etag, etag);
    let request = world.owner.request_if_match(&etag);
    let (one, other) = (body(json!({"name": "One"})), body(json!({"name": "Other"})));
    let changed = world.service.group_update(&request, id, &one).await.expect("changed");
    assert_ne!(changed.etag.as_deref(), Some(etag.as_str()));
    let refusal = world.refused(world.service.group_update(&request, id, &other)).await;
    assert_eq!(refusal, Refusal::PreconditionFailed);
    let refusal = world.refused(world.service.group_delete(&request, id)).await;
    assert_eq!(refusal, Refusal::PreconditionFailed);
    let any = world.owner.request_if_match("*");
    fresh(world.service.group_update(&any, id, &other).await);
    // A mark of use is no change.
    let actor = world.actor(&[Permission::ApisRead], everywhere()).await;
    let key = actor.caller.service_key_id;
    let tag = world.service.service_key_read(&world.owner.request(), key).await.expect("it").etag;
    world.service.sign_in(&actor.value, None).await.expect("good");
    world.service.flush_usage().await.expect("written");
    let rename = body(json!({"name": "Renamed"}));
    let request = world.owner.request_if_match(&tag);
    fresh(world.service.service_key_update(&request, key, &rename).await);
    let refusal = world.refused(world.service.service_key_deactivate(&request, key, &no_reason())).await;
    assert_eq!(refusal, Refusal::PreconditionFailed);
}
