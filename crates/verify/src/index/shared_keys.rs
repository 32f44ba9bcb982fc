//! All shared keys: a few for each API, so that a change copies what is there. Found by the key's tag, and by
//! the secret's where the secret alone identifies its caller.

use std::sync::Arc;

use claviger_domain::id::SharedKeyId;
use claviger_domain::shared_keys::SecretOrigin;
use hashbrown::HashMap;

use super::record::Tag;
use crate::facts::SharedKeyFacts;

#[derive(Clone, Default)]
pub(super) struct SharedKeys {
    keys: HashMap<SharedKeyId, Arc<SharedKeyFacts>>,
    by_key: HashMap<u128, SharedKeyId>,
    by_secret: HashMap<u128, SharedKeyId>,
}

impl SharedKeys {
    pub(super) fn get(&self, id: SharedKeyId) -> Option<&Arc<SharedKeyFacts>> {
        self.keys.get(&id)
    }

    pub(super) fn by_key(&self, tag: Tag) -> Option<&SharedKeyFacts> {
        self.get(*self.by_key.get(&tag.as_u128())?).map(Arc::as_ref)
    }

    /// By a generated secret; typed ones identify nobody.
    pub(super) fn by_secret(&self, tag: Tag) -> Option<&SharedKeyFacts> {
        self.get(*self.by_secret.get(&tag.as_u128())?).map(Arc::as_ref)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &SharedKeyFacts> {
        self.keys.values().map(Arc::as_ref)
    }

    /// Puts a new key, or new facts in the place of the old ones.
    pub(super) fn put(&mut self, facts: SharedKeyFacts) {
        self.remove(facts.id);
        self.by_key.insert(Tag::of(&facts.digest).as_u128(), facts.id);
        if let Some(tag) = identifying(&facts) {
            self.by_secret.insert(tag.as_u128(), facts.id);
        }
        self.keys.insert(facts.id, Arc::new(facts));
    }

    pub(super) fn remove(&mut self, id: SharedKeyId) {
        let Some(gone) = self.keys.remove(&id) else { return };
        self.by_key.remove(&Tag::of(&gone.digest).as_u128());
        if let Some(tag) = identifying(&gone) {
            self.by_secret.remove(&tag.as_u128());
        }
    }
}

/// The tag of a secret that identifies its key alone.
fn identifying(facts: &SharedKeyFacts) -> Option<Tag> {
    let secret = facts.secret.filter(|secret| secret.origin == SecretOrigin::Generated)?;
    Some(Tag::of(&secret.digest))
}
