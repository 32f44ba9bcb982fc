//! Shared keys and the sessions of their portal.

use claviger_domain::event::{EventBody, NewEvent, Private, SharedKeyTerms};
use claviger_domain::id::SharedKeyId;
use claviger_domain::secret::{Digest, DigestKeyId};
use claviger_domain::shared_keys::{Audience, SecretOrigin, SharedKeyStatus};
use claviger_store::{ListQuery, SharedKeyFilter, SharedKeySort, Store, StoreError, Visible};

use crate::world::{Place, World, append, event, fresh_key, id, later, name, start};

fn private(byte: u8) -> Private {
    Private { digest_key: DigestKeyId(3), key: Digest::from_bytes([byte; 32]), secret: None }
}

async fn happen(store: &Store, world: &World, body: EventBody, private: Option<Private>) {
    let event = NewEvent { private, ..event(later("P1D"), world.place(), body) };
    append(store, [event]).await.expect("an event that fits");
}

async fn made(
    store: &Store,
    world: &World,
    called: &str,
    audience: Audience,
) -> Result<SharedKeyId, StoreError> {
    let (fresh, issued) = fresh_key(start());
    let shared_key_id = id();
    let terms = SharedKeyTerms {
        api_id: world.api_id,
        organization_id: world.organization_id,
        group_id: world.group_id,
        name: name(called),
        audience,
        masked: fresh.masked,
        environment_id: (audience == Audience::Outside).then_some(world.environment_id),
        permissions: None,
        rate_limit: None,
        ip_allow_list: None,
        retrievable: false,
    };
    let secret = (audience == Audience::Inside).then_some(Digest::from_bytes([9; 32]));
    let body = EventBody::SharedKeyCreated { shared_key_id, terms: Box::new(terms) };
    let private = Some(Private { secret, ..issued });
    append(store, [NewEvent { private, ..event(start(), world.place(), body) }]).await?;
    Ok(shared_key_id)
}

pub(crate) async fn shared_keys_live_their_lives(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    let inside = made(&store, &world, "Billing", Audience::Inside).await.unwrap();
    let outside = made(&store, &world, "Acme", Audience::Outside).await.unwrap();
    assert!(matches!(made(&store, &world, "ACME", Audience::Outside).await, Err(StoreError::Taken(_))));
    made(&store, &world, "Acme", Audience::Inside).await.expect("the name is free in the other section");
    {
        let mut reader = store.read().await.unwrap();
        let row = reader.shared_key_row(inside).await.unwrap().unwrap();
        assert_eq!(row.secret, Some((DigestKeyId(1), Digest::from_bytes([9; 32]))));
        assert_eq!(reader.shared_key_by_digest(&row.digest).await.unwrap(), Some(row));
        let row = reader.shared_key_row(outside).await.unwrap().unwrap();
        assert_eq!((row.secret, row.portal, row.shared_key.secret), (None, None, None));
        assert_eq!(row.shared_key.environment_id, Some(world.environment_id));
        assert_eq!(reader.shared_keys_in_section(world.api_id, Audience::Inside).await.unwrap(), 2);
        assert_eq!(reader.users_of_api(world.api_id).await.unwrap().len(), 3);
        let users = reader.users_of_environment(world.environment_id, start()).await.unwrap();
        assert!(users.iter().any(|user| user.id == outside.to_string()), "{users:?}");
    }
    let shared_key_id = outside;
    happen(&store, &world, EventBody::SharedKeyDisabled { shared_key_id }, None).await;
    let set = EventBody::SharedKeySecretSet { shared_key_id, origin: SecretOrigin::Typed };
    happen(&store, &world, set.clone(), Some(private(7))).await;
    // Another secret in the place of the first leaves all but the digest as it was.
    happen(&store, &world, set, Some(private(8))).await;
    let renamed = EventBody::SharedKeyUpdated {
        shared_key_id,
        name: name("Acme GmbH"),
        permissions: Some(Vec::new()),
        rate_limit: None,
        ip_allow_list: Some(vec!["10.0.0.0/8".parse().unwrap()]),
    };
    happen(&store, &world, renamed, None).await;
    {
        let mut reader = store.read().await.unwrap();
        let row = reader.shared_key_by_secret(&Digest::from_bytes([8; 32])).await.unwrap().unwrap();
        assert_eq!(row.secret, Some((DigestKeyId(3), Digest::from_bytes([8; 32]))));
        let key = &row.shared_key;
        assert_eq!((key.status, key.secret), (SharedKeyStatus::Disabled, Some(SecretOrigin::Typed)));
        assert_eq!((key.name.as_str(), key.permissions.as_deref()), ("Acme GmbH", Some(&[][..])));
    }
    happen(&store, &world, EventBody::SharedKeySecretCleared { shared_key_id }, None).await;
    happen(&store, &world, EventBody::SharedKeyDeleted { shared_key_id: inside }, None).await;
    let mut reader = store.read().await.unwrap();
    assert_eq!(reader.shared_key_row(outside).await.unwrap().unwrap().secret, None);
    assert_eq!(reader.shared_key(inside).await.unwrap(), None);
    assert_eq!(reader.shared_keys_in_section(world.api_id, Audience::Inside).await.unwrap(), 1);
    let query = ListQuery {
        visible: Visible::everything(),
        sort: SharedKeySort::Name,
        filter: SharedKeyFilter { q: Some("gmbh".into()), ..SharedKeyFilter::default() },
        ..ListQuery::default()
    };
    let page = reader.shared_keys(&query).await.unwrap();
    assert_eq!(page.items.iter().map(|key| key.id).collect::<Vec<_>>(), [outside]);
    drop(reader);
    let report = store.read().await.unwrap().verify_state().await.unwrap();
    assert_eq!(report.fault, None, "replaying the log leads to the same table");
}

pub(crate) async fn a_portal_session_ends_with_its_link(place: &Place) {
    let store = place.open().await;
    let world = World::make(&store).await;
    let shared_key_id = made(&store, &world, "Acme", Audience::Outside).await.unwrap();
    let link = EventBody::SharedKeyPortalLinkCreated { shared_key_id, expires_at: None };
    happen(&store, &world, link.clone(), Some(private(1))).await;
    let portal = Digest::from_bytes([1; 32]);
    let (first, second) = (Digest::from_bytes([21; 32]), Digest::from_bytes([22; 32]));
    let begin = async |digest: Digest, portal: Digest, now, expires_at| {
        let begun = store.commit("test", |tx| {
            Box::pin(async move {
                tx.begin_portal_session(&digest, shared_key_id, &portal, now, expires_at).await
            })
        });
        begun.await.unwrap();
    };
    let found =
        async |digest: &Digest, now| store.read().await.unwrap().portal_session(digest, now).await.unwrap();
    begin(first, portal, start(), later("PT15M")).await;
    assert_eq!(found(&first, later("PT14M")).await, Some(shared_key_id));
    assert_eq!(found(&first, later("PT15M")).await, None, "it is over");
    assert_eq!(found(&second, start()).await, None);
    assert!(store.read().await.unwrap().shared_key_by_portal(&portal).await.unwrap().is_some());
    happen(&store, &world, link, Some(private(2))).await;
    assert_eq!(found(&first, start()).await, None, "the link was replaced");
    begin(second, Digest::from_bytes([2; 32]), later("P1D"), later("P2D")).await;
    assert_eq!(found(&second, later("P1D")).await, Some(shared_key_id));
    assert_eq!(place.count("SELECT COUNT(*) FROM portal_sessions").await, 1, "what is over was forgotten");
    happen(&store, &world, EventBody::SharedKeyPortalLinkDeleted { shared_key_id }, None).await;
    assert_eq!(found(&second, later("P1D")).await, None, "the link was withdrawn");
}
