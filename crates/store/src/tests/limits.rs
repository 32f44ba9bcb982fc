//! What waits or sits still has an end, and nobody who waits keeps the follower of the log from reading.

use std::time::Duration;

use super::Place;
use crate::connection::Connection;
use crate::dialect::Database;
use crate::dialect::postgres::LOCK_HEAD;
use crate::statements::{Statement, statements};
use crate::store::Options;
use crate::value::values;
use crate::{Reader, Store, StoreError};

statements! {
    MARK = "INSERT INTO last_used (id, used_at) VALUES ($1, 1)";
}

/// PostgreSQL's alone, so not among those that both databases prepare.
const fn only(sql: &'static str) -> Statement {
    Statement { name: "PostgreSQL's alone", sql }
}

const HURRY: Statement = only("SELECT CAST(set_config('lock_timeout', '50', true) AS TEXT)");
const HURRY_ALL: Statement = only("SELECT CAST(set_config('statement_timeout', '50', true) AS TEXT)");
const SLEEP: Statement = only("SELECT CAST(pg_sleep(30) AS TEXT)");
const LIMITS: Statement = only(
    "SELECT current_setting('lock_timeout') || ' ' || current_setting('idle_in_transaction_session_timeout') || ' ' \
     || current_setting('statement_timeout') || ' ' || current_setting('transaction_read_only')",
);

async fn commit(store: &Store) -> Result<(), StoreError> {
    let done = store
        .commit("test", |tx| Box::pin(async move { tx.execute(MARK, values!["key_1"]).await.map(drop) }));
    done.await.map(drop)
}

async fn lock(store: &Store) -> Result<Reader, StoreError> {
    let (connection, _) = crate::locked::begin(&store.database).await?;
    Ok(Reader::new(connection))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_froze_is_cut_and_the_others_go_on() {
    let place = Place::postgres().await;
    let mut frozen = lock(&place.store).await.unwrap();
    let others: Vec<_> = (0..3)
        .map(|_| {
            let store = place.store.clone();
            tokio::spawn(async move { lock(&store).await.map(|reader| reader.connection) })
        })
        .collect();
    for other in others {
        // Each lets go, so that the next one comes.
        other.await.unwrap().unwrap().rollback().await;
    }
    let cut = frozen.execute(MARK, values!["key_2"]).await;
    assert!(matches!(cut, Err(StoreError::Contended(_) | StoreError::Unavailable(_))), "{cut:?}");
    frozen.connection.rollback().await;
    commit(&place.store).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_nobody_ends_lets_go_and_leaves_nothing() {
    for place in Place::both().await {
        let mut left = lock(&place.store).await.unwrap();
        left.execute(MARK, values!["key_3"]).await.unwrap();
        drop(left);
        // As many as there are sessions: in none of them does it go on.
        for _ in 0..10 {
            let next = tokio::time::timeout(Duration::from_secs(4), lock(&place.store)).await;
            next.expect("the head is free").unwrap().connection.commit().await.unwrap();
        }
        let marks = place.store.read().await.unwrap().last_used(&["key_3".to_owned()]).await.unwrap();
        assert!(marks.is_empty(), "{marks:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_does_not_come_is_given_up() {
    let place = Place::postgres().await;
    let held = lock(&place.store).await.unwrap();
    let mut waiting = Reader::new(place.store.database.begin().await.unwrap());
    waiting.row(HURRY, values![]).await.unwrap();
    let waited = waiting.row(LOCK_HEAD, values![]).await.map(drop);
    assert!(
        matches!(&waited, Err(StoreError::Unavailable(said)) if said.contains("lock timeout")),
        "{waited:?}"
    );
    waiting.connection.rollback().await;
    held.connection.rollback().await;
    let mut slow = Reader::new(place.store.database.begin().await.unwrap());
    slow.row(HURRY_ALL, values![]).await.unwrap();
    let slept = slow.row(SLEEP, values![]).await.map(drop);
    assert!(
        matches!(&slept, Err(StoreError::Unavailable(said)) if said.contains("statement timeout")),
        "{slept:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_session_has_its_limits() {
    let place = Place::postgres().await;
    let limits = async |connection: Connection| {
        let row = Reader::new(connection).row(LIMITS, values![]).await.unwrap().unwrap();
        crate::columns::Columns::of(&row, "limits").text().unwrap().to_owned()
    };
    let database = &place.store.database;
    assert_eq!(limits(database.begin().await.unwrap()).await, "10s 5s 30s off");
    for reader in [place.store.read().await.unwrap(), place.store.read_to_follow().await.unwrap()] {
        assert_eq!(limits(reader.connection).await, "10s 1min 0 on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_hold_every_connection_leave_the_follower_its_own() {
    for place in Place::both().await {
        let options = Options { connections: 4, acquire_timeout: Duration::from_millis(300) };
        let store = Store::open(&place.url, options).await.unwrap();
        // Two wait where they can: SQLite has one writer.
        let writer = lock(&store).await.unwrap();
        let waiting = (0..8).map(|_| {
            let store = store.clone();
            tokio::spawn(async move { lock(&store).await.map(drop) })
        });
        let waiting: Vec<_> = waiting.collect();
        let readers = match &store.database {
            Database::Sqlite { .. } => 4,
            Database::Postgres { .. } => 2,
        };
        let mut held = Vec::new();
        for _ in 0..readers {
            let mut reader = store.read().await.expect("writers that wait leave readers alone");
            reader.position().await.unwrap();
            held.push(reader);
        }
        let one_more = store.read().await;
        assert!(matches!(one_more, Err(StoreError::Unavailable(_))), "{one_more:?}");
        store.read_to_follow().await.unwrap().position().await.expect("the follower reads");
        drop(writer);
        for waited in waiting {
            let _ = waited.await.unwrap();
        }
    }
}
