//! Git integrations, which come and go with their APIs, and hold their key pairs.

use std::collections::BTreeSet;

use claviger_domain::apis::DocumentDigest;
use claviger_domain::event::{ActorRef, EventBody, KeyPairTerms};
use claviger_domain::git::HostKey;
use claviger_domain::git_integrations::{GitSettings, IntegrationOf, SyncPoint};
use claviger_domain::id::KeyPairId;
use claviger_domain::key_pairs::{KeyUse, PublicKey};
use claviger_store::Store;

use crate::world::{Place, World, append, event, id, later, name, number, start};

async fn happen(store: &Store, world: &World, body: EventBody) {
    append(store, [event(later("P1D"), world.place(), body)]).await.expect("an event that fits");
}

async fn pair(store: &Store, world: &World, called: &str) -> KeyPairId {
    let mut spki = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    spki.extend([[0; 24].as_slice(), &number().to_be_bytes()].concat());
    let key_pair_id = id();
    let terms = KeyPairTerms {
        organization_id: world.organization_id,
        name: name(called),
        uses: BTreeSet::from([KeyUse::Git]),
        public: false,
        public_key: PublicKey::from_spki(spki).expect("a key"),
        grants: Vec::new(),
        replaces: None,
        created_by: ActorRef::system("test"),
    };
    let body = EventBody::KeyPairCreated { key_pair_id, terms: Box::new(terms) };
    append(store, [event(start(), world.place(), body)]).await.expect("a pair");
    key_pair_id
}

fn settings(key_pair_id: KeyPairId) -> GitSettings {
    GitSettings {
        enabled: true,
        address: "ssh://git@git.example:2222/acme/orders.git".parse().expect("an address"),
        branch: "main".parse().expect("a branch"),
        path: "api/openapi.yaml".parse().expect("a path"),
        key_pair_id,
    }
}

pub(crate) async fn git_integrations_live_their_lives(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    let (first, second) = (pair(&store, &world, "First").await, pair(&store, &world, "Second").await);
    let api_id = IntegrationOf(world.api_id);
    let created = |pair| EventBody::GitIntegrationCreated {
        api_id,
        organization_id: world.organization_id,
        group_id: world.group_id,
        settings: Box::new(settings(pair)),
    };
    let read = async || store.read().await.unwrap().git_integration(world.api_id).await.unwrap();
    let users = async |pair| -> Vec<String> {
        let users = store.read().await.unwrap().users_of_key_pair(pair).await.unwrap();
        users.into_iter().map(|user| user.id).collect()
    };
    assert_eq!((read().await, users(first).await), (None, Vec::new()));
    happen(&store, &world, created(first)).await;
    let made = read().await.expect("an integration");
    assert_eq!((made.settings.clone(), made.host_key, made.synced), (settings(first), None, None));
    assert_eq!(users(first).await, [world.api_id.to_string()]);
    let host_key: HostKey =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
            .parse()
            .expect("a key");
    let fingerprint = host_key.fingerprint();
    happen(
        &store,
        &world,
        EventBody::GitIntegrationHostKeyPinned { api_id, host_key: host_key.clone(), fingerprint },
    )
    .await;
    let sync = SyncPoint {
        commit: "c".repeat(40).parse().expect("an id"),
        blob: "b".repeat(64).parse().expect("an id"),
        document: DocumentDigest::from_bytes([7; 32]),
    };
    happen(&store, &world, EventBody::GitIntegrationPulled { api_id, sync: Box::new(sync.clone()) }).await;
    let known = read().await.expect("an integration");
    assert_eq!(known.host_key.map(|pinned| (pinned.key, pinned.pinned_at)), Some((host_key, later("P1D"))));
    assert_eq!((known.synced, known.synced_at), (Some(sync), Some(later("P1D"))));
    happen(&store, &world, EventBody::GitIntegrationUpdated { api_id, settings: Box::new(settings(second)) })
        .await;
    assert_eq!((users(first).await, users(second).await), (Vec::new(), vec![world.api_id.to_string()]));
    happen(&store, &world, EventBody::GitIntegrationDeleted { api_id }).await;
    assert_eq!((read().await, users(second).await), (None, Vec::new()));
    happen(&store, &world, created(second)).await;
    assert!(read().await.is_some_and(|again| again.host_key.is_none() && again.synced.is_none()));
    let report = store.read().await.unwrap().verify_state().await.unwrap();
    assert_eq!(report.fault, None, "replaying the log leads to the same tables");
}
