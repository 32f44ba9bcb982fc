//! Every act in every state, through the service: what the tables of product.md D4 and D9 to D17 allow is done;
//! everything else is refused with the state, the act and just the acts allowed, and writes no event.

use claviger_domain::id::{KeySetId, SubscriptionId};
use claviger_domain::key_sets::Act;
use claviger_domain::refusal::Refusal;
use claviger_domain::subscriptions::SubscriptionAct;
use claviger_service::Error;
use serde_json::json;

use crate::workspace::{OneKeySet, no_reason, status_of};
use crate::world::{World, fresh};

on_both_databases!(d_every_act_on_a_key_set_in_every_state, d_every_act_on_a_subscription_in_every_state);

const KEY_SETS: [(&str, &[Act]); 5] = [
    ("pending", &[Act::Retrieve]),
    ("active", &[Act::Suspend, Act::Regenerate, Act::Revoke, Act::Retrieve]),
    ("suspended", &[Act::Activate, Act::Regenerate, Act::Revoke, Act::Retrieve]),
    ("expired", &[Act::Issue]),
    ("revoked", &[Act::Issue]),
];

const SUBSCRIPTIONS: [(&str, &[SubscriptionAct]); 4] = [
    ("pending", &[SubscriptionAct::Accept, SubscriptionAct::Reject, SubscriptionAct::End]),
    ("active", &[SubscriptionAct::End, SubscriptionAct::Renew]),
    ("rejected", &[]),
    ("ended", &[]),
];

/// A new set in that state.
async fn key_set_in(world: &World, state: &str) -> OneKeySet {
    let approval = if state == "pending" { "required" } else { "none" };
    let policy = json!({"retrievable": true, "expires_after": "P30D", "approval": approval});
    let one = world.one_key_set("api_key", policy).await;
    let (request, id, none) = (world.owner.request(), one.key_set_id(), no_reason());
    match state {
        "suspended" => drop(fresh(world.service.key_set_suspend(&request, id, &none).await)),
        "revoked" => drop(fresh(world.service.key_set_revoke(&request, id, &none).await)),
        "expired" => world.pass("P30D"),
        _ => {}
    }
    assert_eq!(status_of(&world.key_set(&one.id).await).as_str(), state);
    one
}

async fn do_to_key_set(world: &World, id: KeySetId, act: Act) -> Result<(), Error> {
    let (service, request, none) = (&world.service, world.owner.request(), no_reason());
    match act {
        Act::Suspend => service.key_set_suspend(&request, id, &none).await.map(drop),
        Act::Activate => service.key_set_activate(&request, id, &none).await.map(drop),
        Act::Regenerate => service.key_set_regenerate(&request, id, &none).await.map(drop),
        Act::Revoke => service.key_set_revoke(&request, id, &none).await.map(drop),
        Act::Issue => service.key_set_issue(&request, id, &none).await.map(drop),
        Act::Retrieve => service.key_set_retrieve(&request, id, None, &none).await.map(drop),
        Act::RevokeKey => {
            let latest = world.key_set(&id.to_string()).await.keys.pop().expect("a Key").id;
            let latest = latest.parse().expect("an id");
            service.key_set_revoke_key(&request, id, latest, &none).await.map(drop)
        }
    }
}

async fn d_every_act_on_a_key_set_in_every_state(world: World) {
    for (state, allowed) in KEY_SETS {
        let words: Vec<_> = allowed.iter().map(|act| act.as_str()).collect();
        // What is refused leaves the set as it was: one is enough for all refusals.
        let one = key_set_in(&world, state).await;
        for act in Act::ALL.into_iter().filter(|act| !allowed.contains(act)) {
            let refusal = world.refused(do_to_key_set(&world, one.key_set_id(), act)).await;
            let expected =
                Refusal::InvalidTransition { from: state, act: act.as_str(), allowed: words.clone() };
            assert_eq!(refusal, expected);
        }
        assert_eq!(world.key_set(&one.id).await.can, words, "{state}: offered is what is allowed");
        for act in allowed {
            let one = key_set_in(&world, state).await;
            let before = world.events().await;
            let done = do_to_key_set(&world, one.key_set_id(), *act).await;
            assert!(done.is_ok(), "{state} × {act:?}: {done:?}");
            assert!(world.events().await > before, "{state} × {act:?}");
        }
    }
    world.verify_log().await;
}

/// A new Subscription in that state.
async fn subscription_in(world: &World, state: &str) -> OneKeySet {
    let approval = if ["pending", "rejected"].contains(&state) { "required" } else { "none" };
    let one = world.one_key_set("api_key", json!({"approval": approval})).await;
    let (request, none) = (world.owner.request(), no_reason());
    match state {
        "rejected" => do_to_subscription(world, one.subscription_id(), SubscriptionAct::Reject).await,
        "ended" => do_to_subscription(world, one.subscription_id(), SubscriptionAct::End).await,
        // Something is there to be renewed.
        "active" => world.service.key_set_revoke(&request, one.key_set_id(), &none).await.map(drop),
        _ => Ok(()),
    }
    .expect("done");
    one
}

async fn do_to_subscription(world: &World, id: SubscriptionId, act: SubscriptionAct) -> Result<(), Error> {
    let (service, request, none) = (&world.service, world.owner.request(), no_reason());
    match act {
        SubscriptionAct::Accept => service.subscription_accept(&request, id, &none).await,
        SubscriptionAct::Reject => service.subscription_reject(&request, id, &none).await,
        SubscriptionAct::End => service.subscription_end(&request, id, &none).await,
        SubscriptionAct::Renew => service.subscription_renew(&request, id, &none).await,
    }
    .map(drop)
}

async fn d_every_act_on_a_subscription_in_every_state(world: World) {
    for (state, allowed) in SUBSCRIPTIONS {
        let words: Vec<_> = allowed.iter().map(|act| act.as_str()).collect();
        let one = subscription_in(&world, state).await;
        for act in SubscriptionAct::ALL.into_iter().filter(|act| !allowed.contains(act)) {
            let refusal = world.refused(do_to_subscription(&world, one.subscription_id(), act)).await;
            let expected =
                Refusal::InvalidTransition { from: state, act: act.as_str(), allowed: words.clone() };
            assert_eq!(refusal, expected);
        }
        for act in allowed {
            let one = subscription_in(&world, state).await;
            let before = world.events().await;
            let done = do_to_subscription(&world, one.subscription_id(), *act).await;
            assert!(done.is_ok(), "{state} × {act:?}: {done:?}");
            assert!(world.events().await > before, "{state} × {act:?}");
        }
    }
    world.verify_log().await;
}
