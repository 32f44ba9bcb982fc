//! Service keys: made, shown once, used, limited, changed, replaced, deleted (product.md E1 to E6).

use std::net::IpAddr;

use claviger_domain::id::ServiceKeyId;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_service::{Error, SignIn};
use claviger_wire::service_keys::{Create, ServiceKey};
use serde_json::{Value, json};

use crate::workspace::no_reason;
use crate::world::{
    Limits, World, body, everywhere, forbidden, fresh, in_organization, instant, pointers, query,
};

on_both_databases!(
    made_with_a_name_and_groups,
    what_is_wrong_is_named_and_leaves_nothing,
    shown_once_and_masked_ever_after,
    replaced_in_one_step,
    deactivated_is_refused_on_the_next_call,
    groups_change_for_the_next_call,
    renamed_and_deleted,
    good_until_it_expires_and_from_its_addresses,
    what_a_limited_key_makes_is_limited_alike,
    a_key_goes_on_when_its_maker_loses_rights,
    last_use_is_kept_to_the_minute_off_the_calls_path,
    what_a_scope_does_not_cover_is_not_there,
    many_at_once_are_all_or_none,
);

impl World {
    async fn service_key(&self, typed: Value) -> ServiceKey {
        fresh(self.service.service_key_create(&self.owner.request(), &body(typed)).await)
    }

    /// The key as the owner's list shows it.
    async fn shown(&self, id: &str) -> ServiceKey {
        let page =
            self.service.service_key_list(&self.owner.request(), &query("/v1/service-keys", &[])).await;
        page.expect("a page").items.into_iter().find(|key| key.id == id).expect("it is listed")
    }

    pub(crate) async fn sign_in(&self, value: &str, source: Option<IpAddr>) -> Result<(), SignIn> {
        match self.service.sign_in(value, source).await {
            Ok(_) => Ok(()),
            Err(Error::SignIn(why)) => Err(why),
            Err(other) => panic!("{other}"),
        }
    }
}

fn id_of(key: &ServiceKey) -> ServiceKeyId {
    key.id.parse().expect("an id")
}

fn value_of(key: &ServiceKey) -> &str {
    key.key.as_deref().expect("the value, this once")
}

async fn made_with_a_name_and_groups(world: World) {
    let group = world.permission_group(&[Permission::ApisRead], None).await;
    let made = world
        .service_key(json!({
            "name": " Build ",
            "permission_group_ids": [group],
            "expires_at": "2027-01-01T00:00:00Z",
            "ip_allow_list": ["10.0.0.1", "2001:db8::/32"],
        }))
        .await;
    assert_eq!((made.name.as_str(), made.status.as_str()), ("Build", "active"));
    assert_eq!(made.expires_at.as_deref(), Some("2027-01-01T00:00:00Z"));
    assert_eq!(made.ip_allow_list, Some(vec!["10.0.0.1/32".to_owned(), "2001:db8::/32".to_owned()]));
    assert_eq!(made.permission_groups.iter().map(|group| &group.id).collect::<Vec<_>>(), [&group]);
    // Left out: the scope and the member of the one who makes it.
    assert_eq!(made.scope, everywhere());
    assert_eq!(made.member_id, Some(world.owner_member_id.to_string()));
    assert_eq!(made.created_by.id, Some(world.owner.caller.service_key_id.to_string()));
    assert_eq!(made.created_by.name, "First key of the owner");
    assert_eq!((made.exceeds_creator, made.last_used_at), (false, None));
}

async fn what_is_wrong_is_named_and_leaves_nothing(world: World) {
    let group = world.permission_group(&[Permission::ApisRead], None).await;
    let never = "pg_01k0vd4ntxe2ra9qv8bm4c4y3e";
    for (members, wrong) in [
        (json!({"name": "  "}), vec!["/name"]),
        (json!({"name": "a\u{202e}b", "expires_at": "soon"}), vec!["/name", "/expires_at"]),
        (json!({"expires_at": "2026-03-01T12:00:00Z"}), vec!["/expires_at"]),
        (json!({"ip_allow_list": []}), vec!["/ip_allow_list"]),
        (json!({"ip_allow_list": ["10.0.0.0/8", "x"]}), vec!["/ip_allow_list/1"]),
        (json!({"permission_group_ids": []}), vec!["/permission_group_ids"]),
        (
            json!({"permission_group_ids": [group, never, group]}),
            vec!["/permission_group_ids/1", "/permission_group_ids/2"],
        ),
        (json!({"scope": {"group_id": "grp_none"}}), vec!["/scope/group_id"]),
        (json!({"scope": {"environment_id": "staging"}}), vec!["/scope/environment_id"]),
        (json!({"member_id": "mbr_none"}), vec!["/member_id"]),
    ] {
        let mut typed = json!({"name": "Key", "permission_group_ids": [group]});
        for (member, value) in members.as_object().expect("an object") {
            typed[member] = value.clone();
        }
        let create: Create = body(typed);
        let refusal = world.refused(world.service.service_key_create(&world.owner.request(), &create)).await;
        assert_eq!(pointers(&refusal), wrong, "{members}");
    }
    let text = json!({"name": format!("old: {}", world.owner.value), "permission_group_ids": [group]});
    let create: Create = body(text);
    let refusal = world.refused(world.service.service_key_create(&world.owner.request(), &create)).await;
    assert_eq!(refusal, Refusal::LooksLikeASecret { pointer: "/name".into() });
}

async fn shown_once_and_masked_ever_after(world: World) {
    let group = world.permission_group(&[Permission::ApisRead], None).await;
    let made = world.service_key(json!({"name": "Key", "permission_group_ids": [group]})).await;
    let value = value_of(&made);
    assert!(value.starts_with("clv_svc_") && value.len() == "clv_svc_".len() + 38, "{}", made.masked);
    let (beginning, end) = (&value[..12], &value[value.len() - 4..]);
    assert_eq!(made.masked, format!("{beginning}…{end}"));
    let read = world.service.service_key_read(&world.owner.request(), id_of(&made)).await.expect("it").body;
    assert_eq!((read.key, read.masked), (None, made.masked.clone()));
    assert_eq!(world.shown(&made.id).await.key, None);
    // Nor is it in the log.
    let events = world.service.event_list(&world.owner.request(), &query("/v1/events", &[])).await;
    let events = serde_json::to_string(&events.expect("a page")).expect("JSON");
    assert!(events.contains(&made.masked) && !events.contains(value));
}

async fn replaced_in_one_step(world: World) {
    let group = world.permission_group(&[Permission::ApisRead], None).await;
    let lost = world
        .service_key(json!({
            "name": "Key",
            "permission_group_ids": [group],
            "scope": {"organization_id": world.organization_id, "environment_id": "sandbox"},
            "expires_at": "2027-01-01T00:00:00Z",
            "ip_allow_list": ["10.0.0.0/8"],
        }))
        .await;
    let request = world.owner.request();
    let written = world.service.service_key_replace(&request, id_of(&lost), &no_reason()).await;
    let made = fresh(written);
    assert_ne!((&made.id, &made.masked), (&lost.id, &lost.masked));
    assert_eq!((&made.name, &made.scope), (&lost.name, &lost.scope));
    assert_eq!(made.permission_groups, lost.permission_groups);
    assert_eq!((&made.expires_at, &made.ip_allow_list), (&lost.expires_at, &lost.ip_allow_list));
    let here = Some("10.0.0.1".parse().expect("an address"));
    assert_eq!(world.sign_in(value_of(&made), here).await, Ok(()));
    assert_eq!(world.sign_in(value_of(&lost), here).await, Err(SignIn::Unauthenticated));
    let again = world.refused(world.service.service_key_replace(&request, id_of(&lost), &no_reason())).await;
    assert_eq!(again, Refusal::NotFound);
    world.set_time(instant("2027-01-01T00:00:00Z"));
    let expired =
        world.refused(world.service.service_key_replace(&request, id_of(&made), &no_reason())).await;
    assert!(matches!(expired, Refusal::InvalidTransition { from: "expired", .. }));
}

async fn deactivated_is_refused_on_the_next_call(world: World) {
    let actor = world.actor(&[Permission::GroupsRead], everywhere()).await;
    let (id, owner) = (actor.caller.service_key_id, world.owner.request());
    let (request, listed) = (actor.request(), query("/v1/groups", &[]));
    let list = async || world.service.group_list(&request, &listed).await;
    list().await.expect("a page");
    let off = fresh(world.service.service_key_deactivate(&owner, id, &no_reason()).await);
    assert_eq!(off.status, "inactive");
    // Signed in before, refused now: rights are read in each transaction.
    assert!(matches!(list().await, Err(Error::SignIn(SignIn::Inactive))));
    assert_eq!(world.sign_in(&actor.value, None).await, Err(SignIn::Inactive));
    let twice = world.refused(world.service.service_key_deactivate(&owner, id, &no_reason())).await;
    let allowed = vec!["activate", "replace"];
    assert_eq!(twice, Refusal::InvalidTransition { from: "inactive", act: "deactivate", allowed });
    fresh(world.service.service_key_activate(&owner, id, &no_reason()).await);
    list().await.expect("a page");
    let twice = world.refused(world.service.service_key_activate(&owner, id, &no_reason())).await;
    assert!(matches!(twice, Refusal::InvalidTransition { from: "active", act: "activate", .. }));
}

async fn groups_change_for_the_next_call(world: World) {
    let actor = world.actor(&[Permission::GroupsRead], everywhere()).await;
    let create = body(json!({"name": "Team"}));
    let refusal = world.refused(world.service.group_create(&actor.request(), &create)).await;
    assert_eq!(refusal, forbidden(Permission::GroupsCreate));
    let wider = world.permission_group(&[Permission::GroupsRead, Permission::GroupsCreate], None).await;
    let put = body(json!({"permission_group_ids": [wider]}));
    let (id, owner) = (actor.caller.service_key_id, world.owner.request());
    let changed = fresh(world.service.service_key_set_permission_groups(&owner, id, &put).await);
    assert_eq!(changed.permission_groups[0].id, wider);
    fresh(world.service.group_create(&actor.request(), &create).await);
    let before = world.events().await;
    fresh(world.service.service_key_set_permission_groups(&owner, id, &put).await);
    assert_eq!(world.events().await, before, "nothing changed, so nothing is logged");
    // Narrowing needs none of what is taken.
    let may_put = [Permission::ServiceKeysRead, Permission::ServiceKeysPermissionGroups];
    let other =
        world.actor(&[&may_put[..], &[Permission::PermissionGroupsRead]].concat(), everywhere()).await;
    let both = body(
        json!({"permission_group_ids": [wider, world.permission_group(&[Permission::ApisRead], None).await]}),
    );
    fresh(world.service.service_key_set_permission_groups(&owner, id, &both).await);
    fresh(world.service.service_key_set_permission_groups(&other.request(), id, &put).await);
}

async fn renamed_and_deleted(world: World) {
    let actor = world.actor(&[Permission::GroupsRead], everywhere()).await;
    let (id, owner) = (actor.caller.service_key_id, world.owner.request());
    let rename = body(json!({"name": "Other"}));
    assert_eq!(fresh(world.service.service_key_update(&owner, id, &rename).await).name, "Other");
    let group = world.shown(&id.to_string()).await.permission_groups[0].id.clone();
    world.service.service_key_delete(&owner, id).await.expect("deleted");
    assert_eq!(world.sign_in(&actor.value, None).await, Err(SignIn::Unauthenticated));
    let read = world.refused(world.service.service_key_read(&owner, id)).await;
    assert_eq!(read, Refusal::NotFound);
    // What it used is free.
    let group = group.parse().expect("an id");
    world.service.permission_group_delete(&owner, group).await.expect("nobody uses it");
}

async fn good_until_it_expires_and_from_its_addresses(world: World) {
    let limits = Limits {
        expires_at: Some(world.now().plus_seconds(60)),
        ip_allow_list: Some(vec!["10.0.0.0/8".to_owned(), "2001:db8::/32".to_owned()]),
        ..Limits::default()
    };
    let actor = world.limited_actor(&[Permission::GroupsRead], everywhere(), limits).await;
    for (source, answer) in [
        (Some("10.9.8.7"), Ok(())),
        (Some("::ffff:10.9.8.7"), Ok(())),
        (Some("2001:db8::1"), Ok(())),
        (Some("11.0.0.1"), Err(SignIn::IpDenied)),
        (None, Err(SignIn::IpDenied)),
    ] {
        let address = source.map(|text| text.parse().expect("an address"));
        assert_eq!(world.sign_in(&actor.value, address).await, answer, "{source:?}");
    }
    world.set_time(world.now().plus_seconds(60));
    let address = Some("10.0.0.1".parse().expect("an address"));
    assert_eq!(world.sign_in(&actor.value, address).await, Err(SignIn::Expired));
    let read = world.service.group_list(&actor.request(), &query("/v1/groups", &[])).await;
    assert!(matches!(read, Err(Error::SignIn(SignIn::Expired))));
}

async fn what_a_limited_key_makes_is_limited_alike(world: World) {
    let tomorrow = world.now().plus_seconds(86_400);
    let limits = Limits {
        expires_at: Some(tomorrow),
        ip_allow_list: Some(vec!["10.0.0.0/8".to_owned()]),
        ..Limits::default()
    };
    let all: Vec<_> = Permission::ALL.to_vec();
    let maker = world.limited_actor(&all, everywhere(), limits).await;
    let group = world.permission_group(&[Permission::ApisRead], None).await;
    let make = async |members: Value| {
        let mut typed = json!({"name": "Key", "permission_group_ids": [group]});
        for (member, value) in members.as_object().expect("an object") {
            typed[member] = value.clone();
        }
        world.service.service_key_create(&maker.request(), &body(typed)).await
    };
    let made = fresh(make(json!({})).await);
    assert_eq!(made.expires_at, Some(tomorrow.to_string()));
    assert_eq!(made.ip_allow_list, Some(vec!["10.0.0.0/8".to_owned()]));
    let sooner = world.now().plus_seconds(60).to_string();
    let made = fresh(make(json!({"expires_at": sooner, "ip_allow_list": ["10.1.2.3"]})).await);
    assert_eq!((made.expires_at, made.ip_allow_list), (Some(sooner), Some(vec!["10.1.2.3/32".to_owned()])));
    for (members, wrong) in [
        (json!({"expires_at": tomorrow.plus_seconds(1).to_string()}), "/expires_at"),
        (json!({"ip_allow_list": ["10.0.0.0/8", "11.0.0.1"]}), "/ip_allow_list"),
    ] {
        assert_eq!(pointers(&world.refused(make(members)).await), [wrong]);
    }
}

async fn a_key_goes_on_when_its_maker_loses_rights(world: World) {
    let making = [Permission::ServiceKeysCreate, Permission::PermissionGroupsRead, Permission::GroupsRead];
    let maker = world.actor(&making, everywhere()).await;
    let group = world.permission_group(&[Permission::GroupsRead], None).await;
    let create = body(json!({"name": "Made", "permission_group_ids": [group]}));
    let made = fresh(world.service.service_key_create(&maker.request(), &create).await);
    assert!(!made.exceeds_creator);
    let less = world.permission_group(&[Permission::ServiceKeysCreate], None).await;
    let put = body(json!({"permission_group_ids": [less]}));
    let (owner, maker_id) = (world.owner.request(), maker.caller.service_key_id);
    fresh(world.service.service_key_set_permission_groups(&owner, maker_id, &put).await);
    assert!(world.shown(&made.id).await.exceeds_creator);
    assert_eq!(world.sign_in(value_of(&made), None).await, Ok(()));
    // The mark is no change of the key: its entity tag stays.
    world.service.service_key_delete(&owner, maker_id).await.expect("deleted");
    assert!(world.shown(&made.id).await.exceeds_creator);
    assert_eq!(world.sign_in(value_of(&made), None).await, Ok(()));
}

async fn last_use_is_kept_to_the_minute_off_the_calls_path(world: World) {
    let group = world.permission_group(&[Permission::ApisRead], None).await;
    let typed = json!({"name": "Key", "permission_group_ids": [group], "ip_allow_list": ["10.0.0.0/8"]});
    let key = world.service_key(typed).await;
    world.service.flush_usage().await.expect("written");
    let here = Some("10.0.0.1".parse().expect("an address"));
    // Refused attempts are no use of it.
    assert_eq!(world.sign_in(value_of(&key), None).await, Err(SignIn::IpDenied));
    world.service.flush_usage().await.expect("written");
    assert_eq!(world.shown(&key.id).await.last_used_at, None);
    world.set_time(instant("2026-03-02T08:15:42Z"));
    let before = world.events().await;
    assert_eq!(world.sign_in(value_of(&key), here).await, Ok(()));
    assert_eq!(world.shown(&key.id).await.last_used_at, None, "not written by the call itself");
    world.service.flush_usage().await.expect("written");
    let shown = world.shown(&key.id).await;
    assert_eq!(shown.last_used_at.as_deref(), Some("2026-03-02T08:15:00Z"));
    assert_eq!(shown.last_used_from.as_deref(), Some("10.0.0.1"));
    assert_eq!(world.events().await, before);
    assert_eq!(world.service.flush_usage().await.expect("written"), 0);
}

async fn what_a_scope_does_not_cover_is_not_there(world: World) {
    let other = world.other_organization().await;
    let reading = [Permission::ServiceKeysRead, Permission::ServiceKeysDeactivate];
    let actor = world.actor(&reading, in_organization(world.organization_id)).await;
    let theirs = world.actor(&[Permission::ApisRead], in_organization(&other.organization_id)).await;
    let mine = world.actor(&[Permission::ApisRead], in_organization(world.organization_id)).await;
    let never: ServiceKeyId = "svk_01k0vd4ntxe2ra9qv8bm4c4y3e".parse().expect("an id");
    for id in [theirs.caller.service_key_id, never] {
        let read = world.refused(world.service.service_key_read(&actor.request(), id)).await;
        assert_eq!(read, Refusal::NotFound);
        let request = actor.request();
        let act = world.refused(world.service.service_key_deactivate(&request, id, &no_reason())).await;
        assert_eq!(act, Refusal::NotFound);
    }
    let rename = body(json!({"name": "Mine now"}));
    let act = world
        .refused(world.service.service_key_update(&actor.request(), mine.caller.service_key_id, &rename))
        .await;
    assert_eq!(act, forbidden(Permission::ServiceKeysUpdate));
    let listed = world.service.service_key_list(&actor.request(), &query("/v1/service-keys", &[])).await;
    let ids: Vec<_> = listed.expect("a page").items.into_iter().map(|key| key.id).collect();
    assert!(ids.contains(&mine.caller.service_key_id.to_string()));
    assert!(!ids.contains(&theirs.caller.service_key_id.to_string()));
}

async fn many_at_once_are_all_or_none(world: World) {
    let group = world.permission_group(&[Permission::ApisRead], None).await;
    let item = |name: &str| json!({"name": name, "permission_group_ids": [group]});
    let request = world.owner.request();
    let made = fresh(
        world
            .service
            .service_key_create_bulk(&request, &body(json!({"items": [item("A"), item("B")]})))
            .await,
    );
    for key in &made.items {
        assert_eq!(world.sign_in(value_of(key), None).await, Ok(()));
    }
    let wrong = body(json!({"items": [item("C"), item(" ")]}));
    let refusal = world.refused(world.service.service_key_create_bulk(&request, &wrong)).await;
    assert_eq!(pointers(&refusal), ["/items/1/name"]);
}
