//! The REST face of Claviger and its OpenAPI document. It turns HTTP into one call of a use case, and
//! what that answers into HTTP; it decides nothing.

mod answer;
mod api_documents;
mod apis;
mod app;
mod applications;
mod asked;
mod body;
mod connection;
mod docs;
mod environments;
mod events;
mod face;
mod frame;
mod git_integrations;
mod groups;
mod health;
mod jobs;
mod json;
mod key_pairs;
mod key_sets;
mod members;
mod nodes;
mod openapi;
mod organizations;
mod permission_groups;
mod policy_templates;
mod portal;
mod query;
mod refused;
mod router;
mod service_keys;
mod shared_keys;
mod source;
mod subscriptions;
mod trials;
mod usage;
mod verify;

pub use app::{BODY_TIMEOUT, Options};
pub use body::Arriving;
pub use connection::answering;
pub use face::{AnswerBody, Face};
pub use openapi::permissions;
pub use router::{document, in_frame};
pub use trials::{TrialDoor, TrialFault, TrialReply};
