//! Key Sets on the wire: the credentials of one Application in one Environment, as a chain of Keys.

use claviger_domain::key_sets as domain;
use claviger_domain::time::Timestamp;
use claviger_domain::usage::LastUse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::apis::AuthType;
use crate::environments::EnvironmentRef;
use crate::given::given;
use crate::mirror::mirrored;
use crate::policy_templates::Policy;
use crate::problem::UserOfIt;
use crate::scope::Named;
use crate::subscriptions::{ApiRef, SubscriptionRef};

mod timeline;
pub use timeline::{Milestone, Timeline, TimelineEntry};

mirrored! {
    /// The status of a Key, and of a Key Set, whose status is that of its LATEST Key.
    #[schema(as = KeySetStatus)]
    Status = domain::KeyStatus { Pending, Active, Suspended, Revoked, Expired, }
    /// Why a Key ended.
    EndReason = domain::EndReason { Revoked, Regenerated, Rotated, Issued, Expired, }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeySet {
    pub id: String,
    pub name: String,
    pub status: Status,
    pub auth_type: AuthType,
    pub application: Named,
    pub organization: Named,
    pub group_id: String,
    pub environment: EnvironmentRef,
    pub policy: KeySetPolicy,
    /// Ascending by generation; the last is LATEST.
    pub keys: Vec<Key>,
    /// The APIs that it opens now.
    pub authorized_apis: Vec<ApiRef>,
    /// The Pending and Active Subscriptions that use it. None: it is unused.
    pub subscriptions: Vec<SubscriptionRef>,
    pub enforcement: Enforcement,
    /// The acts that are allowed now, to this caller.
    pub can: Vec<String>,
    #[schema(format = DateTime)]
    pub created_at: String,
    /// The value of a Key newly issued under a shown-once policy: in this answer and nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Vec<Credentials>>,
}

/// The policy as it was copied from its template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeySetPolicy {
    #[serde(flatten)]
    pub policy: Policy,
    pub template_id: String,
    pub template_version: u32,
}

/// One generation of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Key {
    pub id: String,
    pub generation: u32,
    pub latest: bool,
    pub status: Status,
    #[schema(example = "clv_key_Ab3d…9xYz")]
    pub masked: String,
    #[schema(format = DateTime)]
    pub created_at: String,
    /// Null while pending.
    #[schema(format = DateTime)]
    pub provisioned_at: Option<String>,
    #[schema(format = DateTime)]
    pub rotation_due_at: Option<String>,
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// When it stops working because a newer Key took its place.
    #[schema(format = DateTime)]
    pub retires_at: Option<String>,
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
    pub end_reason: Option<EndReason>,
    /// Exact to a minute.
    #[schema(format = DateTime)]
    pub last_used_at: Option<String>,
    /// From which address.
    pub last_used_from: Option<String>,
}

/// Whether every node has heard of the last change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Enforcement {
    pub state: EnforcementState,
    /// Where in the log the set last changed.
    pub position: i64,
    pub nodes_behind: Vec<NodeBehind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnforcementState {
    Enforced,
    Waiting,
}

/// A node that has not confirmed the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeBehind {
    pub id: String,
    pub name: String,
    pub position: i64,
    pub behind_seconds: i64,
}

/// A Key's value, told once. For `basic` the key is the username and the secret the password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Credentials {
    pub key_set_id: String,
    pub key_id: String,
    #[schema(example = "clv_key_…")]
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "clv_secret_…")]
    pub secret: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({})", self.key_id)
    }
}

/// A Key's value, retrieved.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Retrieved {
    pub key_id: String,
    #[schema(example = "clv_key_…")]
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "clv_secret_…")]
    pub secret: Option<String>,
    /// For `basic`: the same as `key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// For `basic`: the same as `secret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

impl std::fmt::Debug for Retrieved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Retrieved({})", self.key_id)
    }
}

#[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeySetUpdate)]
pub struct Update {
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeySetPutPolicy)]
pub struct PutPolicy {
    /// The template whose present version is copied.
    pub policy_template_id: String,
    /// Whether the live Key gets new dates, counted from its start.
    #[serde(default)]
    pub enforce_schedule: bool,
}

/// One act on many Key Sets.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeySetBulk)]
pub struct Bulk {
    pub act: BulkAct,
    /// 1 to 1,000, none twice.
    pub ids: Vec<String>,
    /// Why, for the log. Up to 1,000 characters.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BulkAct {
    Suspend,
    Activate,
    Regenerate,
    Revoke,
    Issue,
}

/// One outcome for each id, in the order asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkOutcomes {
    pub items: Vec<BulkOutcome>,
}

/// What became of one Key Set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkOutcome {
    pub id: String,
    pub done: bool,
    /// The Key Set after the act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_set: Option<Box<KeySet>>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<BulkRefusal>,
}

/// A refusal inside a bulk answer, with the members that its code has in a problem.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BulkRefusal {
    #[schema(example = "invalid_transition")]
    pub code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<UserOfIt>>,
}

/// An API that a Key Set opens, with the Subscription by which it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuthorizedApi {
    pub id: String,
    pub slug: String,
    pub name: String,
    pub organization: Named,
    pub subscription_id: String,
    /// What is held of the API's own permissions.
    pub permissions: Vec<String>,
    pub exposed: bool,
}

/// The APIs that a Key Set opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuthorizedApis {
    pub items: Vec<AuthorizedApi>,
}

/// What stands around a Key Set in other tables.
#[derive(Debug, Clone)]
pub struct Around {
    pub application: Named,
    pub organization: Named,
    pub environment: EnvironmentRef,
    pub authorized_apis: Vec<ApiRef>,
    pub subscriptions: Vec<SubscriptionRef>,
    pub enforcement: Enforcement,
    pub can: Vec<String>,
    /// By Key, where one was used.
    pub last_used: Vec<(claviger_domain::id::KeyId, LastUse)>,
}

impl KeySet {
    pub fn new(set: &domain::KeySet, around: Around, now: Timestamp) -> Self {
        let latest = set.latest().map(|key| key.id);
        let used = |id| around.last_used.iter().find(|(key, _)| *key == id).map(|(_, used)| *used);
        Self {
            id: set.id.to_string(),
            name: set.name.to_string(),
            status: set.status(now).into(),
            auth_type: set.auth_type.into(),
            keys: set
                .keys
                .iter()
                .map(|key| Key::new(key, set.key_status(key, now), latest == Some(key.id), used(key.id), now))
                .collect(),
            application: around.application,
            organization: around.organization,
            group_id: set.group_id.to_string(),
            environment: around.environment,
            policy: KeySetPolicy {
                policy: (&set.policy).into(),
                template_id: set.template.template_id.to_string(),
                template_version: set.template.template_version,
            },
            authorized_apis: around.authorized_apis,
            subscriptions: around.subscriptions,
            enforcement: around.enforcement,
            can: around.can,
            created_at: set.created_at.to_string(),
            credentials: None,
        }
    }
}

impl Key {
    fn new(
        key: &domain::Key,
        status: domain::KeyStatus,
        latest: bool,
        last_used: Option<LastUse>,
        now: Timestamp,
    ) -> Self {
        let schedule = key.schedule.as_ref();
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        // The clock ends a Key before anything records it; people are told when it stopped working.
        let by_the_clock = key.stopped(now).and_then(|_| key.stops_at());
        Self {
            id: key.id.to_string(),
            generation: key.generation,
            latest,
            status: status.into(),
            masked: key.masked.as_str().to_owned(),
            created_at: key.created_at.to_string(),
            provisioned_at: text(schedule.map(|schedule| schedule.provisioned_at)),
            rotation_due_at: text(schedule.and_then(|schedule| schedule.rotation_due_at)),
            expires_at: text(schedule.and_then(|schedule| schedule.expires_at)),
            retires_at: text(key.retirement.map(|retirement| retirement.retires_at)),
            ended_at: text(key.ended.map(|ended| ended.ended_at).or(by_the_clock)),
            end_reason: key.stopped(now).map(Into::into),
            last_used_at: text(last_used.map(|used| used.at)),
            last_used_from: last_used.and_then(|used| used.source).map(|source| source.to_string()),
        }
    }
}
