//! Retrieving credentials: logged before it is shown, once or as often as is permitted, and never what is
//! dead (product.md D8).

use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_service::{Error, Unavailable};
use serde_json::json;

use crate::workspace::no_reason;
use crate::world::{World, everywhere, forbidden, fresh, replayed};

on_both_databases!(
    d8_a_retrievable_value_is_opened_as_often_as_asked_and_logged_each_time,
    d8_a_value_shown_once_is_nowhere_else,
    d8_what_the_scheduler_issued_is_retrieved_once,
    d8_what_is_dead_is_not_retrieved,
    d8_a_refused_opening_uses_nothing_up,
    d8_without_the_keeper_nothing_is_opened,
);

async fn d8_a_retrievable_value_is_opened_as_often_as_asked_and_logged_each_time(world: World) {
    let request = world.owner.request();
    let one = world.one_key_set("basic", json!({"retrievable": true})).await;
    assert!(one.subscription.credentials.is_none(), "it can be had again");
    let mut values = Vec::new();
    for _ in 0..2 {
        let before = world.events().await;
        let got = fresh(world.service.key_set_retrieve(&request, one.key_set_id(), None, &no_reason()).await);
        assert_eq!(world.events().await, before + 1);
        assert_eq!((&got.username, &got.password), (&Some(got.key.clone()), &got.secret));
        values.push(got);
    }
    assert_eq!(values[0], values[1]);
    assert!(values[0].key.starts_with("clv_key_"));
    let set = world.key_set(&one.id).await;
    assert!(set.keys[0].masked.starts_with(&values[0].key[..12]), "it is the Key's own");
    // Told again under the same key of idempotency, but without the value.
    let path = format!("/v1/key-sets/{}/retrieve", one.id);
    let claimed = world.owner.request_under("k", &path, &json!({}));
    fresh(world.service.key_set_retrieve(&claimed, one.key_set_id(), None, &no_reason()).await);
    let told = replayed(world.service.key_set_retrieve(&claimed, one.key_set_id(), None, &no_reason()).await);
    assert_eq!(told, json!({"key_id": set.keys[0].id}));
    let may_not = world.actor(&[Permission::KeySetsRead], everywhere()).await;
    let asked = may_not.request();
    let refusal =
        world.refused(world.service.key_set_retrieve(&asked, one.key_set_id(), None, &no_reason())).await;
    assert_eq!(refusal, forbidden(Permission::KeySetsRetrieve));
}

async fn d8_a_value_shown_once_is_nowhere_else(world: World) {
    let request = world.owner.request();
    let one = world.one_key_set("api_key", json!({})).await;
    let credentials = one.subscription.credentials.as_ref().expect("shown once");
    let refusal =
        world.refused(world.service.key_set_retrieve(&request, one.key_set_id(), None, &no_reason())).await;
    assert_eq!(refusal, Refusal::AlreadyShown);
    let key_id = credentials[0].key_id.parse().expect("an id");
    let mut reader = world.service.store().read().await.expect("a reader");
    assert!(reader.sealed(key_id).await.expect("read").is_none(), "nothing was sealed");
}

async fn d8_what_the_scheduler_issued_is_retrieved_once(world: World) {
    let request = world.owner.request();
    let policy = json!({"rotates_every": "P30D", "rotation_lead": "P7D", "overlap": "P3D"});
    let one = world.one_key_set("api_key_and_secret", policy).await;
    world.pass("P23D");
    world.run_scheduler().await;
    let latest = world.key_set(&one.id).await.keys[1].clone();
    let got = fresh(world.service.key_set_retrieve(&request, one.key_set_id(), None, &no_reason()).await);
    assert_eq!(got.key_id, latest.id);
    assert!(got.secret.is_some_and(|secret| secret.starts_with("clv_secret_")));
    let mut reader = world.service.store().read().await.expect("a reader");
    let key_id = latest.id.parse().expect("an id");
    assert!(reader.sealed(key_id).await.expect("read").is_none(), "wiped");
    drop(reader);
    let refusal =
        world.refused(world.service.key_set_retrieve(&request, one.key_set_id(), None, &no_reason())).await;
    assert_eq!(refusal, Refusal::AlreadyShown);
    let old = world.key_set(&one.id).await.keys[0].id.clone();
    let refusal = world
        .refused(world.service.key_set_retrieve(&request, one.key_set_id(), Some(&old), &no_reason()))
        .await;
    assert_eq!(refusal, Refusal::AlreadyShown, "it was shown at subscribe");
}

async fn d8_what_is_dead_is_not_retrieved(world: World) {
    let request = world.owner.request();
    let one = world.one_key_set("api_key", json!({"retrievable": true, "expires_after": "P30D"})).await;
    world.pass("P30D");
    let refusal =
        world.refused(world.service.key_set_retrieve(&request, one.key_set_id(), None, &no_reason())).await;
    assert!(matches!(refusal, Refusal::InvalidTransition { from: "expired", act: "retrieve", .. }));
    world.run_scheduler().await;
    let key_id = world.key_set(&one.id).await.keys[0].id.parse().expect("an id");
    let mut reader = world.service.store().read().await.expect("a reader");
    assert!(reader.sealed(key_id).await.expect("read").is_none(), "wiped with its Key's end");
}

async fn d8_a_refused_opening_uses_nothing_up(world: World) {
    let request = world.owner.request();
    let hoard = world.one_key_set("api_key", json!({"retrievable": true})).await;
    let rotated = world.one_key_set("api_key", json!({"rotates_every": "P30D"})).await;
    world.pass("P30D");
    world.run_scheduler().await;
    for _ in 0..30 {
        fresh(world.service.key_set_retrieve(&request, hoard.key_set_id(), None, &no_reason()).await);
    }
    let path = format!("/v1/key-sets/{}/retrieve", rotated.id);
    let claimed = world.owner.request_under("k", &path, &json!({}));
    for _ in 0..2 {
        let asked = world.service.key_set_retrieve(&claimed, rotated.key_set_id(), None, &no_reason()).await;
        assert!(matches!(asked, Err(Error::Refused(Refusal::TooManyReveals { .. }))), "{asked:?}");
    }
    // Another actor has room; the value is still there, once.
    let permissions = [Permission::KeySetsRead, Permission::KeySetsRetrieve];
    let other = world.actor(&permissions, everywhere()).await.request();
    fresh(world.service.key_set_retrieve(&other, rotated.key_set_id(), None, &no_reason()).await);
    let refusal =
        world.refused(world.service.key_set_retrieve(&other, rotated.key_set_id(), None, &no_reason())).await;
    assert_eq!(refusal, Refusal::AlreadyShown);
}

async fn d8_without_the_keeper_nothing_is_opened(world: World) {
    let request = world.owner.request();
    let one = world.one_key_set("api_key", json!({"retrievable": true, "rotates_every": "P30D"})).await;
    world.service.keeper().shutdown();
    let before = world.events().await;
    let asked = world.service.key_set_retrieve(&request, one.key_set_id(), None, &no_reason()).await;
    assert!(matches!(asked, Err(Error::Unavailable(Unavailable::Keeper))), "{asked:?}");
    let regenerated = world.service.key_set_regenerate(&request, one.key_set_id(), &no_reason()).await;
    assert!(matches!(regenerated, Err(Error::Unavailable(Unavailable::Keeper))), "{regenerated:?}");
    assert_eq!(world.events().await, before);
    // What needs no keeper goes on, also while a rotation waits for it.
    world.pass("P31D");
    fresh(world.service.key_set_suspend(&request, one.key_set_id(), &no_reason()).await);
    fresh(world.service.key_set_revoke(&request, one.key_set_id(), &no_reason()).await);
}
