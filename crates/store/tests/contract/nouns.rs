//! Every noun: made, changed, ended, found.

use std::collections::HashSet;

use claviger_domain::apis::AuthType;
use claviger_domain::event::{ActorRef, EventBody, NewEvent, Private, ServiceKeyTerms};
use claviger_domain::id::{ApiId, MemberId, OrganizationId, PermissionGroupId, RoleGrantId, ServiceKeyId};
use claviger_domain::key_sets::{Custody, Facts, KeyStatus};
use claviger_domain::members::{Email, RoleGrant};
use claviger_domain::permission::Permission;
use claviger_domain::permission_groups::DefaultRole;
use claviger_domain::policy_templates::TemplateVersion;
use claviger_domain::scope::Scope;
use claviger_domain::secret::{Digest, DigestKeyId, Sealed};
use claviger_domain::service_keys::ServiceKeyStatus;
use claviger_store::{SlugOwner, Store, StoreError};

use crate::world::{
    Place, World, append, event, fresh_key, id, later, name, plain_policy, slug, start, with_private,
};

async fn happen(store: &Store, world: &World, body: EventBody) {
    append(store, [event(later("P1D"), world.place(), body)]).await.expect("an event that fits");
}

pub(crate) async fn every_noun_is_made_changed_and_deleted(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    people_are_made_changed_and_deleted(&store, &world).await;
    the_catalog_is_made_changed_and_deleted(&store, &world).await;
    let report = store.read().await.unwrap().verify_state().await.unwrap();
    assert_eq!(report.fault, None, "replaying the log leads to the same tables");
}

async fn people_are_made_changed_and_deleted(store: &Store, world: &World) {
    let (organization_id, group_id) = (world.organization_id, world.group_id);
    let (member_id, permission_group_id): (MemberId, PermissionGroupId) = (id(), id());
    let service_key_id: ServiceKeyId = id();
    let grant = RoleGrant {
        id: id(),
        member_id,
        permission_group_id,
        scope: Scope { organization_id: Some(organization_id), ..Scope::EVERYTHING },
        created_at: later("P1D"),
    };
    let grant_id: RoleGrantId = grant.id;
    happen(
        store,
        world,
        EventBody::PermissionGroupCreated {
            permission_group_id,
            organization_id,
            name: name("owner"),
            default_role: Some(DefaultRole::Owner),
            permissions: DefaultRole::Owner.permissions(),
        },
    )
    .await;
    let email = Email::new("ada@example.com").unwrap();
    happen(
        store,
        world,
        EventBody::MemberCreated {
            member_id,
            organization_id,
            name: name("Ada"),
            email: email.clone(),
            group_ids: vec![group_id],
        },
    )
    .await;
    happen(store, world, EventBody::RoleGranted { member_id, grant: grant.clone() }).await;
    let terms = ServiceKeyTerms {
        organization_id,
        member_id: Some(member_id),
        created_by: ActorRef::system("init"),
        name: name("CI"),
        masked: fresh_key(start()).0.masked,
        permission_group_ids: vec![permission_group_id],
        scope: grant.scope,
        expires_at: Some(later("P1Y")),
        ip_allow_list: Some(vec!["10.0.0.0/8".parse().unwrap()]),
        replaces: None,
    };
    let digest = Digest::from_bytes([7; 32]);
    let body = EventBody::ServiceKeyCreated { service_key_id, terms: Box::new(terms) };
    let private = Some(Private { digest_key: DigestKeyId(2), key: digest, secret: None });
    append(store, [NewEvent { private, ..event(start(), world.place(), body) }]).await.unwrap();
    {
        let mut reader = store.read().await.unwrap();
        let member = reader.member(member_id).await.unwrap().unwrap();
        assert_eq!((&member.role_grants, &member.group_ids), (&vec![grant], &vec![group_id]));
        assert_eq!(reader.member_by_email(organization_id, &email).await.unwrap(), Some(member.clone()));
        assert_eq!(reader.member_of_role_grant(grant_id).await.unwrap(), Some(member));
        assert_eq!(reader.owner_grants(organization_id).await.unwrap(), [(grant_id, member_id)]);
        assert_eq!(reader.owner_grants(id()).await.unwrap(), []);
        let key = reader.service_key_by_digest(&digest).await.unwrap().unwrap();
        assert_eq!((key.id, key.status), (service_key_id, ServiceKeyStatus::Active));
        assert_eq!(reader.service_keys_of_member(member_id).await.unwrap(), std::slice::from_ref(&key));
        let rows = reader.service_key_rows().await.unwrap();
        assert_eq!((rows.len(), rows[0].digest, rows[0].digest_key), (1, digest, DigestKeyId(2)));
        assert_eq!(rows[0].service_key, key);
        let group = reader.default_permission_group(organization_id, DefaultRole::Owner).await.unwrap();
        assert_eq!(group.unwrap().permissions.len(), Permission::ALL.len());
        let users = reader.users_of_permission_group(permission_group_id).await.unwrap();
        assert_eq!(users.len(), 2, "{users:?}");
    }
    happen(store, world, EventBody::MemberUpdated { member_id, name: name("Ada L."), group_ids: vec![] })
        .await;
    happen(store, world, EventBody::ServiceKeyUpdated { service_key_id, name: name("Build") }).await;
    happen(store, world, EventBody::ServiceKeyDeactivated { service_key_id }).await;
    happen(
        store,
        world,
        EventBody::ServiceKeyPermissionGroupsChanged { service_key_id, permission_group_ids: vec![] },
    )
    .await;
    {
        let mut reader = store.read().await.unwrap();
        let key = reader.service_key(service_key_id).await.unwrap().unwrap();
        assert_eq!((key.name.as_str(), key.status), ("Build", ServiceKeyStatus::Inactive));
        let users = reader.users_of_permission_group(permission_group_id).await.unwrap();
        assert_eq!(users.iter().map(|user| user.name.as_str()).collect::<Vec<_>>(), ["Ada L."]);
    }
    happen(store, world, EventBody::ServiceKeyDeleted { service_key_id }).await;
    happen(store, world, EventBody::MemberDeleted { member_id }).await;
    let mut reader = store.read().await.unwrap();
    assert_eq!(reader.service_key_by_digest(&digest).await.unwrap(), None);
    assert_eq!(reader.member(member_id).await.unwrap(), None);
    assert_eq!(reader.owner_grants(organization_id).await.unwrap(), []);
    assert_eq!(reader.users_of_permission_group(permission_group_id).await.unwrap(), []);
    drop(reader);
    happen(
        store,
        world,
        EventBody::PermissionGroupUpdated {
            permission_group_id,
            name: name("Owners"),
            permissions: [Permission::ApisRead].into(),
        },
    )
    .await;
    let groups = store.read().await.unwrap().permission_groups_by_ids(&[permission_group_id]).await.unwrap();
    assert_eq!((groups[0].name.as_str(), groups[0].permissions.len()), ("Owners", 1));
    happen(store, world, EventBody::PermissionGroupDeleted { permission_group_id }).await;
    assert_eq!(store.read().await.unwrap().permission_group(permission_group_id).await.unwrap(), None);
}

async fn the_catalog_is_made_changed_and_deleted(store: &Store, world: &World) {
    let World { organization_id, group_id, environment_id, api_id, application_id, .. } = world.clone();
    let policy_template_id = world.policy_template_id;
    let mut settings = world.settings("Orders 2");
    settings.auth_types = [AuthType::ApiKeyAndSecret].into();
    happen(store, world, EventBody::ApiUpdated { api_id, settings: settings.clone() }).await;
    happen(store, world, EventBody::ApiUnexposed { api_id }).await;
    happen(store, world, EventBody::ApplicationSuspended { application_id }).await;
    happen(store, world, EventBody::EnvironmentUpdated { environment_id, name: name("Try-out") }).await;
    happen(store, world, EventBody::OrganizationUpdated { organization_id, name: name("Acme 2") }).await;
    happen(store, world, EventBody::GroupUpdated { group_id, name: name("Team") }).await;
    happen(
        store,
        world,
        EventBody::PolicyTemplateUpdated {
            policy_template_id,
            name: name("Default"),
            version: 2,
            policy: plain_policy("P2Y"),
        },
    )
    .await;
    {
        let mut reader = store.read().await.unwrap();
        let api = reader.api(api_id).await.unwrap().unwrap();
        assert_eq!((api.settings, api.exposed, api.updated_at), (settings, false, later("P1D")));
        let application = reader.application(application_id).await.unwrap().unwrap();
        assert_eq!(application.suspended_at, Some(later("P1D")));
        assert_eq!(reader.environment(environment_id).await.unwrap().unwrap().name, name("Try-out"));
        assert_eq!(reader.all_environments().await.unwrap().len(), 1);
        assert_eq!(reader.group_named(organization_id, &name("TEAM")).await.unwrap().unwrap().id, group_id);
        let template = reader.policy_template_named(organization_id, &name("default")).await.unwrap();
        assert_eq!(template.unwrap().version, 2);
        let named = reader.application_named(group_id, &name("shop")).await.unwrap();
        assert_eq!(named.unwrap().id, application_id);
    }
    happen(store, world, EventBody::ApiDeleted { api_id }).await;
    happen(store, world, EventBody::ApplicationDeleted { application_id }).await;
    happen(store, world, EventBody::PolicyTemplateDeleted { policy_template_id }).await;
    happen(store, world, EventBody::EnvironmentDeleted { environment_id }).await;
    happen(store, world, EventBody::GroupDeleted { group_id }).await;
    happen(store, world, EventBody::OrganizationDeleted { organization_id }).await;
    let mut reader = store.read().await.unwrap();
    assert_eq!(reader.api(api_id).await.unwrap(), None);
    assert_eq!(reader.api_name(api_id).await.unwrap(), Some(name("Orders 2")), "its name is remembered");
    assert_eq!(reader.application(application_id).await.unwrap(), None);
    assert_eq!(reader.organization(organization_id).await.unwrap(), None);
    assert_eq!(reader.group(group_id).await.unwrap(), None);
    assert_eq!(reader.environment(environment_id).await.unwrap(), None);
    assert_eq!(reader.policy_template(policy_template_id).await.unwrap(), None);
}

pub(crate) async fn key_sets_live_their_lives(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    let facts = Facts::default();
    let set_id = world.open_set(&store, "Key", start()).await;
    let load = async || store.read().await.unwrap().key_set(set_id).await.unwrap().unwrap();
    let set = load().await;
    assert_eq!((set.status(start()), set.keys.len()), (KeyStatus::Active, 1));
    assert_eq!(store.read().await.unwrap().next_due_at().await.unwrap(), set.next_due_at());
    // Long after its rotations were due, everything is caught up in one transaction.
    let now = later("P3M");
    let due = store.read().await.unwrap().due_key_sets(now, 10).await.unwrap();
    assert_eq!(due, [set_id]);
    let keys: Vec<_> = (0..set.keys_needed(now)).map(|_| fresh_key(now)).collect();
    let (fresh, private): (Vec<_>, Vec<_>) = keys.into_iter().unzip();
    let bodies = set.catch_up(now, fresh).unwrap();
    let place_of_set = world.place().in_environment(world.environment_id);
    append(&store, with_private(bodies, now, place_of_set, private)).await.unwrap();
    let set = load().await;
    assert!(set.keys.len() >= 3, "{:?}", set.keys);
    assert_eq!(set.status(now), KeyStatus::Active);
    assert_eq!(store.read().await.unwrap().due_key_sets(now, 10).await.unwrap(), []);
    let latest = set.latest().unwrap().id;
    let of_key = store.read().await.unwrap().key_set_of_key(latest).await.unwrap();
    assert_eq!(of_key, Some(set.clone()));
    for bodies in [
        set.suspend(now, &facts).unwrap(),
        vec![EventBody::KeySetUpdated { key_set_id: set_id, name: name("Renamed") }],
    ] {
        append(&store, with_private(bodies, now, place_of_set, [])).await.unwrap();
    }
    let bodies = load().await.revoke(now, &facts).unwrap();
    append(&store, with_private(bodies, now, place_of_set, [])).await.unwrap();
    let set = load().await;
    assert_eq!((set.status(now), set.name.as_str()), (KeyStatus::Revoked, "Renamed"));
    assert_eq!(store.read().await.unwrap().next_due_at().await.unwrap(), None);
    assert_eq!(store.read().await.unwrap().verify_state().await.unwrap().fault, None);
}

pub(crate) async fn sealed_values_are_wiped_when_they_have_no_use(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    let set_id = world.open_set(&store, "Key", start()).await;
    let load = async || store.read().await.unwrap().key_set(set_id).await.unwrap().unwrap();
    let at = load().await.next_due_at().unwrap();
    let (fresh, private) = fresh_key(at);
    let bodies = load().await.catch_up(at, [fresh.clone()]).unwrap();
    let events = &with_private(bodies, at, world.place(), [private]);
    let sealed = &Sealed::from_bytes(vec![1, 2, 3]);
    let issued = store.commit("test", |tx| {
        Box::pin(async move {
            for event in events {
                tx.append(event.clone()).await?;
            }
            tx.put_sealed(fresh.id, sealed).await?;
            Ok::<_, StoreError>(())
        })
    });
    issued.await.unwrap();
    let set = load().await;
    assert_eq!(set.latest().unwrap().custody, Custody::Once, "the scheduler issued it, and nobody saw it");
    {
        let mut reader = store.read().await.unwrap();
        assert_eq!(reader.sealed(fresh.id).await.unwrap().as_ref(), Some(sealed));
        assert_eq!(reader.sealed_after("", 5).await.unwrap(), [(fresh.id.to_string(), sealed.clone())]);
        assert_eq!(reader.sealed_after(&fresh.id.to_string(), 5).await.unwrap(), []);
    }
    let retrieval = set.retrieve(None, at, &Facts::default()).unwrap();
    append(&store, [event(at, world.place(), retrieval.event)]).await.unwrap();
    assert_eq!(load().await.latest().unwrap().custody, Custody::Shown);
    let kept = store.read().await.unwrap().sealed(fresh.id).await.unwrap();
    assert_eq!(kept.as_ref(), Some(sealed), "the log may say that it is shown before anybody sees it");
    for wiped in [true, false] {
        let discard = store.commit("test", |tx| Box::pin(async move { tx.discard_sealed(fresh.id).await }));
        assert_eq!(discard.await.unwrap().0, wiped, "one of those who discard it is told so");
    }
    assert_eq!(store.read().await.unwrap().sealed(fresh.id).await.unwrap(), None);
    // What ended is never retrieved.
    let put = store.commit("test", |tx| Box::pin(async move { tx.put_sealed(fresh.id, sealed).await }));
    put.await.unwrap();
    let bodies = load().await.revoke(at, &Facts::default()).unwrap();
    append(&store, with_private(bodies, at, world.place(), [])).await.unwrap();
    assert_eq!(store.read().await.unwrap().sealed(fresh.id).await.unwrap(), None, "wiped with the end");
}

pub(crate) async fn sets_are_found_to_be_reused(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    let template = TemplateVersion { template_id: world.policy_template_id, template_version: 1 };
    let first = world.open_set(&store, "First", start()).await;
    let second = world.open_set(&store, "Second", later("PT1S")).await;
    let (pending, events) = world.opened(world.terms("Pending", AuthType::ApiKey), true, later("PT2S"));
    append(&store, events).await.unwrap();
    let other: OrganizationId = id();
    let reusable = async |organization_id, template, now| {
        let mut reader = store.read().await.unwrap();
        let sets = reader.reusable_key_sets(
            world.application_id,
            world.environment_id,
            AuthType::ApiKey,
            template,
            organization_id,
            now,
        );
        sets.await.unwrap().into_iter().map(|set| set.id).collect::<Vec<_>>()
    };
    let mine = world.organization_id;
    assert_eq!(reusable(mine, template, start()).await, [first, second, pending], "the oldest first");
    assert_eq!(reusable(other, template, start()).await.len(), 3, "not used for any API yet");
    let next = TemplateVersion { template_version: 2, ..template };
    assert_eq!(reusable(mine, next, start()).await, []);
    assert_eq!(reusable(mine, template, later("P2Y")).await, [pending], "by the clock the others are dead");
    let subscription_id = world.subscribe(&store, &[first]).await;
    assert_eq!(reusable(mine, template, start()).await, [first, second, pending]);
    assert_eq!(
        reusable(other, template, start()).await,
        [second, pending],
        "shared with one Organization only"
    );
    let mut reader = store.read().await.unwrap();
    let found = reader
        .live_subscription(world.application_id, world.api_id, world.environment_id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.id, subscription_id);
    assert_eq!(reader.subscriptions_of_key_set(first).await.unwrap(), std::slice::from_ref(&found));
    assert_eq!(reader.live_subscriptions_of_api(world.api_id).await.unwrap(), std::slice::from_ref(&found));
    assert_eq!(reader.live_subscriptions_of_application(world.application_id).await.unwrap(), [found]);
    assert_eq!(reader.pending_subscriptions(world.application_id).await.unwrap(), 0);
    let alike = reader.oldest_living_key_sets(&[world.application_id], start()).await.unwrap();
    let set = reader.key_set(second).await.unwrap().unwrap();
    let like = alike.iter().filter(|living| living.is_like(&set)).map(|living| living.id);
    assert_eq!(like.collect::<Vec<_>>(), [first], "one, the same each time");
    let later = reader.oldest_living_key_sets(&[world.application_id], later("P2Y")).await.unwrap();
    assert_eq!(
        later.iter().map(|living| living.id).collect::<Vec<_>>(),
        [pending],
        "the others are dead by then"
    );
    drop(reader);
    let removed = EventBody::KeySetRemoved { key_set_id: pending };
    append(&store, [event(start(), world.place(), removed)]).await.unwrap();
    let mut reader = store.read().await.unwrap();
    assert_eq!(reader.key_set(pending).await.unwrap(), None);
    let sets = reader.key_sets_of_application(world.application_id).await.unwrap();
    assert_eq!(sets.iter().map(|set| set.id).collect::<Vec<_>>(), [first, second]);
    assert_eq!(reader.verify_state().await.unwrap().fault, None);
}

pub(crate) async fn slugs_belong_to_their_organization(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    let (api_id, text): (ApiId, _) = (id(), slug("invoices"));
    let make = |api_id| EventBody::ApiCreated {
        api_id,
        organization_id: world.organization_id,
        group_id: world.group_id,
        slug: slug("invoices"),
        settings: world.settings("Invoices"),
        exposed: false,
    };
    let owner = async || store.read().await.unwrap().slug_owner(&text).await.unwrap();
    assert_eq!(owner().await, None);
    happen(&store, &world, make(api_id)).await;
    let mine = SlugOwner { organization_id: world.organization_id, in_use: true };
    assert_eq!(owner().await, Some(mine));
    let taken = append(&store, [event(start(), world.place(), make(id()))]).await;
    assert!(matches!(taken, Err(StoreError::Taken(_))), "{taken:?}");
    happen(&store, &world, EventBody::ApiDeleted { api_id }).await;
    assert_eq!(owner().await, Some(SlugOwner { in_use: false, ..mine }), "for ever");
    let again: ApiId = id();
    happen(&store, &world, make(again)).await;
    assert_eq!(owner().await, Some(mine));
    let found = store.read().await.unwrap().api_by_slug(&text).await.unwrap();
    assert_eq!(found.map(|api| api.id), Some(again));
}

pub(crate) async fn users_of_things_are_named(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    let set_id = world.open_set(&store, "Key", start()).await;
    let subscription_id = world.subscribe(&store, &[set_id]).await;
    let mut reader = store.read().await.unwrap();
    let shown = |users: Vec<claviger_domain::refusal::User>| {
        let mut ids: Vec<String> =
            users.into_iter().map(|user| format!("{} {}", user.id, user.name)).collect();
        ids.sort();
        ids
    };
    let subscription = |name: &str| format!("{subscription_id} {name}");
    let api = format!("{} Orders", world.api_id);
    let application = format!("{} Shop", world.application_id);
    let set = format!("{set_id} Key");
    let of_application = shown(reader.users_of_application(world.application_id, start()).await.unwrap());
    assert_eq!(of_application, [set.clone(), subscription("Orders")]);
    let dead = shown(reader.users_of_application(world.application_id, later("P2Y")).await.unwrap());
    assert_eq!(dead, [subscription("Orders")], "a set that the clock ended is no user");
    assert_eq!(shown(reader.users_of_api(world.api_id).await.unwrap()), [subscription("Shop")]);
    let of_environment = shown(reader.users_of_environment(world.environment_id, start()).await.unwrap());
    assert_eq!(of_environment, [api.clone(), set, subscription("Shop")]);
    let of_template = shown(reader.users_of_policy_template(world.policy_template_id).await.unwrap());
    assert_eq!(of_template, std::slice::from_ref(&api));
    let of_group = shown(reader.users_of_group(world.group_id).await.unwrap());
    assert_eq!(of_group, [api.clone(), application.clone()]);
    let of_organization = shown(reader.users_of_organization(world.organization_id).await.unwrap());
    assert_eq!(of_organization, [api, application]);
    assert_eq!(reader.users_of_member(id()).await.unwrap(), []);
}

pub(crate) async fn the_snapshot_has_every_key(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    let first = world.open_set(&store, "First", start()).await;
    let second = world.open_set(&store, "Second", start()).await;
    let (pending, events) = world.opened(world.terms("Pending", AuthType::Basic), true, start());
    append(&store, events).await.unwrap();
    world.subscribe(&store, &[first, second]).await;
    let set = store.read().await.unwrap().key_set(first).await.unwrap().unwrap();
    let now = later("P1D");
    let (fresh, private) = fresh_key(now);
    // Bytes that would end a text.
    let private = Private { secret: Some(Digest::from_bytes([0; 32])), ..private };
    let bodies = set.regenerate(now, &Facts::default(), fresh).unwrap();
    append(&store, with_private(bodies, now, world.place(), [private])).await.unwrap();
    let set = store.read().await.unwrap().key_set(second).await.unwrap().unwrap();
    let bodies = set.suspend(now, &Facts::default()).unwrap();
    append(&store, with_private(bodies, now, world.place(), [])).await.unwrap();
    // More than SQLite puts together in one row.
    let many = (0..600).flat_map(|_| world.opened(world.terms("Many", AuthType::ApiKey), false, now).1);
    append(&store, many).await.unwrap();
    for n in 0..300 {
        let other = World { application_id: id(), ..world.clone() };
        let created = EventBody::ApplicationCreated {
            application_id: other.application_id,
            organization_id: other.organization_id,
            group_id: other.group_id,
            name: name(&format!("Żółw, \"{n}\"")),
        };
        let subscribed = other.subscription(id(), other.api_id, &[]);
        append(&store, [event(start(), other.place(), created), subscribed]).await.unwrap();
    }
    let mut reader = store.read().await.unwrap();
    let (mut keys, mut grants, mut applications, mut apis) = (vec![], vec![], vec![], vec![]);
    reader.each_key(|key| keys.push(key)).await.unwrap();
    reader.each_grant(|grant| grants.push(grant)).await.unwrap();
    reader.each_application(|application| applications.push(application)).await.unwrap();
    reader.each_api(|api| apis.push(api)).await.unwrap();
    assert_eq!((keys.len(), applications.len(), grants.len(), apis.len()), (604, 301, 301, 1));
    let application = reader.application(world.application_id).await.unwrap().unwrap();
    let row = applications.iter().find(|row| row.id == application.id).unwrap();
    assert!(applications.iter().any(|row| row.name.as_str() == "Żółw, \"299\""));
    assert_eq!(
        (row.id, row.organization_id, row.group_id, &row.name, row.status),
        (
            application.id,
            application.organization_id,
            application.group_id,
            &application.name,
            application.status
        )
    );
    assert_eq!(keys.iter().map(|key| key.id).collect::<HashSet<_>>().len(), 604);
    assert_eq!(reader.key_count().await.unwrap(), 604);
    let granted: Vec<_> =
        grants.iter().flat_map(|grant| grant.key_set_ids.iter().map(|set| (*set, grant.api_id))).collect();
    assert!(granted.contains(&(first, world.api_id)) && granted.contains(&(second, world.api_id)));
    assert_eq!(granted.len(), 2, "the Pending set has no Subscription");
    for set_id in [first, second, pending] {
        let set = reader.key_set(set_id).await.unwrap().unwrap();
        let rows = reader.key_rows(set_id).await.unwrap();
        assert_eq!(rows.len(), set.keys.len());
        let digests = reader.digests_of_key_set(set_id).await.unwrap();
        for ((row, key), digests) in rows.iter().zip(&set.keys).zip(digests) {
            assert!(keys.contains(row));
            assert_eq!(
                (row.id, row.schedule, row.retirement, row.ended),
                (key.id, key.schedule, key.retirement, key.ended)
            );
            assert_eq!(row.suspended, set.suspended_by.is_some());
            assert_eq!(row.latest, set.latest().unwrap().id == key.id);
            assert_eq!((row.key_digest, row.secret_digest), (digests.key, digests.secret));
            assert_eq!(reader.key_by_digest(&row.key_digest).await.unwrap(), Some(digests));
        }
    }
    assert_eq!(reader.service_key_rows().await.unwrap(), []);
}
