//! APIs in their tables.

use claviger_domain::apis::{Api, AuthType};
use claviger_domain::event::NewEvent;
use claviger_domain::id::{ApiId, EnvironmentId, GroupId, KeySetId, OrganizationId, PolicyTemplateId};
use claviger_domain::text::{Name, Slug};

use crate::api_documents::insert_version;
use crate::columns::{Columns, FromRow};
use crate::error::StoreError;
use crate::list::{Assembly, ListQuery, Listed, Page, PlaceColumns, SortColumn, Visible, pattern};
use crate::reader::Reader;
use crate::statements::{fragments, statements};
use crate::stored::{Stored, insert_links, replace_links};
use crate::value::{IntoValue as _, Value, json, values};

macro_rules! columns {
    () => {
        "apis.id, apis.organization_id, apis.group_id, apis.slug, apis.settings, apis.exposed_at, \
         apis.document, apis.created_at, apis.updated_at"
    };
}

statements! {
    BY_ID = concat!("SELECT ", columns!(), " FROM apis WHERE id = $1 AND deleted_at IS NULL");
    BY_SLUG = concat!("SELECT ", columns!(), " FROM apis WHERE slug = $1 AND deleted_at IS NULL");
    EVEN_DELETED = concat!("SELECT ", columns!(), " FROM apis WHERE id = $1");
    AMONG_EVEN_DELETED = concat!("SELECT ", columns!(), " FROM apis WHERE id IN ($1)");
    NAME_EVEN_DELETED = "SELECT name FROM apis WHERE id = $1";
    SLUG_OWNER = "SELECT organization_id, deleted_at FROM apis WHERE slug = $1 ORDER BY COALESCE(deleted_at, 9223372036854775807) DESC LIMIT 1";
    INSERT = "INSERT INTO apis (id, organization_id, group_id, slug, name, folded_name, visibility, policy_template_id, \
              settings, exposed_at, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    // An API that stays exposed keeps the instant from which it was.
    UPDATE = "UPDATE apis SET name = $2, folded_name = $3, visibility = $4, policy_template_id = $5, settings = $6, \
              exposed_at = CASE WHEN CAST($7 AS BIGINT) IS NULL THEN NULL ELSE COALESCE(exposed_at, $7) END, document = $8, updated_at = $9 WHERE id = $1";
    HIDE = "UPDATE apis SET deleted_at = $2 WHERE id = $1";
    DELETE_ENVIRONMENTS = "DELETE FROM api_environments WHERE api_id = $1";
    INSERT_ENVIRONMENT = "INSERT INTO api_environments (api_id, environment_id) VALUES ($1, $2)";
    DELETE_AUTH_TYPES = "DELETE FROM api_auth_types WHERE api_id = $1";
    INSERT_AUTH_TYPE = "INSERT INTO api_auth_types (api_id, auth_type) VALUES ($1, $2)";
}

fragments! {
    BY_IDS = "apis.id = $1";
    BY_ORGANIZATION = "apis.organization_id = $1";
    BY_GROUP = "apis.group_id = $1";
    BY_TEMPLATE = "apis.policy_template_id = $1";
    BY_ENVIRONMENT = "apis.id IN (SELECT api_environments.api_id FROM api_environments WHERE api_environments.environment_id = $1)";
    BY_AUTH_TYPE = "apis.id IN (SELECT api_auth_types.api_id FROM api_auth_types WHERE api_auth_types.auth_type = $1)";
    EXPOSED = "apis.exposed_at IS NOT NULL";
    NOT_EXPOSED = "apis.exposed_at IS NULL";
    BY_NAME = "(apis.folded_name LIKE $1 ESCAPE '\\' OR apis.slug LIKE $1 ESCAPE '\\')";
    // What a Key Set opens: APIs whose Active Subscriptions use it, and that take its auth type.
    BY_KEY_SET = "apis.id IN (SELECT subscriptions.api_id FROM subscription_key_sets \
                  JOIN subscriptions ON subscriptions.id = subscription_key_sets.subscription_id \
                  JOIN key_sets ON key_sets.id = subscription_key_sets.key_set_id \
                  JOIN api_auth_types ON api_auth_types.api_id = subscriptions.api_id AND api_auth_types.auth_type = key_sets.auth_type \
                  WHERE subscription_key_sets.key_set_id = $1 AND subscriptions.status = 'active' \
                  AND subscriptions.environment_id = key_sets.environment_id)";
}

/// Which APIs a list shows.
#[derive(Debug, Clone, Default)]
pub struct ApiFilter {
    pub ids: Vec<ApiId>,
    pub organization_ids: Vec<OrganizationId>,
    pub group_ids: Vec<GroupId>,
    pub environment_ids: Vec<EnvironmentId>,
    pub auth_types: Vec<AuthType>,
    pub policy_template_ids: Vec<PolicyTemplateId>,
    pub exposed: Option<bool>,
    /// Only those that the Key Set opens now: of its Environment and auth type, with an Active Subscription
    /// that uses it.
    pub authorized_for: Option<KeySetId>,
    /// In name or slug.
    pub q: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ApiSort {
    #[default]
    CreatedAt,
    Name,
    Slug,
}

/// Whose a slug is. It belongs to its Organization for ever (product.md C1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlugOwner {
    pub organization_id: OrganizationId,
    /// Whether an API has it now; else the Organization may give it to a new one.
    pub in_use: bool,
}

impl FromRow for SlugOwner {
    const TABLE: &'static str = "apis";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self { organization_id: columns.id()?, in_use: columns.optional_instant()?.is_none() })
    }
}

impl FromRow for Api {
    const TABLE: &'static str = "apis";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: columns.id()?,
            organization_id: columns.id()?,
            group_id: columns.id()?,
            slug: columns.word()?,
            settings: columns.json()?,
            exposed: columns.optional_instant()?.is_some(),
            document: columns.optional_json()?,
            created_at: columns.instant()?,
            updated_at: columns.instant()?,
        })
    }
}

impl Stored for Api {
    type Id = ApiId;

    async fn load(reader: &mut Reader, id: ApiId) -> Result<Option<Self>, StoreError> {
        reader.api(id).await
    }

    async fn insert(&self, reader: &mut Reader, event: &NewEvent) -> Result<(), StoreError> {
        let values = values![
            self.id,
            self.organization_id,
            self.group_id,
            &self.slug,
            &self.settings.name,
            self.settings.name.folded(),
            self.settings.visibility.as_str(),
            self.settings.policy_template_id,
            json(&self.settings),
            self.exposed.then_some(event.at),
            self.created_at,
            self.updated_at,
        ];
        reader.write(INSERT, values).await?;
        insert_links(reader, INSERT_ENVIRONMENT, self.id, self.environments()).await?;
        insert_links(reader, INSERT_AUTH_TYPE, self.id, self.auth_types()).await
    }

    async fn update(&self, before: &Self, reader: &mut Reader, event: &NewEvent) -> Result<(), StoreError> {
        let values = values![
            self.id,
            &self.settings.name,
            self.settings.name.folded(),
            self.settings.visibility.as_str(),
            self.settings.policy_template_id,
            json(&self.settings),
            self.exposed.then_some(event.at),
            self.document.as_ref().map(json),
            self.updated_at,
        ];
        reader.write(UPDATE, values).await?;
        if let Some(document) = self.document.as_ref().filter(|_| self.document != before.document) {
            insert_version(reader, self.id, document, event).await?;
        }
        if self.settings.environment_ids != before.settings.environment_ids {
            let statements = [DELETE_ENVIRONMENTS, INSERT_ENVIRONMENT];
            replace_links(reader, statements, self.id, self.environments()).await?;
        }
        if self.settings.auth_types != before.settings.auth_types {
            let statements = [DELETE_AUTH_TYPES, INSERT_AUTH_TYPE];
            replace_links(reader, statements, self.id, self.auth_types()).await?;
        }
        Ok(())
    }

    async fn hide(&self, reader: &mut Reader, event: &NewEvent) -> Result<(), StoreError> {
        reader.write(DELETE_ENVIRONMENTS, values![self.id]).await?;
        reader.write(DELETE_AUTH_TYPES, values![self.id]).await?;
        reader.write(HIDE, values![self.id, event.at]).await
    }
}

/// What the side tables hold.
trait SideTables {
    fn environments(&self) -> Vec<EnvironmentId>;
    fn auth_types(&self) -> Vec<&'static str>;
}

impl SideTables for Api {
    fn environments(&self) -> Vec<EnvironmentId> {
        self.settings.environment_ids.iter().copied().collect()
    }

    fn auth_types(&self) -> Vec<&'static str> {
        self.settings.auth_types.iter().map(|auth_type| auth_type.as_str()).collect()
    }
}

impl Listed for Api {
    type Filter = ApiFilter;
    type Sort = ApiSort;
    const COLUMNS: &'static str = columns!();
    const FROM: &'static str = "apis WHERE apis.deleted_at IS NULL";
    const ID: &'static str = "apis.id";
    const PLACES: &'static [PlaceColumns] = &[PlaceColumns {
        organization: Some("apis.organization_id"),
        group: Some("apis.group_id"),
        environment: None,
    }];

    fn sort_column(sort: ApiSort) -> SortColumn {
        match sort {
            ApiSort::CreatedAt => SortColumn::Integer("apis.created_at"),
            ApiSort::Name => SortColumn::Text("apis.folded_name"),
            ApiSort::Slug => SortColumn::Text("apis.slug"),
        }
    }

    fn also_visible(visible: &Visible) -> Vec<(&'static str, Value)> {
        let catalogs = visible.catalogs.iter().map(|id| ("apis.organization_id", id.into_value()));
        catalogs.chain(visible.public.then(|| ("apis.visibility", "all".into_value()))).collect()
    }

    fn conditions(filter: &ApiFilter, query: &mut Assembly) {
        query.and_either(BY_IDS, filter.ids.iter().copied());
        query.and_either(BY_ORGANIZATION, filter.organization_ids.iter().copied());
        query.and_either(BY_GROUP, filter.group_ids.iter().copied());
        query.and_either(BY_ENVIRONMENT, filter.environment_ids.iter().copied());
        query.and_either(BY_AUTH_TYPE, filter.auth_types.iter().map(|auth_type| auth_type.as_str()));
        query.and_either(BY_TEMPLATE, filter.policy_template_ids.iter().copied());
        query.and_either(BY_KEY_SET, filter.authorized_for);
        match filter.exposed {
            Some(true) => query.and(EXPOSED, values![]),
            Some(false) => query.and(NOT_EXPOSED, values![]),
            None => {}
        }
        if let Some(q) = &filter.q {
            query.and(BY_NAME, values![pattern(q)]);
        }
    }
}

impl Reader {
    pub async fn api(&mut self, id: ApiId) -> Result<Option<Api>, StoreError> {
        self.optional(BY_ID, values![id]).await
    }

    pub async fn api_by_slug(&mut self, slug: &Slug) -> Result<Option<Api>, StoreError> {
        self.optional(BY_SLUG, values![slug]).await
    }

    /// Whose the slug is, if it ever was anybody's.
    pub async fn slug_owner(&mut self, slug: &Slug) -> Result<Option<SlugOwner>, StoreError> {
        self.optional(SLUG_OWNER, values![slug]).await
    }

    /// The API, also one that was deleted: Subscriptions outlive it.
    pub async fn api_even_deleted(&mut self, id: ApiId) -> Result<Option<Api>, StoreError> {
        self.optional(EVEN_DELETED, values![id]).await
    }

    /// Those of the ids that ever were.
    pub async fn apis_even_deleted(&mut self, ids: &[ApiId]) -> Result<Vec<Api>, StoreError> {
        let ids = ids.iter().map(|id| id.into_value()).collect();
        self.all_among(AMONG_EVEN_DELETED, values![], ids).await
    }

    /// What an API is or was called: Subscriptions outlive it.
    pub async fn api_name(&mut self, id: ApiId) -> Result<Option<Name>, StoreError> {
        self.optional(NAME_EVEN_DELETED, values![id]).await
    }

    pub async fn apis(&mut self, query: &ListQuery<ApiFilter, ApiSort>) -> Result<Page<Api>, StoreError> {
        self.list(query).await
    }
}
