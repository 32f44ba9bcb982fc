//! The use cases as faces call them: the service on both databases, with a real keeper, a clock that stands
//! still until told otherwise, and chance from a seed.

#[macro_use]
mod world;

mod apis;
mod groups;
mod policy_templates;
mod subscriptions;
mod workspace;

claviger_testkit::be_the_keeper!();
