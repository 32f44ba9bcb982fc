//! The words and rules of Claviger, pure: ids, time, secrets' types, the credential format, lifecycle,
//! policy, permissions, events and refusals. No I/O, no async, no clock, no randomness: `now` and
//! entropy are arguments.

pub mod aggregate;
pub mod apis;
pub mod applications;
pub mod credential;
pub mod decision;
pub mod environments;
pub mod event;
pub mod git;
pub mod git_integrations;
pub mod groups;
pub mod id;
pub mod jobs;
pub mod key_pairs;
pub mod key_sets;
pub mod members;
pub mod organizations;
pub mod peers;
pub mod permission;
pub mod permission_groups;
pub mod policy_templates;
pub mod refusal;
pub mod scope;
pub mod secret;
pub mod service_keys;
pub mod shared_keys;
pub mod subscriptions;
pub mod text;
pub mod time;
pub mod usage;
