//! Environments: they belong to the instance; a right for one Environment gives nothing on what has none
//! (product.md G5).

use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_wire::scope::Scope;
use serde_json::json;

use crate::workspace::no_reason;
use crate::world::{World, body, everywhere, forbidden, fresh, in_organization, pointers, query};

on_both_databases!(
    slugs_are_immutable_and_unique,
    read_by_id_or_slug,
    one_in_use_stays,
    a_right_for_one_environment_gives_nothing_on_what_has_none,
    a_right_for_one_environment_is_good_there,
);

async fn slugs_are_immutable_and_unique(world: World) {
    let request = world.owner.request();
    let create = body(json!({"slug": "staging", "name": "Staging"}));
    let made = fresh(world.service.environment_create(&request, &create).await);
    let refusal = world.refused(world.service.environment_create(&request, &create)).await;
    assert_eq!(refusal, Refusal::NameTaken { pointer: "/slug".into() });
    let wrong = body(json!({"slug": "No", "name": ""}));
    let refusal = world.refused(world.service.environment_create(&request, &wrong)).await;
    assert_eq!(pointers(&refusal), ["/slug", "/name"]);
    let renamed =
        world.service.environment_update(&request, "staging", &body(json!({"name": "Stage"}))).await;
    let renamed = fresh(renamed);
    assert_eq!((renamed.slug.as_str(), renamed.name.as_str(), &renamed.id), ("staging", "Stage", &made.id));
    let here = world.actor(Permission::ALL, in_organization(world.organization_id)).await;
    let other = body(json!({"slug": "other", "name": "Other"}));
    let refusal = world.refused(world.service.environment_create(&here.request(), &other)).await;
    assert_eq!(refusal, forbidden(Permission::EnvironmentsCreate));
}

async fn read_by_id_or_slug(world: World) {
    let actor = world.actor(&[Permission::EnvironmentsRead], in_organization(world.organization_id)).await;
    let request = actor.request();
    let by_slug = world.service.environment_read(&request, "sandbox").await.expect("it").body;
    let by_id = world.service.environment_read(&request, &by_slug.id).await.expect("it").body;
    assert_eq!(by_id.slug, "sandbox");
    for never in ["staging", "env_01k0vd4ntxe2ra9qv8bm4c4y3e", "No Slug"] {
        let refusal = world.refused(world.service.environment_read(&request, never)).await;
        assert_eq!(refusal, Refusal::NotFound, "{never}");
    }
    let listed = query("/v1/environments", &[("sort", "slug")]);
    let page = world.service.environment_list(&request, &listed).await.expect("a page");
    assert_eq!(page.items.iter().map(|it| it.slug.as_str()).collect::<Vec<_>>(), ["production", "sandbox"]);
}

async fn one_in_use_stays(world: World) {
    let request = world.owner.request();
    let create = body(json!({"slug": "staging", "name": "Staging"}));
    fresh(world.service.environment_create(&request, &create).await);
    let in_staging = Scope { environment_id: Some("staging".to_owned()), ..everywhere() };
    let key = world.actor(&[Permission::KeySetsRead], in_staging).await.caller.service_key_id;
    let in_use = world.refused(world.service.environment_delete(&request, "staging")).await;
    assert!(matches!(in_use, Refusal::InUse { users } if users[0].id == key.to_string()));
    world.service.service_key_delete(&request, key).await.expect("deleted");
    world.service.environment_delete(&request, "staging").await.expect("nobody uses it");
    let gone = world.refused(world.service.environment_read(&request, "staging")).await;
    assert_eq!(gone, Refusal::NotFound);
    fresh(world.service.environment_create(&request, &create).await);
}

async fn a_right_for_one_environment_gives_nothing_on_what_has_none(world: World) {
    let application = world.application().await;
    let template = world.template(json!({})).await;
    let api = world.api(&["api_key"], &template).await;
    let scope = Scope { environment_id: Some("sandbox".to_owned()), ..everywhere() };
    let actor = world.actor(Permission::ALL, scope).await;
    let (service, request, all) = (&world.service, &actor.request(), &query("/v1/x", &[]));
    assert!(service.organization_list(request, all).await.expect("a page").items.is_empty());
    assert!(service.group_list(request, all).await.expect("a page").items.is_empty());
    assert!(service.member_list(request, all).await.expect("a page").items.is_empty());
    assert!(service.permission_group_list(request, all).await.expect("a page").items.is_empty());
    assert!(service.policy_template_list(request, all).await.expect("a page").items.is_empty());
    assert!(service.application_list(request, all).await.expect("a page").items.is_empty());
    assert!(service.api_list(request, all).await.expect("a page").items.is_empty());
    assert!(service.node_list(request, all).await.expect("a page").items.is_empty());
    let member = world.owner_member_id;
    assert_eq!(world.refused(service.member_read(request, member)).await, Refusal::NotFound);
    let id = application.id.parse().expect("an id");
    assert_eq!(world.refused(service.application_read(request, id)).await, Refusal::NotFound);
    assert_eq!(world.refused(service.api_read(request, &api.entry.id)).await, Refusal::NotFound);
    let create = body(json!({"name": "Team"}));
    let refusal = world.refused(service.group_create(request, &create)).await;
    assert_eq!(refusal, forbidden(Permission::GroupsCreate));
    let create = body(json!({"slug": "other", "name": "Other"}));
    let refusal = world.refused(service.environment_create(request, &create)).await;
    assert_eq!(refusal, forbidden(Permission::EnvironmentsCreate));
    // Of the Environments it sees its own.
    let page = service.environment_list(request, all).await.expect("a page");
    assert_eq!(page.items.iter().map(|it| it.slug.as_str()).collect::<Vec<_>>(), ["sandbox"]);
    let refusal = world.refused(service.environment_read(request, "production")).await;
    assert_eq!(refusal, Refusal::NotFound);
}

async fn a_right_for_one_environment_is_good_there(world: World) {
    let set = world.one_key_set("api_key", json!({})).await;
    let acting = [Permission::KeySetsRead, Permission::KeySetsSuspend];
    let in_environment = |slug: &str| Scope { environment_id: Some(slug.to_owned()), ..everywhere() };
    let there = world.actor(&acting, in_environment("production")).await;
    let elsewhere = world.actor(&acting, in_environment("sandbox")).await;
    let request = elsewhere.request();
    let act = world.service.key_set_suspend(&request, set.key_set_id(), &no_reason()).await;
    assert!(matches!(act, Err(claviger_service::Error::Refused(Refusal::NotFound))), "{act:?}");
    fresh(world.service.key_set_suspend(&there.request(), set.key_set_id(), &no_reason()).await);
}
