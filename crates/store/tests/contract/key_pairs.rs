//! Key pairs, and who has access to them.

use std::collections::BTreeSet;

use claviger_domain::event::{ActorRef, EventBody, KeyPairTerms};
use claviger_domain::id::{GroupId, KeyPairId, MemberId};
use claviger_domain::key_pairs::{Algorithm, Grant, Grantee, KeyUse, Level, PublicKey};
use claviger_domain::members::Email;
use claviger_domain::scope::Scope;
use claviger_store::{Accessible, KeyPairFilter, KeyPairSort, ListQuery, Store, StoreError, Visible};

use crate::world::{Place, World, append, event, id, later, name, number, start};

/// An Ed25519 key that no other test has.
fn public_key() -> PublicKey {
    let mut spki = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    spki.extend([[0; 24].as_slice(), &number().to_be_bytes()].concat());
    PublicKey::from_spki(spki).expect("a key")
}

async fn happen(store: &Store, world: &World, body: EventBody) {
    append(store, [event(later("P1D"), world.place(), body)]).await.expect("an event that fits");
}

async fn made(store: &Store, world: &World, called: &str, grants: &[Grant]) -> Result<KeyPairId, StoreError> {
    let key_pair_id = id();
    let terms = KeyPairTerms {
        organization_id: world.organization_id,
        name: name(called),
        uses: BTreeSet::from([KeyUse::Git, KeyUse::Jwt]),
        public: false,
        public_key: public_key(),
        grants: grants.to_vec(),
        replaces: None,
        created_by: ActorRef::system("test"),
    };
    let body = EventBody::KeyPairCreated { key_pair_id, terms: Box::new(terms) };
    append(store, [event(start(), world.place(), body)]).await?;
    Ok(key_pair_id)
}

fn admin(member_id: MemberId) -> Grant {
    Grant { grantee: Grantee::Member(member_id), level: Level::Admin }
}

pub(crate) async fn key_pairs_live_their_lives(place: &Place) {
    let store = place.open().await;
    let (world, elsewhere) = (World::make(&store).await, World::make(&store).await);
    let ada: MemberId = id();
    let key_pair_id = made(&store, &world, "Deploy", &[admin(ada)]).await.unwrap();
    assert!(matches!(made(&store, &world, "DEPLOY", &[]).await, Err(StoreError::Taken(_))));
    made(&store, &elsewhere, "Deploy", &[]).await.expect("the name is free in another Organization");
    {
        let mut reader = store.read().await.unwrap();
        let pair = reader.key_pair(key_pair_id).await.unwrap().unwrap();
        assert_eq!((pair.algorithm, pair.uses.len(), pair.public), (Algorithm::Ed25519, 2, false));
        assert_eq!(reader.public_key_pairs().await.unwrap(), []);
        let named = reader.key_pair_named(world.organization_id, &name("deploY")).await.unwrap();
        assert_eq!(named, Some(pair));
        let users = reader.users_of_organization(world.organization_id).await.unwrap();
        assert!(users.iter().any(|user| user.id == key_pair_id.to_string()), "{users:?}");
    }
    let (everyone, group) = (Grantee::Everyone, Grantee::Group(world.group_id));
    let renamed = |public| EventBody::KeyPairUpdated { key_pair_id, name: name("Deploys"), public };
    happen(&store, &world, renamed(true)).await;
    for (grantee, level) in [(everyone, Level::Read), (group, Level::Write), (everyone, Level::Admin)] {
        let grant = Grant { grantee, level };
        happen(&store, &world, EventBody::KeyPairAccessGranted { key_pair_id, grant }).await;
    }
    happen(&store, &world, EventBody::KeyPairAccessRevoked { key_pair_id, grantee: group }).await;
    {
        let mut reader = store.read().await.unwrap();
        let pair = reader.key_pair(key_pair_id).await.unwrap().unwrap();
        assert_eq!((pair.name.as_str(), pair.grants.len()), ("Deploys", 2));
        assert_eq!(reader.public_key_pairs().await.unwrap(), std::slice::from_ref(&pair));
        assert_eq!(reader.key_pairs_granted_to(Grantee::Member(ada)).await.unwrap(), [pair]);
        assert_eq!(reader.key_pairs_granted_to(group).await.unwrap(), []);
    }
    happen(&store, &world, renamed(false)).await;
    let report = store.read().await.unwrap().verify_state().await.unwrap();
    assert_eq!(report.fault, None, "replaying the log leads to the same tables");
    happen(&store, &world, EventBody::KeyPairDeleted { key_pair_id }).await;
    let mut reader = store.read().await.unwrap();
    assert_eq!(reader.key_pair(key_pair_id).await.unwrap(), None);
    assert_eq!(reader.public_key_pairs().await.unwrap(), []);
    assert_eq!(reader.key_pairs_granted_to(Grantee::Member(ada)).await.unwrap(), []);
    drop(reader);
    made(&store, &world, "Deploys", &[]).await.expect("the name is free again");
    let report = store.read().await.unwrap().verify_state().await.unwrap();
    assert_eq!(report.fault, None, "replaying the log leads to the same tables");
}

pub(crate) async fn a_list_shows_what_there_is_access_to(place: &Place) {
    let store = place.open().await;
    let (world, elsewhere) = (World::make(&store).await, World::make(&store).await);
    let (ada, group): (MemberId, GroupId) = (id(), world.group_id);
    let to = |grantee| Grant { grantee, level: Level::Read };
    let own = made(&store, &world, "Own 100%", &[admin(ada)]).await.unwrap();
    let shared = made(&store, &world, "Group's", &[admin(id()), to(Grantee::Group(group))]).await.unwrap();
    let open = made(&store, &world, "Everyone's", &[admin(id()), to(Grantee::Everyone)]).await.unwrap();
    let hidden = made(&store, &world, "Hidden", &[admin(id())]).await.unwrap();
    let foreign = made(&store, &elsewhere, "Everyone's", &[to(Grantee::Everyone)]).await.unwrap();
    let shown = async |accessible: Accessible, visible: Visible, q: Option<&str>| {
        let filter = KeyPairFilter { q: q.map(ToOwned::to_owned), accessible, ..KeyPairFilter::default() };
        let query = ListQuery { visible, sort: KeyPairSort::CreatedAt, filter, ..ListQuery::default() };
        let page = store.read().await.unwrap().key_pairs(&query).await.unwrap();
        page.items.iter().map(|pair| pair.id).collect::<Vec<_>>()
    };
    let granted = |grantees: Vec<Grantee>| Accessible {
        granted: Some((world.organization_id, grantees)),
        ..Accessible::default()
    };
    let all = || Visible::everything();
    let everyone = Grantee::Everyone;
    let mine = vec![everyone, Grantee::Group(group), Grantee::Member(ada)];
    assert_eq!(shown(granted(mine.clone()), all(), None).await, [open, shared, own], "the newest first");
    assert_eq!(shown(granted(mine.clone()), all(), Some("100%")).await, [own]);
    assert_eq!(shown(granted(mine.clone()), all(), Some("%")).await, [own], "no pattern");
    assert_eq!(shown(granted(mine.clone()), Visible::default(), None).await, []);
    assert_eq!(shown(granted(vec![everyone]), all(), None).await, [open]);
    assert_eq!(shown(Accessible::default(), all(), None).await, []);
    let administered = Accessible { administered: vec![world.organization_id], ..granted(mine) };
    assert_eq!(shown(administered, all(), None).await, [hidden, open, shared, own]);
    let everything = Accessible { everything: true, ..Accessible::default() };
    assert_eq!(shown(everything.clone(), all(), None).await, [foreign, hidden, open, shared, own]);
    let within = Scope { organization_id: Some(elsewhere.organization_id), ..Scope::EVERYTHING };
    assert_eq!(shown(everything, Visible::within([within]), None).await, [foreign]);
}

pub(crate) async fn candidates_are_found_by_name_in_their_organization(place: &Place) {
    let store = place.open().await;
    let (world, elsewhere) = (World::make(&store).await, World::make(&store).await);
    let mut members = Vec::new();
    for (at, organization_id) in
        [(1, world.organization_id), (2, world.organization_id), (3, elsewhere.organization_id)]
    {
        let member_id: MemberId = id();
        let email = Email::new(&format!("m{at}@example.com")).unwrap();
        let body = EventBody::MemberCreated {
            member_id,
            organization_id,
            name: name(&format!("Zoé {at}")),
            email,
            group_ids: vec![],
        };
        happen(&store, &world, body).await;
        members.push((member_id, name(&format!("Zoé {at}"))));
    }
    let mut reader = store.read().await.unwrap();
    let organization = world.organization_id;
    assert_eq!(reader.candidate_members(organization, "ZOÉ", 10).await.unwrap(), members[..2]);
    assert_eq!(reader.candidate_members(organization, "", 1).await.unwrap(), members[..1]);
    assert_eq!(reader.candidate_members(organization, "m1@", 10).await.unwrap(), [], "by name alone");
    let groups = reader.candidate_groups(organization, "FAULT", 10).await.unwrap();
    assert_eq!(groups, [(world.group_id, name("default"))]);
}
