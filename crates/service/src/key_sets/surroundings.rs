//! What stands around Key Sets in other tables, read for a whole page in a fixed number of queries.

use std::collections::{BTreeSet, HashMap};

use claviger_domain::applications::ApplicationStatus;
use claviger_domain::event::Position;
use claviger_domain::id::{ApiId, ApplicationId, KeyId, KeySetId};
use claviger_domain::key_sets::{Facts, KeySet};
use claviger_domain::subscriptions::Subscription;
use claviger_domain::time::Timestamp;
use claviger_domain::usage::LastUse;
use claviger_store::{LivingKeySet, Reader};

use crate::error::Error;

/// What stands around each of some Key Sets.
#[derive(Debug)]
pub(super) struct Surroundings {
    subscriptions: HashMap<KeySetId, Vec<Subscription>>,
    last_changes: HashMap<String, Position>,
    marks: HashMap<String, LastUse>,
    beside: Beside,
    now: Timestamp,
}

/// What stands around one.
#[derive(Debug)]
pub(super) struct Surrounding<'a> {
    /// Those that it was ever made or reused for, oldest first.
    pub(super) subscriptions: &'a [Subscription],
    /// Where in the log it changed last.
    pub(super) last_change: Position,
    pub(super) last_used: Vec<(KeyId, LastUse)>,
    pub(super) facts: Facts,
}

impl Surroundings {
    pub(super) async fn read(reader: &mut Reader, sets: &[KeySet], now: Timestamp) -> Result<Self, Error> {
        let ids: Vec<_> = sets.iter().map(|set| set.id).collect();
        let keys: Vec<_> = sets.iter().flat_map(|set| &set.keys).map(|key| key.id.to_string()).collect();
        Ok(Self {
            subscriptions: reader.subscriptions_of_key_sets(&ids).await?,
            last_changes: reader.last_changes_of(ids.iter().map(ToString::to_string).collect()).await?,
            marks: reader.last_used(&keys).await?,
            beside: Beside::read(reader, sets, now).await?,
            now,
        })
    }

    pub(super) fn of(&self, set: &KeySet) -> Surrounding<'_> {
        let mark = |id: KeyId| Some((id, *self.marks.get(&id.to_string())?));
        Surrounding {
            subscriptions: self.subscriptions.get(&set.id).map_or(&[], Vec::as_slice),
            last_change: self.last_changes.get(&set.id.to_string()).copied().unwrap_or_default(),
            last_used: set.keys.iter().filter_map(|key| mark(key.id)).collect(),
            facts: self.beside.facts(set, self.now),
        }
    }

    /// The APIs that any of the Subscriptions is to.
    pub(super) fn apis(&self) -> BTreeSet<ApiId> {
        self.subscriptions.values().flatten().map(|subscription| subscription.api_id).collect()
    }
}

/// What decisions about Key Sets must know beyond them.
#[derive(Debug)]
pub(super) struct Beside {
    suspended: BTreeSet<ApplicationId>,
    living: Vec<LivingKeySet>,
}

impl Beside {
    pub(super) async fn read(reader: &mut Reader, sets: &[KeySet], now: Timestamp) -> Result<Self, Error> {
        let all: BTreeSet<_> = sets.iter().map(|set| set.application_id).collect();
        let applications = reader.applications_by_ids(&Vec::from_iter(all)).await?;
        let suspended =
            applications.iter().filter(|application| application.status == ApplicationStatus::Suspended);
        let dead = sets.iter().filter(|set| !set.status(now).is_living());
        let dead: BTreeSet<_> = dead.map(|set| set.application_id).collect();
        Ok(Self {
            suspended: suspended.map(|application| application.id).collect(),
            living: reader.oldest_living_key_sets(&Vec::from_iter(dead), now).await?,
        })
    }

    pub(super) fn facts(&self, set: &KeySet, now: Timestamp) -> Facts {
        let superseded_by = match set.status(now).is_living() {
            true => None,
            false => self.living.iter().find(|living| living.is_like(set)).map(|living| living.id),
        };
        Facts { application_suspended: self.suspended.contains(&set.application_id), superseded_by }
    }
}
