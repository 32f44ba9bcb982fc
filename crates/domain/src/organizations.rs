//! Organizations: companies and departments; internal, or external partners.

use crate::aggregate::{Aggregate, Misapplied, absent, present};
use crate::event::{EventBody, Subject};
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

impl Aggregate for Organization {
    fn apply(state: Option<Self>, at: Timestamp, body: &EventBody) -> Result<Option<Self>, Misapplied> {
        if let EventBody::OrganizationCreated { organization_id, name, organization_kind } = body {
            absent(state, body)?;
            return Ok(Some(Self {
                id: *organization_id,
                name: name.clone(),
                kind: *organization_kind,
                created_at: at,
            }));
        }
        let mut organization = present(state, body, |it| body.subject() == Subject::Organization(it.id))?;
        match body {
            EventBody::OrganizationUpdated { name, .. } => organization.name = name.clone(),
            EventBody::OrganizationDeleted { .. } => return Ok(None),
            // It happened to the log; the Organization says whose part of it.
            EventBody::LogExported { .. } => {}
            _ => return Err(Misapplied::new(body, "the event is of another noun")),
        }
        Ok(Some(organization))
    }
}
