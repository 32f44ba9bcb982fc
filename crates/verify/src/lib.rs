//! The decision on every call: `decide(presented, facts, now) -> Decision`, from an index in memory that
//! follows the log. Synchronous, without a lock wait, an allocation or an await on the way of a call;
//! it can name neither database nor HTTP. Doors turn their protocol into a [`Request`] and the
//! [`Decision`](claviger_domain::decision::Code) into their protocol.

mod facts;
mod request;

pub use facts::{
    ApiFacts, ApplicationFacts, EnvironmentFacts, KeyEnd, KeyFacts, KeySetFacts, SubscriptionFacts,
};
pub use request::{Credential, Request};
