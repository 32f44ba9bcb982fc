//! Policy templates, and the policy that a Key Set copied from one, on the wire.

use claviger_domain::policy_templates as domain;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::given::given;
use crate::mirror::mirrored;

mirrored! {
    /// Whether the provider accepts each Subscription first.
    Approval = domain::Approval { None, Required, }
    /// What a rate limit counts in.
    RatePeriod = domain::RatePeriod { Second, Minute, Hour, }
    /// What a quota counts in: the UTC day or month.
    QuotaPeriod = domain::QuotaPeriod { Day, Month, }
}

/// A policy template in its present version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyTemplate {
    pub id: String,
    pub organization_id: String,
    pub name: String,
    /// Every edit makes a new one and touches no live Key Set.
    pub version: u32,
    #[serde(flatten)]
    pub policy: Policy,
    #[schema(format = DateTime)]
    pub created_at: String,
    #[schema(format = DateTime)]
    pub updated_at: String,
}

/// The life that a Key has. Durations are ISO 8601.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Policy {
    /// Null: never.
    #[schema(example = "P1Y")]
    pub expires_after: Option<String>,
    /// Null: never.
    #[schema(example = "P90D")]
    pub rotates_every: Option<String>,
    /// How long before its due date the next Key is issued.
    #[schema(example = "P7D")]
    pub rotation_lead: String,
    /// How long the old Key works beside the new one at least.
    #[schema(example = "P3D")]
    pub overlap: String,
    pub manual_regeneration: bool,
    /// Whether credentials can be retrieved again; else they are shown once.
    pub retrievable: bool,
    pub approval: Approval,
    #[schema(example = json!(["P7D", "P1D"]))]
    pub notify_before: Vec<String>,
    pub rate_limit: Option<RateLimit>,
    pub quota: Option<Quota>,
}

/// How many calls a period brings, evenly, and how many may come at once: the burst. For each Key Set or shared key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub limit: i64,
    pub per: RatePeriod,
    /// Left out: as `limit`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub burst: Option<i64>,
}

/// Calls per UTC day or month. For each Key Set or shared key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub limit: i64,
    pub per: QuotaPeriod,
}

/// A body with all members of a policy, each of which may be left out. (Flattening one struct into two
/// would lose the pointer to a wrong field, and let unknown ones pass.)
macro_rules! with_policy {
    ($(#[$doc:meta])* $name:ident as $schema:ident { $($fields:tt)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        #[schema(as = $schema)]
        pub struct $name {
            $($fields)*
            #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
            #[schema(value_type = Option<String>, example = "P1Y")]
            pub expires_after: Option<Option<String>>,
            #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
            #[schema(value_type = Option<String>, example = "P90D")]
            pub rotates_every: Option<Option<String>>,
            #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
            #[schema(example = "P7D")]
            pub rotation_lead: Option<String>,
            #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
            #[schema(example = "P3D")]
            pub overlap: Option<String>,
            #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
            pub manual_regeneration: Option<bool>,
            #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
            pub retrievable: Option<bool>,
            #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
            pub approval: Option<Approval>,
            #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
            #[schema(example = json!(["P7D", "P1D"]))]
            pub notify_before: Option<Vec<String>>,
            #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
            #[schema(value_type = Option<RateLimit>)]
            pub rate_limit: Option<Option<RateLimit>>,
            #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
            #[schema(value_type = Option<Quota>)]
            pub quota: Option<Option<Quota>>,
        }

        impl $name {
            /// What the body says of the policy alone.
            pub fn policy(&self) -> PolicyChange<'_> {
                PolicyChange {
                    expires_after: self.expires_after.as_ref().map(Option::as_deref),
                    rotates_every: self.rotates_every.as_ref().map(Option::as_deref),
                    rotation_lead: self.rotation_lead.as_deref(),
                    overlap: self.overlap.as_deref(),
                    manual_regeneration: self.manual_regeneration,
                    retrievable: self.retrievable,
                    approval: self.approval,
                    notify_before: self.notify_before.as_deref(),
                    rate_limit: self.rate_limit,
                    quota: self.quota,
                }
            }
        }
    };
}

with_policy! {
    /// What is left out is as in the template `Default`.
    Create as PolicyTemplateCreate {
        /// Unique in its Organization.
        pub name: String,
        /// Left out: the caller's own Organization.
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        pub organization_id: Option<String>,
    }
}

with_policy! {
    /// What is left out stays as it is. Every edit makes a new version.
    Update as PolicyTemplateUpdate {
        #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
        pub name: Option<String>,
    }
}

/// The members of a policy that a body names, as typed.
#[derive(Debug, Clone, Copy, Default)]
pub struct PolicyChange<'a> {
    pub expires_after: Option<Option<&'a str>>,
    pub rotates_every: Option<Option<&'a str>>,
    pub rotation_lead: Option<&'a str>,
    pub overlap: Option<&'a str>,
    pub manual_regeneration: Option<bool>,
    pub retrievable: Option<bool>,
    pub approval: Option<Approval>,
    pub notify_before: Option<&'a [String]>,
    pub rate_limit: Option<Option<RateLimit>>,
    pub quota: Option<Option<Quota>>,
}

impl From<&domain::PolicyTemplate> for PolicyTemplate {
    fn from(template: &domain::PolicyTemplate) -> Self {
        Self {
            id: template.id.to_string(),
            organization_id: template.organization_id.to_string(),
            name: template.name.to_string(),
            version: template.version,
            policy: (&template.policy).into(),
            created_at: template.created_at.to_string(),
            updated_at: template.updated_at.to_string(),
        }
    }
}

impl From<&domain::Policy> for Policy {
    fn from(policy: &domain::Policy) -> Self {
        Self {
            expires_after: policy.expires_after.map(|period| period.to_string()),
            rotates_every: policy.rotates_every.map(|period| period.to_string()),
            rotation_lead: policy.rotation_lead.to_string(),
            overlap: policy.overlap.to_string(),
            manual_regeneration: policy.manual_regeneration,
            retrievable: policy.retrievable,
            approval: policy.approval.into(),
            notify_before: policy.notify_before.iter().map(ToString::to_string).collect(),
            rate_limit: policy.rate_limit.map(Into::into),
            quota: policy.quota.map(Into::into),
        }
    }
}

impl From<domain::RateLimit> for RateLimit {
    fn from(limit: domain::RateLimit) -> Self {
        Self { limit: limit.limit.into(), per: limit.per.into(), burst: Some(limit.burst.into()) }
    }
}

impl From<domain::Quota> for Quota {
    fn from(quota: domain::Quota) -> Self {
        Self { limit: quota.limit.into(), per: quota.per.into() }
    }
}
