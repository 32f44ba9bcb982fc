//! Groups on the wire.

use claviger_domain::groups::Group as Domain;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::given::given;

/// A team of an Organization.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Group {
    pub id: String,
    pub organization_id: String,
    pub name: String,
    #[schema(format = DateTime)]
    pub created_at: String,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GroupCreate)]
pub struct Create {
    /// Unique in its Organization.
    pub name: String,
    /// Left out: the caller's own Organization.
    #[serde(default)]
    pub organization_id: Option<String>,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GroupUpdate)]
pub struct Update {
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl From<&Domain> for Group {
    fn from(group: &Domain) -> Self {
        Self {
            id: group.id.to_string(),
            organization_id: group.organization_id.to_string(),
            name: group.name.to_string(),
            created_at: group.created_at.to_string(),
        }
    }
}
