//! The answer: a code, and as much about the credential as was proved. It holds on to the world it was
//! made in, so that what it tells belongs together and nothing had to be copied.

use std::fmt;
use std::sync::Arc;

use arc_swap::Guard;
use claviger_domain::decision::Code;
use claviger_domain::event::Position;
use claviger_domain::id::{ApiId, EnvironmentId, KeyId, KeySetId, OrganizationId, SharedKeyId};
use claviger_domain::time::Timestamp;
use claviger_domain::usage::UsedKey;

use super::record::{KeyRecord, Life, References};
use super::world::World;
use crate::facts::{ApiFacts, ApplicationFacts, EnvironmentFacts, SharedKeyFacts};
use crate::limits::{Allotment, Exceeded, Rules, Subject};

/// The decision on one call. All but the code and the position is told only as far as the credential was
/// proved (product.md F3); a call that needs no credential has no identity.
#[must_use]
pub struct Decision {
    code: Code,
    as_of: Position,
    met: Met,
    cost: u32,
    limits: Option<Result<Allotment, Exceeded>>,
    world: Guard<Arc<World>>,
}

/// Whose credential was presented, and at which API. Meters count all of it; callers hear of what was proved.
#[derive(Clone, Copy, Default)]
pub(super) struct Met {
    pub(super) whose: Option<Whose>,
    pub(super) proved: bool,
    pub(super) api: Option<u32>,
    /// Whether a rule limits how often the call may be made.
    pub(super) is_limited: bool,
}

/// A Key of a Key Set, or a shared key.
#[derive(Clone, Copy)]
pub(super) enum Whose {
    Key(MetKey),
    /// With the Environment that the call is for, as far as it is known.
    Shared {
        id: SharedKeyId,
        environment: Option<EnvironmentId>,
    },
}

#[derive(Clone, Copy)]
pub(super) struct MetKey {
    id: KeyId,
    key_set: KeySetId,
    life: Life,
    references: References,
}

impl Whose {
    pub(super) const fn key(key: &KeyRecord) -> Self {
        let KeyRecord { id, key_set_id, life, references, .. } = *key;
        Self::Key(MetKey { id, key_set: key_set_id, life, references })
    }
}

impl Decision {
    pub(super) const fn new(
        code: Code,
        as_of: Position,
        met: Met,
        cost: u32,
        world: Guard<Arc<World>>,
    ) -> Self {
        Self { code, as_of, met, cost, limits: None, world }
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

    /// The API that was asked for, if there is one and the asker may know of it: for meters.
    pub fn met_api(&self) -> Option<ApiId> {
        self.world.catalog.api(self.met.api?).map(|api| api.id)
    }

    /// The key that was presented, proved or not: for meters, and never for the caller.
    pub fn met_key(&self) -> Option<UsedKey> {
        self.met.whose.map(|whose| match whose {
            Whose::Key(key) => UsedKey::Key { id: key.id, key_set_id: key.key_set },
            Whose::Shared { id, .. } => UsedKey::Shared(id),
        })
    }

    fn proved(&self) -> Option<Whose> {
        self.met.whose.filter(|_| self.met.proved)
    }

    fn key(&self) -> Option<MetKey> {
        match self.proved()? {
            Whose::Key(key) => Some(key),
            Whose::Shared { .. } => None,
        }
    }

    /// The Key of a Key Set that called.
    pub fn key_id(&self) -> Option<KeyId> {
        self.key().map(|key| key.id)
    }

    pub fn key_set_id(&self) -> Option<KeySetId> {
        self.key().map(|key| key.key_set)
    }

    /// The shared key that called.
    pub fn shared_key(&self) -> Option<&SharedKeyFacts> {
        match self.proved()? {
            Whose::Key(_) => None,
            Whose::Shared { id, .. } => self.world.shared.get(id).map(Arc::as_ref),
        }
    }

    /// The Application that called; a shared key has none.
    pub fn application(&self) -> Option<&ApplicationFacts> {
        self.world.applications.get(self.key()?.references.application())
    }

    /// The Organization that the Application, or the shared key, belongs to.
    pub fn organization_id(&self) -> Option<OrganizationId> {
        let of_shared_key = || self.shared_key().map(|key| key.organization_id);
        self.application().map(|application| application.organization_id).or_else(of_shared_key)
    }

    /// The Environment that the credential is for; for a shared key that is good in several, the one that the
    /// door was told.
    pub fn environment(&self) -> Option<&EnvironmentFacts> {
        let id = match self.proved()? {
            Whose::Key(key) => self.world.profiles.get(key.references.profile())?.environment,
            Whose::Shared { environment, .. } => environment?,
        };
        self.world.catalog.environment(id).map(Arc::as_ref)
    }

    pub fn expires_at(&self) -> Option<Timestamp> {
        self.key().and_then(|key| self.world.expires_at(key.id, key.life))
    }

    /// When the clock will end the Key, by its expiration or its retirement.
    pub fn stops_at(&self) -> Option<Timestamp> {
        self.key().and_then(|key| key.life.stops_at())
    }

    /// All of the API's own permissions that are held, in the API's order.
    pub fn permissions(&self) -> impl Iterator<Item = &str> {
        let of_key = self.key().and_then(|key| {
            let (slot, api) = self.api()?;
            Some(self.world.profiles.get(key.references.profile())?.grant(slot)?.held(api))
        });
        let of_shared_key = self.shared_key().and_then(|key| {
            let (_, api) = self.api().filter(|(_, api)| api.id == key.api_id)?;
            Some(key.held(api))
        });
        let held = of_key.into_iter().flatten().chain(of_shared_key.into_iter().flatten());
        held.map(claviger_domain::apis::ApiPermission::as_str)
    }

    /// Whether the call may pass by all but the rules that limit how often it does, and there are such rules.
    pub fn is_limited(&self) -> bool {
        self.allowed() && self.met.is_limited
    }

    /// Those rules.
    pub fn rules(&self) -> Option<Rules> {
        if !self.is_limited() {
            return None;
        }
        let (subject, own) = match self.proved()? {
            Whose::Key(key) => {
                let profile = self.world.profiles.get(key.references.profile())?;
                (Subject::KeySet(key.key_set), profile.limits)
            }
            Whose::Shared { id, .. } => (Subject::SharedKey(id), self.world.shared.get(id)?.limits()),
        };
        Some(Rules::new(subject, self.api().map(|(_, api)| (api.id, api.limits)), own))
    }

    /// How much of them the call uses up.
    pub const fn cost(&self) -> u32 {
        self.cost
    }

    /// What the rules said.
    pub fn allot(&mut self, said: Result<Allotment, Exceeded>) {
        if let Err(exceeded) = said {
            self.code = exceeded.code;
        }
        self.limits = Some(said);
    }

    /// How the call stands to the strictest of its rules, after they were asked.
    pub fn allotment(&self) -> Option<Allotment> {
        self.limits.map(|said| said.unwrap_or_else(|exceeded| exceeded.allotment))
    }

    /// In how many seconds to try again, if a rule refused the call.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.limits?.err().map(|exceeded| exceeded.retry_after_seconds)
    }

    fn api(&self) -> Option<(u32, &ApiFacts)> {
        let slot = self.met.api?;
        self.world.catalog.api(slot).map(|api| (slot, api.as_ref()))
    }

    /// What is held of what was asked, in the order asked.
    pub fn held_of<'a>(&'a self, asked: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
        asked.iter().copied().filter(|asked| self.permissions().any(|held| held == *asked))
    }
}

impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decision")
            .field("code", &self.code)
            .field("as_of", &self.as_of)
            .field("key_id", &self.key_id())
            .field("key_set_id", &self.key_set_id())
            .field("shared_key_id", &self.shared_key().map(|key| key.id))
            .finish_non_exhaustive()
    }
}
