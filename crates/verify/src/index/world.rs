//! All that a decision reads besides the Keys' own records, as one value that is swapped whole: the
//! catalog, Applications, profiles, digest keys. What stands at a slot never becomes another thing, so
//! that a record read a moment earlier or later still points to what it meant.

use std::sync::Arc;

use claviger_domain::apis::{ApiPermission, AuthType};
use claviger_domain::id::{ApiId, ApplicationId, EnvironmentId, KeyId};
use claviger_domain::policy_templates::CallLimits;
use claviger_domain::text::Name;
use claviger_domain::time::Timestamp;
use hashbrown::HashMap;
use smallvec::SmallVec;

use super::chunked::Chunked;
use super::keys::Directory;
use super::record::Life;
use super::shared_keys::SharedKeys;
use crate::digests::DigestKeys;
use crate::facts::{ApiFacts, ApplicationFacts, EnvironmentFacts, KeyEnd};

#[derive(Clone)]
pub(crate) struct World {
    pub(super) digest_keys: Option<Arc<DigestKeys>>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) applications: Chunked<ApplicationFacts>,
    /// One byte per Application beside its facts, so that a call need not look at these.
    pub(super) standings: Chunked<Standing>,
    pub(super) profiles: Chunked<Profile>,
    pub(super) keys: Arc<Directory>,
    pub(super) retirements: Retirements,
    pub(super) shared: Arc<SharedKeys>,
}

/// Whether an Application's Keys may work at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Standing {
    Active,
    Suspended,
    Deleted,
}

/// What many Keys have in common: the Environment, how they are presented, what they open, and how often.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Profile {
    pub(super) environment: EnvironmentId,
    pub(super) auth_type: AuthType,
    /// What the policy limits, for each Key Set by itself.
    pub(super) limits: CallLimits,
    /// Ascending by API. Those of most Keys stand here, and are not pointed to.
    pub(super) grants: SmallVec<[Grant; 2]>,
}

/// One API that a Key Set opens, through an Active Subscription.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Grant {
    pub(super) api: u32,
    /// `None`: all of the API's, also those added later.
    pub(super) permissions: Option<Box<[ApiPermission]>>,
}

impl Profile {
    pub(super) fn new(environment: EnvironmentId, auth_type: AuthType, limits: CallLimits) -> Self {
        Self { environment, auth_type, limits, grants: SmallVec::new() }
    }

    pub(super) fn grant(&self, api: u32) -> Option<&Grant> {
        self.grants.iter().find(|grant| grant.api == api)
    }

    pub(super) fn with_grant(&self, new: Grant) -> Self {
        let mut profile = self.without_grant(new.api);
        let at = profile.grants.partition_point(|grant| grant.api < new.api);
        profile.grants.insert(at, new);
        profile
    }

    pub(super) fn without_grant(&self, api: u32) -> Self {
        let grants = self.grants.iter().filter(|grant| grant.api != api).cloned().collect();
        Self { grants, ..*self }
    }
}

impl Grant {
    /// The API's own permissions that are held: of those granted, the ones that it still declares.
    pub(super) fn held<'a>(&'a self, api: &'a ApiFacts) -> impl Iterator<Item = &'a ApiPermission> {
        api.permissions
            .iter()
            .filter(|declared| self.permissions.as_ref().is_none_or(|granted| granted.contains(declared)))
    }
}

/// APIs and Environments: few, read often, changed rarely.
#[derive(Clone, Default)]
pub(super) struct Catalog {
    apis: Vec<Option<Arc<ApiFacts>>>,
    api_slots: HashMap<ApiId, u32>,
    /// By slug and by id as text.
    api_names: HashMap<Box<str>, u32>,
    environments: HashMap<EnvironmentId, Arc<EnvironmentFacts>>,
    environment_names: HashMap<Box<str>, EnvironmentId>,
}

impl Catalog {
    /// By slug or id.
    pub(super) fn api_named(&self, name: &str) -> Option<(u32, &Arc<ApiFacts>)> {
        let slot = *self.api_names.get(name)?;
        self.api(slot).map(|api| (slot, api))
    }

    pub(super) fn api(&self, slot: u32) -> Option<&Arc<ApiFacts>> {
        self.apis.get(slot as usize)?.as_ref()
    }

    pub(super) fn api_slot(&self, id: ApiId) -> Option<u32> {
        self.api_slots.get(&id).copied()
    }

    pub(super) fn apis(&self) -> impl Iterator<Item = &Arc<ApiFacts>> {
        self.apis.iter().flatten()
    }

    /// Puts a new API, or new facts in the place of the old ones.
    pub(super) fn put_api(&mut self, facts: ApiFacts) {
        let slot = self.api_slot(facts.id).unwrap_or_else(|| {
            self.apis.push(None);
            u32::try_from(self.apis.len() - 1).unwrap_or(u32::MAX)
        });
        self.api_slots.insert(facts.id, slot);
        self.api_names.insert(facts.slug.as_str().into(), slot);
        self.api_names.insert(facts.id.to_string().into(), slot);
        if let Some(place) = self.apis.get_mut(slot as usize) {
            *place = Some(Arc::new(facts));
        }
    }

    /// The API is gone; its slot is never another's.
    pub(super) fn remove_api(&mut self, id: ApiId) {
        let gone = self.api_slot(id).and_then(|slot| self.apis.get_mut(slot as usize)).and_then(Option::take);
        if let Some(api) = gone {
            self.api_names.remove(api.slug.as_str());
            self.api_names.remove(id.to_string().as_str());
        }
    }

    /// By slug or id.
    pub(super) fn environment_named(&self, name: &str) -> Option<EnvironmentId> {
        self.environment_names.get(name).copied()
    }

    pub(super) fn environment(&self, id: EnvironmentId) -> Option<&Arc<EnvironmentFacts>> {
        self.environments.get(&id)
    }

    pub(super) fn environments(&self) -> impl Iterator<Item = &Arc<EnvironmentFacts>> {
        self.environments.values()
    }

    pub(super) fn put_environment(&mut self, facts: EnvironmentFacts) {
        self.environment_names.insert(facts.slug.as_str().into(), facts.id);
        self.environment_names.insert(facts.id.to_string().into(), facts.id);
        self.environments.insert(facts.id, Arc::new(facts));
    }

    pub(super) fn remove_environment(&mut self, id: EnvironmentId) {
        self.environments.remove(&id);
        self.environment_names.retain(|_, named| *named != id);
    }
}

/// Both dates of a Key whose retirement is planned. There are few at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dates {
    pub(super) expires_at: Option<Timestamp>,
    pub(super) retires_at: Timestamp,
}

impl Dates {
    /// When the clock ends the Key.
    pub(super) fn stops_at(self) -> Timestamp {
        self.expires_at.map_or(self.retires_at, |expires_at| expires_at.min(self.retires_at))
    }

    /// As which the Key ends then. Of two ends at one instant the retirement counts, as in
    /// `claviger_domain::key_sets::Key::stopped`.
    pub(super) fn end(self) -> KeyEnd {
        match self.expires_at {
            Some(expires_at) if expires_at < self.retires_at => KeyEnd::Expired,
            _ => KeyEnd::Revoked,
        }
    }
}

const RETIREMENT_SHARDS: usize = 256;

/// The dates of all Keys with a planned retirement; a change copies one shard.
#[derive(Clone)]
pub(super) struct Retirements(Arc<Vec<Arc<HashMap<KeyId, Dates>>>>);

impl Default for Retirements {
    fn default() -> Self {
        Self(Arc::new(vec![Arc::default(); RETIREMENT_SHARDS]))
    }
}

impl Retirements {
    pub(super) fn of(&self, key: KeyId) -> Option<Dates> {
        self.0[Self::shard(key)].get(&key).copied()
    }

    pub(super) fn put(&mut self, key: KeyId, dates: Dates) {
        self.shard_mut(key).insert(key, dates);
    }

    pub(super) fn remove(&mut self, key: KeyId) {
        self.shard_mut(key).remove(&key);
    }

    fn shard_mut(&mut self, key: KeyId) -> &mut HashMap<KeyId, Dates> {
        Arc::make_mut(&mut Arc::make_mut(&mut self.0)[Self::shard(key)])
    }

    const fn shard(key: KeyId) -> usize {
        key.as_u128() as usize % RETIREMENT_SHARDS
    }
}

impl World {
    pub(super) fn new(digest_keys: Option<Arc<DigestKeys>>, keys: usize) -> Self {
        Self {
            digest_keys,
            catalog: Arc::default(),
            applications: Chunked::default(),
            standings: Chunked::default(),
            profiles: Chunked::default(),
            keys: Arc::new(Directory::with_capacity(keys)),
            retirements: Retirements::default(),
            shared: Arc::default(),
        }
    }

    /// The code of an end by the clock that has come.
    pub(super) fn end_by_clock(&self, key: KeyId, life: Life) -> KeyEnd {
        if life.retiring() {
            self.retirements.of(key).map_or(KeyEnd::Revoked, Dates::end)
        } else {
            KeyEnd::Expired
        }
    }

    /// The Key's own expiration, whatever else will end it before.
    pub(super) fn expires_at(&self, key: KeyId, life: Life) -> Option<Timestamp> {
        match life.retiring().then(|| self.retirements.of(key)).flatten() {
            Some(dates) => dates.expires_at,
            None => life.stops_at(),
        }
    }

    pub(super) fn application_named(&self, slot: usize) -> Option<(&ApplicationId, &Name)> {
        self.applications.get(slot).map(|application| (&application.id, &application.name))
    }
}
