//! Nobody gives what they have not (product.md E5): every act by which anybody gains something, against
//! actors that lack just one thing of what is gained.

use claviger_domain::id::{MemberId, ServiceKeyId};
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_service::Error;
use claviger_wire::scope::Scope;
use serde_json::{Value, json};

use crate::workspace::no_reason;
use crate::world::{Actor, Limits, World, body, everywhere, forbidden, fresh, in_organization, pointers};

on_both_databases!(
    one_permission_short,
    a_narrower_scope,
    one_environment_only,
    less_time,
    fewer_addresses,
    another_member,
    all_that_is_gained,
    what_a_group_limited_actor_gives,
);

/// All that the acts themselves need.
const ADMINISTERING: &[Permission] = &[
    Permission::OrganizationsRead,
    Permission::GroupsRead,
    Permission::EnvironmentsRead,
    Permission::MembersRead,
    Permission::RoleGrantsCreate,
    Permission::PermissionGroupsRead,
    Permission::PermissionGroupsUpdate,
    Permission::ServiceKeysRead,
    Permission::ServiceKeysCreate,
    Permission::ServiceKeysActivate,
    Permission::ServiceKeysReplace,
    Permission::ServiceKeysPermissionGroups,
];
/// What those have who gain something, before.
const HAD: Permission = Permission::ApisRead;
/// What they gain.
const GAINED: Permission = Permission::ApisDelete;

/// The acts by which somebody gains something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    GrantRole,
    WidenPermissionGroup,
    CreateServiceKey,
    ActivateServiceKey,
    ReplaceServiceKey,
    PutPermissionGroups,
}

const ACTS: [Act; 6] = [
    Act::GrantRole,
    Act::WidenPermissionGroup,
    Act::CreateServiceKey,
    Act::ActivateServiceKey,
    Act::ReplaceServiceKey,
    Act::PutPermissionGroups,
];

/// On whom the acts are tried: whoever gains does so at `scope`.
struct Targets {
    scope: Scope,
    member: MemberId,
    /// Allows [`GAINED`].
    gained_group: String,
    /// Allows [`HAD`], and is held by [`Targets::key_with_less`].
    small_group: String,
    inactive_key: ServiceKeyId,
    lost_key: ServiceKeyId,
    key_with_less: ServiceKeyId,
}

impl Targets {
    async fn at(world: &World, scope: Scope) -> Self {
        Self::counting_as(world, scope, Value::Null).await
    }

    /// The same, the keys counting as another member than the owner.
    async fn counting_as(world: &World, scope: Scope, member_id: Value) -> Self {
        let gained_group = world.permission_group(&[GAINED], None).await;
        let small_group = world.permission_group(&[HAD], None).await;
        let key = async |group: &str| -> ServiceKeyId {
            let create = body(json!({
                "name": world.fresh_word("Target"),
                "permission_group_ids": [group],
                "scope": scope,
                "member_id": member_id,
            }));
            let made = world.service.service_key_create(&world.owner.request(), &create).await;
            fresh(made).id.parse().expect("an id")
        };
        let (inactive_key, lost_key) = (key(&gained_group).await, key(&gained_group).await);
        let request = world.owner.request();
        fresh(world.service.service_key_deactivate(&request, inactive_key, &no_reason()).await);
        let key_with_less = key(&small_group).await;
        let member = world.member().await;
        Self { scope, member, gained_group, small_group, inactive_key, lost_key, key_with_less }
    }
}

impl World {
    async fn member(&self) -> MemberId {
        let email = format!("{}@example.com", self.fresh_word("member").replace(' ', "-"));
        let create = body(json!({"name": "Somebody", "email": email}));
        let made = self.service.member_create(&self.owner.request(), &create).await;
        fresh(made).id.parse().expect("an id")
    }

    /// Tries one act; `limits` are members of the body of a new service key.
    async fn gain(&self, actor: &Actor, act: Act, targets: &Targets, limits: &Value) -> Result<(), Error> {
        let (service, request) = (&self.service, actor.request());
        match act {
            Act::GrantRole => {
                let grant =
                    body(json!({"permission_group_id": targets.gained_group, "scope": targets.scope}));
                service.role_grant_create(&request, targets.member, &grant).await.map(drop)
            }
            Act::WidenPermissionGroup => {
                let id = targets.small_group.parse().expect("an id");
                let wider = body(json!({"permissions": [HAD.as_str(), GAINED.as_str()]}));
                service.permission_group_update(&request, id, &wider).await.map(drop)
            }
            Act::CreateServiceKey => {
                let mut typed = json!({
                    "name": "Made",
                    "permission_group_ids": [targets.gained_group],
                    "scope": targets.scope,
                });
                for (member, value) in limits.as_object().into_iter().flatten() {
                    typed[member] = value.clone();
                }
                service.service_key_create(&request, &body(typed)).await.map(drop)
            }
            Act::ActivateServiceKey => {
                service.service_key_activate(&request, targets.inactive_key, &no_reason()).await.map(drop)
            }
            Act::ReplaceServiceKey => {
                service.service_key_replace(&request, targets.lost_key, &no_reason()).await.map(drop)
            }
            Act::PutPermissionGroups => {
                let groups =
                    body(json!({"permission_group_ids": [targets.small_group, targets.gained_group]}));
                let id = targets.key_with_less;
                service.service_key_set_permission_groups(&request, id, &groups).await.map(drop)
            }
        }
    }

    /// Tries all acts, each of which must be refused as `expected` says and write nothing.
    async fn refuses_all(
        &self,
        actor: &Actor,
        targets: &Targets,
        limits: Value,
        expected: impl Fn(Act) -> Refusal,
    ) {
        for act in ACTS {
            let refusal = self.refused(self.gain(actor, act, targets, &limits)).await;
            match (&refusal, expected(act)) {
                // What is wrong with a body is compared by its pointers: the words are for people.
                (Refusal::Invalid(_), Refusal::Invalid(wanted)) => {
                    let wanted: Vec<_> = wanted.iter().map(|error| error.pointer.as_str()).collect();
                    assert_eq!(pointers(&refusal), wanted, "{act:?}");
                }
                (_, wanted) => assert_eq!(refusal, wanted, "{act:?}"),
            }
        }
    }

    fn with(&self, more: &[Permission]) -> Vec<Permission> {
        [ADMINISTERING, more].concat()
    }
}

async fn one_permission_short(world: World) {
    let here = in_organization(world.organization_id);
    let targets = Targets::at(&world, here.clone()).await;
    let actor = world.actor(&world.with(&[HAD]), here).await;
    world.refuses_all(&actor, &targets, json!({}), |_| forbidden(GAINED)).await;
}

async fn a_narrower_scope(world: World) {
    let here = in_organization(world.organization_id);
    let targets = Targets::at(&world, everywhere()).await;
    let actor = world.actor(&world.with(&[HAD, GAINED]), here).await;
    let expected = |act| match act {
        Act::GrantRole => forbidden(Permission::RoleGrantsCreate),
        Act::CreateServiceKey => forbidden(Permission::ServiceKeysCreate),
        _ => forbidden(if act == Act::PutPermissionGroups { HAD } else { GAINED }),
    };
    world.refuses_all(&actor, &targets, json!({}), expected).await;
}

async fn one_environment_only(world: World) {
    let here = in_organization(world.organization_id);
    let in_sandbox = Scope { environment_id: Some("sandbox".to_owned()), ..here.clone() };
    let actor = world.actor(&world.with(&[HAD, GAINED]), in_sandbox.clone()).await;
    // What has no Environment is not there for the actor, ...
    let everywhere_here = Targets::at(&world, here.clone()).await;
    let expected = |act| match act {
        Act::CreateServiceKey => forbidden(Permission::ServiceKeysCreate),
        _ => Refusal::NotFound,
    };
    world.refuses_all(&actor, &everywhere_here, json!({}), expected).await;
    // ... nor is what has another.
    let in_production = Scope { environment_id: Some("production".to_owned()), ..here };
    let elsewhere = Targets::at(&world, in_production).await;
    let expected = |act| match act {
        Act::CreateServiceKey => Refusal::invalid("/scope/environment_id", ""),
        _ => Refusal::NotFound,
    };
    world.refuses_all(&actor, &elsewhere, json!({}), expected).await;
    // In its own Environment it can replace what it can do itself.
    let same = Targets::at(&world, in_sandbox).await;
    world.gain(&actor, Act::ReplaceServiceKey, &same, &json!({})).await.expect("its own scope");
}

async fn less_time(world: World) {
    let here = in_organization(world.organization_id);
    let targets = Targets::at(&world, here.clone()).await;
    let tomorrow = world.now().plus_seconds(86_400);
    let limits = Limits { expires_at: Some(tomorrow), ..Limits::default() };
    let actor = world.limited_actor(&world.with(&[HAD, GAINED]), here, limits).await;
    let longer = json!({"expires_at": tomorrow.plus_seconds(1).to_string()});
    let expected = |act| match act {
        Act::CreateServiceKey => Refusal::invalid("/expires_at", ""),
        Act::PutPermissionGroups => forbidden(HAD),
        _ => forbidden(GAINED),
    };
    world.refuses_all(&actor, &targets, longer, expected).await;
}

async fn fewer_addresses(world: World) {
    let here = in_organization(world.organization_id);
    let targets = Targets::at(&world, here.clone()).await;
    let limits = Limits { ip_allow_list: Some(vec!["10.1.0.0/16".to_owned()]), ..Limits::default() };
    let actor = world.limited_actor(&world.with(&[HAD, GAINED]), here, limits).await;
    let wider = json!({"ip_allow_list": ["10.0.0.0/8"]});
    let expected = |act| match act {
        Act::CreateServiceKey => Refusal::invalid("/ip_allow_list", ""),
        Act::PutPermissionGroups => forbidden(HAD),
        _ => forbidden(GAINED),
    };
    world.refuses_all(&actor, &targets, wider, expected).await;
}

async fn another_member(world: World) {
    let here = in_organization(world.organization_id);
    let member = world.member().await.to_string();
    let targets = Targets::counting_as(&world, here.clone(), json!(member)).await;
    let actor = world.actor(&world.with(&[HAD, GAINED]), here.clone()).await;
    let of_keys = [Act::ActivateServiceKey, Act::ReplaceServiceKey, Act::PutPermissionGroups];
    for act in of_keys {
        let refusal = world.refused(world.gain(&actor, act, &targets, &json!({}))).await;
        assert_eq!(refusal, forbidden(Permission::ServiceKeysActFor), "{act:?}");
    }
    let as_them = json!({"member_id": member});
    let act = world.refused(world.gain(&actor, Act::CreateServiceKey, &targets, &as_them)).await;
    assert_eq!(act, forbidden(Permission::ServiceKeysActFor));
    let actor = world.actor(&world.with(&[HAD, GAINED, Permission::ServiceKeysActFor]), here).await;
    for act in of_keys.into_iter().chain([Act::CreateServiceKey]) {
        world.gain(&actor, act, &targets, &as_them).await.expect("may act for them");
    }
}

async fn all_that_is_gained(world: World) {
    let here = in_organization(world.organization_id);
    let targets = Targets::at(&world, here.clone()).await;
    let actor = world.actor(&world.with(&[HAD, GAINED]), here).await;
    for act in ACTS {
        let before = world.events().await;
        let done = world.gain(&actor, act, &targets, &json!({})).await;
        assert!(done.is_ok(), "{act:?}: {done:?}");
        assert!(world.events().await > before, "{act:?}");
    }
}

async fn what_a_group_limited_actor_gives(world: World) {
    let create = body(json!({"name": "Payments"}));
    let group = fresh(world.service.group_create(&world.owner.request(), &create).await);
    let in_group = Scope { group_id: Some(group.id), ..in_organization(world.organization_id) };
    let actor = world.actor(&world.with(&[HAD, GAINED]), in_group.clone()).await;
    let inside = Targets::at(&world, in_group).await;
    for act in [Act::GrantRole, Act::CreateServiceKey, Act::ActivateServiceKey, Act::ReplaceServiceKey] {
        let done = world.gain(&actor, act, &inside, &json!({})).await;
        assert!(done.is_ok(), "{act:?}: {done:?}");
    }
    // A permission group is the whole Organization's, whoever holds it.
    let act = world.refused(world.gain(&actor, Act::WidenPermissionGroup, &inside, &json!({}))).await;
    assert_eq!(act, forbidden(Permission::PermissionGroupsUpdate));
    let outside = Targets::at(&world, in_organization(world.organization_id)).await;
    for (act, refusal) in [
        (Act::GrantRole, forbidden(Permission::RoleGrantsCreate)),
        (Act::CreateServiceKey, forbidden(Permission::ServiceKeysCreate)),
        (Act::ActivateServiceKey, Refusal::NotFound),
        (Act::ReplaceServiceKey, Refusal::NotFound),
        (Act::PutPermissionGroups, Refusal::NotFound),
    ] {
        assert_eq!(world.refused(world.gain(&actor, act, &outside, &json!({}))).await, refusal, "{act:?}");
    }
}
