//! The life of Key Sets and what surrounds them, through the public rules alone.

mod acts;
mod git_integrations;
mod key_pairs;
mod policies;
mod properties;
mod replay;
mod schedules;
mod shared_keys;
mod subscriptions;
mod support;
mod timelines;
