//! Service keys on the wire.

use claviger_domain::service_keys::ServiceKey as Domain;
use claviger_domain::usage::LastUse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::given::given;
use crate::scope::{Named, Scope};

/// A key to Claviger's own API.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ServiceKey {
    pub id: String,
    pub organization_id: String,
    pub member_id: Option<String>,
    pub name: String,
    /// `active` or `inactive`.
    pub status: String,
    /// Its beginning and end.
    #[schema(example = "clv_svc_Ab3d…9xYz")]
    pub masked: String,
    #[schema(format = DateTime)]
    pub created_at: String,
    pub created_by: Creator,
    /// Exact to a minute; successful authentications only.
    #[schema(format = DateTime)]
    pub last_used_at: Option<String>,
    /// From which address.
    pub last_used_from: Option<String>,
    pub permission_groups: Vec<Named>,
    pub scope: Scope,
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    pub ip_allow_list: Option<Vec<String>>,
    /// Whether it can do more than the one who made it can now.
    pub exceeds_creator: bool,
    /// The value, in the answer to the act that made it and nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "clv_svc_…")]
    pub key: Option<String>,
}

/// Who made a thing.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Creator {
    /// Null for Claviger itself.
    pub id: Option<String>,
    pub name: String,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ServiceKeyCreate)]
pub struct Create {
    pub name: String,
    /// At least one.
    pub permission_group_ids: Vec<String>,
    /// Left out: the caller's own.
    #[serde(default)]
    pub scope: Option<Scope>,
    /// Left out: the caller's member.
    #[serde(default)]
    pub member_id: Option<String>,
    #[serde(default)]
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// Addresses and ranges from which it is good.
    #[serde(default)]
    pub ip_allow_list: Option<Vec<String>>,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ServiceKeyUpdate)]
pub struct Update {
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ServiceKeyPutPermissionGroups)]
pub struct PutPermissionGroups {
    /// At least one.
    pub permission_group_ids: Vec<String>,
}

impl ServiceKey {
    pub fn new(key: &Domain, groups: Vec<Named>, last_used: Option<LastUse>, exceeds_creator: bool) -> Self {
        Self {
            id: key.id.to_string(),
            organization_id: key.organization_id.to_string(),
            member_id: key.member_id.map(|id| id.to_string()),
            name: key.name.to_string(),
            status: key.status.as_str().to_owned(),
            masked: key.masked.as_str().to_owned(),
            created_at: key.created_at.to_string(),
            created_by: Creator { id: key.created_by.id.clone(), name: key.created_by.name.clone() },
            last_used_at: last_used.map(|used| used.at.to_string()),
            last_used_from: last_used.and_then(|used| used.source).map(|source| source.to_string()),
            permission_groups: groups,
            scope: (&key.scope).into(),
            expires_at: key.expires_at.map(|at| at.to_string()),
            ip_allow_list: key
                .ip_allow_list
                .as_ref()
                .map(|list| list.iter().map(ToString::to_string).collect()),
            exceeds_creator,
            key: None,
        }
    }
}
