//! Key Sets and their Keys in their tables.
//!
//! Two copies make reading cheap: a set's row has the dates and the status of its LATEST, by which lists
//! filter and sort; a Key's row has all that deciding needs, packed. Both are written here and nowhere else.

pub(crate) mod alike;
pub(crate) mod due;
pub(crate) mod filter;
mod packed;
pub(crate) mod pending;
mod rows;
pub(crate) mod snapshot;

use claviger_domain::apis::AuthType;
use claviger_domain::id::{ApplicationId, EnvironmentId, KeyId, KeySetId, OrganizationId};
use claviger_domain::key_sets::{Key, KeySet};
use claviger_domain::policy_templates::TemplateVersion;
use claviger_domain::secret::Digest;
use claviger_domain::time::Timestamp;

pub use alike::LivingKeySet;
pub use filter::{KeySetFilter, KeySetSort};
pub(crate) use packed::unpack;

use crate::error::StoreError;
use crate::list::{ListQuery, Page};
use crate::reader::Reader;
use crate::statements::statements;
use crate::value::{IntoValue as _, values};
use rows::{DigestRow, KeyOfSet};

statements! {
    BY_ID = concat!("SELECT ", rows::set_columns!(), " FROM key_sets WHERE id = $1 AND removed_at IS NULL");
    BY_IDS = concat!("SELECT ", rows::set_columns!(), " FROM key_sets WHERE removed_at IS NULL AND id IN ($1)");
    OF_KEY = concat!("SELECT ", rows::set_columns!(), " FROM key_sets WHERE removed_at IS NULL \
             AND id = (SELECT keys.key_set_id FROM keys WHERE keys.id = $1)");
    OF_APPLICATION = concat!("SELECT ", rows::set_columns!(), " FROM key_sets WHERE application_id = $1 \
             AND removed_at IS NULL ORDER BY created_at, id");
    // One that any Subscription used for another Organization's API is not shared with this one's.
    REUSABLE = concat!("SELECT ", rows::set_columns!(), " FROM key_sets WHERE application_id = $1 AND environment_id = $2 \
             AND auth_type = $3 AND template_id = $4 AND template_version = $5 AND removed_at IS NULL \
             AND NOT EXISTS (SELECT 1 FROM subscription_key_sets \
                 JOIN subscriptions ON subscriptions.id = subscription_key_sets.subscription_id \
                 WHERE subscription_key_sets.key_set_id = key_sets.id AND subscriptions.api_organization_id <> $6) \
             ORDER BY created_at, id");
    KEYS_OF_SET = concat!("SELECT ", rows::key_columns!(), " FROM keys WHERE key_set_id = $1 ORDER BY generation");
    KEYS_OF_SETS = concat!("SELECT ", rows::key_columns!(), " FROM keys WHERE key_set_id IN ($1) ORDER BY generation");
    BY_DIGEST = "SELECT keys.key_set_id, keys.id, keys.digest_key, keys.key_digest, keys.secret_digest FROM keys \
                 WHERE keys.key_digest = $1 AND keys.removed_at IS NULL";
    BY_SECRET_DIGEST = "SELECT keys.key_set_id, keys.id, keys.digest_key, keys.key_digest, keys.secret_digest FROM keys \
                 WHERE keys.secret_digest = $1 AND keys.removed_at IS NULL";
    DIGESTS_OF_SET = "SELECT keys.key_set_id, keys.id, keys.digest_key, keys.key_digest, keys.secret_digest FROM keys \
                 WHERE keys.key_set_id = $1 ORDER BY keys.generation";
}

/// A Key's digests, as kept beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyDigests {
    pub key_set_id: KeySetId,
    pub key_id: KeyId,
    pub digest_key: claviger_domain::secret::DigestKeyId,
    pub key: Digest,
    pub secret: Option<Digest>,
}

impl Reader {
    /// The Key Set with its whole chain.
    pub async fn key_set(&mut self, id: KeySetId) -> Result<Option<KeySet>, StoreError> {
        if let Some(known) = self.pending.key_sets.known(id) {
            return Ok(known);
        }
        let set = self.optional(BY_ID, values![id]).await?;
        self.with_keys_of_one(set).await
    }

    /// The set that a Key belongs to.
    pub async fn key_set_of_key(&mut self, id: KeyId) -> Result<Option<KeySet>, StoreError> {
        let set = self.optional(OF_KEY, values![id]).await?;
        self.with_keys_of_one(set).await
    }

    /// The Key that a presented value is, by its digest under `digest/key`.
    pub async fn key_by_digest(&mut self, digest: &Digest) -> Result<Option<KeyDigests>, StoreError> {
        let row: Option<DigestRow> = self.optional(BY_DIGEST, values![digest]).await?;
        Ok(row.map(|DigestRow(digests)| digests))
    }

    /// The Key that a presented secret belongs to, by its digest under `digest/secret`.
    pub async fn key_by_secret_digest(&mut self, digest: &Digest) -> Result<Option<KeyDigests>, StoreError> {
        let row: Option<DigestRow> = self.optional(BY_SECRET_DIGEST, values![digest]).await?;
        Ok(row.map(|DigestRow(digests)| digests))
    }

    /// The digests of every Key of a set, oldest first.
    pub async fn digests_of_key_set(&mut self, id: KeySetId) -> Result<Vec<KeyDigests>, StoreError> {
        let rows: Vec<DigestRow> = self.all(DIGESTS_OF_SET, values![id]).await?;
        Ok(rows.into_iter().map(|DigestRow(digests)| digests).collect())
    }

    /// Every set of an Application, dead ones too, oldest first.
    pub async fn key_sets_of_application(&mut self, id: ApplicationId) -> Result<Vec<KeySet>, StoreError> {
        let sets = self.all(OF_APPLICATION, values![id]).await?;
        self.with_keys(sets).await
    }

    /// Those of the ids that stand, in the order asked for.
    pub async fn key_sets_by_ids(&mut self, ids: &[KeySetId]) -> Result<Vec<KeySet>, StoreError> {
        let unknown = ids.iter().filter(|id| self.pending.key_sets.known(**id).is_none());
        let unknown = unknown.map(|id| id.into_value()).collect();
        let read = self.all_among(BY_IDS, values![], unknown).await?;
        let read = self.with_keys(read).await?;
        let mut read: std::collections::HashMap<_, _> = read.into_iter().map(|set| (set.id, set)).collect();
        let known = |id: &KeySetId| self.pending.key_sets.known(*id).flatten();
        Ok(ids.iter().filter_map(|id| read.remove(id).or_else(|| known(id))).collect())
    }

    /// The sets that a Subscription to an API of `api_organization_id` may reuse, oldest first: of one Application,
    /// Environment, auth type and template version, neither Revoked nor Expired at `now`, without those that were
    /// used for another Organization's API (product.md D1).
    pub async fn reusable_key_sets(
        &mut self,
        application_id: ApplicationId,
        environment_id: EnvironmentId,
        auth_type: AuthType,
        template: TemplateVersion,
        api_organization_id: OrganizationId,
        now: Timestamp,
    ) -> Result<Vec<KeySet>, StoreError> {
        let values = values![
            application_id,
            environment_id,
            auth_type.as_str(),
            template.template_id,
            template.template_version,
            api_organization_id,
        ];
        let sets = self.all(REUSABLE, values).await?;
        self.living_of(sets, now).await
    }

    pub async fn key_sets(
        &mut self,
        query: &ListQuery<KeySetFilter, KeySetSort>,
    ) -> Result<Page<KeySet>, StoreError> {
        let mut page = self.list::<KeySet>(query).await?;
        page.items = self.with_keys(page.items).await?;
        Ok(page)
    }

    async fn living_of(&mut self, sets: Vec<KeySet>, now: Timestamp) -> Result<Vec<KeySet>, StoreError> {
        let sets = self.with_keys(sets).await?;
        Ok(sets.into_iter().filter(|set| set.status(now).is_living()).collect())
    }

    async fn with_keys_of_one(&mut self, set: Option<KeySet>) -> Result<Option<KeySet>, StoreError> {
        let Some(mut set) = set else { return Ok(None) };
        let keys: Vec<KeyOfSet> = self.all(KEYS_OF_SET, values![set.id]).await?;
        set.keys = keys.into_iter().map(|KeyOfSet(_, key)| key).collect();
        self.pending.key_sets.remember(&set);
        Ok(Some(set))
    }

    /// Gives each of the sets its Keys, in one query.
    async fn with_keys(&mut self, mut sets: Vec<KeySet>) -> Result<Vec<KeySet>, StoreError> {
        let ids = sets.iter().map(|set| set.id.into_value()).collect();
        let mut chains = std::collections::HashMap::<KeySetId, Vec<Key>>::new();
        for KeyOfSet(id, key) in self.all_among(KEYS_OF_SETS, values![], ids).await? {
            chains.entry(id).or_default().push(key);
        }
        for set in &mut sets {
            set.keys = chains.remove(&set.id).unwrap_or_default();
            self.pending.key_sets.remember(set);
        }
        Ok(sets)
    }
}
