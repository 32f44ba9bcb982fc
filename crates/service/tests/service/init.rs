//! The first state of a new database: made once, whoever comes second.

use claviger_domain::event::Position;
use claviger_domain::members::Email;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::text::Name;
use claviger_service::Beginning;

use crate::world::{World, query};

on_both_databases!(
    an_instance_begins_once,
    the_first_key_can_do_all_there_is,
    the_first_events_stand_in_the_log
);

fn beginning() -> Beginning {
    Beginning {
        owner: Email::new("second@example.com").expect("a mail address"),
        organization: Name::new("Second").expect("a name"),
    }
}

async fn an_instance_begins_once(world: World) {
    assert!(world.service.is_initialised().await.expect("an answer"));
    let refusal = world.refused(world.service.init(&beginning())).await;
    assert_eq!(refusal, Refusal::AlreadyInitialised);
    let other = world.another_node(2).await;
    let refusal = world.refused(other.init(&beginning())).await;
    assert_eq!(refusal, Refusal::AlreadyInitialised);
    // Whoever comes later finds the same instance, with the same owner.
    other.sign_in(&world.owner.value, None).await.expect("the owner");
}

async fn the_first_key_can_do_all_there_is(world: World) {
    let request = world.owner.request();
    let current = world.service.service_key_current(&request).await.expect("itself").body;
    assert_eq!(current.permission_groups[0].name, "owner");
    assert_eq!((current.created_by.id, current.created_by.name.as_str()), (None, "claviger init"));
    assert_eq!(
        (current.scope, current.expires_at, current.exceeds_creator),
        (crate::world::everywhere(), None, false)
    );
    // It may give all there is.
    world.actor(Permission::ALL, crate::world::everywhere()).await;
    let owner = world.service.member_read(&request, world.owner_member_id).await.expect("the owner").body;
    assert_eq!((owner.email.as_str(), owner.roles.len()), ("owner@example.com", 1));
    let listed = query("/v1/environments", &[("sort", "name")]);
    let environments = world.service.environment_list(&request, &listed).await.expect("a page").items;
    assert_eq!(environments.iter().map(|it| it.slug.as_str()).collect::<Vec<_>>(), ["production", "sandbox"]);
}

async fn the_first_events_stand_in_the_log(world: World) {
    let events = query("/v1/events", &[("sort", "position")]);
    let page = world.service.event_list(&world.owner.request(), &events).await.expect("a page");
    let kinds: Vec<_> = page.items.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(&kinds[..3], ["environment.created", "environment.created", "organization.created"]);
    assert_eq!(&kinds[kinds.len() - 3..], ["member.created", "member.role_granted", "service_key.created"]);
    assert!(page.items.iter().all(|event| event.actor.kind == "system"));
    assert_eq!(
        Position(page.items.len().try_into().expect("few")),
        world.service.store().head().await.expect("a head")
    );
}
