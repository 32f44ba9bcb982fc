//! From rows, wherever they were kept, to the verifier's index.

use std::collections::HashMap;

use claviger_domain::applications::ApplicationStatus;
use claviger_domain::event::Position;
use claviger_domain::id::KeySetId;
use claviger_domain::policy_templates::CallLimits;
use claviger_domain::shared_keys::SharedKeyStatus;
use claviger_domain::time::Timestamp;
use claviger_store::StoreError;
use claviger_store::data_node::{DecidingRow, Fact, Grants, SharedKey};
use claviger_verify::{
    ApiFacts, ApplicationFacts, EnvironmentFacts, Index, KeyFacts, LoadError, Loader, SharedKeyFacts,
    SharedSecret, SubscriptionFacts,
};

/// Why a row is not loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RowError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// A world in the making.
pub(crate) struct Loading<'i> {
    loader: Loader<'i>,
    /// What the policies of Key Sets limit, whose Keys are still to come.
    limits: HashMap<KeySetId, CallLimits>,
}

impl<'i> Loading<'i> {
    /// Begins one for the index, with room for about so many Keys.
    pub(crate) fn begin(index: &'i Index, keys: usize) -> Self {
        Self { loader: index.loader(keys), limits: HashMap::new() }
    }

    /// Shows it: it is the log's state at `as_of`, heard of at `contact`.
    pub(crate) fn finish(self, as_of: Position, contact: Timestamp) -> Result<(), LoadError> {
        self.loader.finish(as_of, contact)
    }

    /// Puts in what the row says. Rows come in the order of their kinds.
    pub(crate) fn row(&mut self, row: &DecidingRow) -> Result<(), RowError> {
        put(row.fact()?, &mut self.loader, &mut self.limits)
    }
}

fn put(
    fact: Fact,
    loader: &mut Loader<'_>,
    limits: &mut HashMap<KeySetId, CallLimits>,
) -> Result<(), RowError> {
    match fact {
        Fact::Environment(it) => loader.environment(EnvironmentFacts { id: it.id, slug: it.slug }),
        Fact::Api(it) => {
            let owner = (it.organization_id, it.group_id);
            loader.api(ApiFacts::begun(it.id, &it.slug, owner, &it.settings, it.exposed));
        }
        Fact::Application(it) => loader.application(ApplicationFacts {
            id: it.id,
            name: it.name,
            organization_id: it.organization_id,
            group_id: it.group_id,
            suspended: it.status == ApplicationStatus::Suspended,
        })?,
        Fact::Limits(set, limited) => _ = limits.insert(set, limited),
        Fact::Key(row) => {
            let limits = limits.get(&row.key_set_id).copied().unwrap_or_default();
            loader.key(&KeyFacts::deciding(&row, limits))?;
        }
        Fact::Grants(Grants { api_id, key_set_ids, permissions }) => {
            loader.subscription(SubscriptionFacts { api_id, key_set_ids, permissions })?;
        }
        Fact::SharedKey(it) => loader.shared_key(shared_key(*it)),
    }
    Ok(())
}

fn shared_key(SharedKey { terms, digest, secret }: SharedKey) -> SharedKeyFacts {
    SharedKeyFacts {
        id: terms.id,
        api_id: terms.api_id,
        organization_id: terms.organization_id,
        group_id: terms.group_id,
        name: terms.name,
        disabled: terms.status == SharedKeyStatus::Disabled,
        environment_id: terms.environment_id,
        permissions: terms.permissions,
        rate_limit: terms.rate_limit,
        ip_allow_list: terms.ip_allow_list,
        digest,
        secret: secret.map(|(origin, digest_key, digest)| SharedSecret { digest_key, digest, origin }),
    }
}
