//! The words and rules of Claviger, pure: ids, time, secrets' types, the credential format, lifecycle,
//! policy, permissions, events and refusals. No I/O, no async, no clock, no randomness: `now` and
//! entropy are arguments.

pub mod credential;
pub mod id;
pub mod secret;
pub mod text;
pub mod time;
