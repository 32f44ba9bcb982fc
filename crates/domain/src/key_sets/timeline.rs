//! A Key Set's story: what was planned and what happened, past and future in one picture (product.md
//! D7; surface.md, "Timeline").

use super::{EndReason, Key, KeySet};
use crate::event::EventBody;
use crate::id::KeyId;
use crate::time::Timestamp;

/// One line of the story. At least one of the two dates is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimelineItem {
    pub key_id: KeyId,
    pub milestone: Milestone,
    pub planned_at: Option<Timestamp>,
    /// None while it lies ahead.
    pub actual_at: Option<Timestamp>,
}

/// Declared in the order in which they stand if they fall on the same instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Milestone {
    Provisioned,
    Suspension,
    Activation,
    Rotation,
    Regeneration,
    Revocation,
    Expiration,
}

impl Milestone {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provisioned => "provisioned",
            Self::Suspension => "suspension",
            Self::Activation => "activation",
            Self::Rotation => "rotation",
            Self::Regeneration => "regeneration",
            Self::Revocation => "revocation",
            Self::Expiration => "expiration",
        }
    }
}

impl TimelineItem {
    /// How much later than planned it happened, negative if earlier.
    pub fn delay_seconds(&self) -> Option<i64> {
        Some(self.actual_at?.seconds_since(self.planned_at?))
    }

    fn stands_at(&self) -> Option<Timestamp> {
        self.actual_at.or(self.planned_at)
    }
}

impl KeySet {
    /// The story as it stands at `now`, ascending by the actual date or else the planned one. `events`
    /// are the set's own, in the order of the log, each with its instant.
    pub fn timeline<'a>(
        &self,
        events: impl IntoIterator<Item = (Timestamp, &'a EventBody)>,
        now: Timestamp,
    ) -> Vec<TimelineItem> {
        let mut items: Vec<TimelineItem> = self.keys.iter().flat_map(|key| key.milestones(now)).collect();
        items.extend(suspensions(events));
        items.sort_by_key(|item| (item.stands_at(), item.milestone, item.key_id));
        items
    }
}

impl Key {
    fn milestones(&self, now: Timestamp) -> Vec<TimelineItem> {
        let item = |milestone, planned_at, actual_at| TimelineItem {
            key_id: self.id,
            milestone,
            planned_at,
            actual_at,
        };
        let mut items = Vec::new();
        if let Some(schedule) = self.schedule {
            items.push(item(Milestone::Provisioned, self.planned_at, Some(schedule.provisioned_at)));
        }
        match self.end(now) {
            Some((reason, planned_at, ended_at)) => {
                let ends = milestones_of(reason).iter();
                items.extend(ends.map(|milestone| item(*milestone, planned_at, ended_at)));
            }
            None => {
                let schedule = self.schedule;
                if let Some(due) = schedule.and_then(|schedule| schedule.rotates_at()) {
                    items.push(item(Milestone::Rotation, Some(due), None));
                }
                if let Some(expires_at) = schedule.and_then(|schedule| schedule.expires_at) {
                    items.push(item(Milestone::Expiration, Some(expires_at), None));
                }
            }
        }
        items
    }

    /// The end that came, by record or by the clock, or that a retirement has set: why, planned, actual.
    fn end(&self, now: Timestamp) -> Option<(EndReason, Option<Timestamp>, Option<Timestamp>)> {
        if let Some(ended) = self.ended.or_else(|| self.ended_by_clock(now)) {
            return Some((ended.reason, ended.planned_at, Some(ended.ended_at)));
        }
        let retirement = self.retirement?;
        Some((retirement.reason, self.planned_end(retirement.reason), None))
    }
}

/// A regenerated Key is revoked, and the timeline shows both (product.md D10).
const fn milestones_of(reason: EndReason) -> &'static [Milestone] {
    match reason {
        EndReason::Rotated => &[Milestone::Rotation],
        EndReason::Expired => &[Milestone::Expiration],
        EndReason::Regenerated => &[Milestone::Regeneration, Milestone::Revocation],
        EndReason::Revoked | EndReason::Issued => &[Milestone::Revocation],
    }
}

/// Suspensions and activations, each on the Key that was LATEST then.
fn suspensions<'a>(events: impl IntoIterator<Item = (Timestamp, &'a EventBody)>) -> Vec<TimelineItem> {
    let mut latest = None;
    let mut items = Vec::new();
    for (at, body) in events {
        let milestone = match body {
            EventBody::KeyIssued { key, .. } => {
                latest = Some(key.key_id);
                continue;
            }
            EventBody::KeySetSuspended { .. } => Milestone::Suspension,
            EventBody::KeySetActivated { .. } => Milestone::Activation,
            _ => continue,
        };
        items.extend(latest.map(|key_id| TimelineItem {
            key_id,
            milestone,
            planned_at: None,
            actual_at: Some(at),
        }));
    }
    items
}
