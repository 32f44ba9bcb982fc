//! The public JSON types of Claviger, and one-way conversions from its domain. One file per noun:
//! what people send, and what they get. No rules, no I/O.

pub mod acts;
pub mod api_documents;
pub mod apis;
pub mod applications;
pub mod bulk;
pub mod environments;
pub mod events;
pub mod git_integrations;
pub mod given;
pub mod groups;
pub mod jobs;
pub mod key_pairs;
pub mod key_sets;
pub mod members;
mod mirror;
pub mod nodes;
pub mod organizations;
pub mod page;
pub mod permission_groups;
pub mod policy_templates;
pub mod portal;
pub mod problem;
pub mod scope;
pub mod service_keys;
pub mod shared_keys;
pub mod subscriptions;
pub mod usage;
pub mod verify;
pub mod which_key;

pub use page::{Count, Page};
pub use problem::{FieldProblem, Problem, UserOfIt};
