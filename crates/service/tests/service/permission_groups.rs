//! Permission groups: the roles that come with an Organization, what is gained by editing one, and that
//! one in use stays.

use claviger_domain::id::PermissionGroupId;
use claviger_domain::permission::Permission;
use claviger_domain::permission_groups::DefaultRole;
use claviger_domain::refusal::Refusal;
use claviger_wire::permission_groups::PermissionGroup;
use serde_json::json;

use crate::world::{World, body, everywhere, forbidden, fresh, pointers, query};

on_both_databases!(
    every_permission_is_listed,
    default_roles_can_be_edited_but_owner,
    what_is_wrong_is_named,
    one_in_use_stays,
    editing_one_changes_what_its_keys_may_do,
    an_unused_one_gives_nobody_anything,
);

impl World {
    async fn default_role(&self, role: DefaultRole) -> PermissionGroup {
        let listed = query("/v1/permission-groups", &[("q", role.as_str())]);
        let page = self.service.permission_group_list(&self.owner.request(), &listed).await.expect("a page");
        let named = |group: &PermissionGroup| group.default_role.as_deref() == Some(role.as_str());
        page.items.into_iter().find(named).expect("a default role")
    }
}

fn id_of(group: &PermissionGroup) -> PermissionGroupId {
    group.id.parse().expect("an id")
}

async fn every_permission_is_listed(world: World) {
    let listed = world.service.permission_list();
    assert_eq!(listed.len(), Permission::ALL.len());
    assert!(
        listed.iter().all(|permission| permission.name.contains(':') && !permission.description.is_empty())
    );
}

async fn default_roles_can_be_edited_but_owner(world: World) {
    let request = world.owner.request();
    for role in DefaultRole::ALL {
        let group = world.default_role(role).await;
        let wanted: Vec<_> = role.permissions().iter().map(ToString::to_string).collect();
        assert_eq!(group.permissions, wanted, "{role:?}");
    }
    let guest = world.default_role(DefaultRole::Guest).await;
    let wider = body(json!({"name": "visitor", "permissions": ["apis:read", "key_sets:read"]}));
    let edited = fresh(world.service.permission_group_update(&request, id_of(&guest), &wider).await);
    assert_eq!((edited.name.as_str(), edited.permissions.len()), ("visitor", 2));
    assert_eq!(edited.default_role.as_deref(), Some("guest"));
    let owner = world.default_role(DefaultRole::Owner).await;
    let less = body(json!({"permissions": ["apis:read"]}));
    let refusal = world.refused(world.service.permission_group_update(&request, id_of(&owner), &less)).await;
    assert_eq!(pointers(&refusal), ["/permissions"]);
    let renamed = body(json!({"name": "boss"}));
    fresh(world.service.permission_group_update(&request, id_of(&owner), &renamed).await);
    let refusal = world.refused(world.service.permission_group_delete(&request, id_of(&owner))).await;
    assert_eq!(refusal, Refusal::LastOwner);
    world.service.permission_group_delete(&request, id_of(&guest)).await.expect("nobody holds it");
}

async fn what_is_wrong_is_named(world: World) {
    let request = world.owner.request();
    for (typed, wrong) in [
        (json!({"name": "", "permissions": []}), vec!["/name", "/permissions"]),
        (
            json!({"name": "A", "permissions": ["apis:read", "apis:fly", world.owner.value]}),
            vec!["/permissions/1", "/permissions/2"],
        ),
    ] {
        let refusal = world.refused(world.service.permission_group_create(&request, &body(typed))).await;
        assert_eq!(pointers(&refusal), wrong);
        assert!(!format!("{refusal:?}").contains(&world.owner.value));
    }
    let taken = body(json!({"name": "OWNER", "permissions": ["apis:read"]}));
    let refusal = world.refused(world.service.permission_group_create(&request, &taken)).await;
    assert_eq!(refusal, Refusal::NameTaken { pointer: "/name".into() });
}

async fn one_in_use_stays(world: World) {
    let request = world.owner.request();
    let actor = world.actor(&[Permission::ApisRead], everywhere()).await;
    let current = world.service.service_key_current(&actor.request()).await.expect("itself").body;
    let group: PermissionGroupId = current.permission_groups[0].id.parse().expect("an id");
    let in_use = world.refused(world.service.permission_group_delete(&request, group)).await;
    assert!(matches!(in_use, Refusal::InUse { users } if users[0].id == current.id));
    let other = world.permission_group(&[Permission::ApisRead], None).await;
    let put = body(json!({"permission_group_ids": [other]}));
    let id = actor.caller.service_key_id;
    fresh(world.service.service_key_set_permission_groups(&request, id, &put).await);
    world.service.permission_group_delete(&request, group).await.expect("nobody uses it");
}

async fn editing_one_changes_what_its_keys_may_do(world: World) {
    let request = world.owner.request();
    let actor = world.actor(&[Permission::GroupsRead], everywhere()).await;
    let current = world.service.service_key_current(&actor.request()).await.expect("itself").body;
    let group: PermissionGroupId = current.permission_groups[0].id.parse().expect("an id");
    let create = body(json!({"name": "Team"}));
    let refusal = world.refused(world.service.group_create(&actor.request(), &create)).await;
    assert_eq!(refusal, forbidden(Permission::GroupsCreate));
    let wider = body(json!({"permissions": ["groups:create", "groups:read"]}));
    fresh(world.service.permission_group_update(&request, group, &wider).await);
    fresh(world.service.group_create(&actor.request(), &create).await);
    let narrower = body(json!({"permissions": ["groups:read"]}));
    fresh(world.service.permission_group_update(&request, group, &narrower).await);
    let create = body(json!({"name": "Another"}));
    let refusal = world.refused(world.service.group_create(&actor.request(), &create)).await;
    assert_eq!(refusal, forbidden(Permission::GroupsCreate));
}

async fn an_unused_one_gives_nobody_anything(world: World) {
    // Nobody gains by a set of permissions until somebody has it: then what is in it is asked for.
    let making = [
        Permission::PermissionGroupsRead,
        Permission::PermissionGroupsCreate,
        Permission::PermissionGroupsUpdate,
        Permission::ServiceKeysCreate,
    ];
    let actor = world.actor(&making, everywhere()).await;
    let create = body(json!({"name": "All", "permissions": ["apis:delete"]}));
    let made = fresh(world.service.permission_group_create(&actor.request(), &create).await);
    let key = body(json!({"name": "Mine", "permission_group_ids": [made.id]}));
    let refusal = world.refused(world.service.service_key_create(&actor.request(), &key)).await;
    assert_eq!(refusal, forbidden(Permission::ApisDelete));
    // Nor by one's own: what the group already has is no gain, what is added is.
    let current = world.service.service_key_current(&actor.request()).await.expect("itself").body;
    let own: PermissionGroupId = current.permission_groups[0].id.parse().expect("an id");
    let mut names: Vec<_> = making.iter().map(ToString::to_string).collect();
    names.push("apis:delete".to_owned());
    let wider = body(json!({"permissions": names}));
    let refusal = world.refused(world.service.permission_group_update(&actor.request(), own, &wider)).await;
    assert_eq!(refusal, forbidden(Permission::ApisDelete));
}
