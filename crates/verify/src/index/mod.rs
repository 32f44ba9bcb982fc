//! The index: every Key by its digest, with all that decides on it, in memory. Filled from a snapshot,
//! then kept up by the log's events, in their order. Many read it without a lock while one writes.

mod apply;
mod chunked;
mod decide;
mod decision;
mod entries;
mod keys;
mod loader;
mod members;
mod record;
mod shard;
mod shared_keys;
mod world;
mod writer;

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use claviger_domain::apis::AuthType;
use claviger_domain::decision::Code;
use claviger_domain::event::Position;
use claviger_domain::id::EnvironmentId;
use claviger_domain::time::Timestamp;
use parking_lot::Mutex;

pub use self::decision::Decision;
use self::decision::Met;
pub use self::entries::{Entries, KeyEntry};
pub use self::loader::Loader;
pub use self::record::Tag;
use self::world::World;
pub use self::writer::Contradiction;
use self::writer::Writer;
use crate::digests::DigestKeys;
use crate::extract::Places;
use crate::facts::Routing;
use crate::follower::{ApplyError, Follower, Freshness, LogEntry, Standing};
use crate::request::Request;

/// The index of all Keys. Share it by `Arc`: deciding takes `&self` and never waits.
pub struct Index {
    world: Arc<ArcSwap<World>>,
    follower: Follower,
    writer: Mutex<Writer>,
}

impl Index {
    /// An empty index: it answers `stale` until a [`Loader`] has filled it and digest keys were given.
    pub fn new(max_staleness_seconds: i64) -> Self {
        let mut writer = Writer::new(None, 0);
        let world = Arc::new(ArcSwap::from_pointee(writer.world().clone()));
        writer.publish_to(&world);
        Self { world, follower: Follower::new(max_staleness_seconds), writer: Mutex::new(writer) }
    }

    /// The keys under which presented credentials are looked for.
    pub fn use_digest_keys(&self, keys: DigestKeys) {
        let mut writer = self.writer.lock();
        writer.use_digest_keys(Some(Arc::new(keys)));
        writer.publish();
    }

    /// Begins to fill the index anew, with room for about so many Keys. Readers keep what they have until
    /// the loader is finished.
    pub fn loader(&self, keys: usize) -> Loader<'_> {
        Loader::new(self, keys)
    }

    /// Applies the next event of the log; one that was applied before is passed over. When this returns,
    /// every decision that begins knows of it.
    pub fn apply(&self, event: &impl LogEntry) -> Result<(), ApplyError> {
        self.apply_all(std::slice::from_ref(event))
    }

    /// Applies events in their order, up to the first that can't be.
    pub fn apply_all(&self, events: &[impl LogEntry]) -> Result<(), ApplyError> {
        let mut writer = self.writer.lock();
        let (reached, applied) = self.follower.follow(events, |event| match event.content() {
            Some((body, private)) => writer.apply(body, private),
            None => Ok(()),
        });
        writer.publish();
        self.follower.reached(reached);
        applied
    }

    /// The log was heard of at `now`, whether or not it had anything new.
    pub fn contact(&self, now: Timestamp) {
        self.follower.contact(now);
    }

    /// Something in the log can't be understood, such as an event of a later version: from now on every
    /// answer is `stale`, until the index is loaded again.
    pub fn stop(&self) {
        self.follower.stop();
    }

    /// Whether it was loaded and has not stopped: whether the next event can be applied.
    pub fn follows(&self) -> bool {
        self.follower.follows()
    }

    /// The position up to which the log is known.
    pub fn as_of(&self) -> Position {
        self.follower.as_of()
    }

    /// How the index stands. Without digest keys it is stale, however new.
    pub fn standing(&self, now: Timestamp) -> Standing {
        let mut standing = self.follower.standing(now);
        if standing.freshness == Freshness::Fresh && self.world.load().digest_keys.is_none() {
            standing.freshness = Freshness::Stale;
        }
        standing
    }

    /// May this call pass? Takes no lock, allocates nothing, waits for nobody. What limits how often it does
    /// ([`crate::Limits`]), and observing the answer (metrics, last used), are the caller's part.
    pub fn decide(&self, request: &Request<'_>, now: Timestamp) -> Decision {
        self.decide_in(self.follower.freshness(now), request, now)
    }

    /// The same, for an asker of whom too little is known: nobody learns more than that all is stale.
    pub fn decide_as_stale(&self, request: &Request<'_>, now: Timestamp) -> Decision {
        let freshness = match self.follower.freshness(now) {
            Freshness::Fresh | Freshness::Stale => Freshness::Stale,
            Freshness::Empty => Freshness::Empty,
        };
        self.decide_in(freshness, request, now)
    }

    fn decide_in(&self, freshness: Freshness, request: &Request<'_>, now: Timestamp) -> Decision {
        let as_of = self.as_of();
        // A record may point to what was published after the world at hand was taken; what it points to
        // was published before, so that the second look finds it.
        for _ in 0..2 {
            let world = self.world.load();
            if let Ok((code, met)) = decide::decide(&world, freshness, request, now) {
                return Decision::new(code, as_of, met, request.cost, world);
            }
        }
        Decision::new(Code::Stale, as_of, Met::default(), request.cost, self.world.load())
    }

    /// The API as a door meets it before deciding, if there is such an API.
    pub fn door(&self, api: &str) -> Option<Door> {
        let world = self.world.load();
        let (slot, _) = world.catalog.api_named(api)?;
        Some(Door { world, slot })
    }

    /// All that the index holds, in one order. For tests and `doctor`: it copies everything.
    pub fn entries(&self) -> Entries {
        let writer = self.writer.lock();
        writer.world().entries()
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Index(as of {})", self.as_of().0)
    }
}

/// One API as a door meets it: where its callers present their credentials.
pub struct Door {
    world: Guard<Arc<World>>,
    slot: u32,
}

impl Door {
    /// Where to look for a credential.
    pub fn places(&self) -> Places<'_> {
        self.world.catalog.api(self.slot).map_or(Places::STANDARD, |api| Places {
            key: api.credential_headers.key(),
            secret: api.credential_headers.secret(),
            basic: api.auth_types.contains(&AuthType::Basic),
        })
    }

    /// Whether calls may be made at all.
    pub fn exposed(&self) -> bool {
        self.world.catalog.api(self.slot).is_some_and(|api| api.exposed)
    }

    /// Where its calls are passed on to.
    pub fn routing(&self) -> Option<&Routing> {
        self.world.catalog.api(self.slot).map(|api| &api.routing)
    }

    /// The Environment of this slug or id, as its id.
    pub fn environment(&self, named: &str) -> Option<EnvironmentId> {
        self.world.catalog.environment_named(named)
    }
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Door").field(&self.places()).finish()
    }
}
