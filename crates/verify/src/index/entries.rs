//! Everything the index holds, in one order, to be compared with what it ought to hold: an index that
//! followed the log must equal one that was loaded from the tables.

use claviger_domain::apis::ApiPermission;
use claviger_domain::id::{ApiId, KeyId};
use claviger_domain::time::Timestamp;

use super::record::{KeyRecord, Tag};
use super::world::{Standing, World};
use crate::facts::{ApiFacts, ApplicationFacts, EnvironmentFacts, KeyEnd, KeySetFacts, SharedKeyFacts};

/// All facts of an index, sorted by id. Two indexes that decide alike have equal entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entries {
    pub environments: Vec<EnvironmentFacts>,
    pub apis: Vec<ApiFacts>,
    pub applications: Vec<ApplicationFacts>,
    pub keys: Vec<KeyEntry>,
    pub shared_keys: Vec<SharedKeyFacts>,
}

/// One Key as the index holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEntry {
    pub id: KeyId,
    pub key_set: KeySetFacts,
    pub latest: bool,
    pub tag: Tag,
    pub secret_tag: Option<Tag>,
    pub provisioned: bool,
    pub expires_at: Option<Timestamp>,
    /// Not kept once the Key has ended.
    pub retires_at: Option<Timestamp>,
    pub ended: Option<KeyEnd>,
    /// The APIs that its Key Set opens, and what it holds there.
    pub opens: Vec<(ApiId, Option<Vec<ApiPermission>>)>,
}

impl World {
    pub(super) fn entries(&self) -> Entries {
        let mut entries = Entries {
            environments: self.catalog.environments().map(|facts| (**facts).clone()).collect(),
            apis: self.catalog.apis().map(|facts| (**facts).clone()).collect(),
            applications: self
                .applications
                .iter()
                .zip(self.standings.iter())
                .filter(|(_, standing)| **standing != Standing::Deleted)
                .map(|(facts, _)| facts.clone())
                .collect(),
            keys: self.keys.iter().filter_map(|put| self.entry(&put.key, put.secret)).collect(),
            shared_keys: self.shared.iter().cloned().collect(),
        };
        entries.environments.sort_by_key(|facts| facts.id);
        entries.apis.sort_by_key(|facts| facts.id);
        entries.applications.sort_by_key(|facts| facts.id);
        entries.keys.sort_by_key(|key| key.id);
        entries.shared_keys.sort_by_key(|key| key.id);
        entries
    }

    /// `None` for a Key of a deleted Application.
    fn entry(&self, key: &KeyRecord, secret: Option<Tag>) -> Option<KeyEntry> {
        let application = key.references.application();
        if *self.standings.get(application)? == Standing::Deleted {
            return None;
        }
        let profile = self.profiles.get(key.references.profile())?;
        let mut opens: Vec<_> = profile
            .grants
            .iter()
            .filter_map(|grant| {
                let api = self.catalog.api(grant.api)?;
                Some((api.id, grant.permissions.as_ref().map(|held| held.to_vec())))
            })
            .collect();
        opens.sort_by_key(|(api, _)| *api);
        let dates = self.retirements.of(key.id).filter(|_| key.life.retiring());
        Some(KeyEntry {
            id: key.id,
            key_set: KeySetFacts {
                id: key.key_set_id,
                application_id: self.applications.get(application)?.id,
                environment_id: profile.environment,
                auth_type: profile.auth_type,
                suspended: key.life.suspended(),
                limits: profile.limits,
            },
            latest: key.references.latest(),
            tag: key.tag,
            secret_tag: secret,
            provisioned: !key.life.pending(),
            expires_at: self.expires_at(key.id, key.life),
            retires_at: dates.map(|dates| dates.retires_at),
            ended: key.life.ended(),
            opens,
        })
    }
}
