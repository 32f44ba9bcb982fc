//! Organizations: companies and departments; internal, or external partners.

use crate::id::OrganizationId;
use crate::text::Name;
use crate::time::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrganizationKind {
    Internal,
    External,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    pub id: OrganizationId,
    pub name: Name,
    pub kind: OrganizationKind,
    pub created_at: Timestamp,
}
