//! APIs on the wire: entries of the catalog, and how their callers authenticate.

use std::collections::{BTreeMap, BTreeSet};

use claviger_domain::apis as domain;
use claviger_domain::environments::Environment;
use claviger_domain::id::EnvironmentId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api_documents::ApiDocumentRef;
use crate::given::given;
use crate::mirror::mirrored;
use crate::policy_templates::{Quota, RateLimit};
use crate::scope::Named;

mirrored! {
    /// How a Key is presented.
    AuthType = domain::AuthType { ApiKey, ApiKeyAndSecret, Basic, }
    /// What a call with a shared key must carry.
    Requires = domain::Requires { None, Key, Secret, KeyAndSecret, }
    /// Well-known pairs of headers: `X-API-Key` and `X-API-Secret`; `X-IBM-Client-Id` and
    /// `X-IBM-Client-Secret`.
    HeaderPreset = domain::HeaderPreset { Standard, Ibm, }
    /// Who can see the API in the catalog and subscribe to it.
    Visibility = domain::Visibility { Organization, All, }
}

/// An API, whole: for the Organization that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Api {
    #[serde(flatten)]
    pub entry: CatalogEntry,
    pub group_id: String,
    pub upstreams: Vec<String>,
    /// Upstreams of an Environment's own, by its slug.
    pub environment_upstreams: BTreeMap<String, Vec<String>>,
    pub requires: Requires,
    pub credential_headers: CredentialHeaders,
    pub policy_template_id: String,
    pub rate_limit: Option<RateLimit>,
    pub quota: Option<Quota>,
    pub cors: Option<Cors>,
    /// Null: any address.
    pub ip_allow_list: Option<Vec<String>>,
    pub exposed: bool,
    pub visibility: Visibility,
    #[schema(format = DateTime)]
    pub created_at: String,
    #[schema(format = DateTime)]
    pub updated_at: String,
}

/// What every Organization may see of an API of `visibility` `all`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CatalogEntry {
    pub id: String,
    pub slug: String,
    pub name: String,
    pub version: Option<String>,
    pub description: Option<String>,
    pub organization: Named,
    /// Slugs of the Environments it is offered in, in their order.
    pub environments: Vec<String>,
    pub auth_types: Vec<AuthType>,
    /// The provider's own words.
    pub permissions: Vec<String>,
    /// Its OpenAPI document; null: it has none.
    pub document: Option<ApiDocumentRef>,
}

/// An API as far as the caller may see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ApiView {
    Whole(Box<Api>),
    Entry(Box<CatalogEntry>),
}

/// A preset, or both names of one's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialHeaders {
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub preset: Option<HeaderPreset>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(example = "X-My-Key")]
    pub key: Option<String>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(example = "X-My-Secret")]
    pub secret: Option<String>,
}

/// Which pages of other origins may call the API from a browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// `https://app.example.com`, or `*` for any.
    pub origins: Vec<String>,
    #[serde(default)]
    pub credentials: bool,
    #[serde(default)]
    #[schema(minimum = 0, maximum = 86_400)]
    pub max_age_seconds: Option<i64>,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApiCreate)]
pub struct Create {
    /// `[a-z0-9][a-z0-9-]{0,62}`, unique in the instance; it never changes.
    pub slug: String,
    pub name: String,
    #[serde(default)]
    pub version: Option<String>,
    #[serde(default)]
    pub description: Option<String>,
    /// Left out: the caller's own Group, or else the Group `default` of the caller's Organization.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
    /// At least one.
    pub upstreams: Vec<String>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub environment_upstreams: Option<BTreeMap<String, Vec<String>>>,
    /// Slugs or ids. Left out: all.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub environments: Option<Vec<String>>,
    /// At least one.
    pub auth_types: Vec<AuthType>,
    pub requires: Requires,
    /// Left out: the preset `standard`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub credential_headers: Option<CredentialHeaders>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<String>>,
    /// Left out: the Organization's template `Default`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub policy_template_id: Option<String>,
    #[serde(default)]
    pub rate_limit: Option<RateLimit>,
    #[serde(default)]
    pub quota: Option<Quota>,
    #[serde(default)]
    pub cors: Option<Cors>,
    /// Addresses and ranges. Null: any.
    #[serde(default)]
    pub ip_allow_list: Option<Vec<String>>,
    #[serde(default)]
    pub exposed: bool,
    /// Left out: `organization`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
}

/// What is left out stays as it is.
#[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApiUpdate)]
pub struct Update {
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub version: Option<Option<String>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub description: Option<Option<String>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub upstreams: Option<Vec<String>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub environment_upstreams: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub environments: Option<Vec<String>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub auth_types: Option<Vec<AuthType>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub requires: Option<Requires>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub credential_headers: Option<CredentialHeaders>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<String>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub policy_template_id: Option<String>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<RateLimit>)]
    pub rate_limit: Option<Option<RateLimit>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Quota>)]
    pub quota: Option<Option<Quota>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Cors>)]
    pub cors: Option<Option<Cors>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub ip_allow_list: Option<Option<Vec<String>>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
}

#[derive(Debug, Clone, Copy, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApiPutExposure)]
pub struct PutExposure {
    pub exposed: bool,
}

impl CatalogEntry {
    /// `environments` are those of the instance; the API names them by id.
    pub fn new(api: &domain::Api, organization_name: &str, environments: &[Environment]) -> Self {
        let settings = &api.settings;
        let offered: BTreeSet<_> = environments
            .iter()
            .filter(|environment| settings.environment_ids.contains(&environment.id))
            .map(|environment| environment.slug.to_string())
            .collect();
        Self {
            id: api.id.to_string(),
            slug: api.slug.to_string(),
            name: settings.name.to_string(),
            version: settings.version.as_ref().map(ToString::to_string),
            description: settings.description.as_ref().map(ToString::to_string),
            organization: Named { id: api.organization_id.to_string(), name: organization_name.to_owned() },
            environments: offered.into_iter().collect(),
            auth_types: settings.auth_types.iter().copied().map(Into::into).collect(),
            permissions: settings.permissions.iter().map(ToString::to_string).collect(),
            document: api.document.as_ref().map(Into::into),
        }
    }
}

impl Api {
    pub fn new(api: &domain::Api, organization_name: &str, environments: &[Environment]) -> Self {
        let settings = &api.settings;
        let slug = |id: &EnvironmentId| {
            let environment = environments.iter().find(|environment| environment.id == *id);
            environment.map_or_else(|| id.to_string(), |environment| environment.slug.to_string())
        };
        Self {
            entry: CatalogEntry::new(api, organization_name, environments),
            group_id: api.group_id.to_string(),
            upstreams: texts(&settings.upstreams),
            environment_upstreams: settings
                .environment_upstreams
                .iter()
                .map(|(id, upstreams)| (slug(id), texts(upstreams)))
                .collect(),
            requires: settings.requires.into(),
            credential_headers: (&settings.credential_headers).into(),
            policy_template_id: settings.policy_template_id.to_string(),
            rate_limit: settings.rate_limit.map(Into::into),
            quota: settings.quota.map(Into::into),
            cors: settings.cors.as_ref().map(Into::into),
            ip_allow_list: settings.ip_allow_list.as_deref().map(texts),
            exposed: api.exposed,
            visibility: settings.visibility.into(),
            created_at: api.created_at.to_string(),
            updated_at: api.updated_at.to_string(),
        }
    }
}

impl From<&domain::CredentialHeaders> for CredentialHeaders {
    fn from(headers: &domain::CredentialHeaders) -> Self {
        match headers {
            domain::CredentialHeaders::Preset(preset) => {
                Self { preset: Some((*preset).into()), ..Self::default() }
            }
            domain::CredentialHeaders::Own { key, secret } => {
                Self { preset: None, key: Some(key.to_string()), secret: Some(secret.to_string()) }
            }
        }
    }
}

impl From<&domain::Cors> for Cors {
    fn from(cors: &domain::Cors) -> Self {
        Self {
            origins: cors.origins.clone(),
            credentials: cors.credentials,
            max_age_seconds: cors.max_age_seconds.map(Into::into),
        }
    }
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}
