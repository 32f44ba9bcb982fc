//! What can be undone after it was done, and what can't (product.md G3).

use claviger_domain::decision::Code;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::scope::Scope;
use claviger_verify::{Credential, Request};
use serde_json::json;

use crate::workspace::no_reason;
use crate::world::{World, body, everywhere, fresh};

on_both_databases!(
    g3_a_suspended_key_set_works_again_with_the_same_key,
    g3_a_suspended_application_works_again_with_the_same_keys,
    g3_a_deactivated_service_key_works_again,
    g3_what_is_final_offers_no_way_back,
);

impl World {
    /// What a call with this key gets.
    fn decided(&self, api: &str, key: &str) -> Code {
        let request = Request {
            credential: Credential::from_parts(Some(key), None),
            api: Some(api),
            environment: None,
            permissions: &[],
            ip: None,
            cost: 1,
            scope: Scope::EVERYTHING,
        };
        self.service.index().decide(&request, self.now()).code()
    }
}

async fn g3_a_suspended_key_set_works_again_with_the_same_key(world: World) {
    let request = world.owner.request();
    let one = world.one_key_set("api_key", json!({"retrievable": true})).await;
    let (id, api) = (one.key_set_id(), one.api.entry.slug.as_str());
    let key = fresh(world.service.key_set_retrieve(&request, id, None, &no_reason()).await).key;
    assert_eq!(world.decided(api, &key), Code::Valid);
    let suspended = fresh(world.service.key_set_suspend(&request, id, &no_reason()).await);
    assert!(suspended.can.iter().any(|act| act == "activate"), "the answer offers the way back");
    assert_eq!(world.decided(api, &key), Code::Suspended);
    fresh(world.service.key_set_activate(&request, id, &no_reason()).await);
    assert_eq!(world.decided(api, &key), Code::Valid);
}

async fn g3_a_suspended_application_works_again_with_the_same_keys(world: World) {
    let request = world.owner.request();
    let one = world.one_key_set("api_key", json!({})).await;
    let (id, api) = (one.application_id(), one.api.entry.slug.as_str());
    let key = one.subscription.credentials.as_ref().expect("shown once")[0].key.clone();
    fresh(world.service.application_suspend(&request, id, &no_reason()).await);
    assert_eq!(world.decided(api, &key), Code::Suspended);
    let back = fresh(world.service.application_activate(&request, id, &body(json!({}))).await);
    assert_eq!(back.activated.iter().map(|set| &set.id).collect::<Vec<_>>(), [&one.id]);
    assert_eq!(world.decided(api, &key), Code::Valid);
}

async fn g3_a_deactivated_service_key_works_again(world: World) {
    let actor = world.actor(&[Permission::GroupsRead], everywhere()).await;
    let (id, request) = (actor.caller.service_key_id, world.owner.request());
    fresh(world.service.service_key_deactivate(&request, id, &no_reason()).await);
    assert!(world.sign_in(&actor.value, None).await.is_err());
    fresh(world.service.service_key_activate(&request, id, &no_reason()).await);
    assert!(world.sign_in(&actor.value, None).await.is_ok());
}

async fn g3_what_is_final_offers_no_way_back(world: World) {
    let request = world.owner.request();
    let one = world.one_key_set("api_key", json!({})).await;
    let set = fresh(world.service.key_set_revoke(&request, one.key_set_id(), &no_reason()).await);
    assert_eq!(set.can, ["issue"], "a new Key, never the old one");
    let back = world.refused(world.service.key_set_activate(&request, one.key_set_id(), &no_reason())).await;
    assert!(matches!(back, Refusal::InvalidTransition { from: "revoked", act: "activate", .. }), "{back:?}");
    fresh(world.service.key_set_issue(&request, one.key_set_id(), &no_reason()).await);
    let old = &one.subscription.credentials.as_ref().expect("shown once")[0].key;
    assert_eq!(world.decided(one.api.entry.slug.as_str(), old), Code::Revoked);
}
