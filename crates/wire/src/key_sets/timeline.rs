//! The timeline of a Key Set on the wire (product.md D7).

use claviger_domain::id::KeyId;
use claviger_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Past and future in one picture, ascending by actual or else planned date.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Timeline {
    pub items: Vec<TimelineEntry>,
}

/// One milestone of one Key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimelineEntry {
    pub key_id: String,
    pub milestone: Milestone,
    #[schema(format = DateTime)]
    pub planned_at: Option<String>,
    /// Null: it has not come yet.
    #[schema(format = DateTime)]
    pub actual_at: Option<String>,
    /// From planned to actual; null if either is.
    pub delay_seconds: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Milestone {
    Provisioned,
    Rotation,
    Expiration,
    Suspension,
    Activation,
    Revocation,
    Regeneration,
}

impl TimelineEntry {
    pub fn new(
        key_id: KeyId,
        milestone: Milestone,
        planned_at: Option<Timestamp>,
        actual_at: Option<Timestamp>,
    ) -> Self {
        Self {
            key_id: key_id.to_string(),
            milestone,
            planned_at: planned_at.map(|at| at.to_string()),
            actual_at: actual_at.map(|at| at.to_string()),
            delay_seconds: actual_at.zip(planned_at).map(|(actual, planned)| actual.seconds_since(planned)),
        }
    }
}
