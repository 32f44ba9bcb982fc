//! Environments in their table.

use claviger_domain::environments::Environment;
use claviger_domain::event::NewEvent;
use claviger_domain::id::EnvironmentId;
use claviger_domain::text::Slug;

use crate::columns::{Columns, FromRow};
use crate::error::StoreError;
use crate::list::{Assembly, ListQuery, Listed, Page, PlaceColumns, SortColumn, pattern};
use crate::reader::Reader;
use crate::statements::{fragments, statements};
use crate::stored::Stored;
use crate::value::values;

macro_rules! columns {
    () => {
        "environments.id, environments.slug, environments.name, environments.created_at"
    };
}

statements! {
    BY_ID = concat!("SELECT ", columns!(), " FROM environments WHERE id = $1 AND deleted_at IS NULL");
    BY_SLUG = concat!("SELECT ", columns!(), " FROM environments WHERE slug = $1 AND deleted_at IS NULL");
    ALL = concat!("SELECT ", columns!(), " FROM environments WHERE deleted_at IS NULL ORDER BY created_at, id");
    INSERT = "INSERT INTO environments (id, slug, name, folded_name, created_at) VALUES ($1, $2, $3, $4, $5)";
    UPDATE = "UPDATE environments SET name = $2, folded_name = $3 WHERE id = $1";
    HIDE = "UPDATE environments SET deleted_at = $2 WHERE id = $1";
}

fragments! {
    BY_IDS = "environments.id = $1";
    BY_NAME = "environments.folded_name LIKE $1 ESCAPE '\\'";
}

/// Which Environments a list shows.
#[derive(Debug, Clone, Default)]
pub struct EnvironmentFilter {
    pub ids: Vec<EnvironmentId>,
    pub q: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EnvironmentSort {
    #[default]
    CreatedAt,
    Name,
    Slug,
}

impl FromRow for Environment {
    const TABLE: &'static str = "environments";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: columns.id()?,
            slug: columns.word()?,
            name: columns.word()?,
            created_at: columns.instant()?,
        })
    }
}

impl Stored for Environment {
    type Id = EnvironmentId;

    async fn load(reader: &mut Reader, id: EnvironmentId) -> Result<Option<Self>, StoreError> {
        reader.environment(id).await
    }

    async fn insert(&self, reader: &mut Reader, _: &NewEvent) -> Result<(), StoreError> {
        let values = values![self.id, &self.slug, &self.name, self.name.folded(), self.created_at];
        reader.write(INSERT, values).await
    }

    async fn update(&self, _: &Self, reader: &mut Reader, _: &NewEvent) -> Result<(), StoreError> {
        reader.write(UPDATE, values![self.id, &self.name, self.name.folded()]).await
    }

    async fn hide(&self, reader: &mut Reader, event: &NewEvent) -> Result<(), StoreError> {
        reader.write(HIDE, values![self.id, event.at]).await
    }
}

impl Listed for Environment {
    type Filter = EnvironmentFilter;
    type Sort = EnvironmentSort;
    const COLUMNS: &'static str = columns!();
    const FROM: &'static str = "environments WHERE environments.deleted_at IS NULL";
    const ID: &'static str = "environments.id";
    // They belong to the instance: who may see Environments at all sees each of them.
    const PLACES: &'static [PlaceColumns] = &[PlaceColumns::INSTANCE];

    fn sort_column(sort: EnvironmentSort) -> SortColumn {
        match sort {
            EnvironmentSort::CreatedAt => SortColumn::Integer("environments.created_at"),
            EnvironmentSort::Name => SortColumn::Text("environments.folded_name"),
            EnvironmentSort::Slug => SortColumn::Text("environments.slug"),
        }
    }

    fn conditions(filter: &EnvironmentFilter, query: &mut Assembly) {
        query.and_either(BY_IDS, filter.ids.iter().copied());
        if let Some(q) = &filter.q {
            query.and(BY_NAME, values![pattern(q)]);
        }
    }
}

impl Reader {
    pub async fn environment(&mut self, id: EnvironmentId) -> Result<Option<Environment>, StoreError> {
        self.optional(BY_ID, values![id]).await
    }

    pub async fn environment_by_slug(&mut self, slug: &Slug) -> Result<Option<Environment>, StoreError> {
        self.optional(BY_SLUG, values![slug]).await
    }

    /// Every Environment, oldest first: there are few.
    pub async fn all_environments(&mut self) -> Result<Vec<Environment>, StoreError> {
        self.all(ALL, values![]).await
    }

    /// One page. Environments belong to the instance: only [`Visible::everything`] shows any.
    ///
    /// [`Visible::everything`]: crate::Visible::everything
    pub async fn environments(
        &mut self,
        query: &ListQuery<EnvironmentFilter, EnvironmentSort>,
    ) -> Result<Page<Environment>, StoreError> {
        self.list(query).await
    }
}
