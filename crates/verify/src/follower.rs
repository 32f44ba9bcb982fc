//! Where a reader of the log stands: its position, when it last heard of the log, and whether it may be
//! believed. Shared by the index of Keys and that of service keys.

use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

use claviger_domain::event::{DecidingEvent, Event, EventBody, Position, Private};
use claviger_domain::time::Timestamp;

use crate::index::Contradiction;

/// How long a reader is believed without contact to the log, unless it is told otherwise: `PT24H`.
pub const DEFAULT_MAX_STALENESS_SECONDS: i64 = 86_400;

const EMPTY: u8 = 0;
const READY: u8 = 1;
const STOPPED: u8 = 2;

/// What a reader of the log is fed: whole events, or what a data node is told of them.
pub trait LogEntry {
    fn position(&self) -> Position;
    /// None: of a kind that deciding does not look at.
    fn content(&self) -> Option<(&EventBody, Option<&Private>)>;
}

impl LogEntry for Event {
    fn position(&self) -> Position {
        self.position
    }

    fn content(&self) -> Option<(&EventBody, Option<&Private>)> {
        Some((&self.event.body, self.event.private.as_ref()))
    }
}

impl LogEntry for DecidingEvent {
    fn position(&self) -> Position {
        self.position
    }

    fn content(&self) -> Option<(&EventBody, Option<&Private>)> {
        self.content.as_ref().map(|(body, private)| (body, private.as_ref()))
    }
}

/// Why an event could not be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    #[error("a snapshot must be loaded before the log can be followed")]
    NotLoaded,
    /// Feed the events from `expected` on.
    #[error("the next event is due at position {}", expected.0)]
    Gap { expected: Position },
    /// Nothing is decided any more until a snapshot is loaded again.
    #[error("stopped closed: {0}")]
    Stopped(#[from] Contradiction),
}

/// A snapshot that can't take the place of what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// A reader of the log never goes back.
    #[error("the log is known up to {}, the snapshot stands at {}", at.0, snapshot.0)]
    Behind { at: Position, snapshot: Position },
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
}

/// How a reader stands, for health, metrics and `/v1/nodes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub as_of: Position,
    pub last_contact: Timestamp,
    pub freshness: Freshness,
}

impl Standing {
    /// Whether calls are decided, rather than answered `stale`.
    pub fn deciding(&self) -> bool {
        self.freshness == Freshness::Fresh
    }
}

/// Whether what a reader holds may be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    Fresh,
    /// Too long without contact, or stopped closed.
    Stale,
    /// Never loaded: it can't even say which APIs there are.
    Empty,
}

#[derive(Debug)]
pub(crate) struct Follower {
    as_of: AtomicI64,
    last_contact: AtomicI64,
    condition: AtomicU8,
    max_staleness_micros: i64,
}

impl Follower {
    pub(crate) const fn new(max_staleness_seconds: i64) -> Self {
        Self {
            as_of: AtomicI64::new(0),
            last_contact: AtomicI64::new(0),
            condition: AtomicU8::new(EMPTY),
            max_staleness_micros: max_staleness_seconds.saturating_mul(1_000_000),
        }
    }

    /// Applies events in their order, up to the first that can't be; those that were applied before are
    /// passed over. The caller holds the writer's lock, publishes what was applied, and only then says with
    /// [`Follower::reached`] how far that is: a position that is told is one that readers see.
    pub(crate) fn follow<E: LogEntry>(
        &self,
        events: &[E],
        mut apply: impl FnMut(&E) -> Result<(), Contradiction>,
    ) -> (Position, Result<(), ApplyError>) {
        let mut reached = self.as_of();
        for event in events {
            let expected = Position(reached.0 + 1);
            if self.condition.load(Ordering::Acquire) == EMPTY {
                return (reached, Err(ApplyError::NotLoaded));
            }
            if event.position() < expected {
                continue;
            }
            if event.position() > expected {
                return (reached, Err(ApplyError::Gap { expected }));
            }
            if let Err(contradiction) = apply(event) {
                self.stop();
                return (reached, Err(contradiction.into()));
            }
            reached = event.position();
        }
        (reached, Ok(()))
    }

    /// What was applied up to `position` is published.
    pub(crate) fn reached(&self, position: Position) {
        self.as_of.store(position.0, Ordering::Release);
    }

    /// Whether a snapshot may be loaded: one that is older than what is there may not.
    pub(crate) fn admits(&self, snapshot: Position) -> Result<(), LoadError> {
        let at = self.as_of();
        if self.condition.load(Ordering::Acquire) != EMPTY && snapshot < at {
            return Err(LoadError::Behind { at, snapshot });
        }
        Ok(())
    }

    pub(crate) fn loaded(&self, as_of: Position, now: Timestamp) {
        self.as_of.store(as_of.0, Ordering::Release);
        self.contact(now);
        self.condition.store(READY, Ordering::Release);
    }

    pub(crate) fn contact(&self, now: Timestamp) {
        self.last_contact.fetch_max(now.as_micros(), Ordering::Release);
    }

    pub(crate) fn stop(&self) {
        self.condition.store(STOPPED, Ordering::Release);
    }

    pub(crate) fn follows(&self) -> bool {
        self.condition.load(Ordering::Acquire) == READY
    }

    pub(crate) fn as_of(&self) -> Position {
        Position(self.as_of.load(Ordering::Acquire))
    }

    pub(crate) fn freshness(&self, now: Timestamp) -> Freshness {
        let silent = now.as_micros().saturating_sub(self.last_contact.load(Ordering::Acquire));
        match self.condition.load(Ordering::Acquire) {
            EMPTY => Freshness::Empty,
            READY if silent <= self.max_staleness_micros => Freshness::Fresh,
            _ => Freshness::Stale,
        }
    }

    pub(crate) fn standing(&self, now: Timestamp) -> Standing {
        Standing {
            as_of: self.as_of(),
            last_contact: Timestamp::from_micros(self.last_contact.load(Ordering::Acquire)),
            freshness: self.freshness(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = DEFAULT_MAX_STALENESS_SECONDS;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn silence_makes_stale_and_contact_fresh_again() {
        let follower = Follower::new(DAY);
        assert_eq!(follower.freshness(at(5)), Freshness::Empty);
        follower.loaded(Position(3), at(100));
        assert_eq!(follower.freshness(at(100 + DAY)), Freshness::Fresh);
        assert_eq!(follower.freshness(at(101 + DAY)), Freshness::Stale);
        follower.contact(at(200));
        follower.contact(at(150));
        assert_eq!(follower.freshness(at(200 + DAY)), Freshness::Fresh, "contact never goes back");
        follower.stop();
        assert_eq!(follower.freshness(at(200)), Freshness::Stale);
        assert_eq!(
            follower.admits(Position(2)),
            Err(LoadError::Behind { at: Position(3), snapshot: Position(2) })
        );
        follower.loaded(Position(4), at(200));
        assert_eq!(follower.standing(at(200)).freshness, Freshness::Fresh);
    }
}
