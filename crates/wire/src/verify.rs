//! "May this call pass?" on the wire (product.md F; surface.md, "Deciding").

use std::fmt;

use claviger_domain::decision::Code;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::given::given;
use crate::scope::Named;

/// One call to be decided on.
#[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = VerifyQuestion)]
pub struct Question {
    /// What was presented; nothing at all is `missing`.
    #[serde(default)]
    pub credential: Presented,
    /// The API's slug or id. Left out: the credential alone is judged, if it is of the caller's Organization.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub api: Option<String>,
    /// The Environment's slug or id. Left out: that of the credential.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The API's own permissions that the call needs.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<String>>,
    /// The client's address.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// How much of a limit the call uses up. Left out: 1.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    pub cost: Option<i64>,
}

/// A credential as it came with a call. Never printed.
#[derive(Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = VerifyCredential)]
pub struct Presented {
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(example = "clv_key_…")]
    pub key: Option<String>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(example = "clv_secret_…")]
    pub secret: Option<String>,
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presented")
    }
}

/// Many calls at once, 1 to 1,000.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = VerifyBatch)]
pub struct Batch {
    pub items: Vec<Question>,
}

/// One decision for each question, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = VerifyDecisions)]
pub struct Decisions {
    pub items: Vec<Decision>,
}

/// The decision. What stands between `code` and `as_of` is there only as far as the credential was proved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = VerifyDecision)]
pub struct Decision {
    pub allowed: bool,
    #[schema(value_type = String, example = "valid")]
    pub code: Code,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_set_id: Option<String>,
    /// The name of the shared key that called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
    /// Null for a shared key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<Named>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<String>,
    /// The slug of the Environment that the credential is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// What is held of what was asked; all that is held, if nothing was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<String>>,
    /// How the call stands to the strictest of the rates and quotas that bind it; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
    /// In how many seconds to try again: with `rate_limited` and `quota_exceeded`, and where the credential is not good
    /// and `ip` failed too often within a minute. Other doors answer 429 then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
    /// The position of the log that the decision knows of.
    pub as_of: i64,
}

/// What is left of a rate or quota, this call taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = VerifyRateLimit)]
pub struct RateLimit {
    /// How much can be used at most: a rate's burst, or a quota.
    pub limit: u32,
    pub remaining: u32,
    /// In how many seconds all of it is there again.
    pub reset: u64,
}
