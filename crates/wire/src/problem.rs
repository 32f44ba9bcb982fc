//! Every error answer: RFC 9457 `application/problem+json` with a stable `code` (surface.md, "Errors").

use claviger_domain::refusal::{FieldError, User};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a request was not done. `code` is stable and for programs; `title` and `detail` are for people.
/// The members after `request_id` are there where their code has them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `about:blank`: the status and the `code` say it all.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The stable name of what is wrong, such as `name_taken`.
    pub code: String,
    /// One sentence for people.
    pub detail: String,
    /// Names this request in the server's log; also in the header `X-Request-Id`.
    pub request_id: String,
    /// Every value that can't be taken (`invalid`, `looks_like_a_secret`, `name_taken`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// The query parameter or header that can't be read (`bad_query`, `bad_header`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// The permission that the caller has not (`forbidden`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permission: Option<String>,
    /// The level of access that the caller has not (`forbidden`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// The present state (`invalid_transition`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The act that was asked for (`invalid_transition`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<String>,
    /// The acts that the present state allows (`invalid_transition`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<String>>,
    /// What uses the thing (`in_use`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<Vec<UserOfIt>>,
    /// The Subscription that there is already (`already_subscribed`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription_id: Option<String>,
    /// The living Key Set in this one's place (`superseded`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<String>,
    /// How many there may be (`limit_reached`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// What the server waits for before it can serve (`not_ready`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_ready: Option<Vec<String>>,
}

/// One value that can't be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldProblem {
    /// Where it stands in the body (RFC 6901).
    #[schema(example = "/name")]
    pub pointer: String,
    /// What to do about it.
    pub detail: String,
}

/// Something that uses the thing to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserOfIt {
    pub id: String,
    pub name: String,
}

impl Problem {
    pub fn new(status: u16, title: &str, code: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank".to_owned(),
            title: title.to_owned(),
            status,
            code: code.to_owned(),
            detail: detail.into(),
            ..Self::default()
        }
    }
}

impl From<FieldError> for FieldProblem {
    fn from(error: FieldError) -> Self {
        Self { pointer: error.pointer, detail: error.detail }
    }
}

impl From<User> for UserOfIt {
    fn from(user: User) -> Self {
        Self { id: user.id, name: user.name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_a_code_has_not_are_left_out() {
        let problem = Problem::new(404, "Not Found", "not_found", "There is no such thing.");
        assert_eq!(
            serde_json::to_value(&problem).expect("serialises"),
            serde_json::json!({
                "type": "about:blank", "title": "Not Found", "status": 404, "code": "not_found",
                "detail": "There is no such thing.", "request_id": "",
            })
        );
    }
}
