//! The portal on the wire: what a person with no account sees of the one API that their link opens (product.md C5,
//! C6).

use claviger_domain::apis::Api;
use claviger_domain::shared_keys as domain;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api_documents::ApiDocumentRef;
use crate::apis::Requires;
use crate::environments::EnvironmentRef;
use crate::given::given;
use crate::shared_keys::Status;

/// The token of a portal link, from the fragment of its address. Never printed.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PortalTrade)]
pub struct Trade {
    #[schema(example = "clv_portal_…")]
    pub token: String,
}

impl std::fmt::Debug for Trade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trade")
    }
}

/// A session of the portal; its value is in the cookie that comes with this answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PortalSession)]
pub struct Session {
    #[schema(format = DateTime)]
    pub expires_at: String,
}

/// The API that the link opens, and the key that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Portal {
    pub api: PortalApi,
    pub key: PortalKey,
    /// When the link ends; null: when it is withdrawn.
    #[schema(format = DateTime)]
    pub link_expires_at: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PortalApi {
    pub slug: String,
    pub name: String,
    pub version: Option<String>,
    pub description: Option<String>,
    /// Whether calls are let through.
    pub exposed: bool,
    pub requires: Requires,
    /// The header that the key goes into.
    #[schema(example = "x-api-key")]
    pub key_header: String,
    /// The header that the secret goes into.
    #[schema(example = "x-api-secret")]
    pub secret_header: String,
    /// The slugs of the Environments that the key is good in.
    pub environments: Vec<String>,
    /// Its OpenAPI document; null: it has none.
    pub document: Option<ApiDocumentRef>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PortalKey {
    pub id: String,
    pub name: String,
    pub status: Status,
    #[schema(example = "clv_key_Ab3d…9xYz")]
    pub masked: String,
    pub environment: Option<EnvironmentRef>,
    /// What it holds of the API's own permissions.
    pub permissions: Vec<String>,
    pub secret_set: bool,
    /// Whether a secret may be typed; else it is generated.
    pub secret_typed: bool,
}

/// A new secret. Never printed.
#[derive(Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PortalPutSecret)]
pub struct PutSecret {
    /// 20 to 128 characters, not a common one, not the key or the name. Left out: one is generated.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The secret in force; needed where one is set.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub current_secret: Option<String>,
}

impl std::fmt::Debug for PutSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PutSecret")
    }
}

/// The secret is set; the one before it is good no more.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PortalSecret)]
pub struct Secret {
    pub secret_set: bool,
    /// A generated secret, in this answer and nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "clv_secret_…")]
    pub secret: Option<String>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// A call of the API that the link opens, to be made by this server. Never printed.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PortalTry)]
pub struct Try {
    #[schema(example = "GET")]
    pub method: String,
    /// Below the API, with its query.
    #[schema(example = "/orders?status=open")]
    pub path: String,
    /// Further headers; never those of credentials, of connections or of proxies.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub headers: Option<Vec<Header>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The key that the link belongs to.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl std::fmt::Debug for Try {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Try")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PortalHeader)]
pub struct Header {
    #[schema(example = "Accept")]
    pub name: String,
    pub value: String,
}

/// What the call was answered. A redirect is told, not followed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[schema(as = PortalTried)]
pub struct Tried {
    #[schema(example = 200)]
    pub status: u16,
    /// In the order in which they came.
    pub headers: Vec<Header>,
    /// As text, or in Base64 if it is no UTF-8.
    pub body: String,
    pub base64: bool,
    /// Whether the answer was longer, or did not end in time: at most 1 MiB and 15 s.
    pub truncated: bool,
}

impl Portal {
    pub fn new(
        key: &domain::SharedKey,
        api: &Api,
        environments: Vec<String>,
        environment: Option<EnvironmentRef>,
    ) -> Self {
        let settings = &api.settings;
        let holds = |permission: &&_| key.permissions.as_ref().is_none_or(|held| held.contains(*permission));
        Self {
            api: PortalApi {
                slug: api.slug.to_string(),
                name: settings.name.to_string(),
                version: settings.version.as_ref().map(ToString::to_string),
                description: settings.description.as_ref().map(ToString::to_string),
                exposed: api.exposed,
                requires: settings.requires.into(),
                key_header: settings.credential_headers.key().to_owned(),
                secret_header: settings.credential_headers.secret().to_owned(),
                environments,
                document: api.document.as_ref().map(Into::into),
            },
            key: PortalKey {
                id: key.id.to_string(),
                name: key.name.to_string(),
                status: key.status.into(),
                masked: key.masked.as_str().to_owned(),
                environment,
                permissions: settings.permissions.iter().filter(holds).map(ToString::to_string).collect(),
                secret_set: key.secret.is_some(),
                secret_typed: settings.requires != claviger_domain::apis::Requires::Secret,
            },
            link_expires_at: key.portal_link.and_then(|link| link.expires_at).map(|at| at.to_string()),
        }
    }
}
