//! The decision on every call: `decide(presented, facts, now) -> Decision`, from an index in memory that
//! follows the log. Synchronous, without a lock wait, an allocation or an await on the way of a call;
//! it can name neither database nor HTTP. Doors turn their protocol into a [`Request`] and the
//! [`Decision`] into their protocol.

mod digests;
mod facts;
mod index;
mod request;

pub use digests::{DigestGeneration, DigestKeys};
pub use facts::{
    ApiFacts, ApplicationFacts, EnvironmentFacts, KeyEnd, KeyFacts, KeySetFacts, SubscriptionFacts,
};
pub use index::{
    ApplyError, Contradiction, DEFAULT_MAX_STALENESS_SECONDS, Decision, Entries, Index, KeyEntry, LoadError,
    Loader, Places, Standing, Tag,
};
pub use request::{Credential, Request};
