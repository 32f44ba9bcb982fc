//! "Which key is this?" (product.md F7): answered to those who may see the key, thirty times a minute.

use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_service::Error;
use claviger_wire::which_key::{Identified, Question};
use serde_json::json;

use crate::workspace::no_reason;
use crate::world::{Actor, World, everywhere, forbidden, fresh, in_organization};

on_both_databases!(a_pasted_value_tells_its_key, what_may_not_be_seen_is_not_told, thirty_questions_a_minute,);

impl World {
    async fn which(&self, actor: &Actor, value: &str) -> Result<Identified, Error> {
        self.service.which_key(&actor.request(), &Question { value: value.to_owned() }).await
    }
}

async fn a_pasted_value_tells_its_key(world: World) {
    let set = world.one_key_set("api_key_and_secret", json!({"retrievable": false})).await;
    let shown = set.subscription.credentials.expect("shown once");
    let (key, secret) = (shown[0].key.clone(), shown[0].secret.clone().expect("a secret"));
    for (value, kind) in [(&key, "key"), (&secret, "secret")] {
        let told = world.which(&world.owner, &format!(" {value}\n")).await.expect("it");
        assert_eq!((told.kind.as_str(), &told.id, told.status.as_str()), (kind, &shown[0].key_id, "active"));
        assert!(told.masked.contains('…') && !told.masked.contains(value.as_str()));
    }
    let request = world.owner.request();
    let id = world.key_set(&set.id).await.id.parse().expect("an id");
    fresh(world.service.key_set_suspend(&request, id, &no_reason()).await);
    assert_eq!(world.which(&world.owner, &key).await.expect("it").status, "suspended");
    let actor = world.actor(&[Permission::ApisRead], everywhere()).await;
    let told = world.which(&world.owner, &actor.value).await.expect("it");
    let id = actor.caller.service_key_id;
    assert_eq!(
        (told.kind.as_str(), told.id, told.status.as_str()),
        ("service_key", id.to_string(), "active")
    );
    world.service.service_key_delete(&request, id).await.expect("deleted");
    assert_eq!(world.refused(world.which(&world.owner, &actor.value)).await, Refusal::NotFound);
}

async fn what_may_not_be_seen_is_not_told(world: World) {
    let other = world.other_organization().await;
    let asking = &[Permission::KeysIdentify];
    let theirs = world.actor(&[Permission::ApisRead], in_organization(&other.organization_id)).await;
    let mine = world.actor(asking, in_organization(world.organization_id)).await;
    let typo = format!("{}x", &theirs.value[..theirs.value.len() - 1]);
    for value in [theirs.value.as_str(), typo.as_str(), "hunter2", "", "clv_svc_"] {
        assert_eq!(world.refused(world.which(&mine, value)).await, Refusal::NotFound, "{value}");
    }
    assert_eq!(world.which(&mine, &mine.value).await.expect("it").kind, "service_key");
    let refusal = world.refused(world.which(&theirs, &theirs.value)).await;
    assert_eq!(refusal, forbidden(Permission::KeysIdentify));
}

async fn thirty_questions_a_minute(world: World) {
    world.pass("PT10S");
    let asking = world.actor(&[Permission::KeysIdentify], everywhere()).await;
    for _ in 0..30 {
        assert_eq!(world.refused(world.which(&asking, "hunter2")).await, Refusal::NotFound);
    }
    let refusal = world.refused(world.which(&asking, "hunter2")).await;
    assert_eq!(refusal, Refusal::TooManyRequests { retry_after_seconds: 50 });
    world.which(&world.owner, &world.owner.value).await.expect("another caller has its own");
    world.pass("PT50S");
    assert_eq!(world.refused(world.which(&asking, "hunter2")).await, Refusal::NotFound);
}
