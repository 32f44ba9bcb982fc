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
mod world;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

use arc_swap::{ArcSwap, Guard};
use claviger_domain::apis::{AuthType, CredentialHeaders};
use claviger_domain::decision::Code;
use claviger_domain::event::{Event, Position};
use claviger_domain::time::Timestamp;
use parking_lot::Mutex;

use self::decide::Freshness;
pub use self::decision::Decision;
pub use self::entries::{Entries, KeyEntry};
pub use self::loader::{LoadError, Loader};
pub use self::record::Tag;
use self::world::World;
pub use self::writer::Contradiction;
use self::writer::Writer;
use crate::digests::DigestKeys;
use crate::facts::ApiFacts;
use crate::request::Request;

/// How long an index decides without contact to the log, unless it is told otherwise: `PT24H`.
pub const DEFAULT_MAX_STALENESS_SECONDS: i64 = 86_400;

/// The index of all Keys. Share it by `Arc`: deciding takes `&self` and never waits.
pub struct Index {
    world: Arc<ArcSwap<World>>,
    as_of: AtomicI64,
    last_contact: AtomicI64,
    condition: AtomicU8,
    max_staleness_micros: i64,
    writer: Mutex<Writer>,
}

const EMPTY: u8 = 0;
const READY: u8 = 1;
const STOPPED: u8 = 2;

/// Why an event could not be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    #[error("the index must be loaded before it can follow the log")]
    NotLoaded,
    /// Feed the events from `expected` on.
    #[error("the next event of the index is {expected:?}")]
    Gap { expected: Position },
    /// The index decides nothing any more until it is loaded again.
    #[error("the index stopped closed: {0}")]
    Stopped(#[from] Contradiction),
}

/// How the index stands, for health, metrics and `/v1/nodes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub as_of: Position,
    pub last_contact: Timestamp,
    /// Loaded, and neither stopped nor too long without contact: it decides.
    pub deciding: bool,
}

impl Index {
    /// An empty index: it answers `stale` until a [`Loader`] has filled it and digest keys were given.
    pub fn new(max_staleness_seconds: i64) -> Self {
        let mut writer = Writer::new(None, 0);
        let world = Arc::new(ArcSwap::from_pointee(writer.world().clone()));
        writer.publish_to(&world);
        Self {
            world,
            as_of: AtomicI64::new(0),
            last_contact: AtomicI64::new(0),
            condition: AtomicU8::new(EMPTY),
            max_staleness_micros: max_staleness_seconds.saturating_mul(1_000_000),
            writer: Mutex::new(writer),
        }
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
    pub fn apply(&self, event: &Event) -> Result<(), ApplyError> {
        self.apply_all(std::slice::from_ref(event))
    }

    /// Applies events in their order, up to the first that can't be.
    pub fn apply_all(&self, events: &[Event]) -> Result<(), ApplyError> {
        let mut writer = self.writer.lock();
        let applied = events.iter().try_for_each(|event| self.apply_next(&mut writer, event));
        writer.publish();
        applied
    }

    fn apply_next(&self, writer: &mut Writer, event: &Event) -> Result<(), ApplyError> {
        let as_of = self.as_of();
        if !self.is_ready() {
            return Err(ApplyError::NotLoaded);
        }
        if event.position <= as_of {
            return Ok(());
        }
        if event.position.0 != as_of.0 + 1 {
            return Err(ApplyError::Gap { expected: Position(as_of.0 + 1) });
        }
        if let Err(contradiction) = writer.apply(event) {
            self.stop();
            return Err(contradiction.into());
        }
        self.as_of.store(event.position.0, Ordering::Release);
        Ok(())
    }

    /// The log was heard of at `now`, whether or not it had anything new.
    pub fn contact(&self, now: Timestamp) {
        self.last_contact.fetch_max(now.as_micros(), Ordering::Release);
    }

    /// Something in the log can't be understood, such as an event of a later version: from now on every
    /// answer is `stale`, until the index is loaded again.
    pub fn stop(&self) {
        self.condition.store(STOPPED, Ordering::Release);
    }

    /// The position up to which the log is known.
    pub fn as_of(&self) -> Position {
        Position(self.as_of.load(Ordering::Acquire))
    }

    pub fn standing(&self, now: Timestamp) -> Standing {
        Standing {
            as_of: self.as_of(),
            last_contact: Timestamp::from_micros(self.last_contact.load(Ordering::Acquire)),
            deciding: self.freshness(now) == Freshness::Fresh && self.world.load().digest_keys.is_some(),
        }
    }

    /// May this call pass? Takes no lock, allocates nothing, waits for nobody. Observing the answer
    /// (metrics, last used) is the caller's part.
    pub fn decide(&self, request: &Request<'_>, now: Timestamp) -> Decision {
        let as_of = self.as_of();
        let freshness = self.freshness(now);
        // A record may point to what was published after the world at hand was taken; what it points to
        // was published before, so that the second look finds it.
        for _ in 0..2 {
            let world = self.world.load();
            if let Ok((code, proved)) = decide::decide(&world, freshness, request, now) {
                return Decision::new(code, as_of, proved, world);
            }
        }
        Decision::new(Code::Stale, as_of, None, self.world.load())
    }

    /// Where callers of an API present their credentials, if there is such an API.
    pub fn places(&self, api: &str) -> Option<Places> {
        let world = self.world.load();
        let (slot, _) = world.catalog.api_named(api)?;
        Some(Places { world, slot })
    }

    /// All that the index holds, in one order. For tests and `doctor`: it copies everything.
    pub fn entries(&self) -> Entries {
        let writer = self.writer.lock();
        writer.world().entries()
    }

    fn is_ready(&self) -> bool {
        self.condition.load(Ordering::Acquire) != EMPTY
    }

    fn ready(&self, as_of: Position, now: Timestamp) {
        self.as_of.store(as_of.0, Ordering::Release);
        self.contact(now);
        self.condition.store(READY, Ordering::Release);
    }

    fn freshness(&self, now: Timestamp) -> Freshness {
        let silent = now.as_micros().saturating_sub(self.last_contact.load(Ordering::Acquire));
        match self.condition.load(Ordering::Acquire) {
            EMPTY => Freshness::Empty,
            READY if silent <= self.max_staleness_micros => Freshness::Fresh,
            _ => Freshness::Stale,
        }
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Index(as of {})", self.as_of().0)
    }
}

/// Where the callers of one API present their credentials.
pub struct Places {
    world: Guard<Arc<World>>,
    slot: u32,
}

impl Places {
    /// The API's own headers.
    pub fn headers(&self) -> Option<&CredentialHeaders> {
        self.api().map(|api| &api.credential_headers)
    }

    /// Whether `Authorization: Basic` is one of the places.
    pub fn basic(&self) -> bool {
        self.api().is_some_and(|api| api.auth_types.contains(&AuthType::Basic))
    }

    fn api(&self) -> Option<&ApiFacts> {
        self.world.catalog.api(self.slot).map(Arc::as_ref)
    }
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Places").field("headers", &self.headers()).field("basic", &self.basic()).finish()
    }
}
