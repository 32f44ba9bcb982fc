//! What the layer asks: the same extraction, decision, limits, meters and brake as at every door.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use claviger_domain::peers::TrustedPeers;
use claviger_domain::scope::Scope;
use claviger_domain::time::Timestamp;
use http::request::Parts;
use http::{HeaderName, HeaderValue};

use super::passed::Passed;
use super::told::{Refusal, Told};
use crate::answer::{REQUEST_ID, RequestId, RequestIds, is_ours};
use crate::{Decision, Failures, Index, Limiting, Limits, Meters, Places, Request, Scratch, extract};

pub(super) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
type Peer = Arc<dyn Fn(&Parts) -> Option<IpAddr> + Send + Sync>;

#[derive(Clone)]
pub(super) struct Guard {
    index: Arc<Index>,
    pub(super) meters: Arc<Meters>,
    pub(super) limiter: Arc<dyn Limiting>,
    pub(super) failures: Arc<Failures>,
    pub(super) trusted: TrustedPeers,
    pub(super) peer: Peer,
    pub(super) request_ids: Arc<RequestIds>,
    clock: Clock,
    pub(super) api: Box<str>,
    pub(super) environment: Option<Box<str>>,
    pub(super) permissions: Vec<Box<str>>,
}

/// Whether a call may pass: known at once, or soon.
pub(super) enum Admission {
    Settled(Result<Admitted, Box<Refusal>>),
    Settling(Settling),
}

pub(super) type Settling = Pin<Box<dyn Future<Output = Result<Admitted, Box<Refusal>>> + Send>>;

/// A call that may pass, and what its answer tells further.
pub(super) struct Admitted {
    pub(super) parts: Box<Parts>,
    pub(super) told: Told,
}

/// A call that was decided on, but for what limits it.
struct Asked {
    parts: Box<Parts>,
    decision: Decision,
    basic: bool,
    client: Option<IpAddr>,
    /// Against whom a failure counts.
    source: Option<IpAddr>,
    id: RequestId,
    now: Timestamp,
}

impl Guard {
    pub(super) fn new(index: Arc<Index>, api: Box<str>, clock: Clock) -> Self {
        Self {
            index,
            meters: Arc::default(),
            limiter: Arc::new(Limits::default()),
            failures: Arc::default(),
            trusted: TrustedPeers::new(Vec::new()),
            peer: Arc::new(|_| None),
            request_ids: Arc::new(RequestIds::new(String::new())),
            clock,
            api,
            environment: None,
            permissions: Vec::new(),
        }
    }

    /// Says whether the call may pass. Only one whose rate or quota several nodes count together waits for anything.
    pub(super) fn admit(self: &Arc<Self>, parts: Parts) -> Admission {
        let mut asked = self.ask(Box::new(parts));
        if !asked.decision.is_limited() {
            self.meters.observe(&asked.decision, asked.client, asked.now);
            return Admission::Settled(asked.settled(&self.failures));
        }
        let guard = Arc::clone(self);
        Admission::Settling(Box::pin(async move {
            let (client, now) = (asked.client, asked.now);
            guard.limiter.settle(&mut asked.decision, &guard.meters, client, now).await;
            asked.settled(&guard.failures)
        }))
    }

    fn ask(&self, mut parts: Box<Parts>) -> Asked {
        let now = (self.clock)();
        let peer = (self.peer)(&parts);
        let forwarded = parts.headers.get_all(TrustedPeers::FORWARDED_FOR).iter();
        let client = peer.and_then(|peer| self.trusted.client(peer, forwarded.map(HeaderValue::as_bytes)));
        let door = self.index.door(&self.api);
        let places = door.as_ref().map_or(Places::STANDARD, |door| door.places());
        let mut scratch = Scratch::new();
        let fields = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let extracted = extract(&places, fields, &mut scratch);
        let permissions: Vec<&str> = self.permissions.iter().map(AsRef::as_ref).collect();
        let asked = Request {
            credential: extracted.credential,
            api: Some(&self.api),
            environment: self.environment.as_deref(),
            permissions: &permissions,
            ip: client,
            cost: 1,
            scope: Scope::EVERYTHING,
        };
        let decision = self.index.decide(&asked, now);
        let goes = |name: &HeaderName| is_ours(name.as_str()) || extracted.takes(&places, name.as_str());
        let doomed: Vec<HeaderName> = parts.headers.keys().filter(|name| goes(name)).cloned().collect();
        let (basic, id) = (places.basic, self.request_ids.of(&parts.headers));
        for name in doomed {
            parts.headers.remove(name);
        }
        parts.headers.insert(REQUEST_ID, id.0.clone());
        Asked { parts, decision, basic, client, source: client.or(peer), id, now }
    }
}

impl Asked {
    /// After what limits it was asked.
    fn settled(self, failures: &Failures) -> Result<Admitted, Box<Refusal>> {
        let Self { mut parts, decision, basic, source, id, now, .. } = self;
        let told = Told::new(id, &decision);
        if decision.allowed() {
            parts.extensions.insert(Passed::of(&decision));
            return Ok(Admitted { parts, told });
        }
        let slowed = source.and_then(|source| failures.slowed(&decision, source, now));
        Err(Box::new(Refusal::new(&decision, basic, slowed, told)))
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("api", &self.api).finish_non_exhaustive()
    }
}
