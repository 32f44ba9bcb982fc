//! Policy templates in their table, each in its present version. Older versions live on in the Key Sets that
//! copied them, and in the log.

use claviger_domain::event::NewEvent;
use claviger_domain::id::{OrganizationId, PolicyTemplateId};
use claviger_domain::policy_templates::PolicyTemplate;
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
        "policy_templates.id, policy_templates.organization_id, policy_templates.name, \
         policy_templates.version, policy_templates.policy, policy_templates.created_at, \
         policy_templates.updated_at"
    };
}

statements! {
    BY_ID = concat!("SELECT ", columns!(), " FROM policy_templates WHERE id = $1 AND deleted_at IS NULL");
    NAMED = concat!("SELECT ", columns!(), " FROM policy_templates WHERE organization_id = $1 AND folded_name = $2 AND deleted_at IS NULL");
    EVEN_DELETED = concat!("SELECT ", columns!(), " FROM policy_templates WHERE id = $1");
    NAME_EVEN_DELETED = "SELECT name FROM policy_templates WHERE id = $1";
    INSERT = "INSERT INTO policy_templates (id, organization_id, name, folded_name, version, policy, created_at, updated_at) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    UPDATE = "UPDATE policy_templates SET name = $2, folded_name = $3, version = $4, policy = $5, updated_at = $6 WHERE id = $1";
    HIDE = "UPDATE policy_templates SET deleted_at = $2 WHERE id = $1";
}

fragments! {
    BY_IDS = "policy_templates.id = $1";
    BY_ORGANIZATION = "policy_templates.organization_id = $1";
    BY_NAME = "policy_templates.folded_name LIKE $1 ESCAPE '\\'";
}

/// Which policy templates a list shows.
#[derive(Debug, Clone, Default)]
pub struct PolicyTemplateFilter {
    pub ids: Vec<PolicyTemplateId>,
    pub organization_ids: Vec<OrganizationId>,
    pub q: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PolicyTemplateSort {
    #[default]
    CreatedAt,
    Name,
}

impl FromRow for PolicyTemplate {
    const TABLE: &'static str = "policy_templates";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: columns.id()?,
            organization_id: columns.id()?,
            name: columns.word()?,
            version: columns.count()?,
            policy: columns.json()?,
            created_at: columns.instant()?,
            updated_at: columns.instant()?,
        })
    }
}

impl FromRow for Name {
    const TABLE: &'static str = "a name";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        columns.word()
    }
}

impl Stored for PolicyTemplate {
    type Id = PolicyTemplateId;

    async fn load(reader: &mut Reader, id: PolicyTemplateId) -> Result<Option<Self>, StoreError> {
        reader.policy_template(id).await
    }

    async fn insert(&self, reader: &mut Reader, _: &NewEvent) -> Result<(), StoreError> {
        let values = values![
            self.id,
            self.organization_id,
            &self.name,
            self.name.folded(),
            self.version,
            json(&self.policy),
            self.created_at,
            self.updated_at,
        ];
        reader.write(INSERT, values).await
    }

    async fn update(&self, _: &Self, reader: &mut Reader, _: &NewEvent) -> Result<(), StoreError> {
        let values = values![
            self.id,
            &self.name,
            self.name.folded(),
            self.version,
            json(&self.policy),
            self.updated_at,
        ];
        reader.write(UPDATE, values).await
    }

    async fn hide(&self, reader: &mut Reader, event: &NewEvent) -> Result<(), StoreError> {
        reader.write(HIDE, values![self.id, event.at]).await
    }
}

impl Listed for PolicyTemplate {
    type Filter = PolicyTemplateFilter;
    type Sort = PolicyTemplateSort;
    const COLUMNS: &'static str = columns!();
    const FROM: &'static str = "policy_templates WHERE policy_templates.deleted_at IS NULL";
    const ID: &'static str = "policy_templates.id";
    const PLACES: &'static [PlaceColumns] =
        &[PlaceColumns { organization: Some("policy_templates.organization_id"), ..PlaceColumns::INSTANCE }];

    fn sort_column(sort: PolicyTemplateSort) -> SortColumn {
        match sort {
            PolicyTemplateSort::CreatedAt => SortColumn::Integer("policy_templates.created_at"),
            PolicyTemplateSort::Name => SortColumn::Text("policy_templates.folded_name"),
        }
    }

    fn conditions(filter: &PolicyTemplateFilter, query: &mut Assembly) {
        query.and_either(BY_IDS, filter.ids.iter().copied());
        query.and_either(BY_ORGANIZATION, filter.organization_ids.iter().copied());
        if let Some(q) = &filter.q {
            query.and(BY_NAME, values![pattern(q)]);
        }
    }
}

impl Reader {
    pub async fn policy_template(
        &mut self,
        id: PolicyTemplateId,
    ) -> Result<Option<PolicyTemplate>, StoreError> {
        self.optional(BY_ID, values![id]).await
    }

    /// The template, also one that was deleted: Key Sets outlive it.
    pub async fn policy_template_even_deleted(
        &mut self,
        id: PolicyTemplateId,
    ) -> Result<Option<PolicyTemplate>, StoreError> {
        self.optional(EVEN_DELETED, values![id]).await
    }

    /// The template of that name, compared in NFC and without case.
    pub async fn policy_template_named(
        &mut self,
        organization_id: OrganizationId,
        name: &Name,
    ) -> Result<Option<PolicyTemplate>, StoreError> {
        self.optional(NAMED, values![organization_id, name.folded()]).await
    }

    /// What a template is or was called: Key Sets outlive the template that their policy came from.
    pub async fn policy_template_name(&mut self, id: PolicyTemplateId) -> Result<Option<Name>, StoreError> {
        self.optional(NAME_EVEN_DELETED, values![id]).await
    }

    pub async fn policy_templates(
        &mut self,
        query: &ListQuery<PolicyTemplateFilter, PolicyTemplateSort>,
    ) -> Result<Page<PolicyTemplate>, StoreError> {
        self.list(query).await
    }
}
