//! Whoever counts what calls use up, for a layer that need not know whether that is this node alone.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;

use claviger_domain::time::Timestamp;

use super::Limits;
use crate::index::Decision;
use crate::meters::Meters;

/// What is done about a decision that rules limit.
pub type Settling<'s> = Pin<Box<dyn Future<Output = ()> + Send + 's>>;

/// Counts rates and quotas: a node by itself ([`Limits`]), or several together (`claviger_limits::Limiter`).
pub trait Limiting: fmt::Debug + Send + Sync {
    /// Takes what a call costs from the rules that bind its decision, and counts the decision that comes of it: once,
    /// also if nobody waits for this to the end.
    fn settle<'s>(
        &'s self,
        decision: &'s mut Decision,
        meters: &'s Meters,
        source: Option<IpAddr>,
        now: Timestamp,
    ) -> Settling<'s>;
}

impl Limiting for Limits {
    fn settle<'s>(
        &'s self,
        decision: &'s mut Decision,
        meters: &'s Meters,
        source: Option<IpAddr>,
        now: Timestamp,
    ) -> Settling<'s> {
        self.take(decision, now);
        meters.observe(decision, source, now);
        Box::pin(std::future::ready(()))
    }
}
