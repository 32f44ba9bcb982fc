//! APIs: entries of the catalog, and how their callers authenticate (product.md C1, C2, F6).

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use crate::aggregate::{Aggregate, Misapplied, absent, present};
use crate::event::{EventBody, Subject};
use crate::id::{ApiId, EnvironmentId, GroupId, OrganizationId, PolicyTemplateId};
use crate::policy_templates::{CallLimits, Quota, RateLimit};
use crate::scope::Place;
use crate::text::{Name, Note, Slug};
use crate::time::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    pub id: ApiId,
    pub organization_id: OrganizationId,
    pub group_id: GroupId,
    pub slug: Slug,
    pub settings: ApiSettings,
    pub exposed: bool,
    /// The newest version of its OpenAPI document, if it ever had one.
    pub document: Option<ApiDocument>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Api {
    pub const fn place(&self) -> Place {
        Place::group(self.organization_id, self.group_id)
    }

    /// The version that its next document is.
    pub fn next_document(&self) -> u32 {
        self.document.as_ref().map_or(1, |document| document.version.saturating_add(1))
    }
}

impl Aggregate for Api {
    fn apply(state: Option<Self>, at: Timestamp, body: &EventBody) -> Result<Option<Self>, Misapplied> {
        if let EventBody::ApiCreated { api_id, organization_id, group_id, slug, settings, exposed } = body {
            absent(state, body)?;
            return Ok(Some(Self {
                id: *api_id,
                organization_id: *organization_id,
                group_id: *group_id,
                slug: slug.clone(),
                settings: settings.clone(),
                exposed: *exposed,
                document: None,
                created_at: at,
                updated_at: at,
            }));
        }
        let mut api = present(state, body, |it| body.subject() == Subject::Api(it.id))?;
        match body {
            EventBody::ApiUpdated { settings, .. } => api.settings = settings.clone(),
            EventBody::ApiExposed { .. } => api.exposed = true,
            EventBody::ApiUnexposed { .. } => api.exposed = false,
            EventBody::ApiDocumentUpdated { document, .. } if document.version == api.next_document() => {
                api.document = Some(*document.clone());
            }
            EventBody::ApiDocumentUpdated { .. } => {
                return Err(Misapplied::new(body, "the document is not the next version"));
            }
            EventBody::ApiDeleted { .. } => return Ok(None),
            _ => return Err(Misapplied::new(body, "the event is of another noun")),
        }
        api.updated_at = at;
        Ok(Some(api))
    }
}

/// All of an API that its owner may change at will.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ApiSettings {
    pub name: Name,
    pub version: Option<Name>,
    pub description: Option<Note>,
    pub upstreams: Vec<Upstream>,
    pub environment_upstreams: BTreeMap<EnvironmentId, Vec<Upstream>>,
    /// The Environments it is offered in.
    pub environment_ids: BTreeSet<EnvironmentId>,
    pub auth_types: BTreeSet<AuthType>,
    pub requires: Requires,
    pub credential_headers: CredentialHeaders,
    /// The provider's own words, in the order given.
    pub permissions: Vec<ApiPermission>,
    pub policy_template_id: PolicyTemplateId,
    pub rate_limit: Option<RateLimit>,
    pub quota: Option<Quota>,
    pub cors: Option<Cors>,
    /// `None` lets any address in.
    pub ip_allow_list: Option<Vec<IpNet>>,
    pub visibility: Visibility,
}

impl ApiSettings {
    pub const fn limits(&self) -> CallLimits {
        CallLimits { rate_limit: self.rate_limit, quota: self.quota }
    }
}

/// How a Key is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthType {
    ApiKey,
    ApiKeyAndSecret,
    Basic,
}

impl AuthType {
    pub const ALL: [Self; 3] = [Self::ApiKey, Self::ApiKeyAndSecret, Self::Basic];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::ApiKeyAndSecret => "api_key_and_secret",
            Self::Basic => "basic",
        }
    }

    /// Whether a Key of this type is good only with its secret.
    pub const fn has_secret(self) -> bool {
        !matches!(self, Self::ApiKey)
    }

    /// How people call it (product.md D2).
    pub const fn label(self) -> &'static str {
        match self {
            Self::ApiKey => "API key",
            Self::ApiKeyAndSecret => "API key and secret",
            Self::Basic => "Basic",
        }
    }
}

/// What a call with a shared key must carry. Key Sets are bound by their auth type instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Requires {
    None,
    Key,
    Secret,
    KeyAndSecret,
}

/// The headers in which an API looks for key and secret.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialHeaders {
    Preset(HeaderPreset),
    Own { key: HeaderName, secret: HeaderName },
}

impl CredentialHeaders {
    pub fn key(&self) -> &str {
        match self {
            Self::Preset(HeaderPreset::Standard) => "x-api-key",
            Self::Preset(HeaderPreset::Ibm) => "x-ibm-client-id",
            Self::Own { key, .. } => key.as_str(),
        }
    }

    pub fn secret(&self) -> &str {
        match self {
            Self::Preset(HeaderPreset::Standard) => "x-api-secret",
            Self::Preset(HeaderPreset::Ibm) => "x-ibm-client-secret",
            Self::Own { secret, .. } => secret.as_str(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderPreset {
    Standard,
    Ibm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    Organization,
    All,
}

impl Visibility {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::All => "all",
        }
    }
}

/// Which pages of other origins may call the API from a browser.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cors {
    pub origins: Vec<String>,
    #[serde(default)]
    pub credentials: bool,
    #[serde(default)]
    pub max_age_seconds: Option<u32>,
}

mod document;
mod words;
pub use document::{
    ApiDocument, DocumentDigest, DocumentFormat, DocumentSource, InvalidDigest, OpenApiVersion,
};
pub use words::{ApiPermission, HeaderName, InvalidWord, Upstream};
