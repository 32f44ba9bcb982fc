//! The one who changes the index. Readers go on meanwhile: what a record is about to point to is
//! published before the record points to it.

use std::hash::BuildHasher as _;
use std::hint::black_box;
use std::sync::Arc;

use arc_swap::ArcSwap;
use claviger_domain::apis::ApiPermission;
use claviger_domain::id::{ApiId, ApplicationId, EnvironmentId, KeyId, KeySetId, SharedKeyId};
use claviger_domain::policy_templates::CallLimits;
use claviger_domain::time::Timestamp;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use smallvec::SmallVec;

use super::members::{Member, Members};
use super::record::{KeyRecord, KeyWithSecret, Life, MAX_SLOTS, Record, References, Tag};
use super::world::{Catalog, Dates, Grant, Profile, Standing, World};
use crate::digests::DigestKeys;
use crate::facts::{
    ApiFacts, ApplicationFacts, EnvironmentFacts, KeyEnd, KeyFacts, KeySetFacts, SharedKeyFacts,
};

pub(super) struct Writer {
    world: World,
    /// Whether `world` is ahead of what readers see.
    ahead: bool,
    /// Where readers look; a loader has none until it is done.
    published: Option<Arc<ArcSwap<World>>>,
    members: Members,
    application_slots: HashMap<ApplicationId, u32>,
    /// Slots of profiles, by what stands there.
    profile_slots: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// Key Sets whose first Key has not been issued yet.
    unissued: HashMap<KeySetId, Unissued>,
    /// Which profile another one becomes by a grant, for those met lately.
    granted: HashMap<(usize, Grant), u32>,
}

/// How many of those are remembered.
const REMEMBERED: usize = 4_096;

/// What is known of a Key Set before it has a Key. Grants may come first.
#[derive(Default)]
struct Unissued {
    set: Option<KeySetFacts>,
    grants: SmallVec<[Grant; 2]>,
}

/// The facts contradict what the index holds: the log and the tables it was loaded from are not of one
/// piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    #[error("an event is about an API that was never made")]
    UnknownApi,
    #[error("an event or row is about an Application that was never made")]
    UnknownApplication,
    #[error("a Key was issued for a Key Set that was never made")]
    UnknownKeySet,
    #[error("an event is about a Key that was never issued")]
    UnknownKey,
    #[error("a Key was issued without its digests")]
    NoDigest,
    #[error("there are more Applications or kinds of Key Sets than the index can tell apart")]
    Full,
}

impl Writer {
    pub(super) fn new(digest_keys: Option<Arc<DigestKeys>>, keys: usize) -> Self {
        Self {
            world: World::new(digest_keys, keys),
            ahead: false,
            published: None,
            members: Members::with_capacity(keys),
            application_slots: HashMap::new(),
            profile_slots: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            unissued: HashMap::new(),
            granted: HashMap::new(),
        }
    }

    pub(super) const fn world(&self) -> &World {
        &self.world
    }

    /// Puts every Key where it is found soonest. For a world that nobody reads yet.
    pub(super) fn settle(&mut self) {
        Arc::make_mut(&mut self.world_mut().keys).settle();
    }

    /// From now on readers see this world, and every change to it.
    pub(super) fn publish_to(&mut self, published: &Arc<ArcSwap<World>>) {
        self.published = Some(Arc::clone(published));
        self.ahead = true;
        self.publish();
    }

    pub(super) fn publish(&mut self) {
        if let Some(published) = self.published.as_ref().filter(|_| self.ahead) {
            published.store(Arc::new(self.world.clone()));
            self.ahead = false;
        }
    }

    pub(super) fn use_digest_keys(&mut self, keys: Option<Arc<DigestKeys>>) {
        self.world_mut().digest_keys = keys;
    }

    pub(super) fn catalog_mut(&mut self) -> &mut Catalog {
        Arc::make_mut(&mut self.world_mut().catalog)
    }

    pub(super) fn put_environment(&mut self, facts: EnvironmentFacts) {
        self.catalog_mut().put_environment(facts);
    }

    pub(super) fn change_api(
        &mut self,
        id: ApiId,
        change: impl FnOnce(&mut ApiFacts),
    ) -> Result<(), Contradiction> {
        let catalog = self.catalog_mut();
        let mut facts = catalog
            .api_slot(id)
            .and_then(|slot| catalog.api(slot))
            .map(|api| ApiFacts::clone(api))
            .ok_or(Contradiction::UnknownApi)?;
        change(&mut facts);
        catalog.put_api(facts);
        Ok(())
    }

    /// Puts a new shared key, or new facts in the place of the old ones.
    pub(super) fn put_shared_key(&mut self, facts: SharedKeyFacts) {
        Arc::make_mut(&mut self.world_mut().shared).put(facts);
    }

    /// Changes a shared key that is there.
    pub(super) fn change_shared_key(
        &mut self,
        id: SharedKeyId,
        change: impl FnOnce(&mut SharedKeyFacts),
    ) -> Result<(), Contradiction> {
        let mut facts = self.world.shared.get(id).ok_or(Contradiction::UnknownKey)?.as_ref().clone();
        change(&mut facts);
        self.put_shared_key(facts);
        Ok(())
    }

    /// It is `unknown` from now on.
    pub(super) fn remove_shared_key(&mut self, id: SharedKeyId) {
        Arc::make_mut(&mut self.world_mut().shared).remove(id);
    }

    /// Puts a new Application, or new facts in the place of the old ones.
    pub(super) fn put_application(&mut self, facts: ApplicationFacts) -> Result<(), Contradiction> {
        let standing = if facts.suspended { Standing::Suspended } else { Standing::Active };
        let id = facts.id;
        if let Some(slot) = self.application_slots.get(&id).copied() {
            let world = self.world_mut();
            world.applications.set(slot as usize, facts);
            world.standings.set(slot as usize, standing);
            return Ok(());
        }
        let world = self.world_mut();
        let slot = next_slot(world.applications.len())?;
        world.applications.push(facts);
        world.standings.push(standing);
        self.application_slots.insert(id, slot);
        Ok(())
    }

    pub(super) fn change_application(
        &mut self,
        id: ApplicationId,
        change: impl FnOnce(&mut ApplicationFacts),
    ) -> Result<(), Contradiction> {
        let slot = self.application_slot(id)?;
        let facts = self.world.applications.get(slot as usize).ok_or(Contradiction::UnknownApplication)?;
        let mut facts = facts.clone();
        change(&mut facts);
        self.put_application(facts)
    }

    /// Its Keys are `unknown` from now on.
    pub(super) fn remove_application(&mut self, id: ApplicationId) -> Result<(), Contradiction> {
        let slot = self.application_slot(id)?;
        self.world_mut().standings.set(slot as usize, Standing::Deleted);
        Ok(())
    }

    /// A Key Set as it begins, before its first Key.
    pub(super) fn begin_set(&mut self, set: KeySetFacts) {
        self.unissued.entry(set.id).or_default().set = Some(set);
    }

    /// What a new Key of the set shares with the others, as a value to be filled in.
    pub(super) fn set_of(&self, id: KeySetId) -> Option<KeySetFacts> {
        let Some(record) = self.records(id).next() else {
            return self.unissued.get(&id).and_then(|unissued| unissued.set);
        };
        let key = record.read();
        let profile = self.world.profiles.get(key.references.profile())?;
        let (application, _) = self.world.application_named(key.references.application())?;
        Some(KeySetFacts {
            id,
            application_id: *application,
            environment_id: profile.environment,
            auth_type: profile.auth_type,
            suspended: key.life.suspended(),
            limits: profile.limits,
        })
    }

    /// Adds a Key. If it is the newest of its set, no other one is from now on.
    pub(super) fn put_key(&mut self, facts: &KeyFacts) -> Result<(), Contradiction> {
        let set = facts.key_set;
        let application = self.application_slot(set.application_id)?;
        let sibling = self.profile_of(set.id);
        let profile = match sibling.and_then(|slot| u32::try_from(slot).ok()) {
            Some(slot) => slot,
            None => {
                let mut profile = Profile::new(set.environment_id, set.auth_type, set.limits);
                if let Some(unissued) = self.unissued.remove(&set.id) {
                    profile.grants = unissued.grants;
                }
                self.profile_slot(profile)?
            }
        };
        if facts.latest && sibling.is_some() {
            self.records(set.id).for_each(|record| record.refer(References::superseded));
        }
        let key = KeyRecord {
            tag: Tag::of(&facts.digest),
            id: facts.id,
            key_set_id: set.id,
            life: self.life_of(facts),
            references: References::new(application, profile, facts.latest),
        };
        let put = KeyWithSecret { key, secret: facts.secret_digest.as_ref().map(Tag::of) };
        self.publish();
        match self.world.keys.locate(key.tag) {
            Some(location) => self.world.keys.refill(location, &put),
            None => self.insert(&put),
        }
        Ok(())
    }

    fn insert(&mut self, put: &KeyWithSecret) {
        self.members.insert(put.key.key_set_id, put.key.tag);
        if !self.world.keys.fill(put) {
            Arc::make_mut(&mut self.world_mut().keys).insert(put);
        }
    }

    fn life_of(&mut self, facts: &KeyFacts) -> Life {
        let life = Life::new(facts.provisioned, facts.expires_at).suspending(facts.key_set.suspended);
        match (facts.ended, facts.retires_at) {
            (Some(end), _) => life.ending(end),
            (None, Some(retires_at)) => {
                let dates = Dates { expires_at: facts.expires_at, retires_at };
                self.world_mut().retirements.put(facts.id, dates);
                life.stopping(Some(dates.stops_at())).with_retirement(true)
            }
            (None, None) => life,
        }
    }

    /// Every Key of the set is suspended, or no longer.
    pub(super) fn suspend_set(&self, id: KeySetId, suspended: bool) {
        self.records(id).for_each(|record| record.live(record.life().suspending(suspended)));
    }

    /// Every Key of the set that has not ended ends as revoked.
    pub(super) fn revoke_set(&mut self, id: KeySetId) {
        let living: Vec<KeyId> = self
            .records(id)
            .map(Record::read)
            .filter(|key| key.life.ended().is_none())
            .map(|key| key.id)
            .collect();
        living.into_iter().for_each(|key| self.end_key(id, key, KeyEnd::Revoked));
    }

    /// Its Keys are `unknown` from now on.
    pub(super) fn remove_set(&mut self, id: KeySetId) {
        self.unissued.remove(&id);
        self.records(id).for_each(|record| record.live(record.life().removing()));
    }

    /// The Key is no longer Pending.
    pub(super) fn provision_key(
        &mut self,
        set: KeySetId,
        key: KeyId,
        expires_at: Option<Timestamp>,
    ) -> Result<(), Contradiction> {
        // The date first: a Key never works without it.
        self.reschedule(set, key, expires_at);
        let record = self.record(set, key).ok_or(Contradiction::UnknownKey)?;
        record.live(record.life().provisioned());
        Ok(())
    }

    /// The newest Key of the set has another expiration from now on.
    pub(super) fn reschedule_latest(&mut self, set: KeySetId, expires_at: Option<Timestamp>) {
        let latest =
            self.records(set).map(Record::read).find(|key| key.references.latest()).map(|key| key.id);
        if let Some(key) = latest {
            self.reschedule(set, key, expires_at);
        }
    }

    fn reschedule(&mut self, set: KeySetId, key: KeyId, expires_at: Option<Timestamp>) {
        let retires_at = self.world.retirements.of(key).map(|dates| dates.retires_at);
        self.date_key(set, key, expires_at, retires_at);
    }

    /// The Key stops working at `retires_at`, if nothing ends it before.
    pub(super) fn retire_key(&mut self, set: KeySetId, key: KeyId, retires_at: Timestamp) {
        if let Some(life) = self.record(set, key).map(Record::life) {
            let expires_at = self.world.expires_at(key, life);
            self.date_key(set, key, expires_at, Some(retires_at));
        }
    }

    /// Records the Key's end. One that the index does not hold has nothing to end.
    pub(super) fn end_key(&mut self, set: KeySetId, key: KeyId, end: KeyEnd) {
        let Some(record) = self.record(set, key) else { return };
        let life = record.life();
        let expires_at = self.world.expires_at(key, life);
        record.live(life.stopping(expires_at).with_retirement(false).ending(end));
        if life.retiring() {
            self.world_mut().retirements.remove(key);
        }
    }

    fn date_key(
        &mut self,
        set: KeySetId,
        key: KeyId,
        expires_at: Option<Timestamp>,
        retires_at: Option<Timestamp>,
    ) {
        let dates = retires_at.map(|retires_at| Dates { expires_at, retires_at });
        if let Some(dates) = dates {
            self.world_mut().retirements.put(key, dates);
            self.publish();
        }
        if let Some(record) = self.record(set, key) {
            let stops_at = dates.map(Dates::stops_at).or(expires_at);
            record.live(record.life().stopping(stops_at).with_retirement(dates.is_some()));
        }
    }

    /// The Key Set's policy limits this from now on.
    pub(super) fn limit_set(&mut self, set: KeySetId, limits: CallLimits) -> Result<(), Contradiction> {
        if let Some(unissued) = self.unissued.get_mut(&set).and_then(|unissued| unissued.set.as_mut()) {
            unissued.limits = limits;
        }
        let Some(profile) = self.profile_of(set) else { return Ok(()) };
        let old = self.world.profiles.get(profile).ok_or(Contradiction::UnknownKeySet)?;
        let slot = self.profile_slot(Profile { limits, ..old.clone() })?;
        self.give_profile(set, slot);
        Ok(())
    }

    /// The Key Set opens the API from now on, or holds other permissions there.
    pub(super) fn grant(
        &mut self,
        set: KeySetId,
        api: ApiId,
        permissions: Option<&[ApiPermission]>,
    ) -> Result<(), Contradiction> {
        let api = self.world.catalog.api_slot(api).ok_or(Contradiction::UnknownApi)?;
        let grant = Grant { api, permissions: permissions.map(Box::from) };
        match self.profile_of(set) {
            Some(profile) => {
                let slot = self.granted_slot(profile, grant)?;
                self.give_profile(set, slot);
            }
            None => {
                let grants = &mut self.unissued.entry(set).or_default().grants;
                grants.retain(|held| held.api != api);
                let at = grants.partition_point(|held| held.api < api);
                grants.insert(at, grant);
            }
        }
        Ok(())
    }

    /// What a profile becomes by a grant. Many Key Sets go the same way.
    fn granted_slot(&mut self, profile: usize, grant: Grant) -> Result<u32, Contradiction> {
        let step = (profile, grant);
        if let Some(slot) = self.granted.get(&step) {
            return Ok(*slot);
        }
        let old = self.world.profiles.get(profile).ok_or(Contradiction::UnknownKeySet)?;
        let slot = self.profile_slot(old.with_grant(step.1.clone()))?;
        if self.granted.len() >= REMEMBERED {
            self.granted.clear();
        }
        self.granted.insert(step, slot);
        Ok(slot)
    }

    /// The Key Set holds other permissions of the API, if it opens it at all.
    pub(super) fn narrow(
        &mut self,
        set: KeySetId,
        api: ApiId,
        permissions: Option<&[ApiPermission]>,
    ) -> Result<(), Contradiction> {
        if self.opens(set, api) { self.grant(set, api, permissions) } else { Ok(()) }
    }

    /// The Key Set opens the API no longer.
    pub(super) fn withdraw(&mut self, set: KeySetId, api: ApiId) -> Result<(), Contradiction> {
        let Some(api) = self.world.catalog.api_slot(api) else { return Ok(()) };
        if let Some(unissued) = self.unissued.get_mut(&set) {
            unissued.grants.retain(|held| held.api != api);
        }
        let Some(profile) = self.profile_of(set) else { return Ok(()) };
        let old = self.world.profiles.get(profile).ok_or(Contradiction::UnknownKeySet)?;
        let slot = self.profile_slot(old.without_grant(api))?;
        self.give_profile(set, slot);
        Ok(())
    }

    fn opens(&self, set: KeySetId, api: ApiId) -> bool {
        let Some(api) = self.world.catalog.api_slot(api) else { return false };
        let profile = self.profile_of(set).and_then(|slot| self.world.profiles.get(slot));
        let of_keys = profile.is_some_and(|profile| profile.grant(api).is_some());
        of_keys || self.unissued.get(&set).is_some_and(|held| held.grants.iter().any(|held| held.api == api))
    }

    /// Where the profile of a set's Keys stands: all have one. None: it has no Keys.
    fn profile_of(&self, set: KeySetId) -> Option<usize> {
        self.records(set).next().map(|record| record.read().references.profile())
    }

    fn give_profile(&mut self, set: KeySetId, slot: u32) {
        self.publish();
        self.records(set).for_each(|record| record.refer(|references| references.with_profile(slot)));
    }

    /// Has the memory that these Keys will be put into on its way, for all of them at once.
    pub(super) fn look_ahead_to_keys(&self, keys: &[KeyFacts]) {
        let sets = keys.iter().map(|facts| self.members.glance(facts.key_set.id));
        let records = keys.iter().map(|facts| self.world.keys.glance(Tag::of(&facts.digest)));
        black_box(sets.chain(records).fold(0, |all, seen| all ^ seen));
    }

    /// The same for the records of the Keys of these sets, one step of the way after the other.
    pub(super) fn look_ahead_to_sets(&self, sets: impl Iterator<Item = KeySetId> + Clone) {
        black_box(sets.clone().fold(0, |all, set| all ^ self.members.glance(set)));
        let members = sets.flat_map(|set| self.members.of(set));
        black_box(members.clone().fold(0, |all, member| all ^ self.world.keys.glance_at_group(member)));
        black_box(members.fold(0, |all, member| all ^ self.world.keys.glance_at_record(member)));
    }

    /// Equal profiles share one slot. One that is no longer used keeps its slot: a reader may be about
    /// to look there.
    fn profile_slot(&mut self, profile: Profile) -> Result<u32, Contradiction> {
        let profiles = &self.world.profiles;
        let hash = self.hasher.hash_one(&profile);
        let same = |slot: &u32| profiles.get(*slot as usize) == Some(&profile);
        if let Some(slot) = self.profile_slots.find(hash, same) {
            return Ok(*slot);
        }
        let slot = next_slot(profiles.len())?;
        let rehash =
            |slot: &u32| profiles.get(*slot as usize).map_or(0, |profile| self.hasher.hash_one(profile));
        self.profile_slots.insert_unique(hash, slot, rehash);
        self.world_mut().profiles.push(profile);
        Ok(slot)
    }

    fn application_slot(&self, id: ApplicationId) -> Result<u32, Contradiction> {
        self.application_slots.get(&id).copied().ok_or(Contradiction::UnknownApplication)
    }

    pub(super) fn remove_environment(&mut self, id: EnvironmentId) {
        self.catalog_mut().remove_environment(id);
    }

    /// All Keys of a set, living or dead.
    fn records(&self, set: KeySetId) -> impl Iterator<Item = &Record> {
        self.members.of(set).filter_map(move |member: Member| self.world.keys.find_member(set, member))
    }

    fn record(&self, set: KeySetId, key: KeyId) -> Option<&Record> {
        self.records(set).find(|record| record.read().id == key)
    }

    fn world_mut(&mut self) -> &mut World {
        self.ahead = true;
        &mut self.world
    }
}

fn next_slot(taken: usize) -> Result<u32, Contradiction> {
    u32::try_from(taken).ok().filter(|_| taken < MAX_SLOTS).ok_or(Contradiction::Full)
}
