//! The verifier's index through crashes: one that only ever followed the log must equal one that is loaded from
//! the tables.

use claviger_domain::event::Position;
use claviger_domain::time::Timestamp;
use claviger_store::{Options, Store};
use claviger_verify::{DEFAULT_MAX_STALENESS_SECONDS, Index};

/// How many events one step reads.
const STEP: u32 = 1_000;
/// Nothing here depends on the time.
const NOW: Timestamp = Timestamp::from_micros(1_800_000_000_000_000);

/// An index that was loaded before the first crash, and follows the log ever since.
#[derive(Debug)]
pub(crate) struct Followed(Option<Index>);

impl Followed {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    /// Follows the log to its end, and demands that the tables say the same. Answers the log's end.
    pub(crate) async fn demand_equal(&mut self, database_url: &str) -> Position {
        let store = Store::open(database_url, Options::default()).await.expect("open the database");
        let loaded = load(&store).await;
        let head = loaded.as_of();
        match &self.0 {
            None => self.0 = Some(loaded),
            Some(followed) => {
                follow(&store, followed).await;
                assert_eq!(followed.as_of(), head);
                assert!(
                    followed.entries() == loaded.entries(),
                    "the index that followed the log differs from the tables at {head:?}"
                );
            }
        }
        store.close().await;
        head
    }
}

async fn load(store: &Store) -> Index {
    let index = Index::new(DEFAULT_MAX_STALENESS_SECONDS);
    let mut reader = store.read().await.expect("read the tables");
    claviger_service::load_index(&mut reader, &index, NOW).await.expect("load the index");
    index
}

async fn follow(store: &Store, index: &Index) {
    loop {
        let mut reader = store.read().await.expect("read the log");
        let events = reader.events_after(index.as_of(), STEP).await.expect("the events");
        index.apply_all(&events).expect("the log can be followed");
        if events.len() < STEP as usize {
            return;
        }
    }
}
