//! "Which key is this?" on the wire (product.md F7).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WhichKeyQuestion)]
pub struct Question {
    /// The pasted value; it is never logged.
    pub value: String,
}

impl std::fmt::Debug for Question {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Question")
    }
}

/// What the value belongs to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Identified {
    /// `key`, `secret` or `service_key`.
    pub kind: String,
    /// The id of the Key or service key.
    pub id: String,
    pub status: String,
    pub masked: String,
}
