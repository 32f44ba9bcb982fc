//! Limits that hold across nodes. Every node counts by itself, in memory (`claviger_verify::Limits`); where Redis or
//! Valkey is configured, what passed there is also taken from what all nodes share, in one round trip. What is shared
//! can only add refusals: while it is away, or answers what makes no sense, the node goes on by its own count, and
//! says so.
//!
//! A crate of its own, so that the client of Redis stays out of the tree of deciding.

mod answer;
mod limiter;
mod script;
mod shared;

pub use limiter::Limiter;
pub use shared::{BadAddress, Shared};
