//! Shared keys on the wire: given directly to a named customer of one API (product.md C3 to C8).

use claviger_domain::shared_keys as domain;
use claviger_domain::usage::LastUse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::environments::EnvironmentRef;
use crate::given::given;
use crate::mirror::mirrored;
use crate::policy_templates::RateLimit;
use crate::subscriptions::ApiRef;

mirrored! {
    /// The section: inside the Organization (key and secret) or outside (key; its secret is set through the
    /// portal link).
    Audience = domain::Audience { Inside, Outside, }
    #[schema(as = SharedKeyStatus)]
    Status = domain::SharedKeyStatus { Active, Disabled, }
}

/// A key given directly to a named customer of one API.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SharedKey {
    pub id: String,
    pub name: String,
    pub audience: Audience,
    pub status: Status,
    /// Its beginning and end.
    #[schema(example = "clv_key_Ab3d…9xYz")]
    pub masked: String,
    pub api: ApiRef,
    /// The one Environment it is good in; null: every Environment of its API.
    pub environment: Option<EnvironmentRef>,
    /// What it holds of the API's own permissions; null: all of them, also those added later.
    pub permissions: Option<Vec<String>>,
    pub rate_limit: Option<RateLimit>,
    pub ip_allow_list: Option<Vec<String>>,
    pub secret_set: bool,
    /// Whether its credentials can be retrieved again; else they were shown once.
    pub retrievable: bool,
    /// Null where none was made, or it was withdrawn.
    pub portal_link: Option<PortalLinkState>,
    /// The acts that are allowed now.
    pub can: Vec<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it was last let through, to the minute.
    #[schema(format = DateTime)]
    pub last_used_at: Option<String>,
    /// From which address.
    pub last_used_from: Option<String>,
    /// The key, in the answer to the act that made it and nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "clv_key_…")]
    pub key: Option<String>,
    /// The secret, in the answer to the act that made it and nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "clv_secret_…")]
    pub secret: Option<String>,
}

impl std::fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SharedKey({})", self.id)
    }
}

/// The portal link as its owner sees it ever after: not its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PortalLinkState {
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Null: it is good until it is withdrawn.
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SharedKeyCreate)]
pub struct Create {
    /// 1 to 100 characters, unique in its section of the API.
    pub name: String,
    pub audience: Audience,
    /// The one Environment it is good in, by id or slug. Left out: every Environment of the API.
    #[serde(default)]
    pub environment_id: Option<String>,
    /// A part of the API's own permissions. Left out: all of them, also those added later.
    #[serde(default)]
    pub permissions: Option<Vec<String>>,
    #[serde(default)]
    pub rate_limit: Option<RateLimit>,
    /// The only networks it is good from. Left out: any.
    #[serde(default)]
    pub ip_allow_list: Option<Vec<String>>,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SharedKeyUpdate)]
pub struct Update {
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Null: all of the API's own permissions, also those added later.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub permissions: Option<Option<Vec<String>>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<RateLimit>)]
    pub rate_limit: Option<Option<RateLimit>>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub ip_allow_list: Option<Option<Vec<String>>>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SharedKeyPostPortalLink)]
pub struct PostPortalLink {
    /// Left out: the link is good until it is withdrawn.
    #[serde(default)]
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// Why, for the log. Up to 1,000 characters.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A new portal link; the old one is good no more.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PortalLink {
    /// In this answer and nowhere else. The token is in the fragment, which browsers send nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://keys.example.com/portal#clv_portal_…")]
    pub url: Option<String>,
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
}

impl std::fmt::Debug for PortalLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PortalLink")
    }
}

/// The credentials of a shared key, retrieved.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SharedKeyRetrieved)]
pub struct Retrieved {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "clv_key_…")]
    pub key: Option<String>,
    /// Of an inside key alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "clv_secret_…")]
    pub secret: Option<String>,
}

impl std::fmt::Debug for Retrieved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Retrieved")
    }
}

impl SharedKey {
    pub fn new(
        key: &domain::SharedKey,
        api: ApiRef,
        environment: Option<EnvironmentRef>,
        last_used: Option<LastUse>,
    ) -> Self {
        let texts = |list: &Vec<_>| list.iter().map(ToString::to_string).collect();
        Self {
            id: key.id.to_string(),
            name: key.name.to_string(),
            audience: key.audience.into(),
            status: key.status.into(),
            masked: key.masked.as_str().to_owned(),
            api,
            environment,
            permissions: key.permissions.as_ref().map(texts),
            rate_limit: key.rate_limit.map(Into::into),
            ip_allow_list: key
                .ip_allow_list
                .as_ref()
                .map(|list| list.iter().map(ToString::to_string).collect()),
            secret_set: key.secret.is_some(),
            retrievable: key.retrievable,
            portal_link: key.portal_link.map(|link| PortalLinkState {
                created_at: link.created_at.to_string(),
                expires_at: link.expires_at.map(|at| at.to_string()),
            }),
            can: key.allowed_acts().into_iter().map(|act| act.as_str().to_owned()).collect(),
            created_at: key.created_at.to_string(),
            last_used_at: last_used.map(|used| used.at.to_string()),
            last_used_from: last_used.and_then(|used| used.source).map(|source| source.to_string()),
            key: None,
            secret: None,
        }
    }
}
