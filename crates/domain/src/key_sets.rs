//! Key Sets: the credentials of one Application in one Environment for one auth type under one policy,
//! as a chain of Keys (product.md D). Here stand their shape and the questions that take a time;
//! `lifecycle` decides acts, `schedule` what the clock demands, `fold` applies events, `timeline`
//! tells the story.

use crate::apis::AuthType;
use crate::credential::Masked;
use crate::id::{ApplicationId, EnvironmentId, GroupId, KeyId, KeySetId, OrganizationId};
use crate::policy_templates::{Policy, TemplateVersion};
use crate::scope::Place;
use crate::text::Name;
use crate::time::Timestamp;

mod deciding;
mod fold;
mod lifecycle;
mod schedule;
mod timeline;

pub use deciding::DecidingKey;
pub use lifecycle::{Act, Facts, Opening, Retrieval};
pub use schedule::{CatchUpError, FreshKey, MAX_GENERATIONS_PER_RUN};
pub use timeline::{Milestone, TimelineItem};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet {
    pub id: KeySetId,
    pub name: Name,
    pub organization_id: OrganizationId,
    pub group_id: GroupId,
    pub application_id: ApplicationId,
    pub environment_id: EnvironmentId,
    pub auth_type: AuthType,
    pub policy: Policy,
    pub template: TemplateVersion,
    /// Set while the set is Suspended, with who did it: activating an Application brings back only what
    /// suspending it took (product.md D9).
    pub suspended_by: Option<SuspendedBy>,
    /// Ascending by generation; the last is LATEST. Never empty once the first Key is issued.
    pub keys: Vec<Key>,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SuspendedBy {
    Hand,
    Application,
}

/// One generation of a Key Set's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub id: KeyId,
    pub generation: u32,
    pub masked: Masked,
    pub issued_by: IssueCause,
    pub custody: Custody,
    pub created_at: Timestamp,
    /// When it ought to have been issued, if rotation issued it.
    pub planned_at: Option<Timestamp>,
    /// `None` while Pending.
    pub schedule: Option<Schedule>,
    /// When it stops working because a newer Key took its place, and why.
    pub retirement: Option<Retirement>,
    /// Set once its end is recorded. The clock may have ended it before: ask `status`.
    pub ended: Option<Ended>,
}

/// The dates of a Key, all counted from its start (product.md D11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Schedule {
    /// What the due dates count from: `provisioned_at`, or the old Key's `rotation_due_at`.
    pub start: Timestamp,
    pub provisioned_at: Timestamp,
    pub rotation_due_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Retirement {
    pub retires_at: Timestamp,
    pub reason: EndReason,
}

/// A recorded end. `ended_at` is when the Key stopped working, which the record may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Ended {
    pub ended_at: Timestamp,
    pub planned_at: Option<Timestamp>,
    pub reason: EndReason,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    Revoked,
    Regenerated,
    Rotated,
    /// A new Key was issued on a set whose LATEST was dead while an older one still lived.
    Issued,
    Expired,
}

impl EndReason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Regenerated => "regenerated",
            Self::Rotated => "rotated",
            Self::Issued => "issued",
            Self::Expired => "expired",
        }
    }
}

/// What issued a Key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssueCause {
    Subscribed,
    Rotated,
    Regenerated,
    Issued,
}

/// Whether a Key's value can be had again (product.md D8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Custody {
    /// Sealed; retrieved as often as is permitted.
    Retrievable,
    /// Sealed until it is retrieved once: the scheduler issued it and nobody saw it.
    Once,
    /// Shown in the answer to the act that issued it, and nowhere else; or retrieved once.
    Shown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyStatus {
    Pending,
    Active,
    Suspended,
    Revoked,
    Expired,
}

impl KeyStatus {
    pub const ALL: [Self; 5] = [Self::Pending, Self::Active, Self::Suspended, Self::Revoked, Self::Expired];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }

    /// Neither Revoked nor Expired.
    pub const fn is_living(self) -> bool {
        matches!(self, Self::Pending | Self::Active | Self::Suspended)
    }
}

impl KeySet {
    /// Where it stands: its Application's Group, in its Environment.
    pub const fn place(&self) -> Place {
        Place::group(self.organization_id, self.group_id).in_environment(self.environment_id)
    }

    pub fn latest(&self) -> Option<&Key> {
        self.keys.last()
    }

    pub fn key(&self, id: KeyId) -> Option<&Key> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// The set's status: that of its LATEST Key.
    pub fn status(&self, now: Timestamp) -> KeyStatus {
        self.latest().map_or(KeyStatus::Pending, |key| self.key_status(key, now))
    }

    /// The status of one of its Keys, the clock included: `expires_at` and `retires_at` bind whether or
    /// not anything recorded them (product.md D11, D12).
    pub fn key_status(&self, key: &Key, now: Timestamp) -> KeyStatus {
        match key.stopped(now) {
            Some(EndReason::Expired) => KeyStatus::Expired,
            Some(_) => KeyStatus::Revoked,
            None if key.schedule.is_none() => KeyStatus::Pending,
            None if self.suspended_by.is_some() => KeyStatus::Suspended,
            None => KeyStatus::Active,
        }
    }

    /// The Keys that are neither Revoked nor Expired: two at most.
    pub fn living(&self, now: Timestamp) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(move |key| key.stopped(now).is_none())
    }
}

impl Key {
    /// Why the Key no longer works at `now`, if it doesn't.
    pub fn stopped(&self, now: Timestamp) -> Option<EndReason> {
        let by_clock = || self.clock_end().filter(|(at, _)| *at <= now).map(|(_, reason)| reason);
        self.ended.map(|ended| ended.reason).or_else(by_clock)
    }

    /// When the clock will end it, whatever else happens.
    pub fn stops_at(&self) -> Option<Timestamp> {
        self.clock_end().map(|(at, _)| at)
    }
}
