//! The verifier's index as a consumer of the log: loaded from a snapshot of the tables, then kept up by
//! tailing. On its own node an act is applied here before it is answered (product.md F4); for the others a
//! task of the binary calls [`Service::follow`] at each wake-up and at each poll.

use std::sync::Arc;
use std::time::Duration;

use claviger_domain::event::Position;
use claviger_keeper::Keys;
use claviger_store::{heard, measure_enforcement};
use claviger_verify::{Control, DigestGeneration, DigestKeys, Freshness, Index, Meters};
use tokio::sync::{Mutex, MutexGuard};

use crate::error::{Error, Unavailable};
use crate::state::Service;

/// How many events one step reads.
const STEP: u32 = 1_000;
/// How often the own node's index is tried again before an answer is given up.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// What follows the log on this node.
#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) index: Arc<Index>,
    /// Who may call verify, in memory too.
    pub(crate) control: Arc<Control>,
    /// What decisions leave behind.
    pub(crate) meters: Arc<Meters>,
    /// Held by the one who reads and applies, so that events arrive in their order.
    applying: Mutex<()>,
}

impl Follower {
    pub(crate) fn new(keys: &Keys, max_staleness_seconds: i64) -> Self {
        let index = Arc::new(Index::new(max_staleness_seconds));
        if let Some(keys) = digest_keys(keys) {
            index.use_digest_keys(keys);
        }
        let control = Arc::new(Control::new(max_staleness_seconds));
        let mut generations = keys.digest_control.iter().cloned();
        if let Some(newest) = generations.next() {
            control.use_digest_keys(newest, generations.next());
        }
        Self { index, control, meters: Arc::default(), applying: Mutex::new(()) }
    }

    pub(crate) async fn applying(&self) -> MutexGuard<'_, ()> {
        self.applying.lock().await
    }

    /// How far this node has applied the log.
    pub(crate) fn position(&self) -> Position {
        self.index.as_of().min(self.control.as_of())
    }
}

/// The generations that keys and secrets share.
fn digest_keys(keys: &Keys) -> Option<DigestKeys> {
    let mut generations = keys.digest_key.iter().filter_map(|key| {
        let secret = keys.digest_secret.by_id(key.id())?;
        Some(DigestGeneration { key: key.clone(), secret: secret.clone() })
    });
    Some(DigestKeys { newest: generations.next()?, previous: generations.next() })
}

impl Service {
    /// The index that doors decide from.
    pub fn index(&self) -> &Arc<Index> {
        &self.state.follower.index
    }

    /// Who may call verify, from memory.
    pub fn control(&self) -> &Arc<Control> {
        &self.state.follower.control
    }

    /// Where doors note what they decided.
    pub fn meters(&self) -> &Arc<Meters> {
        &self.state.follower.meters
    }

    /// Applies what the log has beyond this node's position, and answers the position reached.
    pub async fn follow(&self) -> Result<Position, Error> {
        let follower = &self.state.follower;
        let _one_at_a_time = follower.applying().await;
        if follower.index.standing(self.now()).freshness == Freshness::Empty {
            self.load_locked().await?;
        }
        loop {
            // Before it is read: what is committed meanwhile is news for the next time.
            let asked = self.now();
            let mut reader = heard(self.state.store.read_to_follow()).await?;
            let events = heard(reader.events_after(follower.position(), STEP)).await?;
            drop(reader);
            let applied =
                follower.index.apply_all(&events).and_then(|()| follower.control.apply_all(&events));
            match applied {
                // What stood before this node began was loaded, and never followed.
                Ok(()) => measure_enforcement(events.iter().map(|event| event.event.at), self.now()),
                Err(error) => {
                    tracing::error!(%error, "the index stopped following the log; it is loaded anew");
                    self.load_locked().await?;
                }
            }
            follower.index.contact(asked);
            follower.control.contact(asked);
            if events.len() < STEP as usize {
                return Ok(follower.position());
            }
        }
    }

    /// Brings the own index up to what was just committed. An index that was never loaded decides nothing,
    /// so there is nothing to bring up.
    pub(crate) async fn follow_to(&self, position: Position) -> Result<(), Error> {
        if self.state.follower.index.standing(self.now()).freshness == Freshness::Empty {
            return Ok(());
        }
        for attempt in 1..=ATTEMPTS {
            if self.state.follower.position() >= position {
                return Ok(());
            }
            match self.follow().await {
                Ok(_) => {}
                Err(error) if attempt == ATTEMPTS => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "the own index could not follow; trying again");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        if self.state.follower.position() >= position {
            Ok(())
        } else {
            Err(Error::Unavailable(Unavailable::Behind))
        }
    }
}
