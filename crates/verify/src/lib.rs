//! The decision on every call: `decide(presented, facts, now) -> Decision`, from an index in memory that
//! follows the log. Synchronous, without a lock wait, an allocation or an await on the way of a call;
//! it can name neither database nor HTTP. Doors turn their protocol into a [`Request`] and the
//! [`Decision`] into their protocol.

mod control;
mod digests;
mod extract;
mod facts;
mod failures;
mod follower;
mod index;
mod limits;
mod meters;
mod permissions;
mod request;

pub use control::{Caller, Control, NotAccepted, PermissionGroupFacts, ServiceKeyFacts};
pub use digests::{DigestGeneration, DigestKeys};
pub use extract::{Extracted, Places, Scratch, extract};
pub use facts::{
    ApiFacts, ApplicationFacts, EnvironmentFacts, KeyEnd, KeyFacts, KeySetFacts, Routing, SharedKeyFacts,
    SharedSecret, SubscriptionFacts,
};
pub use failures::{DEFAULT_FAILURES_PER_MINUTE, Failures};
pub use follower::{ApplyError, DEFAULT_MAX_STALENESS_SECONDS, Freshness, LoadError, LogEntry, Standing};
pub use index::{Contradiction, Decision, Door, Entries, Index, KeyEntry, Loader, Tag};
pub use limits::{Allotment, Amount, Exceeded, Limits, Rule, Rules, Subject};
pub use meters::{Latency, Measure, Meters, Response, Usage};
pub use permissions::PermissionBits;
pub use request::{Credential, Request};
