//! What is answered while the keeper's process is dead: replays, refusals, and every act that takes nothing
//! sealed; what takes it is 503, and writes nothing (security.md 5).

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_service::{Error, Unavailable, Written};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::workspace::{OneKeySet, no_reason, subscription_body};
use crate::world::{World, body, everywhere, forbidden, fresh, pointers, replayed};

on_both_databases!(
    a_replay_is_told_without_the_keeper,
    a_refusal_is_told_without_the_keeper,
    what_takes_a_sealed_credential_waits_for_the_keeper,
    what_takes_nothing_sealed_is_done_without_the_keeper,
);

/// A keeper that was killed, and does not come back before its master key does.
#[derive(Debug)]
pub(crate) struct DeadKeeper {
    master_key: PathBuf,
    hidden: PathBuf,
}

impl World {
    /// Kills the keeper's process. It is started again in vain until [`World::revive`].
    pub(crate) async fn kill_keeper(&self) -> DeadKeeper {
        let master_key = self.folder().join("master.key");
        let hidden = self.folder().join("hidden.key");
        fs::rename(&master_key, &hidden).expect("hidden");
        let process = self.service.keeper().status().process.expect("a keeper");
        let process = Pid::from_raw(process.try_into().expect("a process id")).expect("a process id");
        kill_process(process, Signal::KILL).expect("killed");
        self.wait_for_keeper(false).await;
        DeadKeeper { master_key, hidden }
    }

    pub(crate) async fn revive(&self, dead: DeadKeeper) {
        fs::rename(dead.hidden, dead.master_key).expect("back again");
        self.wait_for_keeper(true).await;
    }

    async fn wait_for_keeper(&self, available: bool) {
        let began = Instant::now();
        while self.service.keeper().status().available != available {
            assert!(began.elapsed() < Duration::from_secs(60), "{:?}", self.service.keeper().status());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[track_caller]
fn keeper_unavailable<T: std::fmt::Debug>(answer: Result<Written<T>, Error>) {
    assert!(matches!(answer, Err(Error::Unavailable(Unavailable::Keeper))), "{answer:?}");
}

/// A set whose values are sealed, as all of these tests want it.
async fn sealed_set(world: &World) -> OneKeySet {
    world.one_key_set("api_key", json!({"retrievable": true, "rotates_every": "P30D"})).await
}

async fn revoked_set(world: &World) -> OneKeySet {
    let one = sealed_set(world).await;
    fresh(world.service.key_set_revoke(&world.owner.request(), one.key_set_id(), &no_reason()).await);
    one
}

async fn a_replay_is_told_without_the_keeper(world: World) {
    let service = &world.service;
    let one = sealed_set(&world).await;
    let dead = revoked_set(&world).await;
    let subscribe = subscription_body(&world.application().await, &one.api);
    let bulk = body(json!({"act": "regenerate", "ids": [one.id]}));
    let under = |path: &str| world.owner.request_under("once", path, &Value::Null);
    let [retrieve, regenerate, issue] = ["retrieve", "regenerate", "issue"].map(under);
    let [renew, created, many] = ["renew", "subscriptions", "bulk"].map(under);
    fresh(service.key_set_retrieve(&retrieve, one.key_set_id(), None, &no_reason()).await);
    fresh(service.key_set_regenerate(&regenerate, one.key_set_id(), &no_reason()).await);
    fresh(service.subscription_renew(&renew, dead.subscription_id(), &no_reason()).await);
    let other = revoked_set(&world).await;
    fresh(service.key_set_issue(&issue, other.key_set_id(), &no_reason()).await);
    fresh(service.subscription_create(&created, &subscribe).await);
    fresh(service.key_set_bulk(&many, &bulk).await);
    let before = world.events().await;
    let _dead = world.kill_keeper().await;
    replayed(service.key_set_retrieve(&retrieve, one.key_set_id(), None, &no_reason()).await);
    replayed(service.key_set_regenerate(&regenerate, one.key_set_id(), &no_reason()).await);
    replayed(service.subscription_renew(&renew, dead.subscription_id(), &no_reason()).await);
    replayed(service.key_set_issue(&issue, other.key_set_id(), &no_reason()).await);
    replayed(service.subscription_create(&created, &subscribe).await);
    replayed(service.key_set_bulk(&many, &bulk).await);
    assert_eq!(world.events().await, before);
}

async fn a_refusal_is_told_without_the_keeper(world: World) {
    let service = &world.service;
    let (one, dead) = (sealed_set(&world).await, revoked_set(&world).await);
    let reads = [
        Permission::KeySetsRead,
        Permission::SubscriptionsRead,
        Permission::ApplicationsRead,
        Permission::ApisRead,
    ];
    let (owner, reader) = (world.owner.request(), world.actor(&reads, everywhere()).await.request());
    let again = subscription_body(&one.application, &one.api);
    let mut nowhere = again.clone();
    nowhere.api_id = "nowhere".to_owned();
    let never = "ks_00000000000000000000000000".parse().expect("an id");
    let none = no_reason();
    let _dead = world.kill_keeper().await;

    for refusal in [
        world.refused(service.key_set_retrieve(&owner, never, None, &none)).await,
        world.refused(service.key_set_regenerate(&owner, never, &none)).await,
        world.refused(service.key_set_issue(&owner, never, &none)).await,
    ] {
        assert_eq!(refusal, Refusal::NotFound);
    }
    assert_eq!(pointers(&world.refused(service.subscription_create(&owner, &nowhere)).await), ["/api_id"]);

    let refusal = world.refused(service.key_set_retrieve(&reader, one.key_set_id(), None, &none)).await;
    assert_eq!(refusal, forbidden(Permission::KeySetsRetrieve));
    let refusal = world.refused(service.key_set_regenerate(&reader, one.key_set_id(), &none)).await;
    assert_eq!(refusal, forbidden(Permission::KeySetsRegenerate));
    let refusal = world.refused(service.key_set_issue(&reader, dead.key_set_id(), &none)).await;
    assert_eq!(refusal, forbidden(Permission::KeySetsIssue));
    let refusal = world.refused(service.subscription_renew(&reader, dead.subscription_id(), &none)).await;
    assert_eq!(refusal, forbidden(Permission::SubscriptionsRenew));
    let refusal = world.refused(service.subscription_create(&reader, &again)).await;
    assert_eq!(refusal, forbidden(Permission::SubscriptionsCreate));

    for refusal in [
        world.refused(service.key_set_retrieve(&owner, dead.key_set_id(), None, &none)).await,
        world.refused(service.key_set_regenerate(&owner, dead.key_set_id(), &none)).await,
        world.refused(service.key_set_issue(&owner, one.key_set_id(), &none)).await,
        world.refused(service.subscription_renew(&owner, one.subscription_id(), &none)).await,
    ] {
        assert!(matches!(refusal, Refusal::InvalidTransition { .. }), "{refusal:?}");
    }
    let refusal = world.refused(service.subscription_create(&owner, &again)).await;
    assert!(matches!(refusal, Refusal::AlreadySubscribed { .. }), "{refusal:?}");
}

async fn what_takes_a_sealed_credential_waits_for_the_keeper(world: World) {
    let service = &world.service;
    let (one, dead) = (sealed_set(&world).await, revoked_set(&world).await);
    let request = world.owner.request();
    let subscribe = subscription_body(&world.application().await, &one.api);
    let bulk = body(json!({"act": "regenerate", "ids": [one.id, dead.id]}));
    let none = no_reason();
    let before = world.events().await;
    let killed = world.kill_keeper().await;
    keeper_unavailable(service.key_set_retrieve(&request, one.key_set_id(), None, &none).await);
    keeper_unavailable(service.key_set_regenerate(&request, one.key_set_id(), &none).await);
    keeper_unavailable(service.key_set_issue(&request, dead.key_set_id(), &none).await);
    keeper_unavailable(service.key_set_bulk(&request, &bulk).await);
    keeper_unavailable(service.subscription_renew(&request, dead.subscription_id(), &none).await);
    keeper_unavailable(service.subscription_create(&request, &subscribe).await);
    assert_eq!(world.events().await, before);
    world.revive(killed).await;
    fresh(service.key_set_retrieve(&request, one.key_set_id(), None, &none).await);
    fresh(service.key_set_regenerate(&request, one.key_set_id(), &none).await);
    fresh(service.subscription_renew(&request, dead.subscription_id(), &none).await);
    fresh(service.subscription_create(&request, &subscribe).await);
}

async fn what_takes_nothing_sealed_is_done_without_the_keeper(world: World) {
    let service = &world.service;
    let shown = world.one_key_set("api_key_and_secret", json!({})).await;
    let due = sealed_set(&world).await;
    let request = world.owner.request();
    let none = no_reason();
    let _dead = world.kill_keeper().await;
    let regenerated = fresh(service.key_set_regenerate(&request, shown.key_set_id(), &none).await);
    assert_eq!(regenerated.credentials.map(|shown| shown.len()), Some(1));
    let other = world.subscribe(&world.application().await, &shown.api).await;
    assert_eq!(other.credentials.map(|shown| shown.len()), Some(1));
    world.actor(&[Permission::ApisRead], everywhere()).await;
    // A rotation that waits for the keeper stands in nobody's way.
    world.pass("P31D");
    fresh(service.key_set_suspend(&request, due.key_set_id(), &none).await);
    fresh(service.key_set_revoke(&request, due.key_set_id(), &none).await);
}
