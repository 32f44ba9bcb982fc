//! Groups in their table.

use claviger_domain::event::NewEvent;
use claviger_domain::groups::Group;
use claviger_domain::id::{GroupId, OrganizationId};
use claviger_domain::text::Name;

use crate::columns::{Columns, FromRow};
use crate::error::StoreError;
use crate::list::{Assembly, ListQuery, Listed, Page, PlaceColumns, SortColumn, pattern};
use crate::reader::Reader;
use crate::statements::{fragments, statements};
use crate::stored::Stored;
use crate::value::values;

macro_rules! columns {
    () => {
        "groups.id, groups.organization_id, groups.name, groups.created_at"
    };
}

statements! {
    BY_ID = concat!("SELECT ", columns!(), " FROM groups WHERE id = $1 AND deleted_at IS NULL");
    NAMED = concat!("SELECT ", columns!(), " FROM groups WHERE organization_id = $1 AND folded_name = $2 AND deleted_at IS NULL");
    INSERT = "INSERT INTO groups (id, organization_id, name, folded_name, created_at) VALUES ($1, $2, $3, $4, $5)";
    UPDATE = "UPDATE groups SET name = $2, folded_name = $3 WHERE id = $1";
    HIDE = "UPDATE groups SET deleted_at = $2 WHERE id = $1";
}

fragments! {
    BY_IDS = "groups.id = $1";
    BY_ORGANIZATION = "groups.organization_id = $1";
    BY_NAME = "groups.folded_name LIKE $1 ESCAPE '\\'";
}

/// Which Groups a list shows.
#[derive(Debug, Clone, Default)]
pub struct GroupFilter {
    pub ids: Vec<GroupId>,
    pub organization_ids: Vec<OrganizationId>,
    pub q: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GroupSort {
    #[default]
    CreatedAt,
    Name,
}

impl FromRow for Group {
    const TABLE: &'static str = "groups";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: columns.id()?,
            organization_id: columns.id()?,
            name: columns.word()?,
            created_at: columns.instant()?,
        })
    }
}

impl Stored for Group {
    type Id = GroupId;

    async fn load(reader: &mut Reader, id: GroupId) -> Result<Option<Self>, StoreError> {
        reader.group(id).await
    }

    async fn insert(&self, reader: &mut Reader, _: &NewEvent) -> Result<(), StoreError> {
        let values = values![self.id, self.organization_id, &self.name, self.name.folded(), self.created_at];
        reader.write(INSERT, values).await
    }

    async fn update(&self, _: &Self, reader: &mut Reader, _: &NewEvent) -> Result<(), StoreError> {
        reader.write(UPDATE, values![self.id, &self.name, self.name.folded()]).await
    }

    async fn hide(&self, reader: &mut Reader, event: &NewEvent) -> Result<(), StoreError> {
        reader.write(HIDE, values![self.id, event.at]).await
    }
}

impl Listed for Group {
    type Filter = GroupFilter;
    type Sort = GroupSort;
    const COLUMNS: &'static str = columns!();
    const FROM: &'static str = "groups WHERE groups.deleted_at IS NULL";
    const ID: &'static str = "groups.id";
    const PLACES: &'static [PlaceColumns] = &[PlaceColumns {
        organization: Some("groups.organization_id"),
        group: Some("groups.id"),
        environment: None,
    }];

    fn sort_column(sort: GroupSort) -> SortColumn {
        match sort {
            GroupSort::CreatedAt => SortColumn::Integer("groups.created_at"),
            GroupSort::Name => SortColumn::Text("groups.folded_name"),
        }
    }

    fn conditions(filter: &GroupFilter, query: &mut Assembly) {
        query.and_either(BY_IDS, filter.ids.iter().copied());
        query.and_either(BY_ORGANIZATION, filter.organization_ids.iter().copied());
        if let Some(q) = &filter.q {
            query.and(BY_NAME, values![pattern(q)]);
        }
    }
}

impl Reader {
    pub async fn group(&mut self, id: GroupId) -> Result<Option<Group>, StoreError> {
        self.optional(BY_ID, values![id]).await
    }

    /// The Group of that name, compared in NFC and without case.
    pub async fn group_named(
        &mut self,
        organization_id: OrganizationId,
        name: &Name,
    ) -> Result<Option<Group>, StoreError> {
        self.optional(NAMED, values![organization_id, name.folded()]).await
    }

    pub async fn groups(
        &mut self,
        query: &ListQuery<GroupFilter, GroupSort>,
    ) -> Result<Page<Group>, StoreError> {
        self.list(query).await
    }
}
