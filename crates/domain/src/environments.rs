//! Environments, such as `sandbox` and `production`. They belong to the instance.

use crate::id::EnvironmentId;
use crate::text::{Name, Slug};
use crate::time::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    pub id: EnvironmentId,
    pub slug: Slug,
    pub name: Name,
    pub created_at: Timestamp,
}
