//! Organizations in their table.

use claviger_domain::event::NewEvent;
use claviger_domain::id::OrganizationId;
use claviger_domain::organizations::Organization;
use claviger_domain::text::Name;

use crate::columns::{Columns, FromRow};
use crate::error::StoreError;
use crate::list::{Assembly, ListQuery, Listed, Page, PlaceColumns, SortColumn, pattern};
use crate::reader::Reader;
use crate::statements::{fragments, statements};
use crate::stored::Stored;
use crate::value::{IntoValue, values, word};

macro_rules! columns {
    () => {
        "organizations.id, organizations.name, organizations.kind, organizations.created_at"
    };
}

statements! {
    BY_ID = concat!("SELECT ", columns!(), " FROM organizations WHERE id = $1 AND deleted_at IS NULL");
    NAMES_EVEN_DELETED = "SELECT id, name FROM organizations WHERE id IN ($1)";
    NAME_EVEN_DELETED = "SELECT name FROM organizations WHERE id = $1";
    INSERT = "INSERT INTO organizations (id, name, folded_name, kind, created_at) VALUES ($1, $2, $3, $4, $5)";
    UPDATE = "UPDATE organizations SET name = $2, folded_name = $3 WHERE id = $1";
    HIDE = "UPDATE organizations SET deleted_at = $2 WHERE id = $1";
}

fragments! {
    BY_NAME = "organizations.folded_name LIKE $1 ESCAPE '\\'";
    BY_IDS = "organizations.id = $1";
}

/// Which Organizations a list shows.
#[derive(Debug, Clone, Default)]
pub struct OrganizationFilter {
    pub ids: Vec<OrganizationId>,
    pub q: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OrganizationSort {
    #[default]
    CreatedAt,
    Name,
}

impl FromRow for Organization {
    const TABLE: &'static str = "organizations";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: columns.id()?,
            name: columns.word()?,
            kind: columns.word()?,
            created_at: columns.instant()?,
        })
    }
}

impl Stored for Organization {
    type Id = OrganizationId;

    async fn load(reader: &mut Reader, id: OrganizationId) -> Result<Option<Self>, StoreError> {
        reader.organization(id).await
    }

    async fn insert(&self, reader: &mut Reader, _: &NewEvent) -> Result<(), StoreError> {
        let values = values![self.id, &self.name, self.name.folded(), word(&self.kind), self.created_at];
        reader.write(INSERT, values).await
    }

    async fn update(&self, _: &Self, reader: &mut Reader, _: &NewEvent) -> Result<(), StoreError> {
        reader.write(UPDATE, values![self.id, &self.name, self.name.folded()]).await
    }

    async fn hide(&self, reader: &mut Reader, event: &NewEvent) -> Result<(), StoreError> {
        reader.write(HIDE, values![self.id, event.at]).await
    }
}

impl Listed for Organization {
    type Filter = OrganizationFilter;
    type Sort = OrganizationSort;
    const COLUMNS: &'static str = columns!();
    const FROM: &'static str = "organizations WHERE organizations.deleted_at IS NULL";
    const ID: &'static str = "organizations.id";
    const PLACES: &'static [PlaceColumns] =
        &[PlaceColumns { organization: Some("organizations.id"), ..PlaceColumns::INSTANCE }];

    fn sort_column(sort: OrganizationSort) -> SortColumn {
        match sort {
            OrganizationSort::CreatedAt => SortColumn::Integer("organizations.created_at"),
            OrganizationSort::Name => SortColumn::Text("organizations.folded_name"),
        }
    }

    fn conditions(filter: &OrganizationFilter, query: &mut Assembly) {
        query.and_either(BY_IDS, filter.ids.iter().copied());
        if let Some(q) = &filter.q {
            query.and(BY_NAME, values![pattern(q)]);
        }
    }
}

impl Reader {
    pub async fn organization(&mut self, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
        self.optional(BY_ID, values![id]).await
    }

    /// What an Organization is or was called.
    pub async fn organization_name(&mut self, id: OrganizationId) -> Result<Option<Name>, StoreError> {
        self.optional(NAME_EVEN_DELETED, values![id]).await
    }

    /// What Organizations are or were called.
    pub async fn organization_names(
        &mut self,
        ids: &[OrganizationId],
    ) -> Result<Vec<(OrganizationId, Name)>, StoreError> {
        let ids = ids.iter().copied().map(IntoValue::into_value).collect();
        self.all_among(NAMES_EVEN_DELETED, values![], ids).await
    }

    pub async fn organizations(
        &mut self,
        query: &ListQuery<OrganizationFilter, OrganizationSort>,
    ) -> Result<Page<Organization>, StoreError> {
        self.list(query).await
    }
}
