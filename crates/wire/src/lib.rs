//! The public JSON types of Claviger, and one-way conversions from its domain. One file per noun:
//! what people send, and what they get.

pub mod environments;
pub mod events;
pub mod groups;
pub mod members;
pub mod nodes;
pub mod organizations;
pub mod permission_groups;
pub mod scope;
pub mod service_keys;
pub mod which_key;
