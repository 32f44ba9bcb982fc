//! Transactions that meet others: waited for, tried again, and given up after a while.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::Place;
use crate::dialect::Database;
use crate::statements::{Statement, statements};
use crate::value::values;
use crate::{Options, Store, StoreError};

statements! {
    MARK = "INSERT INTO last_used (id, used_at) VALUES ($1, 1)";
    MARKS = "SELECT COUNT(*) FROM last_used";
}

/// PostgreSQL's own words for "somebody was in the way".
const SERIALISATION_FAILURE: Statement = Statement {
    name: "FAIL",
    sql: "DO $$ BEGIN RAISE EXCEPTION 'in the way' USING ERRCODE = '40001'; END $$",
};

async fn fail_at_first(place: &Place, times: u32) -> (Result<(), StoreError>, u32) {
    let attempts = &AtomicU32::new(0);
    let committed = place.store.commit("test", |tx| {
        Box::pin(async move {
            tx.execute(MARK, values!["key_1"]).await?;
            if attempts.fetch_add(1, Ordering::Relaxed) < times {
                tx.execute(SERIALISATION_FAILURE, values![]).await?;
            }
            Ok(())
        })
    });
    (committed.await.map(drop), attempts.load(Ordering::Relaxed))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_met_another_is_tried_again() {
    let place = Place::postgres().await;
    let (committed, attempts) = fail_at_first(&place, 2).await;
    assert!(committed.is_ok() && attempts == 3, "{committed:?} after {attempts}");
    let count: Option<i64> = place.store.read().await.unwrap().optional(MARKS, values![]).await.unwrap();
    assert_eq!(count, Some(1), "what failed left nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn tries_have_an_end() {
    let place = Place::postgres().await;
    let (committed, attempts) = fail_at_first(&place, u32::MAX).await;
    assert!(matches!(committed, Err(StoreError::Contended(_))), "{committed:?}");
    assert_eq!(attempts, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_waits_for_another() {
    for place in Place::both().await {
        let (other, _) = crate::locked::begin(&place.store.database).await.unwrap();
        let store = place.store.clone();
        let waiting = tokio::spawn(async move {
            store
                .commit("test", |tx| {
                    Box::pin(async move { tx.execute(MARK, values!["key_1"]).await.map(drop) })
                })
                .await
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!waiting.is_finished(), "the head is locked");
        other.rollback().await;
        waiting.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_opened_says_what_is_in_the_way() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = listener.local_addr().unwrap().port();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = Options { acquire_timeout: Duration::from_millis(300), ..Options::default() };
    for (port, why) in [(closed, "refused"), (silent, "does not answer")] {
        let url = format!("postgres://someone@127.0.0.1:{port}/claviger");
        let said = Store::open(&url, options).await.expect_err("nobody is there").to_string();
        assert!(said.contains(why), "{said}");
    }
    drop(listener);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_gone_is_unavailable() {
    let place = Place::postgres().await;
    let Database::Postgres { writers: pool, .. } = &place.store.database else { panic!("PostgreSQL") };
    let ended = place.store.commit("test", |tx| {
        Box::pin(async move {
            tx.execute(MARK, values!["key_1"]).await?;
            // The connection is ended from another one, in the midst of the transaction.
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()";
            sqlx::query(end).execute(pool).await.expect("another connection");
            Ok::<_, StoreError>(())
        })
    });
    let ended = ended.await;
    assert!(matches!(ended, Err(StoreError::Unavailable(_))), "{ended:?}");
    let count: Option<i64> = place.store.read().await.unwrap().optional(MARKS, values![]).await.unwrap();
    assert_eq!(count, Some(0));
}
