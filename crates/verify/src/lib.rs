//! The decision on every call: `decide(presented, facts, now) -> Decision`, from an index in memory that
//! follows the log. Synchronous, without a lock wait, an allocation or an await on the way of a call;
//! it can name neither database nor HTTP. Doors turn their protocol into a [`Request`] and the
//! [`Decision`] into their protocol.
//!
//! # Embedding it
//!
//! An [`Index`] is fed by whoever can read the log: in a process of your own, the crate `claviger-node`, which
//! follows it as a data node does and keeps a snapshot. Deciding is then one call:
//!
//! ```
//! use claviger_domain::time::Timestamp;
//! use claviger_verify::{Credential, DEFAULT_MAX_STALENESS_SECONDS, Index, Request};
//!
//! let index = Index::new(DEFAULT_MAX_STALENESS_SECONDS);
//! let now: Timestamp = "2026-07-01T12:00:00Z".parse()?;
//! let credential = Credential::from_parts(Some("clv_key_…"), None);
//! let decision = index.decide(&Request { api: Some("orders"), ..Request::new(credential) }, now);
//! // Nothing was loaded yet: it fails closed.
//! assert!(!decision.allowed());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Read credentials with [`extract`], which every door uses, so that your service finds them where they do; let
//! [`Limits::take`] count rates and quotas, and [`Meters`] what was decided. With the feature `tower` all of it is
//! the layer `GuardLayer`.

#[cfg(feature = "http")]
pub mod answer;
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
#[cfg(feature = "http")]
mod request_id;
#[cfg(feature = "tower")]
mod tower;

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
pub use limits::{Allotment, Amount, Exceeded, Limiting, Limits, Rule, Rules, Settling, Subject};
pub use meters::{Latency, Measure, Meters, Response, Uncounted, Usage};
pub use permissions::PermissionBits;
pub use request::{Credential, Request};
#[cfg(feature = "tower")]
pub use tower::{Answering, GuardLayer, Guarded, Passed};
