//! Following the log: nothing else takes its connections, and none that hangs is waited for.

use std::time::Duration;

use super::Place;
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
