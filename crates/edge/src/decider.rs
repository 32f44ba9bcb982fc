//! What all doors do alike: read the credential as the API wants it, ask the index, count the answer, and slow down
//! a source that keeps failing. One extraction and one decision, whatever protocol the call came in.

use std::net::IpAddr;
use std::sync::Arc;

use claviger_domain::peers::TrustedPeers;
use claviger_domain::scope::Scope;
use claviger_domain::time::Timestamp;
use claviger_limits::Limiter;
use claviger_verify::{
    Credential, Decision, Door, Extracted, Failures, Index, Meters, Places, Request, Scratch, extract,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::answer::Problem;

const FORWARDED_FOR: HeaderName = HeaderName::from_static(TrustedPeers::FORWARDED_FOR);

/// What time it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// What deciding needs, shared by the doors of a node.
#[derive(Clone)]
pub(crate) struct Decider {
    pub(crate) index: Arc<Index>,
    pub(crate) meters: Arc<Meters>,
    failures: Arc<Failures>,
    limiter: Limiter,
    pub(crate) trusted: TrustedPeers,
    clock: Clock,
}

/// A call that asks to pass.
pub(crate) struct Call<'a> {
    pub(crate) headers: &'a HeaderMap,
    /// Who opened the connection.
    pub(crate) peer: IpAddr,
    pub(crate) api: &'a str,
    pub(crate) environment: Option<&'a str>,
    pub(crate) permissions: &'a [&'a str],
}

/// The answer, with what it was made of.
pub(crate) struct Decided<'a> {
    pub(crate) decision: Decision,
    pub(crate) door: Option<&'a Door>,
    pub(crate) places: Places<'a>,
    pub(crate) extracted: Extracted<'a>,
    pub(crate) client: Option<IpAddr>,
    too_many: Option<u32>,
}

impl Decider {
    pub(crate) const fn new(
        index: Arc<Index>,
        meters: Arc<Meters>,
        failures: Arc<Failures>,
        limiter: Limiter,
        trusted: TrustedPeers,
        clock: Clock,
    ) -> Self {
        Self { index, meters, failures, limiter, trusted, clock }
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Decides, and lets `then` make of it what the door's protocol needs. Only a call whose rate or quota nodes count
    /// together waits for anything.
    pub(crate) async fn decide<R>(&self, call: &Call<'_>, then: impl FnOnce(&Decided<'_>) -> R) -> R {
        let now = self.now();
        let door = self.index.door(call.api);
        let mut scratch = Scratch::new();
        let mut decided = self.consider(call, door.as_ref(), &mut scratch, now);
        self.limiter.settle(&mut decided.decision, &self.meters, decided.client, now).await;
        then(&self.slow(decided, call.peer, now))
    }

    /// The same for a call that waits for nothing. None: it would, and nothing is decided yet.
    pub(crate) fn decide_at_once<R>(
        &self,
        call: &Call<'_>,
        then: impl FnOnce(&Decided<'_>) -> R,
    ) -> Option<R> {
        let now = self.now();
        let door = self.index.door(call.api);
        let mut scratch = Scratch::new();
        let mut decided = self.consider(call, door.as_ref(), &mut scratch, now);
        let settled = self.limiter.settle_at_once(&mut decided.decision, &self.meters, decided.client, now);
        settled.then(|| then(&self.slow(decided, call.peer, now)))
    }

    /// What is in memory alone: nothing is counted or used up yet.
    fn consider<'a>(
        &self,
        call: &Call<'a>,
        door: Option<&'a Door>,
        scratch: &'a mut Scratch,
        now: Timestamp,
    ) -> Decided<'a> {
        let forwarded = call.headers.get_all(&FORWARDED_FOR).iter();
        let client = self.trusted.client(call.peer, forwarded.map(HeaderValue::as_bytes));
        let places = door.map_or(Places::STANDARD, Door::places);
        let fields = call.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let extracted = extract(&places, fields, scratch);
        let decision =
            self.ask(extracted.credential, call.api, call.environment, call.permissions, client, now);
        Decided { decision, door, places, extracted, client, too_many: None }
    }

    /// A source that failed too often is told to wait.
    fn slow<'a>(&self, decided: Decided<'a>, peer: IpAddr, now: Timestamp) -> Decided<'a> {
        let too_many = self.failures.slowed(&decided.decision, decided.client.unwrap_or(peer), now);
        Decided { too_many, ..decided }
    }

    /// The decision alone, which nobody counts and which uses up nothing.
    pub(crate) fn ask(
        &self,
        credential: Credential<'_>,
        api: &str,
        environment: Option<&str>,
        permissions: &[&str],
        ip: Option<IpAddr>,
        now: Timestamp,
    ) -> Decision {
        let scope = Scope::EVERYTHING;
        let api = Some(api);
        self.index.decide(&Request { credential, api, environment, permissions, ip, cost: 1, scope }, now)
    }
}

impl Decided<'_> {
    /// Why the call may not pass, if it may not.
    pub(crate) fn refusal(&self) -> Option<Problem> {
        if self.decision.allowed() {
            return None;
        }
        let problem = match self.too_many {
            Some(seconds) => Problem::too_many_failures(seconds),
            None => Problem::of(self.decision.code(), self.places.basic),
        };
        Some(problem.decided(&self.decision))
    }
}
