//! Groups: names unique in their Organization, kept while something uses them; who is limited to one sees
//! that one alone.

use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_wire::scope::Scope;
use serde_json::json;

use crate::world::{World, body, everywhere, forbidden, fresh, in_organization, query};

on_both_databases!(
    names_are_unique_in_the_organization,
    renaming_is_an_event_and_renaming_alike_is_none,
    one_in_use_stays,
    limited_to_one_means_that_one_alone,
    permissions_are_asked_one_by_one,
);

async fn names_are_unique_in_the_organization(world: World) {
    let request = world.owner.request();
    let made = fresh(world.service.group_create(&request, &body(json!({"name": " École "}))).await);
    assert_eq!(made.name, "École");
    let again = body(json!({"name": "E\u{301}COLE"}));
    let taken = Refusal::NameTaken { pointer: "/name".into() };
    assert_eq!(world.refused(world.service.group_create(&request, &again)).await, taken);
    let other = fresh(world.service.group_create(&request, &body(json!({"name": "Other"}))).await);
    let (id, rename) = (other.id.parse().expect("an id"), body(json!({"name": "école"})));
    assert_eq!(world.refused(world.service.group_update(&request, id, &rename)).await, taken);
    // Another Organization has its own names, and a deleted Group's name is free.
    let elsewhere = world.other_organization().await.organization_id;
    let there = body(json!({"name": "École", "organization_id": elsewhere}));
    fresh(world.service.group_create(&request, &there).await);
    world.service.group_delete(&request, made.id.parse().expect("an id")).await.expect("deleted");
    fresh(world.service.group_create(&request, &again).await);
    let bulk = body(json!({"items": [{"name": "One"}, {"name": "one"}]}));
    let refusal = world.refused(world.service.group_create_bulk(&request, &bulk)).await;
    assert_eq!(refusal, Refusal::NameTaken { pointer: "/items/1/name".into() });
}

async fn renaming_is_an_event_and_renaming_alike_is_none(world: World) {
    let request = world.owner.request();
    let made = fresh(world.service.group_create(&request, &body(json!({"name": "A"}))).await);
    let id = made.id.parse().expect("an id");
    let before = world.events().await;
    for unchanged in [json!({}), json!({"name": " A "})] {
        fresh(world.service.group_update(&request, id, &body(unchanged)).await);
    }
    assert_eq!(world.events().await, before);
    assert_eq!(fresh(world.service.group_update(&request, id, &body(json!({"name": "B"}))).await).name, "B");
    assert_eq!(world.events().await, before + 1);
}

async fn one_in_use_stays(world: World) {
    let request = world.owner.request();
    let made = fresh(world.service.group_create(&request, &body(json!({"name": "Team"}))).await);
    let id = made.id.parse().expect("an id");
    let application = body(json!({"name": "Shop", "group_id": made.id}));
    let application = fresh(world.service.application_create(&request, &application).await);
    let member = body(json!({"name": "Ada", "email": "ada@example.com", "group_ids": [made.id]}));
    let member = fresh(world.service.member_create(&request, &member).await);
    let in_it = Scope { group_id: Some(made.id.clone()), ..Scope::default() };
    let key = world.actor(&[Permission::ApisRead], in_it).await.caller.service_key_id;
    let Refusal::InUse { users } = world.refused(world.service.group_delete(&request, id)).await else {
        panic!("in use")
    };
    let mut ids: Vec<_> = users.into_iter().map(|user| user.id).collect();
    ids.sort();
    assert_eq!(ids, [application.id.clone(), member.id.clone(), key.to_string()]);
    world.service.service_key_delete(&request, key).await.expect("deleted");
    world
        .service
        .application_delete(&request, application.id.parse().expect("an id"))
        .await
        .expect("deleted");
    let leave = body(json!({"group_ids": []}));
    fresh(world.service.member_update(&request, member.id.parse().expect("an id"), &leave).await);
    world.service.group_delete(&request, id).await.expect("nobody uses it");
}

async fn limited_to_one_means_that_one_alone(world: World) {
    let request = world.owner.request();
    let make =
        async |name: &str| fresh(world.service.group_create(&request, &body(json!({"name": name}))).await);
    let (mine, other) = (make("Mine").await, make("Other").await);
    let scope = Scope { group_id: Some(mine.id.clone()), ..in_organization(world.organization_id) };
    let actor = world.actor(Permission::ALL, scope).await;
    let listed = world.service.group_list(&actor.request(), &query("/v1/groups", &[])).await.expect("a page");
    assert_eq!(listed.items.iter().map(|it| &it.id).collect::<Vec<_>>(), [&mine.id]);
    let other_id = other.id.parse().expect("an id");
    let read = world.refused(world.service.group_read(&actor.request(), other_id)).await;
    assert_eq!(read, Refusal::NotFound);
    // Left out, a Group is the actor's own, whether or not it may read Groups; another was never there.
    let creating = [Permission::ApplicationsCreate, Permission::ApplicationsRead];
    let scope = Scope { group_id: Some(mine.id.clone()), ..in_organization(world.organization_id) };
    let actor = world.actor(&creating, scope).await;
    let create = body(json!({"name": "Shop"}));
    let made = fresh(world.service.application_create(&actor.request(), &create).await);
    assert_eq!(made.group_id, mine.id);
    let there = body(json!({"name": "Shop", "group_id": other.id}));
    let refusal = world.refused(world.service.application_create(&actor.request(), &there)).await;
    assert_eq!(crate::world::pointers(&refusal), ["/group_id"]);
}

async fn permissions_are_asked_one_by_one(world: World) {
    let request = world.owner.request();
    let made = fresh(world.service.group_create(&request, &body(json!({"name": "A"}))).await);
    let id = made.id.parse().expect("an id");
    let rename = body(json!({"name": "B"}));
    let reader = world.actor(&[Permission::GroupsRead], everywhere()).await.request();
    let service = &world.service;
    service.group_read(&reader, id).await.expect("may read");
    let refusal = world.refused(service.group_update(&reader, id, &rename)).await;
    assert_eq!(refusal, forbidden(Permission::GroupsUpdate));
    let refusal = world.refused(service.group_delete(&reader, id)).await;
    assert_eq!(refusal, forbidden(Permission::GroupsDelete));
    let refusal = world.refused(service.group_create(&reader, &body(json!({"name": "C"})))).await;
    assert_eq!(refusal, forbidden(Permission::GroupsCreate));
    // What may not be seen can't be changed either, and is not told apart from what never was.
    let blind =
        world.actor(&[Permission::GroupsUpdate, Permission::GroupsDelete], everywhere()).await.request();
    assert_eq!(world.refused(service.group_update(&blind, id, &rename)).await, Refusal::NotFound);
    assert_eq!(world.refused(service.group_delete(&blind, id)).await, Refusal::NotFound);
    // A list that would always be empty is refused by name.
    let refusal = world.refused(service.group_list(&blind, &query("/v1/groups", &[]))).await;
    assert_eq!(refusal, forbidden(Permission::GroupsRead));
}
