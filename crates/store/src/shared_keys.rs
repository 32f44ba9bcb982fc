//! Shared keys in their table.

use claviger_domain::event::{EventBody, NewEvent, Private};
use claviger_domain::id::{ApiId, SharedKeyId};
use claviger_domain::key_sets::Custody;
use claviger_domain::secret::{Digest, DigestKeyId};
use claviger_domain::shared_keys::{Audience, PortalLink, SharedKey, SharedKeyStatus};

use crate::columns::{Columns, FromRow};
use crate::error::StoreError;
use crate::list::{Assembly, ListQuery, Listed, Page, PlaceColumns, SortColumn, pattern};
use crate::reader::Reader;
use crate::statements::{fragments, statements};
use crate::stored::Stored;
use crate::value::{json, values};

macro_rules! columns {
    () => {
        "shared_keys.id, shared_keys.api_id, shared_keys.organization_id, shared_keys.group_id, \
         shared_keys.name, shared_keys.audience, shared_keys.status, shared_keys.masked, \
         shared_keys.environment_id, shared_keys.permissions, shared_keys.rate_limit, \
         shared_keys.ip_allow_list, shared_keys.secret_origin, shared_keys.custody, \
         shared_keys.portal_created_at, shared_keys.portal_expires_at, shared_keys.created_at"
    };
}

macro_rules! digests {
    () => {
        ", shared_keys.digest_key, shared_keys.key_digest, shared_keys.secret_digest_key, \
         shared_keys.secret_digest, shared_keys.portal_digest"
    };
}

statements! {
    BY_ID = concat!("SELECT ", columns!(), " FROM shared_keys WHERE id = $1 AND deleted_at IS NULL");
    ROW_BY_ID = concat!("SELECT ", columns!(), digests!(), " FROM shared_keys WHERE id = $1 AND deleted_at IS NULL");
    ROW_BY_DIGEST = concat!("SELECT ", columns!(), digests!(), " FROM shared_keys WHERE key_digest = $1 AND deleted_at IS NULL");
    ROW_BY_SECRET = concat!("SELECT ", columns!(), digests!(), " FROM shared_keys WHERE secret_digest = $1 AND deleted_at IS NULL");
    ROW_BY_PORTAL = concat!("SELECT ", columns!(), digests!(), " FROM shared_keys WHERE portal_digest = $1 AND deleted_at IS NULL");
    ALL_ROWS = concat!("SELECT ", columns!(), digests!(), " FROM shared_keys WHERE deleted_at IS NULL");
    OF_API = concat!("SELECT ", columns!(), " FROM shared_keys WHERE api_id = $1 AND deleted_at IS NULL ORDER BY folded_name, id");
    IN_SECTION = "SELECT COUNT(*) FROM shared_keys WHERE api_id = $1 AND audience = $2 AND deleted_at IS NULL";
    INSERT = "INSERT INTO shared_keys (id, api_id, organization_id, group_id, name, folded_name, audience, status, \
              masked, environment_id, permissions, rate_limit, ip_allow_list, secret_origin, custody, created_at, \
              digest_key, key_digest, secret_digest_key, secret_digest) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)";
    UPDATE = "UPDATE shared_keys SET name = $2, folded_name = $3, status = $4, permissions = $5, rate_limit = $6, \
              ip_allow_list = $7, secret_origin = $8, custody = $9, portal_created_at = $10, portal_expires_at = $11 \
              WHERE id = $1";
    SET_SECRET = "UPDATE shared_keys SET secret_digest_key = $2, secret_digest = $3 WHERE id = $1";
    SET_PORTAL = "UPDATE shared_keys SET portal_digest = $2 WHERE id = $1";
    HIDE = "UPDATE shared_keys SET deleted_at = $2, portal_digest = NULL WHERE id = $1";
}

fragments! {
    BY_IDS = "shared_keys.id = $1";
    BY_API = "shared_keys.api_id = $1";
    BY_AUDIENCE = "shared_keys.audience = $1";
    BY_STATUS = "shared_keys.status = $1";
    BY_NAME = "shared_keys.folded_name LIKE $1 ESCAPE '\\'";
}

/// Which shared keys a list shows.
#[derive(Debug, Clone, Default)]
pub struct SharedKeyFilter {
    pub ids: Vec<SharedKeyId>,
    pub api_ids: Vec<ApiId>,
    pub audiences: Vec<Audience>,
    pub statuses: Vec<SharedKeyStatus>,
    pub q: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SharedKeySort {
    #[default]
    CreatedAt,
    Name,
}

/// A shared key with what recognises it, its secret and its portal link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedKeyRow {
    pub shared_key: SharedKey,
    pub digest_key: DigestKeyId,
    pub digest: Digest,
    /// The secret's digest key and digest, if one is set.
    pub secret: Option<(DigestKeyId, Digest)>,
    pub portal: Option<Digest>,
}

impl FromRow for SharedKey {
    const TABLE: &'static str = "shared_keys";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: columns.id()?,
            api_id: columns.id()?,
            organization_id: columns.id()?,
            group_id: columns.id()?,
            name: columns.word()?,
            audience: columns.word()?,
            status: columns.word()?,
            masked: columns.word()?,
            environment_id: columns.optional_id()?,
            permissions: columns.optional_json()?,
            rate_limit: columns.optional_json()?,
            ip_allow_list: columns.optional_json()?,
            secret: columns.optional_word()?,
            retrievable: columns.word::<Custody>()? == Custody::Retrievable,
            portal_link: {
                let (created_at, expires_at) = (columns.optional_instant()?, columns.optional_instant()?);
                created_at.map(|created_at| PortalLink { created_at, expires_at })
            },
            created_at: columns.instant()?,
        })
    }
}

impl FromRow for SharedKeyRow {
    const TABLE: &'static str = "shared_keys";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        let shared_key = SharedKey::from_row(columns)?;
        let (digest_key, digest) = (DigestKeyId(columns.count()?), Digest::from_bytes(columns.hash()?));
        let (secret_key, secret) = (columns.optional_integer()?, columns.optional_hash()?);
        let portal = columns.optional_hash()?.map(Digest::from_bytes);
        let secret_key = secret_key.and_then(|number| u32::try_from(number).ok()).map(DigestKeyId);
        let secret = secret_key.zip(secret.map(Digest::from_bytes));
        Ok(Self { shared_key, digest_key, digest, secret, portal })
    }
}

impl Stored for SharedKey {
    type Id = SharedKeyId;

    async fn load(reader: &mut Reader, id: SharedKeyId) -> Result<Option<Self>, StoreError> {
        reader.shared_key(id).await
    }

    async fn insert(&self, reader: &mut Reader, event: &NewEvent) -> Result<(), StoreError> {
        let private = digests_of(event)?;
        let values = values![
            self.id,
            self.api_id,
            self.organization_id,
            self.group_id,
            &self.name,
            self.name.folded(),
            self.audience.as_str(),
            self.status.as_str(),
            &self.masked,
            self.environment_id,
            self.permissions.as_ref().map(json),
            self.rate_limit.as_ref().map(json),
            self.ip_allow_list.as_ref().map(json),
            self.secret.map(|origin| origin.as_str()),
            custody(self),
            self.created_at,
            private.digest_key,
            &private.key,
            private.secret.map(|_| private.digest_key),
            private.secret.as_ref(),
        ];
        reader.write(INSERT, values).await
    }

    async fn update(&self, _: &Self, reader: &mut Reader, _: &NewEvent) -> Result<(), StoreError> {
        let values = values![
            self.id,
            &self.name,
            self.name.folded(),
            self.status.as_str(),
            self.permissions.as_ref().map(json),
            self.rate_limit.as_ref().map(json),
            self.ip_allow_list.as_ref().map(json),
            self.secret.map(|origin| origin.as_str()),
            custody(self),
            self.portal_link.map(|link| link.created_at),
            self.portal_link.and_then(|link| link.expires_at),
        ];
        reader.write(UPDATE, values).await
    }

    async fn hide(&self, reader: &mut Reader, event: &NewEvent) -> Result<(), StoreError> {
        reader.write(HIDE, values![self.id, event.at]).await
    }
}

impl Reader {
    /// Writes the digests that the event brings or takes, which the key itself does not hold: a secret that
    /// takes another's place leaves the key as it was.
    pub(crate) async fn apply_to_shared_key(
        &mut self,
        id: SharedKeyId,
        event: &NewEvent,
    ) -> Result<(), StoreError> {
        crate::stored::apply::<SharedKey>(self, id, event).await?;
        match &event.body {
            EventBody::SharedKeySecretReset { .. } | EventBody::SharedKeySecretSet { .. } => {
                let private = digests_of(event)?;
                let values = values![id, private.digest_key, &private.key];
                self.write(SET_SECRET, values).await
            }
            EventBody::SharedKeySecretCleared { .. } => {
                self.write(SET_SECRET, values![id, None::<DigestKeyId>, None::<&Digest>]).await
            }
            EventBody::SharedKeyPortalLinkCreated { .. } => {
                let private = digests_of(event)?;
                self.write(SET_PORTAL, values![id, &private.key]).await
            }
            EventBody::SharedKeyPortalLinkDeleted { .. } => {
                self.write(SET_PORTAL, values![id, None::<&Digest>]).await
            }
            _ => Ok(()),
        }
    }
}

fn custody(key: &SharedKey) -> &'static str {
    if key.retrievable { "retrievable" } else { "shown" }
}

fn digests_of(event: &NewEvent) -> Result<Private, StoreError> {
    event
        .private
        .ok_or_else(|| StoreError::corrupt("log", "a shared key's value was made without its digest"))
}

impl Listed for SharedKey {
    type Filter = SharedKeyFilter;
    type Sort = SharedKeySort;
    const COLUMNS: &'static str = columns!();
    const FROM: &'static str = "shared_keys WHERE shared_keys.deleted_at IS NULL";
    const ID: &'static str = "shared_keys.id";
    const PLACES: &'static [PlaceColumns] = &[PlaceColumns {
        organization: Some("shared_keys.organization_id"),
        group: Some("shared_keys.group_id"),
        environment: Some("shared_keys.environment_id"),
    }];

    fn sort_column(sort: SharedKeySort) -> SortColumn {
        match sort {
            SharedKeySort::CreatedAt => SortColumn::Integer("shared_keys.created_at"),
            SharedKeySort::Name => SortColumn::Text("shared_keys.folded_name"),
        }
    }

    fn conditions(filter: &SharedKeyFilter, query: &mut Assembly) {
        query.and_either(BY_IDS, filter.ids.iter().copied());
        query.and_either(BY_API, filter.api_ids.iter().copied());
        query.and_either(BY_AUDIENCE, filter.audiences.iter().map(|audience| audience.as_str()));
        query.and_either(BY_STATUS, filter.statuses.iter().map(|status| status.as_str()));
        if let Some(q) = &filter.q {
            query.and(BY_NAME, values![pattern(q)]);
        }
    }
}

impl Reader {
    pub async fn shared_key(&mut self, id: SharedKeyId) -> Result<Option<SharedKey>, StoreError> {
        self.optional(BY_ID, values![id]).await
    }

    /// The key with its digests.
    pub async fn shared_key_row(&mut self, id: SharedKeyId) -> Result<Option<SharedKeyRow>, StoreError> {
        self.optional(ROW_BY_ID, values![id]).await
    }

    /// The shared key that a presented value is, by its digest under `digest/key`.
    pub async fn shared_key_by_digest(
        &mut self,
        digest: &Digest,
    ) -> Result<Option<SharedKeyRow>, StoreError> {
        self.optional(ROW_BY_DIGEST, values![digest]).await
    }

    /// The shared key that a generated secret belongs to, by its digest under `digest/secret`.
    pub async fn shared_key_by_secret(
        &mut self,
        digest: &Digest,
    ) -> Result<Option<SharedKeyRow>, StoreError> {
        self.optional(ROW_BY_SECRET, values![digest]).await
    }

    /// The shared key whose portal link has this token, by its digest under `digest/control`.
    pub async fn shared_key_by_portal(
        &mut self,
        digest: &Digest,
    ) -> Result<Option<SharedKeyRow>, StoreError> {
        self.optional(ROW_BY_PORTAL, values![digest]).await
    }

    /// Every shared key with its digests, for the index: there are a few for each API.
    pub async fn shared_key_rows(&mut self) -> Result<Vec<SharedKeyRow>, StoreError> {
        self.all(ALL_ROWS, values![]).await
    }

    /// The API's, by name.
    pub async fn shared_keys_of_api(&mut self, id: ApiId) -> Result<Vec<SharedKey>, StoreError> {
        self.all(OF_API, values![id]).await
    }

    /// How many keys stand in a section of the API; disabled ones count.
    pub async fn shared_keys_in_section(&mut self, id: ApiId, audience: Audience) -> Result<u32, StoreError> {
        let count: Option<i64> = self.optional(IN_SECTION, values![id, audience.as_str()]).await?;
        Ok(count.unwrap_or_default().try_into().unwrap_or(u32::MAX))
    }

    pub async fn shared_keys(
        &mut self,
        query: &ListQuery<SharedKeyFilter, SharedKeySort>,
    ) -> Result<Page<SharedKey>, StoreError> {
        self.list(query).await
    }
}
