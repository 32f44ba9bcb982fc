//! Nodes on the wire: which there are, and how far behind the log each is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A process that decides.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Node {
    pub id: String,
    pub name: String,
    /// `control` or `data`.
    pub kind: String,
    /// `in_sync`, `behind` or `gone`.
    pub status: String,
    /// How far in the log it has applied.
    pub position: i64,
    pub behind_seconds: i64,
    #[schema(format = DateTime)]
    pub last_seen_at: String,
}
