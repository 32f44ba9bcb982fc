//! What lifecycle acts take, and what is told before one (product.md G3).

use claviger_domain::refusal::User;
use claviger_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::given::given;
use crate::scope::Named;

/// The body of a lifecycle act; an empty one is the same as `{}`.
#[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Act {
    /// Why, for the log. Up to 1,000 characters.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What an act would break. It warns; the act is not blocked by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Impact {
    /// Calls let through in the last 24 hours.
    pub calls_24h: u64,
    #[schema(format = DateTime)]
    pub last_used_at: Option<String>,
    /// What would no longer work.
    pub breaks: Vec<Named>,
}

impl Impact {
    pub fn new(calls_24h: u64, last_used_at: Option<Timestamp>, breaks: Vec<Named>) -> Self {
        Self { calls_24h, last_used_at: last_used_at.map(|at| at.to_string()), breaks }
    }
}

impl From<User> for Named {
    fn from(user: User) -> Self {
        Self { id: user.id, name: user.name }
    }
}
