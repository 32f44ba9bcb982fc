//! Where a right holds, on the wire; and how one thing names another.

use claviger_domain::scope::Scope as Domain;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Everything (all three null), an Organization, or a Group; optionally one Environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    #[serde(default)]
    pub organization_id: Option<String>,
    #[serde(default)]
    pub group_id: Option<String>,
    /// An id, or where it is asked for, a slug.
    #[serde(default)]
    pub environment_id: Option<String>,
}

/// Another thing, by id and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Named {
    pub id: String,
    pub name: String,
}

impl From<&Domain> for Scope {
    fn from(scope: &Domain) -> Self {
        Self {
            organization_id: scope.organization_id.map(|id| id.to_string()),
            group_id: scope.group_id.map(|id| id.to_string()),
            environment_id: scope.environment_id.map(|id| id.to_string()),
        }
    }
}
