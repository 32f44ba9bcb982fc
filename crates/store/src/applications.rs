//! Applications in their table.

use claviger_domain::applications::{Application, ApplicationStatus};
use claviger_domain::event::NewEvent;
use claviger_domain::id::{ApplicationId, GroupId, OrganizationId};
use claviger_domain::text::Name;

use crate::columns::{Columns, FromRow};
use crate::dialect::Dialect;
use crate::error::StoreError;
use crate::list::{Assembly, ListQuery, Listed, Page, PlaceColumns, Selection, SortColumn, pattern};
use crate::reader::Reader;
use crate::statements::{fragments, statements};
use crate::stored::Stored;
use crate::value::{IntoValue, values};

macro_rules! columns {
    () => {
        "applications.id, applications.organization_id, applications.group_id, applications.name, \
         applications.status, applications.created_at, applications.suspended_at"
    };
}

statements! {
    BY_ID = concat!("SELECT ", columns!(), " FROM applications WHERE id = $1 AND deleted_at IS NULL");
    NAMED = concat!("SELECT ", columns!(), " FROM applications WHERE group_id = $1 AND folded_name = $2 AND deleted_at IS NULL");
    AMONG = concat!("SELECT ", columns!(), " FROM applications WHERE deleted_at IS NULL AND id IN ($1)");
    NAMES_EVEN_DELETED = "SELECT id, name FROM applications WHERE id IN ($1)";
    NAME_EVEN_DELETED = "SELECT name FROM applications WHERE id = $1";
    INSERT = "INSERT INTO applications (id, organization_id, group_id, name, folded_name, status, created_at, suspended_at) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    UPDATE = "UPDATE applications SET name = $2, folded_name = $3, status = $4, suspended_at = $5 WHERE id = $1";
    HIDE = "UPDATE applications SET deleted_at = $2 WHERE id = $1";
}

fragments! {
    BY_IDS = "applications.id = $1";
    BY_ORGANIZATION = "applications.organization_id = $1";
    BY_GROUP = "applications.group_id = $1";
    BY_STATUS = "applications.status = $1";
    BY_NAME = "applications.folded_name LIKE $1 ESCAPE '\\'";
}

/// Which Applications a list shows.
#[derive(Debug, Clone, Default)]
pub struct ApplicationFilter {
    pub ids: Vec<ApplicationId>,
    pub organization_ids: Vec<OrganizationId>,
    pub group_ids: Vec<GroupId>,
    pub statuses: Vec<ApplicationStatus>,
    pub q: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ApplicationSort {
    #[default]
    CreatedAt,
    Name,
}

impl FromRow for Application {
    const TABLE: &'static str = "applications";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: columns.id()?,
            organization_id: columns.id()?,
            group_id: columns.id()?,
            name: columns.word()?,
            status: columns.word()?,
            created_at: columns.instant()?,
            suspended_at: columns.optional_instant()?,
        })
    }
}

impl Stored for Application {
    type Id = ApplicationId;

    async fn load(reader: &mut Reader, id: ApplicationId) -> Result<Option<Self>, StoreError> {
        reader.application(id).await
    }

    async fn insert(&self, reader: &mut Reader, _: &NewEvent) -> Result<(), StoreError> {
        let values = values![
            self.id,
            self.organization_id,
            self.group_id,
            &self.name,
            self.name.folded(),
            self.status.as_str(),
            self.created_at,
            self.suspended_at,
        ];
        reader.write(INSERT, values).await
    }

    async fn update(&self, _: &Self, reader: &mut Reader, _: &NewEvent) -> Result<(), StoreError> {
        let values =
            values![self.id, &self.name, self.name.folded(), self.status.as_str(), self.suspended_at,];
        reader.write(UPDATE, values).await
    }

    async fn hide(&self, reader: &mut Reader, event: &NewEvent) -> Result<(), StoreError> {
        reader.write(HIDE, values![self.id, event.at]).await
    }
}

impl Listed for Application {
    type Filter = ApplicationFilter;
    type Sort = ApplicationSort;
    const COLUMNS: &'static str = columns!();
    const FROM: &'static str = "applications WHERE applications.deleted_at IS NULL";
    const ID: &'static str = "applications.id";
    const PLACES: &'static [PlaceColumns] = &[PlaceColumns {
        organization: Some("applications.organization_id"),
        group: Some("applications.group_id"),
        environment: None,
    }];

    fn sort_column(sort: ApplicationSort) -> SortColumn {
        match sort {
            ApplicationSort::CreatedAt => SortColumn::Integer("applications.created_at"),
            ApplicationSort::Name => SortColumn::Text("applications.folded_name"),
        }
    }

    fn conditions(filter: &ApplicationFilter, query: &mut Assembly) {
        query.and_either(BY_IDS, filter.ids.iter().copied());
        query.and_either(BY_ORGANIZATION, filter.organization_ids.iter().copied());
        query.and_either(BY_GROUP, filter.group_ids.iter().copied());
        query.and_either(BY_STATUS, filter.statuses.iter().map(|status| status.as_str()));
        if let Some(q) = &filter.q {
            query.and(BY_NAME, values![pattern(q)]);
        }
    }

    fn selections(filter: &ApplicationFilter, dialect: Dialect) -> Vec<Selection> {
        let parts = filter.q.as_ref().and_then(|q| dialect.parts_of(q));
        let selection = |parts| Selection {
            queries: vec![(dialect.applications_with_text, vec![parts])],
            among: dialect.among,
        };
        parts.map(selection).into_iter().collect()
    }
}

impl Reader {
    pub async fn application(&mut self, id: ApplicationId) -> Result<Option<Application>, StoreError> {
        self.optional(BY_ID, values![id]).await
    }

    /// The Application of that name in its Group, compared in NFC and without case.
    pub async fn application_named(
        &mut self,
        group_id: GroupId,
        name: &Name,
    ) -> Result<Option<Application>, StoreError> {
        self.optional(NAMED, values![group_id, name.folded()]).await
    }

    /// What an Application is or was called: Subscriptions outlive it.
    pub async fn application_name(&mut self, id: ApplicationId) -> Result<Option<Name>, StoreError> {
        self.optional(NAME_EVEN_DELETED, values![id]).await
    }

    /// Those of the ids that stand.
    pub async fn applications_by_ids(
        &mut self,
        ids: &[ApplicationId],
    ) -> Result<Vec<Application>, StoreError> {
        self.all_among(AMONG, values![], ids.iter().copied().map(IntoValue::into_value).collect()).await
    }

    /// What Applications are or were called.
    pub async fn application_names(
        &mut self,
        ids: &[ApplicationId],
    ) -> Result<Vec<(ApplicationId, Name)>, StoreError> {
        let ids = ids.iter().copied().map(IntoValue::into_value).collect();
        self.all_among(NAMES_EVEN_DELETED, values![], ids).await
    }

    pub async fn applications(
        &mut self,
        query: &ListQuery<ApplicationFilter, ApplicationSort>,
    ) -> Result<Page<Application>, StoreError> {
        self.list(query).await
    }
}
