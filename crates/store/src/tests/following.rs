//! Following the log: nothing else takes its connections, and none that hangs is waited for.

use std::time::Duration;

use claviger_testkit::Postgres;

use super::Place;
use crate::Store;
use crate::changes::Changes;
use crate::data_node::DataNodeStore;
use crate::store::Options;

/// Far longer than any of it takes.
const PATIENCE: Duration = Duration::from_secs(60);

async fn wake_up(changes: &mut Changes) {
    tokio::time::timeout(PATIENCE, changes.changed()).await.expect("a wake-up");
}

#[tokio::test]
async fn who_listens_and_who_reads_all_rows_leave_the_follower_its_connection() {
    let place = Place::postgres().await;
    let options = Options { acquire_timeout: Duration::from_millis(300), ..Options::default() };
    let node = DataNodeStore::open(&place.url, options).await.unwrap();
    // It rings when it begins to listen.
    wake_up(&mut node.changes()).await;
    let mut base = node.read().await.unwrap();
    base.key_count().await.unwrap();
    let follower = node.read().await;
    follower.expect("a connection to follow by").key_count().await.unwrap();
}

#[tokio::test]
async fn a_listener_whose_connection_hangs_is_given_up_and_another_one_hears() {
    let mut postgres = Postgres::start();
    let database = postgres.create_database();
    let store = Store::open(database.url(), Options::default()).await.unwrap();
    let mut changes = store.changes();
    wake_up(&mut changes).await;
    let listens = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
    let listener = database.ask_as(database.url(), listens).unwrap();
    postgres.freeze_session(listener.parse().unwrap());
    // The next one rings when it begins to listen.
    wake_up(&mut changes).await;
    database.run("NOTIFY claviger_log");
    wake_up(&mut changes).await;
    postgres.thaw();
    store.close().await;
}
