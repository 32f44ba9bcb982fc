//! Filling an index from a snapshot's rows, streamed in: Environments, APIs and Applications first, then
//! Keys, then Active Subscriptions. What readers see changes once, at the end.

use std::sync::Arc;

use claviger_domain::event::Position;
use claviger_domain::time::Timestamp;

use super::Index;
use super::writer::{Contradiction, Writer};
use crate::facts::{
    ApiFacts, ApplicationFacts, EnvironmentFacts, KeyFacts, KeySetFacts, SharedKeyFacts, SubscriptionFacts,
};
use crate::follower::LoadError;

/// A new world in the making, for one index.
#[must_use = "nothing is seen of it before `finish`"]
pub struct Loader<'i> {
    index: &'i Index,
    writer: Writer,
    keys: Vec<KeyFacts>,
    subscriptions: Vec<SubscriptionFacts>,
    /// How many Key Sets these Subscriptions have.
    granted: usize,
}

/// So many wait and are put in together: where they go is far apart, and comes from memory for all at the same time.
const TOGETHER: usize = 64;

impl<'i> Loader<'i> {
    pub(super) fn new(index: &'i Index, keys: usize) -> Self {
        let writer = Writer::new(None, keys);
        Self { index, writer, keys: Vec::with_capacity(TOGETHER), subscriptions: Vec::new(), granted: 0 }
    }

    pub fn environment(&mut self, facts: EnvironmentFacts) {
        self.writer.put_environment(facts);
    }

    pub fn api(&mut self, facts: ApiFacts) {
        self.writer.catalog_mut().put_api(facts);
    }

    pub fn application(&mut self, facts: ApplicationFacts) -> Result<(), LoadError> {
        Ok(self.writer.put_application(facts)?)
    }

    /// Adds a Key Set that has no Key yet. Those that have one come with it.
    pub fn key_set(&mut self, facts: &KeySetFacts) {
        self.writer.begin_set(*facts);
    }

    /// Adds a Key, of which the set's facts are a part. Keys of Applications that were deleted are left
    /// out: they are `unknown`. What contradicts what is known may be told at a later call.
    pub fn key(&mut self, facts: &KeyFacts) -> Result<(), LoadError> {
        self.keys.push(*facts);
        if self.keys.len() < TOGETHER { Ok(()) } else { self.put_keys() }
    }

    /// Adds an Active Subscription, after the Keys of its Key Sets. What contradicts what is known may be told at a
    /// later call.
    pub fn subscription(&mut self, facts: SubscriptionFacts) -> Result<(), LoadError> {
        self.put_keys()?;
        self.granted += facts.key_set_ids.len();
        self.subscriptions.push(facts);
        if self.granted < TOGETHER { Ok(()) } else { self.put_subscriptions() }
    }

    fn put_keys(&mut self) -> Result<(), LoadError> {
        self.writer.look_ahead_to_keys(&self.keys);
        for facts in self.keys.drain(..) {
            match self.writer.put_key(&facts) {
                Err(Contradiction::UnknownApplication) | Ok(()) => {}
                Err(other) => return Err(other.into()),
            }
        }
        Ok(())
    }

    fn put_subscriptions(&mut self) -> Result<(), LoadError> {
        self.granted = 0;
        let sets = self.subscriptions.iter().flat_map(|facts| facts.key_set_ids.iter().copied());
        self.writer.look_ahead_to_sets(sets);
        for facts in self.subscriptions.drain(..) {
            for set in &facts.key_set_ids {
                match self.writer.grant(*set, facts.api_id, facts.permissions.as_deref()) {
                    // A deleted API is opened by nothing.
                    Err(Contradiction::UnknownApi) | Ok(()) => {}
                    Err(other) => return Err(other.into()),
                }
            }
        }
        Ok(())
    }

    /// Adds a shared key.
    pub fn shared_key(&mut self, facts: SharedKeyFacts) {
        self.writer.put_shared_key(facts);
    }

    /// Shows the new world to readers: it is the log's state at `as_of`, read at `now`. Refused if the
    /// index knows a later state already; a reader of the log never goes back.
    pub fn finish(mut self, as_of: Position, now: Timestamp) -> Result<(), LoadError> {
        self.put_keys()?;
        self.put_subscriptions()?;
        let mut current = self.index.writer.lock();
        self.index.follower.admits(as_of)?;
        let digest_keys = current.world().digest_keys.as_ref().map(Arc::clone);
        self.writer.use_digest_keys(digest_keys);
        self.writer.settle();
        self.writer.publish_to(&self.index.world);
        *current = self.writer;
        self.index.follower.loaded(as_of, now);
        Ok(())
    }
}

impl std::fmt::Debug for Loader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Loader")
    }
}
