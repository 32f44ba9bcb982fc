//! Permission groups in their table.

use claviger_domain::event::NewEvent;
use claviger_domain::id::{OrganizationId, PermissionGroupId};
use claviger_domain::permission_groups::{DefaultRole, PermissionGroup};
use claviger_domain::text::Name;

use crate::columns::{Columns, FromRow};
use crate::error::StoreError;
use crate::list::{Assembly, ListQuery, Listed, Page, PlaceColumns, SortColumn, pattern};
use crate::reader::Reader;
use crate::statements::{fragments, statements};
use crate::stored::Stored;
use crate::value::{json, values};

macro_rules! columns {
    () => {
        "permission_groups.id, permission_groups.organization_id, permission_groups.name, \
         permission_groups.default_role, permission_groups.permissions, permission_groups.created_at"
    };
}

statements! {
    BY_ID = concat!("SELECT ", columns!(), " FROM permission_groups WHERE id = $1 AND deleted_at IS NULL");
    NAMED = concat!("SELECT ", columns!(), " FROM permission_groups WHERE organization_id = $1 AND folded_name = $2 AND deleted_at IS NULL");
    BY_ROLE = concat!("SELECT ", columns!(), " FROM permission_groups WHERE organization_id = $1 AND default_role = $2 AND deleted_at IS NULL");
    INSERT = "INSERT INTO permission_groups (id, organization_id, name, folded_name, default_role, permissions, created_at) \
              VALUES ($1, $2, $3, $4, $5, $6, $7)";
    UPDATE = "UPDATE permission_groups SET name = $2, folded_name = $3, permissions = $4 WHERE id = $1";
    HIDE = "UPDATE permission_groups SET deleted_at = $2 WHERE id = $1";
}

fragments! {
    BY_IDS = "permission_groups.id = $1";
    BY_ORGANIZATION = "permission_groups.organization_id = $1";
    BY_NAME = "permission_groups.folded_name LIKE $1 ESCAPE '\\'";
}

/// Which permission groups a list shows.
#[derive(Debug, Clone, Default)]
pub struct PermissionGroupFilter {
    pub ids: Vec<PermissionGroupId>,
    pub organization_ids: Vec<OrganizationId>,
    pub q: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PermissionGroupSort {
    #[default]
    CreatedAt,
    Name,
}

impl FromRow for PermissionGroup {
    const TABLE: &'static str = "permission_groups";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: columns.id()?,
            organization_id: columns.id()?,
            name: columns.word()?,
            default_role: columns.optional_word()?,
            permissions: columns.json()?,
            created_at: columns.instant()?,
        })
    }
}

impl Stored for PermissionGroup {
    type Id = PermissionGroupId;

    async fn load(reader: &mut Reader, id: PermissionGroupId) -> Result<Option<Self>, StoreError> {
        reader.permission_group(id).await
    }

    async fn insert(&self, reader: &mut Reader, _: &NewEvent) -> Result<(), StoreError> {
        let values = values![
            self.id,
            self.organization_id,
            &self.name,
            self.name.folded(),
            self.default_role.map(DefaultRole::as_str),
            json(&self.permissions),
            self.created_at,
        ];
        reader.write(INSERT, values).await
    }

    async fn update(&self, _: &Self, reader: &mut Reader, _: &NewEvent) -> Result<(), StoreError> {
        let values = values![self.id, &self.name, self.name.folded(), json(&self.permissions)];
        reader.write(UPDATE, values).await
    }

    async fn hide(&self, reader: &mut Reader, event: &NewEvent) -> Result<(), StoreError> {
        reader.write(HIDE, values![self.id, event.at]).await
    }
}

impl Listed for PermissionGroup {
    type Filter = PermissionGroupFilter;
    type Sort = PermissionGroupSort;
    const COLUMNS: &'static str = columns!();
    const FROM: &'static str = "permission_groups WHERE permission_groups.deleted_at IS NULL";
    const ID: &'static str = "permission_groups.id";
    const PLACES: &'static [PlaceColumns] =
        &[PlaceColumns { organization: Some("permission_groups.organization_id"), ..PlaceColumns::INSTANCE }];

    fn sort_column(sort: PermissionGroupSort) -> SortColumn {
        match sort {
            PermissionGroupSort::CreatedAt => SortColumn::Integer("permission_groups.created_at"),
            PermissionGroupSort::Name => SortColumn::Text("permission_groups.folded_name"),
        }
    }

    fn conditions(filter: &PermissionGroupFilter, query: &mut Assembly) {
        query.and_either(BY_IDS, filter.ids.iter().copied());
        query.and_either(BY_ORGANIZATION, filter.organization_ids.iter().copied());
        if let Some(q) = &filter.q {
            query.and(BY_NAME, values![pattern(q)]);
        }
    }
}

impl Reader {
    pub async fn permission_group(
        &mut self,
        id: PermissionGroupId,
    ) -> Result<Option<PermissionGroup>, StoreError> {
        self.optional(BY_ID, values![id]).await
    }

    /// Those of the ids that stand, in the order asked for.
    pub async fn permission_groups_by_ids(
        &mut self,
        ids: &[PermissionGroupId],
    ) -> Result<Vec<PermissionGroup>, StoreError> {
        let mut groups = Vec::with_capacity(ids.len());
        for id in ids {
            groups.extend(self.permission_group(*id).await?);
        }
        Ok(groups)
    }

    /// The permission group of that name, compared in NFC and without case.
    pub async fn permission_group_named(
        &mut self,
        organization_id: OrganizationId,
        name: &Name,
    ) -> Result<Option<PermissionGroup>, StoreError> {
        self.optional(NAMED, values![organization_id, name.folded()]).await
    }

    /// The group that came with the Organization for this role, however it is called now.
    pub async fn default_permission_group(
        &mut self,
        organization_id: OrganizationId,
        role: DefaultRole,
    ) -> Result<Option<PermissionGroup>, StoreError> {
        self.optional(BY_ROLE, values![organization_id, role.as_str()]).await
    }

    pub async fn permission_groups(
        &mut self,
        query: &ListQuery<PermissionGroupFilter, PermissionGroupSort>,
    ) -> Result<Page<PermissionGroup>, StoreError> {
        self.list(query).await
    }
}
