//! Key Sets and their Keys in their tables.
//!
//! Two copies make reading cheap: a set's row has the dates and the status of its LATEST, by which lists
//! filter and sort; a Key's row has what deciding needs of its set. Both are written here and nowhere else.

pub(crate) mod due;
pub(crate) mod filter;
mod rows;
pub(crate) mod snapshot;

use claviger_domain::apis::AuthType;
use claviger_domain::event::NewEvent;
use claviger_domain::id::{ApplicationId, EnvironmentId, KeyId, KeySetId, OrganizationId};
use claviger_domain::key_sets::{Custody, Key, KeySet};
use claviger_domain::policy_templates::TemplateVersion;
use claviger_domain::secret::Digest;
use claviger_domain::time::Timestamp;

pub use filter::{KeySetFilter, KeySetSort};
pub use snapshot::KeyRow;

use crate::error::StoreError;
use crate::list::{Assembly, ListQuery, Page};
use crate::reader::{Reader, read_all};
use crate::statements::statements;
use crate::stored::Stored;
use crate::value::values;
use rows::{DigestRow, KeyOfSet, key_facts, latest_facts};

statements! {
    BY_ID = concat!("SELECT ", rows::set_columns!(), " FROM key_sets WHERE id = $1 AND removed_at IS NULL");
    OF_KEY = concat!("SELECT ", rows::set_columns!(), " FROM key_sets WHERE removed_at IS NULL \
             AND id = (SELECT keys.key_set_id FROM keys WHERE keys.id = $1)");
    OF_APPLICATION = concat!("SELECT ", rows::set_columns!(), " FROM key_sets WHERE application_id = $1 \
             AND removed_at IS NULL ORDER BY created_at, id");
    ALIKE = concat!("SELECT ", rows::set_columns!(), " FROM key_sets WHERE application_id = $1 AND environment_id = $2 \
             AND auth_type = $3 AND template_id = $4 AND template_version = $5 AND removed_at IS NULL \
             ORDER BY created_at, id");
    // One that any Subscription used for another Organization's API is not shared with this one's.
    REUSABLE = concat!("SELECT ", rows::set_columns!(), " FROM key_sets WHERE application_id = $1 AND environment_id = $2 \
             AND auth_type = $3 AND template_id = $4 AND template_version = $5 AND removed_at IS NULL \
             AND NOT EXISTS (SELECT 1 FROM subscription_key_sets \
                 JOIN subscriptions ON subscriptions.id = subscription_key_sets.subscription_id \
                 WHERE subscription_key_sets.key_set_id = key_sets.id AND subscriptions.api_organization_id <> $6) \
             ORDER BY created_at, id");
    KEYS_OF_SET = concat!("SELECT ", rows::key_columns!(), " FROM keys WHERE key_set_id = $1 ORDER BY generation");
    BY_DIGEST = "SELECT keys.key_set_id, keys.id, keys.digest_key, keys.key_digest, keys.secret_digest FROM keys \
                 WHERE keys.key_digest = $1 AND keys.removed_at IS NULL";
    BY_SECRET_DIGEST = "SELECT keys.key_set_id, keys.id, keys.digest_key, keys.key_digest, keys.secret_digest FROM keys \
                 WHERE keys.secret_digest = $1 AND keys.removed_at IS NULL";
    DIGESTS_OF_SET = "SELECT keys.key_set_id, keys.id, keys.digest_key, keys.key_digest, keys.secret_digest FROM keys \
                 WHERE keys.key_set_id = $1 ORDER BY keys.generation";
    INSERT = "INSERT INTO key_sets (id, name, folded_name, organization_id, group_id, application_id, environment_id, \
              auth_type, policy, template_id, template_version, suspended_by, created_at, search, next_due_at, \
              latest_key_id, latest_status, latest_stops_at, latest_stops_as, latest_created_at, \
              latest_provisioned_at, latest_rotation_due_at, latest_expires_at, latest_revoked_at) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, \
              $22, $23, $24)";
    UPDATE = "UPDATE key_sets SET name = $2, folded_name = $3, policy = $4, template_id = $5, template_version = $6, \
              suspended_by = $7, search = $8, next_due_at = $9, latest_key_id = $10, latest_status = $11, \
              latest_stops_at = $12, latest_stops_as = $13, latest_created_at = $14, latest_provisioned_at = $15, \
              latest_rotation_due_at = $16, latest_expires_at = $17, latest_revoked_at = $18 WHERE id = $1";
    REMOVE = "UPDATE key_sets SET removed_at = $2 WHERE id = $1";
    REMOVE_KEYS = "UPDATE keys SET removed_at = $2 WHERE key_set_id = $1";
    INSERT_KEY = "INSERT INTO keys (id, key_set_id, application_id, environment_id, auth_type, generation, masked, \
                  issued_by, created_at, planned_at, digest_key, key_digest, secret_digest, custody, start_at, \
                  provisioned_at, rotation_due_at, expires_at, retires_at, retires_as, ended_at, end_planned_at, \
                  end_reason, suspended_by, superseded_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, \
                  $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)";
    UPDATE_KEY = "UPDATE keys SET custody = $2, start_at = $3, provisioned_at = $4, rotation_due_at = $5, \
                  expires_at = $6, retires_at = $7, retires_as = $8, ended_at = $9, end_planned_at = $10, \
                  end_reason = $11, suspended_by = $12, superseded_by = $13 WHERE id = $1";
}

impl Stored for KeySet {
    type Id = KeySetId;

    async fn load(reader: &mut Reader, id: KeySetId) -> Result<Option<Self>, StoreError> {
        reader.key_set(id).await
    }

    async fn insert(&self, reader: &mut Reader, event: &NewEvent) -> Result<(), StoreError> {
        let mut values = values![
            self.id,
            &self.name,
            self.name.folded(),
            self.organization_id,
            self.group_id,
            self.application_id,
            self.environment_id,
            self.auth_type.as_str(),
            rows::policy(self),
            self.template.template_id,
            self.template.template_version,
            rows::suspended_by(self),
            self.created_at,
        ];
        values.extend(latest_facts(self));
        reader.execute(INSERT, values).await?;
        self.save_keys(&[], reader, event).await
    }

    async fn update(&self, before: &Self, reader: &mut Reader, event: &NewEvent) -> Result<(), StoreError> {
        let mut values = values![
            self.id,
            &self.name,
            self.name.folded(),
            rows::policy(self),
            self.template.template_id,
            self.template.template_version,
            rows::suspended_by(self),
        ];
        values.extend(latest_facts(self));
        reader.execute(UPDATE, values).await?;
        let saved: Vec<_> = before.keys.iter().map(|key| key_facts(before, key)).collect();
        self.save_keys(&saved, reader, event).await?;
        for (key, before) in self.keys.iter().zip(&before.keys) {
            if is_to_be_wiped(key, before) {
                reader.wipe_sealed(key.id).await?;
            }
        }
        Ok(())
    }

    /// The set was Pending and nothing uses it any more: its Key is unknown from now on.
    async fn hide(&self, reader: &mut Reader, event: &NewEvent) -> Result<(), StoreError> {
        for key in &self.keys {
            reader.wipe_sealed(key.id).await?;
        }
        reader.execute(REMOVE_KEYS, values![self.id, event.at]).await?;
        reader.execute(REMOVE, values![self.id, event.at]).await.map(drop)
    }
}

/// Whether the sealed value of a Key has no use any more: it was shown the one time that it may be, or the
/// Key ended, and what ended is never retrieved (product.md D8).
fn is_to_be_wiped(key: &Key, before: &Key) -> bool {
    (before.custody == Custody::Once && key.custody == Custody::Shown)
        || (before.ended.is_none() && key.ended.is_some())
}

/// Writes the rows of a set's Keys.
trait SaveKeys {
    /// Writes the rows that differ from those `saved`, which are of the first Keys of the chain.
    async fn save_keys(
        &self,
        saved: &[Vec<crate::value::Value>],
        reader: &mut Reader,
        event: &NewEvent,
    ) -> Result<(), StoreError>;
}

impl SaveKeys for KeySet {
    async fn save_keys(
        &self,
        saved: &[Vec<crate::value::Value>],
        reader: &mut Reader,
        event: &NewEvent,
    ) -> Result<(), StoreError> {
        for (index, key) in self.keys.iter().enumerate() {
            let facts = key_facts(self, key);
            match saved.get(index) {
                Some(saved) if *saved == facts => {}
                Some(_) => {
                    let mut values = values![key.id];
                    values.extend(facts);
                    reader.execute(UPDATE_KEY, values).await?;
                }
                None => {
                    let mut values = rows::issued(self, key, event)?;
                    values.extend(facts);
                    reader.execute(INSERT_KEY, values).await?;
                }
            }
        }
        Ok(())
    }
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
        let mut sets = Vec::with_capacity(ids.len());
        for id in ids {
            sets.extend(self.key_set(*id).await?);
        }
        Ok(sets)
    }

    /// The sets that are neither Revoked nor Expired at `now`, of one Application, Environment, auth type and
    /// template version, oldest first: what `issue` must not double (product.md D14).
    pub async fn living_key_sets(
        &mut self,
        application_id: ApplicationId,
        environment_id: EnvironmentId,
        auth_type: AuthType,
        template: TemplateVersion,
        now: Timestamp,
    ) -> Result<Vec<KeySet>, StoreError> {
        let values = values![
            application_id,
            environment_id,
            auth_type.as_str(),
            template.template_id,
            template.template_version,
        ];
        let sets = self.all(ALIKE, values).await?;
        self.living_of(sets, now).await
    }

    /// The sets that a Subscription to an API of `api_organization_id` may reuse, oldest first: as
    /// [`Reader::living_key_sets`], without those that were used for another Organization's API
    /// (product.md D1).
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
        Ok(Some(set))
    }

    /// Gives each of the sets its Keys, in one query.
    async fn with_keys(&mut self, mut sets: Vec<KeySet>) -> Result<Vec<KeySet>, StoreError> {
        if sets.is_empty() {
            return Ok(sets);
        }
        let mut query = Assembly::default();
        query.text(concat!("SELECT ", rows::key_columns!(), " FROM keys WHERE keys.key_set_id IN ("));
        for (index, set) in sets.iter().enumerate() {
            query.text(if index == 0 { "" } else { ", " });
            query.value(set.id);
        }
        query.text(") ORDER BY keys.key_set_id, keys.generation");
        let (sql, values) = query.finish();
        let rows = self.connection.rows(sql, values).await?;
        let mut chains = std::collections::HashMap::<KeySetId, Vec<Key>>::new();
        for KeyOfSet(id, key) in read_all::<KeyOfSet>(&rows)? {
            chains.entry(id).or_default().push(key);
        }
        for set in &mut sets {
            set.keys = chains.remove(&set.id).unwrap_or_default();
        }
        Ok(sets)
    }
}
