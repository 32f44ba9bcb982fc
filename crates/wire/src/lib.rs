//! The public JSON types of Claviger, and one-way conversions from its domain. One file per noun:
//! what people send, and what they get. No rules, no I/O.

pub mod environments;
pub mod events;
pub mod groups;
pub mod members;
pub mod nodes;
pub mod organizations;
pub mod page;
pub mod permission_groups;
pub mod problem;
pub mod scope;
pub mod service_keys;
pub mod which_key;

pub use page::{Count, Page};
pub use problem::{FieldProblem, Problem, UserOfIt};
