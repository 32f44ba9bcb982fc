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

/// What a data node is to be called.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostEnrollment {
    /// 1 to 100 characters.
    pub name: String,
}

/// A data node may enrol now.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Enrollment {
    /// The id that the node will have.
    pub id: String,
    pub name: String,
    /// Told this once. It is good for one node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    #[schema(format = DateTime)]
    pub expires_at: String,
}

/// A data node that enrols.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PostJoin {
    /// The one-time token: `clv_node_…`.
    pub token: String,
    /// The public half of the key pair of the node's keeper: 64 hexadecimal digits.
    pub public_key: String,
}

/// A data node that is enrolled.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Joined {
    pub id: String,
    pub name: String,
    /// The id of the database that it may follow.
    pub instance_id: String,
    /// The keys that it decides with, encrypted to its keeper: hexadecimal digits.
    pub bundle: String,
}
