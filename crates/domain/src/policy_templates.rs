//! Policies and the templates they are copied from (product.md D3, D16; surface.md, "Bodies").

use crate::aggregate::{Aggregate, Misapplied, absent, present};
use crate::event::{EventBody, Subject};
use crate::id::{OrganizationId, PolicyTemplateId};
use crate::scope::Place;
use crate::text::Name;
use crate::time::{Period, Timestamp};

mod limits;
mod rules;

pub use limits::{CallLimits, QuotaWindow};
pub use rules::MAX_NOTIFICATIONS;

/// A template in its present version. Every edit makes a new one and touches no live Key Set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyTemplate {
    pub id: PolicyTemplateId,
    pub organization_id: OrganizationId,
    pub name: Name,
    pub version: u32,
    pub policy: Policy,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl PolicyTemplate {
    pub const fn place(&self) -> Place {
        Place::organization(self.organization_id)
    }
}

impl Aggregate for PolicyTemplate {
    fn apply(state: Option<Self>, at: Timestamp, body: &EventBody) -> Result<Option<Self>, Misapplied> {
        if let EventBody::PolicyTemplateCreated { policy_template_id, organization_id, name, policy } = body {
            absent(state, body)?;
            return Ok(Some(Self {
                id: *policy_template_id,
                organization_id: *organization_id,
                name: name.clone(),
                version: 1,
                policy: policy.clone(),
                created_at: at,
                updated_at: at,
            }));
        }
        let mut template = present(state, body, |it| body.subject() == Subject::PolicyTemplate(it.id))?;
        match body {
            EventBody::PolicyTemplateUpdated { name, version, policy, .. } => {
                if *version != template.version + 1 {
                    return Err(Misapplied::new(body, "the version does not follow the last one"));
                }
                template.name = name.clone();
                template.version = *version;
                template.policy = policy.clone();
                template.updated_at = at;
            }
            EventBody::PolicyTemplateDeleted { .. } => return Ok(None),
            _ => return Err(Misapplied::new(body, "the event is of another noun")),
        }
        Ok(Some(template))
    }
}

/// One version of one template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct TemplateVersion {
    pub template_id: PolicyTemplateId,
    pub template_version: u32,
}

/// The life that a Key has.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Policy {
    pub expires_after: Option<Period>,
    pub rotates_every: Option<Period>,
    pub rotation_lead: Period,
    pub overlap: Period,
    pub manual_regeneration: bool,
    pub retrievable: bool,
    pub approval: Approval,
    pub notify_before: Vec<Period>,
    pub rate_limit: Option<RateLimit>,
    pub quota: Option<Quota>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    None,
    Required,
}

/// Calls per window, with a burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct RateLimit {
    pub limit: u32,
    pub per: RatePeriod,
    pub burst: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RatePeriod {
    Second,
    Minute,
    Hour,
}

/// Calls per UTC day or month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Quota {
    pub limit: u32,
    pub per: QuotaPeriod,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaPeriod {
    Day,
    Month,
}

/// The greatest `limit` and `burst`.
pub const MAX_LIMIT: u32 = 1_000_000_000;
