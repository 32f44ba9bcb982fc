//! Opening: schemas of the past, the present and the future.

use claviger_domain::event::{EventBody, Position};
use claviger_store::{Options, Store, StoreError};

use crate::world::{Place, World, append, event, name, start};

pub(crate) async fn a_database_opens_twice_and_keeps_what_it_holds(place: &Place) {
    let store = place.open().await;
    assert_eq!(store.head().await.unwrap(), Position(0));
    let world = World::make(&store).await;
    store.close().await;
    let store = place.open().await;
    let mut reader = store.read().await.unwrap();
    assert!(reader.organization(world.organization_id).await.unwrap().is_some());
    assert_eq!(reader.position().await.unwrap(), Position(6));
    if place.is_sqlite() {
        use std::os::unix::fs::PermissionsExt as _;
        let path = place.url.trim_start_matches("sqlite:");
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "for its owner's eyes alone");
    }
}

pub(crate) async fn a_newer_schema_is_refused(place: &Place) {
    place.open().await.close().await;
    place
        .tamper(
            "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, \
             execution_time) SELECT 9999, 'the future', installed_on, success, checksum, 0 \
             FROM _sqlx_migrations WHERE version = 1",
        )
        .await;
    match Store::open(&place.url, Options::default()).await {
        Err(error @ StoreError::NewerSchema { found: 9999, .. }) => {
            assert!(error.to_string().contains("newer version of Claviger"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn looking_changes_nothing(place: &Place) {
    let look = async || Store::inspect(&place.url, Options::default()).await;
    let nothing = look().await;
    assert!(matches!(nothing, Err(StoreError::NoSchema | StoreError::Unavailable(_))), "{nothing:?}");
    if let Some(path) = place.url.strip_prefix("sqlite:") {
        assert!(!std::path::Path::new(path).exists(), "no file was made");
    }
    let store = place.open().await;
    let world = World::make(&store).await;
    let looking = look().await.unwrap();
    assert_eq!(looking.head().await.unwrap(), Position(6), "beside one that writes");
    let renamed = EventBody::ApplicationUpdated { application_id: world.application_id, name: name("Store") };
    let written = append(&looking, [event(start(), world.place(), renamed)]).await;
    assert!(written.is_err(), "{written:?}");
    looking.close().await;
    store.close().await;
    place.tamper("UPDATE _sqlx_migrations SET version = version + 1000").await;
    let newer = look().await;
    assert!(matches!(newer, Err(StoreError::NewerSchema { found, .. }) if found > 1000), "{newer:?}");
    place.tamper("DELETE FROM _sqlx_migrations").await;
    let nothing = look().await;
    assert!(matches!(nothing, Err(StoreError::NoSchema)), "{nothing:?}");
    assert_eq!(
        place.count("SELECT COUNT(*) FROM _sqlx_migrations").await,
        0,
        "nothing was brought up to date"
    );
}

pub(crate) async fn several_nodes_open_at_once(place: &Place) {
    let opened = (0..4).map(|_| {
        let url = place.url.clone();
        tokio::spawn(async move { Store::open(&url, Options::default()).await })
    });
    for opened in futures::future::join_all(opened).await {
        let store = opened.unwrap().unwrap();
        assert_eq!(store.head().await.unwrap(), Position(0));
    }
}

pub(crate) async fn an_address_of_another_kind_is_refused(_: &Place) {
    for url in ["mysql://localhost/claviger", "claviger.db", "sqlite:", "postgres://[::1"] {
        let opened = Store::open(url, Options::default()).await;
        assert!(matches!(opened, Err(StoreError::Address(_))), "{url}: {opened:?}");
    }
}
