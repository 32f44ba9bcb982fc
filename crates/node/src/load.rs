//! From rows, wherever they were kept, to the verifier's index.

use claviger_domain::applications::ApplicationStatus;
use claviger_domain::shared_keys::SharedKeyStatus;
use claviger_store::KeyRow;
use claviger_store::StoreError;
use claviger_store::data_node::{DecidingRow, Fact, Grants, SharedKey};
use claviger_verify::{
    ApiFacts, ApplicationFacts, EnvironmentFacts, KeyEnd, KeyFacts, KeySetFacts, LoadError, Loader,
    SharedKeyFacts, SharedSecret, SubscriptionFacts,
};

/// Why a row is not loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RowError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// Puts what the row says into the world in the making. Rows come in the order of their kinds.
pub(crate) fn load(row: &DecidingRow, loader: &mut Loader<'_>) -> Result<(), RowError> {
    match row.fact()? {
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
        Fact::Key(row) => loader.key(&key(&row))?,
        Fact::Grants(Grants { api_id, key_set_ids, permissions }) => {
            loader.subscription(&SubscriptionFacts { api_id, key_set_ids, permissions })?;
        }
        Fact::SharedKey(it) => loader.shared_key(shared_key(*it)),
    }
    Ok(())
}

fn key(row: &KeyRow) -> KeyFacts {
    KeyFacts {
        id: row.id,
        key_set: KeySetFacts {
            id: row.key_set_id,
            application_id: row.application_id,
            environment_id: row.environment_id,
            auth_type: row.auth_type,
            suspended: row.suspended,
        },
        latest: row.latest,
        digest: row.key_digest,
        secret_digest: row.secret_digest,
        provisioned: row.schedule.is_some(),
        expires_at: row.schedule.and_then(|schedule| schedule.expires_at),
        retires_at: row.retirement.map(|retirement| retirement.retires_at),
        ended: row.ended.map(|ended| KeyEnd::from(ended.reason)),
    }
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
