//! Shared keys in their owner's hands: made, shown once, counted, disabled, reset, deleted; the decision follows
//! each act before it is answered.

use claviger_domain::id::SharedKeyId;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::shared_keys::SharedKeyStatus;
use claviger_service::request::Answer as _;
use claviger_verify::{Credential, Request as Call};
use claviger_wire::acts::Act;
use claviger_wire::apis::{Api, PutExposure};
use claviger_wire::shared_keys::{Create, PostPortalLink, Retrieved, SharedKey, Update};
use serde_json::{Value, json};

use crate::world::{World, body, everywhere, forbidden, fresh, in_organization, pointers, query, replayed};

on_both_databases!(
    c3_inside_has_key_and_secret_at_once_and_outside_the_key_alone,
    c3_the_value_is_shown_once_unless_the_template_says_otherwise,
    c4_five_keys_a_section_and_a_deleted_one_frees_its_place,
    c4_twenty_at_once_make_five,
    c5_a_portal_link_is_told_once_replaced_and_withdrawn,
    c7_the_owner_resets_inside_and_clears_outside,
    c7_disable_enable_and_delete_take_effect_at_once,
    c8_a_change_of_what_calls_must_carry_names_what_it_breaks,
    f6_a_shared_key_holds_a_part_of_the_apis_permissions,
    what_is_wrong_with_a_shared_key_is_named,
    a_shared_key_belongs_to_whom_its_api_belongs,
    a_repeated_request_makes_one_key,
    an_api_with_shared_keys_stays,
);

impl World {
    pub(crate) async fn shared_key(&self, api: &Api, members: Value) -> SharedKey {
        fresh(self.try_shared_key(api, members).await)
    }

    async fn try_shared_key(
        &self,
        api: &Api,
        members: Value,
    ) -> Result<claviger_service::Written<SharedKey>, claviger_service::Error> {
        let mut typed = json!({"name": self.fresh_word("Customer"), "audience": "inside"});
        for (member, value) in members.as_object().expect("an object") {
            typed[member] = value.clone();
        }
        let create: Create = body(typed);
        self.service.shared_key_create(&self.owner.request(), &api.entry.id, &create).await
    }

    /// The code of a call with these parts.
    pub(crate) fn code_of(&self, api: &Api, key: Option<&str>, secret: Option<&str>) -> &'static str {
        let call = Call { api: Some(&api.entry.slug), ..Call::new(Credential::from_parts(key, secret)) };
        self.service.index().decide(&call, self.now()).code().as_str()
    }
}

pub(crate) fn id_of(key: &SharedKey) -> SharedKeyId {
    key.id.parse().expect("an id")
}

async fn c3_inside_has_key_and_secret_at_once_and_outside_the_key_alone(world: World) {
    let api = world.api_with(json!({"requires": "key_and_secret"})).await;
    let inside = world.shared_key(&api, json!({"name": "Billing"})).await;
    let (key, secret) = (inside.key.as_deref(), inside.secret.as_deref());
    assert!(key.is_some_and(|key| key.starts_with("clv_key_")), "{inside:?}");
    assert!(secret.is_some_and(|secret| secret.starts_with("clv_secret_")) && inside.secret_set);
    assert_eq!(world.code_of(&api, key, secret), "valid");
    assert_eq!(world.code_of(&api, key, None), "secret_required");
    let outside = world.shared_key(&api, json!({"audience": "outside", "name": "Billing"})).await;
    assert!(outside.key.is_some() && outside.secret.is_none() && !outside.secret_set);
    assert_eq!(world.code_of(&api, outside.key.as_deref(), secret), "secret_mismatch");
    let request = world.owner.request();
    let read = world.service.shared_key_read(&request, id_of(&inside)).await.expect("it").body;
    assert!(read.key.is_none() && read.secret.is_none(), "once");
    let taken = world.refused(world.try_shared_key(&api, json!({"name": "BILLING"}))).await;
    assert_eq!(taken, Refusal::NameTaken { pointer: "/name".into() });
    let hidden = PutExposure { exposed: false };
    fresh(world.service.api_set_exposure(&request, &api.entry.id, &hidden).await);
    assert_eq!(world.refused(world.try_shared_key(&api, json!({}))).await, Refusal::ApiNotExposed);
}

async fn c3_the_value_is_shown_once_unless_the_template_says_otherwise(world: World) {
    let request = world.owner.request();
    let act = Act::default();
    let api = world.api_with(json!({})).await;
    let once = world.shared_key(&api, json!({})).await;
    let refusal = world.refused(world.service.shared_key_retrieve(&request, id_of(&once), &act)).await;
    assert_eq!(refusal, Refusal::AlreadyShown);
    let template = world.template(json!({"retrievable": true})).await;
    let api = world.api(&["api_key"], &template).await;
    let made = world.shared_key(&api, json!({})).await;
    let retrieved = fresh(world.service.shared_key_retrieve(&request, id_of(&made), &act).await);
    assert_eq!(retrieved, Retrieved { key: made.key.clone(), secret: made.secret.clone() });
    assert!(retrieved.has_secret());
    let reset = fresh(world.service.shared_key_reset_secret(&request, id_of(&made), &act).await);
    let again = fresh(world.service.shared_key_retrieve(&request, id_of(&made), &act).await);
    assert_eq!(again, Retrieved { key: made.key, secret: reset.secret });
    let outside = world.shared_key(&api, json!({"audience": "outside"})).await;
    let retrieved = fresh(world.service.shared_key_retrieve(&request, id_of(&outside), &act).await);
    assert_eq!(retrieved, Retrieved { key: outside.key, secret: None }, "its secret is its customer's");
    let reveals = query("/v1/events", &[("kind", "shared_key.retrieved")]);
    assert_eq!(world.service.event_list(&request, &reveals).await.expect("the log").items.len(), 3);
}

async fn c4_five_keys_a_section_and_a_deleted_one_frees_its_place(world: World) {
    let request = world.owner.request();
    let api = world.api_with(json!({})).await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(world.shared_key(&api, json!({})).await);
    }
    fresh(world.service.shared_key_disable(&request, id_of(&made[0]), &Act::default()).await);
    let sixth = world.refused(world.try_shared_key(&api, json!({}))).await;
    assert_eq!(sixth, Refusal::LimitReached { limit: 5 }, "a disabled one counts");
    world.shared_key(&api, json!({"audience": "outside"})).await;
    fresh(world.service.shared_key_delete(&request, id_of(&made[1])).await);
    world.shared_key(&api, json!({})).await;
    assert_eq!(
        world.refused(world.try_shared_key(&api, json!({}))).await,
        Refusal::LimitReached { limit: 5 }
    );
    let page =
        query("/v1/apis/x/shared-keys", &[("audience", "inside"), ("sort", "name"), ("count", "true")]);
    let page = world.service.shared_key_list(&request, &api.entry.slug, &page).await.expect("a page");
    assert_eq!((page.items.len(), page.total), (5, Some(Some(5))));
    assert!(page.items.is_sorted_by_key(|key| key.name.to_lowercase()));
    let page = query("/v1/apis/x/shared-keys", &[("status", "disabled")]);
    let page = world.service.shared_key_list(&request, &api.entry.id, &page).await.expect("a page");
    assert_eq!(page.items.iter().map(|key| &key.id).collect::<Vec<_>>(), [&made[0].id]);
}

async fn c4_twenty_at_once_make_five(world: World) {
    let api = world.api_with(json!({})).await;
    let all = (0..20).map(|_| world.try_shared_key(&api, json!({})));
    let answers = futures::future::join_all(all).await;
    let refused = answers.iter().filter(|answer| {
        matches!(answer, Err(claviger_service::Error::Refused(Refusal::LimitReached { limit: 5 })))
    });
    assert_eq!((answers.iter().filter(|answer| answer.is_ok()).count(), refused.count()), (5, 15));
}

async fn c5_a_portal_link_is_told_once_replaced_and_withdrawn(world: World) {
    let request = world.owner.request();
    let api = world.api_with(json!({})).await;
    let outside = world.shared_key(&api, json!({"audience": "outside"})).await;
    let id = id_of(&outside);
    assert!(outside.portal_link.is_none(), "none until the first");
    assert_eq!(
        world.refused(world.service.shared_key_delete_portal_link(&request, id)).await,
        Refusal::NotFound
    );
    let whole_day: PostPortalLink = body(json!({"expires_at": "2026-03-02"}));
    let link = fresh(world.service.shared_key_create_portal_link(&request, id, &whole_day).await);
    let url = link.url.as_deref().expect("this once");
    assert!(url.starts_with("https://keys.example.com/portal#clv_portal_"), "{url}");
    assert!(link.has_secret() && !link.without_secrets().expect("JSON").to_string().contains("clv_portal_"));
    assert_eq!(link.expires_at.as_deref(), Some("2026-03-02T00:00:00Z"));
    let read = world.service.shared_key_read(&request, id).await.expect("it").body;
    assert_eq!(read.portal_link.and_then(|link| link.expires_at).as_deref(), Some("2026-03-02T00:00:00Z"));
    let past: PostPortalLink = body(json!({"expires_at": "2026-02-01"}));
    let refusal = world.refused(world.service.shared_key_create_portal_link(&request, id, &past)).await;
    assert_eq!(pointers(&refusal), ["/expires_at"]);
    let endless = PostPortalLink::default();
    let second = fresh(world.service.shared_key_create_portal_link(&request, id, &endless).await);
    assert_ne!(second.url, link.url);
    fresh(world.service.shared_key_delete_portal_link(&request, id).await);
    let read = world.service.shared_key_read(&request, id).await.expect("it").body;
    assert_eq!(read.portal_link, None);
    let inside = world.shared_key(&api, json!({})).await;
    let create = world.service.shared_key_create_portal_link(&request, id_of(&inside), &endless);
    let refusal = world.refused(create).await;
    assert_eq!(refusal.code(), "invalid_transition", "an inside key has no portal");
}

async fn c7_the_owner_resets_inside_and_clears_outside(world: World) {
    let (request, act) = (world.owner.request(), Act::default());
    let api = world.api_with(json!({"requires": "key_and_secret"})).await;
    let inside = world.shared_key(&api, json!({})).await;
    let reset = fresh(world.service.shared_key_reset_secret(&request, id_of(&inside), &act).await);
    let key = inside.key.as_deref();
    assert!(reset.key.is_none() && reset.masked == inside.masked, "the key never changes");
    assert_eq!(world.code_of(&api, key, inside.secret.as_deref()), "secret_mismatch", "at once");
    assert_eq!(world.code_of(&api, key, reset.secret.as_deref()), "valid");
    let clear = world.service.shared_key_clear_secret(&request, id_of(&inside), &act);
    let Refusal::InvalidTransition { from, act: did, allowed } = world.refused(clear).await else { panic!() };
    assert_eq!((from, did, allowed), ("active", "clear-secret", vec!["disable", "reset-secret"]));
    let outside = world.shared_key(&api, json!({"audience": "outside"})).await;
    let reset = world.service.shared_key_reset_secret(&request, id_of(&outside), &act);
    assert_eq!(world.refused(reset).await, Refusal::SetThroughPortal);
    let clear = world.service.shared_key_clear_secret(&request, id_of(&outside), &act);
    assert_eq!(world.refused(clear).await.code(), "invalid_transition", "there is none to clear");
}

async fn c7_disable_enable_and_delete_take_effect_at_once(world: World) {
    let (request, act) = (world.owner.request(), Act::default());
    let api = world.api_with(json!({"requires": "key"})).await;
    let made = world.shared_key(&api, json!({})).await;
    let (id, key) = (id_of(&made), made.key.as_deref());
    let disabled = fresh(world.service.shared_key_disable(&request, id, &act).await);
    assert_eq!(
        (SharedKeyStatus::from(disabled.status), world.code_of(&api, key, None)),
        (SharedKeyStatus::Disabled, "suspended")
    );
    let again = world.service.shared_key_disable(&request, id, &act);
    assert_eq!(world.refused(again).await.code(), "invalid_transition");
    fresh(world.service.shared_key_enable(&request, id, &act).await);
    assert_eq!(world.code_of(&api, key, None), "valid");
    let stale = world.owner.request_if_match("\"old\"");
    let update: Update = body(json!({"name": "Renamed", "ip_allow_list": ["192.0.2.0/24"]}));
    let refusal = world.refused(world.service.shared_key_update(&stale, id, &update)).await;
    assert_eq!(refusal, Refusal::PreconditionFailed);
    let renamed = fresh(world.service.shared_key_update(&request, id, &update).await);
    assert_eq!(renamed.name, "Renamed");
    assert_eq!(world.code_of(&api, key, None), "ip_denied", "felt at once");
    let before = world.events().await;
    fresh(world.service.shared_key_update(&request, id, &update).await);
    assert_eq!(world.events().await, before, "what is so already is no event");
    fresh(world.service.shared_key_delete(&request, id).await);
    assert_eq!(world.code_of(&api, key, None), "unknown");
    assert_eq!(world.refused(world.service.shared_key_enable(&request, id, &act)).await, Refusal::NotFound);
}

async fn c8_a_change_of_what_calls_must_carry_names_what_it_breaks(world: World) {
    let request = world.owner.request();
    let api = world.api_with(json!({"requires": "key"})).await;
    let inside = world.shared_key(&api, json!({"name": "Inside"})).await;
    world.shared_key(&api, json!({"name": "Outside", "audience": "outside"})).await;
    let disabled = world.shared_key(&api, json!({"name": "Disabled"})).await;
    fresh(world.service.shared_key_disable(&request, id_of(&disabled), &Act::default()).await);
    let broken = async |requires: &str| {
        let impact = world.service.api_impact(&request, &api.entry.slug, Some(requires)).await;
        impact.expect("told").breaks.into_iter().map(|key| key.name).collect::<Vec<_>>()
    };
    assert_eq!(broken("key").await, [""; 0]);
    assert_eq!(broken("none").await, [""; 0]);
    assert_eq!(broken("key_and_secret").await, ["Inside", "Outside"], "calls need not carry a secret today");
    assert_eq!(broken("secret").await, ["Inside", "Outside"]);
    let update = body(json!({"requires": "key_and_secret"}));
    fresh(world.service.api_update(&request, &api.entry.id, &update).await);
    assert_eq!(broken("secret").await, [""; 0], "Outside has no secret and is broken already");
    let update = body(json!({"requires": "secret"}));
    fresh(world.service.api_update(&request, &api.entry.id, &update).await);
    assert_eq!(world.code_of(&api, None, inside.secret.as_deref()), "valid");
    assert_eq!(broken("key").await, ["Inside"], "who calls with the secret alone needs the key then");
    for wrong in [None, Some("everything")] {
        let answer = world.service.api_impact(&request, &api.entry.id, wrong).await;
        assert!(matches!(answer, Err(claviger_service::Error::BadQuery { .. })), "{answer:?}");
    }
}

async fn f6_a_shared_key_holds_a_part_of_the_apis_permissions(world: World) {
    let request = world.owner.request();
    let api = world.api_with(json!({"requires": "key", "permissions": ["read", "write"]})).await;
    let made = world.shared_key(&api, json!({"permissions": ["read"]})).await;
    let asks = |asked: &[&str]| {
        let credential = Credential::from_parts(made.key.as_deref(), None);
        let call = Call { api: Some(&api.entry.slug), permissions: asked, ..Call::new(credential) };
        world.service.index().decide(&call, world.now()).code().as_str()
    };
    assert_eq!((asks(&["read"]), asks(&["read", "write"])), ("valid", "permission_denied"));
    let all: Update = body(json!({"permissions": null}));
    fresh(world.service.shared_key_update(&request, id_of(&made), &all).await);
    assert_eq!(asks(&["read", "write"]), "valid");
    let unknown: Update = body(json!({"permissions": ["read", "fly"]}));
    let refusal = world.refused(world.service.shared_key_update(&request, id_of(&made), &unknown)).await;
    assert_eq!(pointers(&refusal), ["/permissions/1"]);
}

async fn what_is_wrong_with_a_shared_key_is_named(world: World) {
    let api = world.api_with(json!({"environments": ["sandbox"]})).await;
    let wrong = json!({
        "name": "", "environment_id": "production", "permissions": ["fly"],
        "rate_limit": {"limit": 0, "per": "minute"}, "ip_allow_list": ["x"],
    });
    let refusal = world.refused(world.try_shared_key(&api, wrong)).await;
    let expected = ["/environment_id", "/name", "/permissions/0", "/rate_limit/limit", "/ip_allow_list/0"];
    assert_eq!(pointers(&refusal), expected);
    let made = world.shared_key(&api, json!({"environment_id": "sandbox"})).await;
    assert_eq!(made.environment.map(|it| it.slug).as_deref(), Some("sandbox"));
    let typed = made.key.expect("this once");
    let refusal = world.refused(world.try_shared_key(&api, json!({"name": typed}))).await;
    assert_eq!(refusal, Refusal::LooksLikeASecret { pointer: "/name".into() });
}

async fn a_shared_key_belongs_to_whom_its_api_belongs(world: World) {
    let api = world.api_with(json!({})).await;
    let made = world.shared_key(&api, json!({})).await;
    let id = id_of(&made);
    let other = world.other_organization().await;
    let all = Permission::ALL;
    let stranger = world.actor(all, in_organization(&other.organization_id)).await;
    let request = stranger.request();
    assert!(matches!(
        world.service.shared_key_read(&request, id).await,
        Err(claviger_service::Error::Refused(Refusal::NotFound))
    ));
    let deleted = world.service.shared_key_delete(&request, id);
    assert_eq!(world.refused(deleted).await, Refusal::NotFound);
    let reader = world.actor(&[Permission::ApisRead, Permission::SharedKeysRead], everywhere()).await;
    let request = reader.request();
    assert!(world.service.shared_key_read(&request, id).await.is_ok());
    let deleted = world.service.shared_key_delete(&request, id);
    assert_eq!(world.refused(deleted).await, forbidden(Permission::SharedKeysDelete));
    let create: Create = body(json!({"name": "Mine", "audience": "inside"}));
    let created = world.service.shared_key_create(&request, &api.entry.id, &create);
    assert_eq!(world.refused(created).await, forbidden(Permission::SharedKeysCreate));
}

async fn a_repeated_request_makes_one_key(world: World) {
    let api = world.api_with(json!({})).await;
    let create: Create = body(json!({"name": "Acme", "audience": "inside"}));
    let path = format!("/v1/apis/{}/shared-keys", api.entry.id);
    let request = world.owner.request_under("once", &path, &create);
    let made = fresh(world.service.shared_key_create(&request, &api.entry.id, &create).await);
    let again = replayed(world.service.shared_key_create(&request, &api.entry.id, &create).await);
    assert_eq!(again["id"], made.id.as_str());
    assert!(again.get("key").is_none() && again.get("secret").is_none(), "{again}");
    let page = query(&path, &[]);
    let page = world.service.shared_key_list(&world.owner.request(), &api.entry.id, &page).await;
    assert_eq!(page.expect("a page").items.len(), 1);
}

async fn an_api_with_shared_keys_stays(world: World) {
    let request = world.owner.request();
    let api = world.api_with(json!({})).await;
    let made = world.shared_key(&api, json!({"name": "Acme"})).await;
    let refusal = world.refused(world.service.api_delete(&request, &api.entry.id)).await;
    let Refusal::InUse { users } = refusal else { panic!("{refusal:?}") };
    assert_eq!(users.iter().map(|user| (&*user.id, &*user.name)).collect::<Vec<_>>(), [(&*made.id, "Acme")]);
    fresh(world.service.shared_key_delete(&request, id_of(&made)).await);
    fresh(world.service.api_delete(&request, &api.entry.id).await);
}
