//! Subscriptions: one Application's right to call one API in one Environment (product.md D1, D4, D17).

use crate::aggregate::{Aggregate, Misapplied, absent, present};
use crate::apis::ApiPermission;
use crate::event::{EventBody, Subject, SubscriptionTerms};
use crate::id::{ApiId, ApplicationId, EnvironmentId, GroupId, KeySetId, OrganizationId, SubscriptionId};
use crate::scope::Place;
use crate::text::Note;
use crate::time::Timestamp;

mod lifecycle;
mod reuse;

pub use lifecycle::{SubscriptionAct, UsedSet, subset_of};
pub use reuse::{Candidate, Wanted, default_name};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub id: SubscriptionId,
    pub application_id: ApplicationId,
    /// Where the Application stands: the consumer's side.
    pub organization_id: OrganizationId,
    pub group_id: GroupId,
    pub api_id: ApiId,
    /// Where the API stands: the provider's side.
    pub api_organization_id: OrganizationId,
    pub api_group_id: GroupId,
    pub environment_id: EnvironmentId,
    pub status: SubscriptionStatus,
    /// What of the API's own permissions it holds; `None`: all of them, also those added later.
    pub permissions: Option<Vec<ApiPermission>>,
    pub note: Option<Note>,
    /// The Key Sets made or reused for it, at subscribe and at each `renew`.
    pub key_set_ids: Vec<KeySetId>,
    pub created_at: Timestamp,
    pub decided_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// When a Pending one lapses (product.md D4).
    pub lapses_at: Option<Timestamp>,
}

impl Subscription {
    pub const fn consumer_place(&self) -> Place {
        Place::group(self.organization_id, self.group_id).in_environment(self.environment_id)
    }

    pub const fn provider_place(&self) -> Place {
        Place::group(self.api_organization_id, self.api_group_id).in_environment(self.environment_id)
    }
}

impl Aggregate for Subscription {
    fn apply(state: Option<Self>, at: Timestamp, body: &EventBody) -> Result<Option<Self>, Misapplied> {
        if let EventBody::SubscriptionCreated { subscription_id, terms } = body {
            absent(state, body)?;
            return Ok(Some(Self::begun(*subscription_id, at, terms)));
        }
        let mut subscription = present(state, body, |it| body.subject() == Subject::Subscription(it.id))?;
        match body {
            EventBody::SubscriptionAccepted { .. } => subscription.decided(at, SubscriptionStatus::Active),
            EventBody::SubscriptionRejected { .. } => subscription.decided(at, SubscriptionStatus::Rejected),
            EventBody::SubscriptionLapsed { .. } | EventBody::SubscriptionEnded { .. } => {
                subscription.status = SubscriptionStatus::Ended;
                subscription.ended_at = Some(at);
                subscription.lapses_at = None;
            }
            EventBody::SubscriptionUpdated { permissions, .. } => {
                subscription.permissions.clone_from(permissions);
            }
            EventBody::SubscriptionRenewed { key_set_ids, .. } => {
                subscription.key_set_ids.clone_from(key_set_ids);
            }
            _ => return Err(Misapplied::new(body, "the event is of another noun")),
        }
        Ok(Some(subscription))
    }
}

impl Subscription {
    fn begun(id: SubscriptionId, at: Timestamp, terms: &SubscriptionTerms) -> Self {
        Self {
            id,
            application_id: terms.application_id,
            organization_id: terms.organization_id,
            group_id: terms.group_id,
            api_id: terms.api_id,
            api_organization_id: terms.api_organization_id,
            api_group_id: terms.api_group_id,
            environment_id: terms.environment_id,
            status: if terms.pending { SubscriptionStatus::Pending } else { SubscriptionStatus::Active },
            permissions: terms.permissions.clone(),
            note: terms.note.clone(),
            key_set_ids: terms.key_set_ids.clone(),
            created_at: at,
            decided_at: None,
            ended_at: None,
            lapses_at: terms.lapses_at,
        }
    }

    fn decided(&mut self, at: Timestamp, status: SubscriptionStatus) {
        self.status = status;
        self.decided_at = Some(at);
        self.lapses_at = None;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStatus {
    Pending,
    Active,
    Rejected,
    Ended,
}

impl SubscriptionStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Rejected => "rejected",
            Self::Ended => "ended",
        }
    }

    /// Pending or Active.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Pending | Self::Active)
    }
}

/// At most so many Pending Subscriptions per Application (product.md D4).
pub const MAX_PENDING_PER_APPLICATION: u32 = 20;
/// A Pending Subscription lapses after so many days (product.md D4).
pub const LAPSES_AFTER_DAYS: i32 = 30;
