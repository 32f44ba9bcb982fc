//! Many of a kind in one request, all or none (surface.md, `POST /v1/{collection}/bulk`).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How many there may be in one request.
pub const MAX_ITEMS: usize = 1_000;

/// Up to 1,000 of a kind. What is wrong with one is told with a pointer such as `/items/3/name`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bulk<T> {
    pub items: Vec<T>,
}
