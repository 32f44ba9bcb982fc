//! Organizations: what each begins with, and that one can't even tell whether another's things exist.

use std::future::Future;

use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_service::Error;
use claviger_wire::organizations::Kind;
use serde_json::{Value, json};

use crate::workspace::no_reason;
use crate::world::{Actor, World, body, everywhere, forbidden, fresh, in_organization, query};

on_both_databases!(
    one_begins_with_all_it_needs,
    only_who_may_everywhere_adds_one,
    one_in_use_stays,
    foreign_ids_are_answered_like_ids_that_never_were,
    foreign_ids_in_bodies_are_answered_like_ids_that_never_were,
    lists_show_what_is_ones_own,
);

async fn one_begins_with_all_it_needs(world: World) {
    let request = world.owner.request();
    let create = body(json!({"name": "Partner", "kind": "external"}));
    let made = fresh(world.service.organization_create(&request, &create).await);
    assert_eq!(made.kind, Kind::External);
    let of_it = [("organization_id", made.id.as_str()), ("sort", "name")];
    let groups = world.service.group_list(&request, &query("/v1/groups", &of_it)).await.expect("a page");
    assert_eq!(groups.items.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["default"]);
    let templates =
        world.service.policy_template_list(&request, &query("/v1/policy-templates", &of_it)).await;
    let templates = templates.expect("a page");
    assert_eq!(templates.items.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["Default"]);
    let roles = world.service.permission_group_list(&request, &query("/v1/permission-groups", &of_it)).await;
    let roles = roles.expect("a page");
    assert_eq!(
        roles.items.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(),
        ["consumer", "contributor", "group_admin", "guest", "organization_admin", "owner"]
    );
}

async fn only_who_may_everywhere_adds_one(world: World) {
    let create = body(json!({"name": "Partner"}));
    let here = world.actor(Permission::ALL, in_organization(world.organization_id)).await;
    let refusal = world.refused(world.service.organization_create(&here.request(), &create)).await;
    assert_eq!(refusal, forbidden(Permission::OrganizationsCreate));
    let anywhere = world.actor(&[Permission::OrganizationsCreate], everywhere()).await;
    let made = fresh(world.service.organization_create(&anywhere.request(), &create).await);
    assert_eq!((made.name.as_str(), made.kind), ("Partner", Kind::Internal));
    for wrong in ["", "a\u{7}b", &"a".repeat(101)] {
        let create = body(json!({"name": wrong}));
        let refusal = world.refused(world.service.organization_create(&anywhere.request(), &create)).await;
        assert_eq!(refusal.code(), "invalid", "{wrong:?}");
    }
}

async fn one_in_use_stays(world: World) {
    let other = world.other_organization().await;
    let request = world.owner.request();
    let id = other.organization_id.parse().expect("an id");
    let create =
        body(json!({"name": "Ada", "email": "ada@example.com", "organization_id": other.organization_id}));
    let member = fresh(world.service.member_create(&request, &create).await);
    let Refusal::InUse { users } = world.refused(world.service.organization_delete(&request, id)).await
    else {
        panic!("in use")
    };
    assert_eq!(users.iter().map(|user| user.id.as_str()).collect::<Vec<_>>(), [member.id.as_str()]);
    // Who may not read members is not told which.
    let deleting = [Permission::OrganizationsRead, Permission::OrganizationsDelete];
    let blind = world.actor(&deleting, everywhere()).await;
    let refusal = world.refused(world.service.organization_delete(&blind.request(), id)).await;
    assert_eq!(refusal, Refusal::InUse { users: Vec::new() });
    world.service.member_delete(&request, member.id.parse().expect("an id")).await.expect("deleted");
    world.service.organization_delete(&request, id).await.expect("nobody uses it");
    let refusal = world.refused(world.service.organization_read(&request, id)).await;
    assert_eq!(refusal, Refusal::NotFound);
}

/// One thing of each noun of people, in an Organization.
struct Things {
    organization: String,
    group: String,
    member: String,
    role_grant: String,
    permission_group: String,
    service_key: String,
    event: String,
}

impl Things {
    async fn of(world: &World, organization: String) -> Self {
        let request = world.owner.request();
        let create = body(json!({"name": world.fresh_word("Team"), "organization_id": organization}));
        let group = fresh(world.service.group_create(&request, &create).await).id;
        let email = format!("{}@example.com", world.fresh_word("m").replace(' ', ""));
        let create = body(json!({"name": "Somebody", "email": email, "organization_id": organization}));
        let member = fresh(world.service.member_create(&request, &create).await).id;
        let permission_group =
            world.permission_group(&[Permission::ApisRead], Some(organization.clone())).await;
        let grant = body(json!({"permission_group_id": permission_group}));
        let id = member.parse().expect("an id");
        let role_grant = fresh(world.service.role_grant_create(&request, id, &grant).await).id;
        let key = world.actor(&[Permission::ApisRead], in_organization(&organization)).await;
        let of_group = query("/v1/events", &[("subject_id", group.as_str())]);
        let events = world.service.event_list(&request, &of_group).await.expect("a page");
        Self {
            event: events.items[0].id.clone(),
            service_key: key.caller.service_key_id.to_string(),
            organization,
            group,
            member,
            role_grant,
            permission_group,
        }
    }

    /// The same kinds of things, none of which ever was.
    fn never() -> Self {
        let never = |prefix: &str| format!("{prefix}_01k0vd4ntxe2ra9qv8bm4c4y3e");
        Self {
            organization: never("org"),
            group: never("grp"),
            member: never("mbr"),
            role_grant: never("rol"),
            permission_group: never("pg"),
            service_key: never("svk"),
            event: never("evt"),
        }
    }
}

async fn refusal_of<T: std::fmt::Debug>(
    world: &World,
    act: impl Future<Output = Result<T, Error>>,
) -> Refusal {
    world.refused(act).await
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("an id")
}

/// What is answered to each act on these things.
async fn answers(world: &World, actor: &Actor, things: &Things) -> Vec<Refusal> {
    let (service, request) = (&world.service, &actor.request());
    let rename = json!({"name": "Mine now"});
    let groups: Value = json!({"permission_group_ids": [things.permission_group]});
    let own_group = world.permission_group(&[Permission::ApisRead], None).await;
    let grant = body(json!({"permission_group_id": own_group}));
    let mut answers = Vec::new();
    macro_rules! try_all {
        ($($act:expr;)*) => { $(answers.push(refusal_of(world, $act).await);)* };
    }
    try_all! {
        service.organization_read(request, id(&things.organization));
        service.organization_update(request, id(&things.organization), &body(rename.clone()));
        service.organization_delete(request, id(&things.organization));
        service.group_read(request, id(&things.group));
        service.group_update(request, id(&things.group), &body(rename.clone()));
        service.group_delete(request, id(&things.group));
        service.member_read(request, id(&things.member));
        service.member_update(request, id(&things.member), &body(rename.clone()));
        service.member_delete(request, id(&things.member));
        service.role_grant_create(request, id(&things.member), &grant);
        service.permission_group_read(request, id(&things.permission_group));
        service.permission_group_update(request, id(&things.permission_group), &body(rename.clone()));
        service.permission_group_delete(request, id(&things.permission_group));
        service.service_key_read(request, id(&things.service_key));
        service.service_key_update(request, id(&things.service_key), &body(rename));
        service.service_key_activate(request, id(&things.service_key), &no_reason());
        service.service_key_deactivate(request, id(&things.service_key), &no_reason());
        service.service_key_replace(request, id(&things.service_key), &no_reason());
        service.service_key_set_permission_groups(request, id(&things.service_key), &body(groups));
        service.service_key_delete(request, id(&things.service_key));
        service.event_read(request, &things.event);
    }
    if let Ok(role_grant) = things.role_grant.parse() {
        let act = service.role_grant_delete(request, id(&things.member), role_grant);
        answers.push(refusal_of(world, act).await);
    }
    answers
}

async fn foreign_ids_are_answered_like_ids_that_never_were(world: World) {
    let other = world.other_organization().await;
    let theirs = Things::of(&world, other.organization_id).await;
    let actor = world.actor(Permission::ALL, in_organization(world.organization_id)).await;
    for (at, answer) in answers(&world, &actor, &theirs).await.into_iter().enumerate() {
        assert_eq!(answer, Refusal::NotFound, "act {at}");
    }
    for (at, answer) in answers(&world, &actor, &Things::never()).await.into_iter().enumerate() {
        assert_eq!(answer, Refusal::NotFound, "act {at}");
    }
}

async fn foreign_ids_in_bodies_are_answered_like_ids_that_never_were(world: World) {
    let other = world.other_organization().await;
    let theirs = Things::of(&world, other.organization_id).await;
    let never = Things::never();
    let actor = world.actor(Permission::ALL, in_organization(world.organization_id)).await;
    let (service, request) = (&world.service, &actor.request());
    let own_group = world.permission_group(&[Permission::ApisRead], None).await;
    let mut answers = Vec::new();
    for things in [&theirs, &never] {
        let in_it = |mut typed: Value| {
            typed["organization_id"] = json!(things.organization);
            typed
        };
        let key = |members: Value| {
            let mut typed = json!({"name": "K", "permission_group_ids": [own_group]});
            for (member, value) in members.as_object().expect("an object") {
                typed[member] = value.clone();
            }
            typed
        };
        let person = json!({"name": "P", "email": "p@example.com"});
        let in_group = json!({"name": "P", "email": "p@example.com", "group_ids": [things.group]});
        let role = json!({"name": "R", "permissions": ["apis:read"]});
        let mut these = Vec::new();
        macro_rules! try_all {
            ($($act:expr;)*) => { $(these.push(refusal_of(&world, $act).await);)* };
        }
        let foreign_role = body(json!({"permission_group_id": things.permission_group}));
        let foreign_scope =
            body(json!({"permission_group_id": own_group, "scope": {"group_id": things.group}}));
        let me = world.owner_member_id;
        try_all! {
            service.group_create(request, &body(in_it(json!({"name": "G"}))));
            service.member_create(request, &body(in_it(person)));
            service.member_create(request, &body(in_group));
            service.permission_group_create(request, &body(in_it(role)));
            service.service_key_create(request, &body(key(json!({"permission_group_ids": [things.permission_group]}))));
            service.service_key_create(request, &body(key(json!({"scope": {"organization_id": things.organization}}))));
            service.service_key_create(request, &body(key(json!({"scope": {"group_id": things.group}}))));
            service.service_key_create(request, &body(key(json!({"member_id": things.member}))));
            service.role_grant_create(request, me, &foreign_role);
            service.role_grant_create(request, me, &foreign_scope);
        }
        answers.push(these);
    }
    assert!(answers[0].iter().all(|refusal| refusal.code() == "invalid"), "{:?}", answers[0]);
    assert_eq!(answers[0], answers[1]);
}

async fn lists_show_what_is_ones_own(world: World) {
    let other = world.other_organization().await;
    let theirs = Things::of(&world, other.organization_id).await;
    let actor = world.actor(Permission::ALL, in_organization(world.organization_id)).await;
    let (service, request) = (&world.service, &actor.request());
    for filter in [vec![], vec![("organization_id", theirs.organization.as_str())]] {
        let foreign = |items: Vec<String>| items.contains(&theirs.organization);
        let listed = query("/v1/x", &filter);
        let groups = service.group_list(request, &listed).await.expect("a page").items;
        assert!(!foreign(groups.into_iter().map(|it| it.organization_id).collect()));
        let members = service.member_list(request, &listed).await.expect("a page").items;
        assert!(!foreign(members.into_iter().map(|it| it.organization_id).collect()));
        let roles = service.permission_group_list(request, &listed).await.expect("a page").items;
        assert!(!foreign(roles.into_iter().map(|it| it.organization_id).collect()));
        let keys = service.service_key_list(request, &listed).await.expect("a page").items;
        assert!(!foreign(keys.into_iter().map(|it| it.organization_id).collect()));
    }
    let mine = service.organization_list(request, &query("/v1/organizations", &[])).await.expect("a page");
    assert_eq!(mine.items.len(), 1);
    let subject = [("subject_id", theirs.group.as_str())];
    let events = service.event_list(request, &query("/v1/events", &subject)).await.expect("a page");
    assert!(events.items.is_empty());
}
