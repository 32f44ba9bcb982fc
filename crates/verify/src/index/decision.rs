//! The answer: a code, and as much about the credential as was proved. It holds on to the world it was
//! made in, so that what it tells belongs together and nothing had to be copied.

use std::fmt;
use std::sync::Arc;

use arc_swap::Guard;
use claviger_domain::decision::Code;
use claviger_domain::event::Position;
use claviger_domain::id::{KeyId, KeySetId, OrganizationId};
use claviger_domain::time::Timestamp;

use super::keys::Location;
use super::record::{KeyRecord, Life, Minute, References};
use super::world::World;
use crate::facts::{ApplicationFacts, EnvironmentFacts};

/// The decision on one call. All but the code and the position is told only as far as the credential was
/// proved (product.md F3); a call that needs no credential has no identity.
#[must_use]
pub struct Decision {
    code: Code,
    as_of: Position,
    proved: Option<Proved>,
    world: Guard<Arc<World>>,
}

/// Whose credential was proved, and at which API it was presented.
#[derive(Clone, Copy)]
pub(super) struct Proved {
    key: KeyId,
    key_set: KeySetId,
    life: Life,
    references: References,
    location: Location,
    api: Option<u32>,
}

impl Proved {
    pub(super) const fn new(key: &KeyRecord, location: Location, api: Option<u32>) -> Self {
        let KeyRecord { id, key_set_id, life, references, .. } = *key;
        Self { key: id, key_set: key_set_id, life, references, location, api }
    }
}

impl Decision {
    pub(super) const fn new(
        code: Code,
        as_of: Position,
        proved: Option<Proved>,
        world: Guard<Arc<World>>,
    ) -> Self {
        Self { code, as_of, proved, world }
    }

    pub const fn code(&self) -> Code {
        self.code
    }

    /// Whether the call may pass.
    pub const fn allowed(&self) -> bool {
        self.code.allows()
    }

    /// The position of the log that the decision knows of.
    pub const fn as_of(&self) -> Position {
        self.as_of
    }

    pub fn key_id(&self) -> Option<KeyId> {
        self.proved.map(|proved| proved.key)
    }

    pub fn key_set_id(&self) -> Option<KeySetId> {
        self.proved.map(|proved| proved.key_set)
    }

    /// The Application that called.
    pub fn application(&self) -> Option<&ApplicationFacts> {
        self.world.applications.get(self.proved?.references.application())
    }

    /// The Organization that the Application belongs to.
    pub fn organization_id(&self) -> Option<OrganizationId> {
        self.application().map(|application| application.organization_id)
    }

    /// The Environment that the credential is for.
    pub fn environment(&self) -> Option<&EnvironmentFacts> {
        let profile = self.world.profiles.get(self.proved?.references.profile())?;
        self.world.catalog.environment(profile.environment).map(Arc::as_ref)
    }

    pub fn expires_at(&self) -> Option<Timestamp> {
        self.proved.and_then(|proved| self.world.expires_at(proved.key, proved.life))
    }

    /// When the clock will end the Key, by its expiration or its retirement.
    pub fn stops_at(&self) -> Option<Timestamp> {
        self.proved.and_then(|proved| proved.life.stops_at())
    }

    /// All of the API's own permissions that are held, in the API's order.
    pub fn permissions(&self) -> impl Iterator<Item = &str> {
        let held = self.proved.and_then(|proved| {
            let api = self.world.catalog.api(proved.api?)?;
            let grant = self.world.profiles.get(proved.references.profile())?.grant(proved.api?)?;
            Some(grant.held(api))
        });
        held.into_iter().flatten().map(claviger_domain::apis::ApiPermission::as_str)
    }

    /// What is held of what was asked, in the order asked.
    pub fn held_of<'a>(&'a self, asked: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
        asked.iter().copied().filter(|asked| self.permissions().any(|held| held == *asked))
    }

    /// Whether a use of the Key in this minute is marked already.
    pub(crate) fn is_marked(&self, minute: Minute) -> bool {
        self.proved.is_none_or(|proved| self.world.keys.at(proved.location).is_marked(minute))
    }

    /// Marks a use of the Key in this minute.
    pub(crate) fn mark(&self, minute: Minute) {
        if let Some(proved) = self.proved {
            self.world.keys.at(proved.location).mark(minute);
        }
    }
}

impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decision")
            .field("code", &self.code)
            .field("as_of", &self.as_of)
            .field("key_id", &self.key_id())
            .field("key_set_id", &self.key_set_id())
            .finish_non_exhaustive()
    }
}
