//! The use cases as faces call them: the service on both databases, with a real keeper, a clock that stands
//! still until told otherwise, and chance from a seed.

#[macro_use]
mod world;

mod apis;
mod authority;
mod environments;
mod events;
mod git_integrations;
mod groups;
mod idempotency;
mod init;
mod interrupted;
mod keeper_away;
mod key_pairs;
mod key_sets;
mod limits;
mod lists;
mod members;
mod nodes;
mod organizations;
mod permission_groups;
mod policy_templates;
mod retrieve;
mod schedule;
mod service_keys;
mod shared_keys;
mod subscriptions;
mod transitions;
mod undo;
mod usage;
mod verify;
mod which_key;
mod workspace;

claviger_testkit::be_the_keeper!();
