//! Environments on the wire.

use claviger_domain::environments::Environment as Domain;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::given::given;

/// Where an API is offered and a key is valid.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Environment {
    pub id: String,
    #[schema(example = "sandbox")]
    pub slug: String,
    pub name: String,
    #[schema(format = DateTime)]
    pub created_at: String,
}

/// An Environment named inside another object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnvironmentRef {
    pub id: String,
    pub slug: String,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EnvironmentCreate)]
pub struct Create {
    /// `[a-z0-9][a-z0-9-]{0,62}`; it never changes.
    pub slug: String,
    pub name: String,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = EnvironmentUpdate)]
pub struct Update {
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl From<&Domain> for Environment {
    fn from(environment: &Domain) -> Self {
        Self {
            id: environment.id.to_string(),
            slug: environment.slug.to_string(),
            name: environment.name.to_string(),
            created_at: environment.created_at.to_string(),
        }
    }
}

impl From<&Domain> for EnvironmentRef {
    fn from(environment: &Domain) -> Self {
        Self { id: environment.id.to_string(), slug: environment.slug.to_string() }
    }
}
