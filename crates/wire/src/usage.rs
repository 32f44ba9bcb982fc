//! What was counted about calls, as people and programs see it (product.md C10).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The calls of one step of time; of one key, API, Application or code, if they are asked for so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = UsageCount)]
pub struct Count {
    /// The beginning of the step.
    #[schema(format = DateTime)]
    pub start: String,
    /// With `by=key`: of a Key or a shared key; null for calls that named none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub key_id: Option<Option<String>>,
    /// With `by=api`: null for calls to no API of ours, and for keys judged without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub api_id: Option<Option<String>>,
    /// With `by=application`: null for shared keys, and for calls that named no key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub application_id: Option<Option<String>>,
    /// With `by=code`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "not_subscribed")]
    pub code: Option<String>,
    /// All calls that were decided on.
    pub calls: u64,
    /// Those of them that were not let through.
    pub refused: u64,
    /// Of calls that the gateway answered; null if there were none, and with `by=code`.
    pub latency: Option<Latency>,
}

/// How long callers waited for the beginning of an answer, to within an eighth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = UsageLatency)]
pub struct Latency {
    /// How many answers it is made of.
    pub answers: u64,
    pub median_ms: f64,
    pub p99_ms: f64,
}

/// What a call was answered with. No body is kept, and no query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Response {
    /// When the call came.
    #[schema(format = DateTime)]
    pub at: String,
    /// What the caller was answered, by the upstream or by the gateway.
    #[schema(example = 200)]
    pub status: u32,
    /// The decision.
    #[schema(example = "valid")]
    pub code: String,
    pub method: String,
    pub path: String,
    /// Of a Key or a shared key; null if the call named none.
    pub key_id: Option<String>,
    pub key_set_id: Option<String>,
    /// From which address.
    pub source: Option<String>,
    /// How long the caller waited for the beginning of the answer.
    pub latency_ms: f64,
    /// Bytes of the call's body.
    pub received_bytes: u64,
    /// Bytes of the answer's body.
    pub sent_bytes: u64,
    pub request_id: String,
}
