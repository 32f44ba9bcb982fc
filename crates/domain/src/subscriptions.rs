//! Subscriptions: one Application's right to call one API in one Environment (product.md D1, D4, D17).

use crate::apis::ApiPermission;
use crate::id::{ApiId, ApplicationId, EnvironmentId, GroupId, KeySetId, OrganizationId, SubscriptionId};
use crate::scope::Place;
use crate::text::Note;
use crate::time::Timestamp;

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
