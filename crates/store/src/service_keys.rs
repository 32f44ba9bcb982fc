//! Service keys in their tables.

use claviger_domain::event::{ActorRef, NewEvent};
use claviger_domain::id::{MemberId, OrganizationId, PermissionGroupId, ServiceKeyId};
use claviger_domain::scope::Scope;
use claviger_domain::secret::{Digest, DigestKeyId};
use claviger_domain::service_keys::{ServiceKey, ServiceKeyStatus};

use crate::columns::{Columns, FromRow};
use crate::error::StoreError;
use crate::list::{Assembly, ListQuery, Listed, Page, PlaceColumns, SortColumn, pattern};
use crate::reader::Reader;
use crate::statements::{fragments, statements};
use crate::stored::{Stored, insert_links, replace_links};
use crate::value::{json, values, word};

macro_rules! columns {
    () => {
        "service_keys.id, service_keys.organization_id, service_keys.member_id, \
         service_keys.creator_kind, service_keys.creator_id, service_keys.creator_name, \
         service_keys.name, service_keys.status, service_keys.masked, \
         service_keys.permission_group_ids, service_keys.scope_organization_id, \
         service_keys.scope_group_id, service_keys.scope_environment_id, service_keys.expires_at, \
         service_keys.ip_allow_list, service_keys.created_at"
    };
}

statements! {
    BY_ID = concat!("SELECT ", columns!(), " FROM service_keys WHERE id = $1 AND deleted_at IS NULL");
    BY_DIGEST = concat!("SELECT ", columns!(), " FROM service_keys WHERE key_digest = $1 AND deleted_at IS NULL");
    OF_MEMBER = concat!("SELECT ", columns!(), " FROM service_keys WHERE member_id = $1 AND deleted_at IS NULL ORDER BY created_at, id");
    WITH_DIGEST = concat!("SELECT ", columns!(), ", service_keys.digest_key, service_keys.key_digest \
                   FROM service_keys WHERE deleted_at IS NULL");
    WITH_DIGEST_BY_ID = concat!("SELECT ", columns!(), ", service_keys.digest_key, service_keys.key_digest \
                   FROM service_keys WHERE id = $1 AND deleted_at IS NULL");
    INSERT = "INSERT INTO service_keys (id, organization_id, member_id, creator_kind, creator_id, creator_name, name, \
              folded_name, status, masked, permission_group_ids, scope_organization_id, scope_group_id, \
              scope_environment_id, expires_at, ip_allow_list, created_at, digest_key, key_digest) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";
    UPDATE = "UPDATE service_keys SET name = $2, folded_name = $3, status = $4, permission_group_ids = $5 WHERE id = $1";
    HIDE = "UPDATE service_keys SET deleted_at = $2 WHERE id = $1";
    DELETE_GROUPS = "DELETE FROM service_key_permission_groups WHERE service_key_id = $1";
    INSERT_GROUP = "INSERT INTO service_key_permission_groups (service_key_id, permission_group_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
}

fragments! {
    BY_IDS = "service_keys.id = $1";
    BY_ORGANIZATION = "service_keys.organization_id = $1";
    BY_MEMBER = "service_keys.member_id = $1";
    BY_GROUP = "service_keys.id IN (SELECT service_key_permission_groups.service_key_id FROM service_key_permission_groups \
                WHERE service_key_permission_groups.permission_group_id = $1)";
    BY_STATUS = "service_keys.status = $1";
    BY_NAME = "service_keys.folded_name LIKE $1 ESCAPE '\\'";
}

/// Which service keys a list shows.
#[derive(Debug, Clone, Default)]
pub struct ServiceKeyFilter {
    pub ids: Vec<ServiceKeyId>,
    pub organization_ids: Vec<OrganizationId>,
    pub member_ids: Vec<MemberId>,
    pub permission_group_ids: Vec<PermissionGroupId>,
    pub statuses: Vec<ServiceKeyStatus>,
    pub q: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ServiceKeySort {
    #[default]
    CreatedAt,
    Name,
}

/// A service key with what recognises it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceKeyRow {
    pub service_key: ServiceKey,
    pub digest_key: DigestKeyId,
    pub digest: Digest,
}

impl FromRow for ServiceKey {
    const TABLE: &'static str = "service_keys";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: columns.id()?,
            organization_id: columns.id()?,
            member_id: columns.optional_id()?,
            created_by: ActorRef {
                kind: columns.word()?,
                id: columns.optional_text()?.map(ToOwned::to_owned),
                name: columns.text()?.to_owned(),
            },
            name: columns.word()?,
            status: columns.word()?,
            masked: columns.word()?,
            permission_group_ids: columns.json()?,
            scope: Scope {
                organization_id: columns.optional_id()?,
                group_id: columns.optional_id()?,
                environment_id: columns.optional_id()?,
            },
            expires_at: columns.optional_instant()?,
            ip_allow_list: columns.optional_json()?,
            created_at: columns.instant()?,
        })
    }
}

impl FromRow for ServiceKeyRow {
    const TABLE: &'static str = "service_keys";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            service_key: ServiceKey::from_row(columns)?,
            digest_key: DigestKeyId(columns.count()?),
            digest: Digest::from_bytes(columns.hash()?),
        })
    }
}

impl Stored for ServiceKey {
    type Id = ServiceKeyId;

    async fn load(reader: &mut Reader, id: ServiceKeyId) -> Result<Option<Self>, StoreError> {
        reader.service_key(id).await
    }

    async fn insert(&self, reader: &mut Reader, event: &NewEvent) -> Result<(), StoreError> {
        let Some(private) = &event.private else {
            return Err(StoreError::corrupt("log", "a service key was made without its digest"));
        };
        let values = values![
            self.id,
            self.organization_id,
            self.member_id,
            word(&self.created_by.kind),
            self.created_by.id.as_deref(),
            &self.created_by.name,
            &self.name,
            self.name.folded(),
            self.status.as_str(),
            &self.masked,
            json(&self.permission_group_ids),
            self.scope.organization_id,
            self.scope.group_id,
            self.scope.environment_id,
            self.expires_at,
            self.ip_allow_list.as_ref().map(json),
            self.created_at,
            private.digest_key,
            &private.key,
        ];
        reader.write(INSERT, values).await?;
        insert_links(reader, INSERT_GROUP, self.id, self.permission_group_ids.clone()).await
    }

    async fn update(&self, before: &Self, reader: &mut Reader, _: &NewEvent) -> Result<(), StoreError> {
        let values = values![
            self.id,
            &self.name,
            self.name.folded(),
            self.status.as_str(),
            json(&self.permission_group_ids),
        ];
        reader.write(UPDATE, values).await?;
        if self.permission_group_ids != before.permission_group_ids {
            let statements = [DELETE_GROUPS, INSERT_GROUP];
            replace_links(reader, statements, self.id, self.permission_group_ids.clone()).await?;
        }
        Ok(())
    }

    /// A deleted service key uses no permission group any more.
    async fn hide(&self, reader: &mut Reader, event: &NewEvent) -> Result<(), StoreError> {
        reader.write(DELETE_GROUPS, values![self.id]).await?;
        reader.write(HIDE, values![self.id, event.at]).await
    }
}

impl Listed for ServiceKey {
    type Filter = ServiceKeyFilter;
    type Sort = ServiceKeySort;
    const COLUMNS: &'static str = columns!();
    const FROM: &'static str = "service_keys WHERE service_keys.deleted_at IS NULL";
    const ID: &'static str = "service_keys.id";
    // As narrow as its own scope: `ServiceKey::place`.
    const PLACES: &'static [PlaceColumns] = &[PlaceColumns {
        organization: Some("service_keys.organization_id"),
        group: Some("service_keys.scope_group_id"),
        environment: Some("service_keys.scope_environment_id"),
    }];

    fn sort_column(sort: ServiceKeySort) -> SortColumn {
        match sort {
            ServiceKeySort::CreatedAt => SortColumn::Integer("service_keys.created_at"),
            ServiceKeySort::Name => SortColumn::Text("service_keys.folded_name"),
        }
    }

    fn conditions(filter: &ServiceKeyFilter, query: &mut Assembly) {
        query.and_either(BY_IDS, filter.ids.iter().copied());
        query.and_either(BY_ORGANIZATION, filter.organization_ids.iter().copied());
        query.and_either(BY_MEMBER, filter.member_ids.iter().copied());
        query.and_either(BY_GROUP, filter.permission_group_ids.iter().copied());
        query.and_either(BY_STATUS, filter.statuses.iter().map(|status| status.as_str()));
        if let Some(q) = &filter.q {
            query.and(BY_NAME, values![pattern(q)]);
        }
    }
}

impl Reader {
    pub async fn service_key(&mut self, id: ServiceKeyId) -> Result<Option<ServiceKey>, StoreError> {
        self.optional(BY_ID, values![id]).await
    }

    /// The service key that a presented value is, by its digest under `digest/control`.
    pub async fn service_key_by_digest(&mut self, digest: &Digest) -> Result<Option<ServiceKey>, StoreError> {
        self.optional(BY_DIGEST, values![digest]).await
    }

    /// Those that count as this member, oldest first.
    pub async fn service_keys_of_member(&mut self, id: MemberId) -> Result<Vec<ServiceKey>, StoreError> {
        self.all(OF_MEMBER, values![id]).await
    }

    /// Every service key with its digest, for the control index: there are few.
    pub async fn service_key_rows(&mut self) -> Result<Vec<ServiceKeyRow>, StoreError> {
        self.all(WITH_DIGEST, values![]).await
    }

    /// One service key with its digest, for the control index.
    pub async fn service_key_row(&mut self, id: ServiceKeyId) -> Result<Option<ServiceKeyRow>, StoreError> {
        self.optional(WITH_DIGEST_BY_ID, values![id]).await
    }

    pub async fn service_keys(
        &mut self,
        query: &ListQuery<ServiceKeyFilter, ServiceKeySort>,
    ) -> Result<Page<ServiceKey>, StoreError> {
        self.list(query).await
    }
}
