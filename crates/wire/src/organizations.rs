//! Organizations on the wire.

use claviger_domain::organizations::{Organization as Domain, OrganizationKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::given::given;

/// A company or department.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Organization {
    #[schema(example = "org_01k0vd4ntxe2ra9qv8bm4c4y3e")]
    pub id: String,
    #[schema(example = "Acme")]
    pub name: String,
    pub kind: Kind,
    #[schema(format = DateTime)]
    pub created_at: String,
}

/// Of the company itself, or a partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OrganizationKind)]
pub enum Kind {
    Internal,
    External,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrganizationCreate)]
pub struct Create {
    /// 1 to 100 characters of ordinary text.
    pub name: String,
    /// Left out: `internal`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrganizationUpdate)]
pub struct Update {
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl From<&Domain> for Organization {
    fn from(organization: &Domain) -> Self {
        Self {
            id: organization.id.to_string(),
            name: organization.name.to_string(),
            kind: organization.kind.into(),
            created_at: organization.created_at.to_string(),
        }
    }
}

impl From<OrganizationKind> for Kind {
    fn from(kind: OrganizationKind) -> Self {
        match kind {
            OrganizationKind::Internal => Self::Internal,
            OrganizationKind::External => Self::External,
        }
    }
}

impl From<Kind> for OrganizationKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Internal => Self::Internal,
            Kind::External => Self::External,
        }
    }
}
