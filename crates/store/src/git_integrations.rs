//! Git integrations in their table. An API has one at most: when it is removed its row goes, and may come again.

use claviger_domain::event::NewEvent;
use claviger_domain::git_integrations::{GitIntegration, IntegrationOf, PinnedHostKey};
use claviger_domain::id::{ApiId, KeyPairId};

use crate::columns::{Columns, FromRow};
use crate::error::StoreError;
use crate::reader::Reader;
use crate::statements::statements;
use crate::stored::Stored;
use crate::value::{IntoValue as _, json, values};

statements! {
    OF_API = "SELECT api_id, organization_id, group_id, settings, host_key, host_key_pinned_at, synced, synced_at, \
              created_at, updated_at FROM git_integrations WHERE api_id = $1";
    BY_KEY_PAIRS = "SELECT key_pair_id, api_id FROM git_integrations WHERE key_pair_id IN ($1) ORDER BY created_at, api_id";
    INSERT = "INSERT INTO git_integrations (api_id, organization_id, group_id, key_pair_id, settings, host_key, \
              host_key_pinned_at, synced, synced_at, created_at, updated_at) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    UPDATE = "UPDATE git_integrations SET key_pair_id = $2, settings = $3, host_key = $4, host_key_pinned_at = $5, \
              synced = $6, synced_at = $7, updated_at = $8 WHERE api_id = $1";
    DELETE = "DELETE FROM git_integrations WHERE api_id = $1";
}

impl FromRow for GitIntegration {
    const TABLE: &'static str = "git_integrations";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            api_id: columns.id()?,
            organization_id: columns.id()?,
            group_id: columns.id()?,
            settings: columns.json()?,
            host_key: {
                let (key, pinned_at) = (columns.optional_word()?, columns.optional_instant()?);
                key.zip(pinned_at).map(|(key, pinned_at)| PinnedHostKey { key, pinned_at })
            },
            synced: columns.optional_json()?,
            synced_at: columns.optional_instant()?,
            created_at: columns.instant()?,
            updated_at: columns.instant()?,
        })
    }
}

/// A pair, and an API that it is attached to.
struct Attached(KeyPairId, ApiId);

impl FromRow for Attached {
    const TABLE: &'static str = "git_integrations";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self(columns.id()?, columns.id()?))
    }
}

impl Stored for GitIntegration {
    type Id = IntegrationOf;

    async fn load(reader: &mut Reader, id: IntegrationOf) -> Result<Option<Self>, StoreError> {
        reader.git_integration(id.0).await
    }

    async fn insert(&self, reader: &mut Reader, _: &NewEvent) -> Result<(), StoreError> {
        let values = values![
            self.api_id,
            self.organization_id,
            self.group_id,
            self.settings.key_pair_id,
            json(&self.settings),
            self.host_key.as_ref().map(|pinned| pinned.key.to_string()),
            self.host_key.as_ref().map(|pinned| pinned.pinned_at),
            self.synced.as_ref().map(json),
            self.synced_at,
            self.created_at,
            self.updated_at,
        ];
        reader.write(INSERT, values).await
    }

    async fn update(&self, _: &Self, reader: &mut Reader, _: &NewEvent) -> Result<(), StoreError> {
        let values = values![
            self.api_id,
            self.settings.key_pair_id,
            json(&self.settings),
            self.host_key.as_ref().map(|pinned| pinned.key.to_string()),
            self.host_key.as_ref().map(|pinned| pinned.pinned_at),
            self.synced.as_ref().map(json),
            self.synced_at,
            self.updated_at,
        ];
        reader.write(UPDATE, values).await
    }

    async fn hide(&self, reader: &mut Reader, _: &NewEvent) -> Result<(), StoreError> {
        reader.write(DELETE, values![self.api_id]).await
    }
}

impl Reader {
    /// The APIs whose integrations sign in with the pairs, each with its pair, the oldest first.
    pub async fn attached_apis(
        &mut self,
        pairs: &[KeyPairId],
    ) -> Result<Vec<(KeyPairId, ApiId)>, StoreError> {
        let pairs = pairs.iter().map(|id| id.into_value()).collect();
        let rows: Vec<Attached> = self.all_among(BY_KEY_PAIRS, values![], pairs).await?;
        Ok(rows.into_iter().map(|Attached(pair, api)| (pair, api)).collect())
    }

    /// The integration of the API, if it has one.
    pub async fn git_integration(&mut self, id: ApiId) -> Result<Option<GitIntegration>, StoreError> {
        self.optional(OF_API, values![id]).await
    }
}
