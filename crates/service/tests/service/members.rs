//! Members and their roles: mail addresses unique in the Organization, the last Owner, grants at a scope.

use claviger_domain::id::{MemberId, PermissionGroupId};
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_wire::members::Member;
use claviger_wire::scope::Scope;
use serde_json::{Value, json};

use crate::world::{World, body, everywhere, forbidden, fresh, in_organization, pointers, query};

on_both_databases!(
    mail_addresses_are_unique_in_the_organization,
    fields_are_checked,
    the_last_owner_stays,
    the_last_owner_of_everything_stays,
    a_member_in_use_stays_and_roles_go_with_one,
    roles_are_granted_at_a_scope_and_taken,
    found_by_name_mail_and_group,
    a_group_shares_the_members_of_its_organization,
);

impl World {
    async fn person(&self, typed: Value) -> Member {
        fresh(self.service.member_create(&self.owner.request(), &body(typed)).await)
    }

    async fn role(&self, name: &str) -> String {
        let listed =
            query("/v1/permission-groups", &[("organization_id", &self.organization_id.to_string())]);
        let page = self.service.permission_group_list(&self.owner.request(), &listed).await.expect("a page");
        page.items.into_iter().find(|group| group.name == name).expect("a role").id
    }

    async fn read_member(&self, id: MemberId) -> Member {
        self.service.member_read(&self.owner.request(), id).await.expect("a member").body
    }
}

fn id_of(member: &Member) -> MemberId {
    member.id.parse().expect("an id")
}

async fn mail_addresses_are_unique_in_the_organization(world: World) {
    let ada = world.person(json!({"name": "Ada", "email": " Ada@Example.com "})).await;
    assert_eq!(ada.email, "ada@example.com");
    let again = body(json!({"name": "Other", "email": "ADA@example.COM"}));
    let request = world.owner.request();
    let refusal = world.refused(world.service.member_create(&request, &again)).await;
    assert_eq!(refusal, Refusal::NameTaken { pointer: "/email".into() });
    // Who works for two has an account in each; neither can tell that the other has one.
    let other = world.other_organization().await.organization_id;
    world.person(json!({"name": "Ada", "email": "ada@example.com", "organization_id": other})).await;
    world.service.member_delete(&request, id_of(&ada)).await.expect("deleted");
    world.person(json!({"name": "Ada", "email": "ada@example.com"})).await;
}

async fn fields_are_checked(world: World) {
    let request = world.owner.request();
    let other = world.other_organization().await;
    for (typed, wrong) in [
        (json!({"name": "", "email": "ada"}), vec!["/name", "/email"]),
        (json!({"name": "Ada", "email": "a b@example.com"}), vec!["/email"]),
        (
            json!({"name": "Ada", "email": "a@b.c", "group_ids": [other.group_id, "x"]}),
            vec!["/group_ids/0", "/group_ids/1"],
        ),
        (json!({"name": "Ada", "email": "a@b.c", "group_ids": vec!["x"; 101]}), vec!["/group_ids"]),
    ] {
        let refusal = world.refused(world.service.member_create(&request, &body(typed))).await;
        assert_eq!(pointers(&refusal), wrong);
    }
    let secret = body(json!({"name": "Ada", "email": format!("{}@example.com", world.owner.value)}));
    let refusal = world.refused(world.service.member_create(&request, &secret)).await;
    assert_eq!(refusal, Refusal::LooksLikeASecret { pointer: "/email".into() });
}

async fn the_last_owner_stays(world: World) {
    let request = world.owner.request();
    let first = world.read_member(world.owner_member_id).await;
    let grant = first.roles[0].id.parse().expect("an id");
    // The first service key counts as the owner, who is in use by it: the roles can't go either.
    let taken = world.refused(world.service.role_grant_delete(&request, id_of(&first), grant)).await;
    assert_eq!(taken, Refusal::LastOwner);
    let second = world.person(json!({"name": "Second", "email": "second@example.com"})).await;
    let owner = world.role("owner").await;
    // An Owner of one Group or one Environment is none of the Organization.
    let narrower = body(json!({"permission_group_id": owner, "scope": {"environment_id": "sandbox"}}));
    fresh(world.service.role_grant_create(&request, id_of(&second), &narrower).await);
    let taken = world.refused(world.service.role_grant_delete(&request, id_of(&first), grant)).await;
    assert_eq!(taken, Refusal::LastOwner);
    let everything = body(json!({"permission_group_id": owner, "scope": {}}));
    let second_grant = fresh(world.service.role_grant_create(&request, id_of(&second), &everything).await);
    world.service.role_grant_delete(&request, id_of(&first), grant).await.expect("another is there");
    let second_grant = second_grant.id.parse().expect("an id");
    let taken = world.refused(world.service.role_grant_delete(&request, id_of(&second), second_grant)).await;
    assert_eq!(taken, Refusal::LastOwner);
    let deleted = world.refused(world.service.member_delete(&request, id_of(&second))).await;
    assert_eq!(deleted, Refusal::LastOwner);
    let group: PermissionGroupId = owner.parse().expect("an id");
    let deleted = world.refused(world.service.permission_group_delete(&request, group)).await;
    assert_eq!(deleted, Refusal::LastOwner);
}

async fn the_last_owner_of_everything_stays(world: World) {
    let request = world.owner.request();
    let second = world.person(json!({"name": "Second", "email": "second@example.com"})).await;
    let of_organization = body(json!({"permission_group_id": world.role("owner").await}));
    fresh(world.service.role_grant_create(&request, id_of(&second), &of_organization).await);
    // The Organization would keep an Owner, the instance would not.
    let first = world.read_member(world.owner_member_id).await;
    let grant = first.roles[0].id.parse().expect("an id");
    let taken = world.refused(world.service.role_grant_delete(&request, id_of(&first), grant)).await;
    assert_eq!(taken, Refusal::LastOwner);
    // Nor can one who may do all in the Organization take what is held for everything.
    let here = world.actor(Permission::ALL, in_organization(world.organization_id)).await;
    let taken = world.refused(world.service.role_grant_delete(&here.request(), id_of(&first), grant)).await;
    assert_eq!(taken, forbidden(Permission::RoleGrantsDelete));
}

async fn a_member_in_use_stays_and_roles_go_with_one(world: World) {
    let request = world.owner.request();
    let ada = world.person(json!({"name": "Ada", "email": "ada@example.com"})).await;
    let role = world.permission_group(&[Permission::ApisRead], None).await;
    let grant = body(json!({"permission_group_id": role}));
    fresh(world.service.role_grant_create(&request, id_of(&ada), &grant).await);
    let limits = crate::world::Limits { member_id: Some(id_of(&ada)), ..Default::default() };
    let key = world.limited_actor(&[Permission::ApisRead], everywhere(), limits).await.caller.service_key_id;
    let Refusal::InUse { users } = world.refused(world.service.member_delete(&request, id_of(&ada))).await
    else {
        panic!("in use")
    };
    assert_eq!(users[0].id, key.to_string());
    let group: PermissionGroupId = role.parse().expect("an id");
    let in_use = world.refused(world.service.permission_group_delete(&request, group)).await;
    assert!(matches!(in_use, Refusal::InUse { users } if users[0].id == ada.id));
    world.service.service_key_delete(&request, key).await.expect("deleted");
    world.service.member_delete(&request, id_of(&ada)).await.expect("nobody uses it");
    let gone = world.refused(world.service.member_read(&request, id_of(&ada))).await;
    assert_eq!(gone, Refusal::NotFound);
    world.service.permission_group_delete(&request, group).await.expect("nobody holds it");
}

async fn roles_are_granted_at_a_scope_and_taken(world: World) {
    let request = world.owner.request();
    let ada = world.person(json!({"name": "Ada", "email": "ada@example.com"})).await;
    let role = world.permission_group(&[Permission::KeySetsRead], None).await;
    let wanted = json!({"permission_group_id": role, "scope": {
        "organization_id": world.organization_id, "environment_id": "sandbox"}});
    let granted = fresh(world.service.role_grant_create(&request, id_of(&ada), &body(wanted.clone())).await);
    assert_eq!(granted.permission_group.id, role);
    assert!(granted.scope.environment_id.as_deref().is_some_and(|id| id.starts_with("env_")));
    let twice = world.refused(world.service.role_grant_create(&request, id_of(&ada), &body(wanted))).await;
    assert_eq!(twice, Refusal::NameTaken { pointer: "/permission_group_id".into() });
    let whole = body(json!({"permission_group_id": role}));
    let whole = fresh(world.service.role_grant_create(&request, id_of(&ada), &whole).await);
    assert_eq!(whole.scope, in_organization(world.organization_id));
    let shown = world.read_member(id_of(&ada)).await;
    assert_eq!(shown.roles.iter().map(|it| &it.id).collect::<Vec<_>>(), [&granted.id, &whole.id]);
    let grant = granted.id.parse().expect("an id");
    world.service.role_grant_delete(&request, id_of(&ada), grant).await.expect("taken");
    let again = world.refused(world.service.role_grant_delete(&request, id_of(&ada), grant)).await;
    assert_eq!(again, Refusal::NotFound);
    assert_eq!(world.read_member(id_of(&ada)).await.roles.len(), 1);
    // Another member's grant is none of this one's.
    let whole = whole.id.parse().expect("an id");
    let other = world.refused(world.service.role_grant_delete(&request, world.owner_member_id, whole)).await;
    assert_eq!(other, Refusal::NotFound);
}

async fn found_by_name_mail_and_group(world: World) {
    let request = world.owner.request();
    let group = fresh(world.service.group_create(&request, &body(json!({"name": "Team"}))).await).id;
    world
        .person(json!({"name": "Ada Lovelace", "email": "countess@example.com", "group_ids": [group]}))
        .await;
    world.person(json!({"name": "Grace Hopper", "email": "grace@navy.example"})).await;
    let found = async |pairs: &[(&str, &str)]| {
        let listed = query("/v1/members", pairs);
        let page = world.service.member_list(&request, &listed).await.expect("a page");
        page.items.into_iter().map(|member| member.name).collect::<Vec<_>>()
    };
    assert_eq!(found(&[("q", "LOVE")]).await, ["Ada Lovelace"]);
    assert_eq!(found(&[("q", "navy")]).await, ["Grace Hopper"]);
    assert_eq!(found(&[("group_id", &group)]).await, ["Ada Lovelace"]);
    assert_eq!(found(&[("q", "%")]).await, Vec::<String>::new());
    assert_eq!(found(&[("sort", "name")]).await, ["Ada Lovelace", "Grace Hopper", "owner@example.com"]);
}

/// As templates and the catalog: members belong to the Organization, and whoever runs a Group gives roles in
/// it to those who are not in it yet.
async fn a_group_shares_the_members_of_its_organization(world: World) {
    let colleague = world.person(json!({"name": "Grace", "email": "grace@example.com"})).await;
    let other = world.other_organization().await.organization_id;
    let theirs = json!({"name": "Eve", "email": "eve@example.com", "organization_id": other});
    let stranger = world.person(theirs).await;
    let group =
        fresh(world.service.group_create(&world.owner.request(), &body(json!({"name": "Team"}))).await);
    let scope = Scope {
        organization_id: Some(world.organization_id.to_string()),
        group_id: Some(group.id),
        environment_id: None,
    };
    let limited = world.actor(&[Permission::MembersRead, Permission::MembersUpdate], scope).await;
    let request = limited.request();
    let seen = world.service.member_list(&request, &query("/v1/members", &[])).await.expect("a page").items;
    assert!(seen.iter().any(|member| member.id == colleague.id), "{seen:?}");
    assert!(seen.iter().all(|member| member.id != stranger.id), "{seen:?}");
    // Seeing is all: the member does not stand in the Group.
    let rename = body(json!({"name": "Other"}));
    let refusal = world.refused(world.service.member_update(&request, id_of(&colleague), &rename)).await;
    assert_eq!(refusal, forbidden(Permission::MembersUpdate));
}
