//! Calls that are open: each is bound to the decision that let it pass, and cut when it would now be refused
//! (product.md F4). Whoever was let in by a Key that is revoked a minute later does not go on listening.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use claviger_domain::decision::Code;

use claviger_domain::secret::Plaintext;
use claviger_domain::time::Timestamp;
use claviger_verify::Credential;
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::account::Account;
use crate::decider::{Decided, Decider};
use crate::serve::Hold;

/// How often it is looked whether something changed. A part of the second within which a call is cut.
const LOOK: Duration = Duration::from_millis(100);
/// How often calls are looked for in which nothing moves any more.
const LOOK_FOR_STALLED: Duration = Duration::from_secs(1);
/// How long a call that was cut may take to say so to its caller.
const TO_SAY_SO: Duration = Duration::from_millis(300);
const SHARDS: usize = 16;
/// So many are decided on before others get their turn.
const AT_ONCE: usize = 256;
/// No date.
const NEVER: i64 = i64::MAX;
/// Before any date.
const NOW: i64 = i64::MIN;

/// All open calls of a gateway.
#[derive(Debug, Default)]
pub(super) struct OpenCalls {
    shards: [Shard; SHARDS],
    next: AtomicU64,
}

type Shard = Mutex<HashMap<u64, Weak<OpenCall>>>;

/// One call that passed, for as long as any part of it lasts.
pub(super) struct OpenCall {
    number: u64,
    all: Arc<OpenCalls>,
    presented: Presented,
    api: Box<str>,
    ip: Option<IpAddr>,
    /// When to decide again although nothing changed, in microseconds: at the next look after it was opened, since what
    /// changed between its decision and its place here may have been seen already; then when the clock ends the Key.
    due_at: AtomicI64,
    cut: CancellationToken,
    /// What it came on, if that has no other call.
    connection: Option<Hold>,
    /// Its place among the calls that may be open, until it is over or ended.
    place: Mutex<Option<OwnedSemaphorePermit>>,
    /// What still comes from the caller, and from the upstream.
    bodies: [OnceLock<Weak<Held>>; 2],
    why: OnceLock<Code>,
    began: Instant,
    /// When something last moved, in milliseconds since it began.
    moved: AtomicU64,
    /// Bytes of bodies, from the caller and to the caller.
    received: AtomicU64,
    sent: AtomicU64,
    /// Closed when the call is over.
    account: OnceLock<Account>,
}

/// A body that can be let go of by whoever cuts its call.
pub(super) type Held = Mutex<Option<Incoming>>;

/// What was presented, to be decided on again. Wiped when the call ends.
enum Presented {
    Missing,
    Malformed,
    Parts { key: Option<Plaintext>, secret: Option<Plaintext> },
}

impl OpenCalls {
    /// Takes note of a call that may pass. It holds the connection that it came on, if that has no other call.
    pub(super) fn open(
        self: &Arc<Self>,
        api: &str,
        decided: &Decided<'_>,
        connection: Option<Hold>,
    ) -> Arc<OpenCall> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let call = Arc::new(OpenCall {
            number,
            all: Arc::clone(self),
            presented: Presented::from(decided.extracted.credential),
            api: api.into(),
            ip: decided.client,
            due_at: AtomicI64::new(NOW),
            cut: CancellationToken::new(),
            connection,
            place: Mutex::new(None),
            bodies: [const { OnceLock::new() }; 2],
            why: OnceLock::new(),
            began: Instant::now(),
            moved: AtomicU64::new(0),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            account: OnceLock::new(),
        });
        self.shard(number).lock().insert(number, Arc::downgrade(&call));
        call
    }

    /// Watches over them, for ever: ends those that would now be refused, and those in which nothing moved for so long.
    pub(super) async fn watch(&self, decider: &Decider, environment: Option<&str>, patience: Duration) {
        tokio::join!(self.watch_decisions(decider, environment), self.watch_movement(patience));
    }

    /// Decides again on all when something changed, and on those that are new or whose time has come.
    async fn watch_decisions(&self, decider: &Decider, environment: Option<&str>) {
        let mut seen = None;
        loop {
            sleep(LOOK).await;
            let now = decider.now();
            let standing = decider.index.standing(now);
            let state = (standing.as_of, standing.freshness);
            self.judge(decider, environment, now, seen.replace(state) != Some(state)).await;
        }
    }

    async fn judge(&self, decider: &Decider, environment: Option<&str>, now: Timestamp, changed: bool) {
        let is_due = |call: &Arc<OpenCall>| changed || call.due_at.load(Ordering::Relaxed) <= now.as_micros();
        for shard in &self.shards {
            for (at, call) in picked(shard, is_due).iter().enumerate() {
                call.judge(decider, environment, now);
                if at % AT_ONCE == AT_ONCE - 1 {
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    async fn watch_movement(&self, patience: Duration) {
        loop {
            sleep(LOOK_FOR_STALLED).await;
            let now = Instant::now();
            let is_stalled = |call: &Arc<OpenCall>| call.is_stalled(patience, now);
            self.shards.iter().flat_map(|shard| picked(shard, is_stalled)).for_each(|call| call.end());
        }
    }

    /// Cuts all that are left.
    pub(super) fn cut_all(&self) {
        self.shards.iter().flat_map(|shard| picked(shard, |_| true)).for_each(|call| call.end());
    }

    fn shard(&self, number: u64) -> &Shard {
        &self.shards[number as usize % SHARDS]
    }
}

/// The calls of a shard that are wanted. None is let go of while the shard is locked: whoever does so last locks it.
fn picked(shard: &Shard, is_wanted: impl Fn(&Arc<OpenCall>) -> bool) -> Vec<Arc<OpenCall>> {
    let mut calls: Vec<Arc<OpenCall>> = shard.lock().values().filter_map(Weak::upgrade).collect();
    calls.retain(is_wanted);
    calls
}

impl OpenCall {
    fn judge(self: &Arc<Self>, decider: &Decider, environment: Option<&str>, now: Timestamp) {
        let credential = self.presented.credential();
        let decision = decider.ask(credential, &self.api, environment, &[], self.ip, now);
        if decision.allowed() {
            let due_at = decision.stops_at().map_or(NEVER, Timestamp::as_micros);
            self.due_at.store(due_at, Ordering::Relaxed);
        } else if self.why.set(decision.code()).is_ok() {
            tracing::debug!(api = %self.api, code = decision.code().as_str(), "an open call is cut");
            self.end();
        }
    }

    /// Ends all parts of it. Where a side takes nothing, nobody asks its body for more and sees that it is cut: so the
    /// other side is let go of here, and then the connection, if the call is still there.
    fn end(self: &Arc<Self>) {
        self.cut.cancel();
        for body in self.bodies.iter().filter_map(OnceLock::get).filter_map(Weak::upgrade) {
            let body = body.lock().take();
            drop(body);
        }
        // The upstream's connection went with them. Whoever takes nothing in HTTP/2 keeps the rest for as long as it likes.
        drop(self.place.lock().take());
        if let Some(connection) = self.connection.as_ref().map(|hold| hold.end.clone()) {
            let call = Arc::downgrade(self);
            tokio::spawn(async move {
                sleep(TO_SAY_SO).await;
                if call.strong_count() > 0 {
                    connection.cancel();
                }
            });
        }
    }

    /// Takes hold of a body that comes in.
    pub(super) fn hold(&self, body: Incoming) -> Arc<Held> {
        let held = Arc::new(Mutex::new(Some(body)));
        let place = self.bodies.iter().find(|place| place.set(Arc::downgrade(&held)).is_ok());
        debug_assert!(place.is_some(), "a call has two bodies");
        // Whoever ended it meanwhile did not see this one.
        if self.cut.is_cancelled() {
            let body = held.lock().take();
            drop(body);
        }
        held
    }

    pub(super) fn api(&self) -> &str {
        &self.api
    }

    /// Why it was cut, if it was refused.
    pub(super) fn refused(&self) -> Option<Code> {
        self.why.get().copied()
    }

    pub(super) fn cut(&self) -> &CancellationToken {
        &self.cut
    }

    /// Takes a place until the call is over, unless it was ended meanwhile. It moves on from here.
    pub(super) fn take(&self, place: OwnedSemaphorePermit) {
        let mut own = self.place.lock();
        if !self.cut.is_cancelled() {
            *own = Some(place);
        }
        self.touch();
    }

    /// Whether it has an answer in which nothing moved for so long. In HTTP/2 nobody asks for more of one that its caller
    /// takes nothing of, and would see that. Before there is an answer, whoever waits for it sees to it; and where a
    /// call has a connection to itself, that ends when nothing is taken.
    fn is_stalled(&self, patience: Duration, now: Instant) -> bool {
        let [_, answer] = &self.bodies;
        let is_shared = self.connection.is_none();
        is_shared && answer.get().is_some() && !self.cut.is_cancelled() && self.idle_at(patience) <= now
    }

    /// Keeps the account until the call is over.
    pub(super) fn keep(&self, account: Account) {
        // There is one answer, and so one account.
        let _ = self.account.set(account);
    }

    /// So many bytes came from the caller.
    pub(super) fn receive(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        self.touch();
    }

    /// So many bytes are on their way to the caller.
    pub(super) fn send(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        self.touch();
    }

    /// Something moved, in either direction.
    fn touch(&self) {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(since, Ordering::Relaxed);
    }

    /// When nothing will have moved for so long.
    pub(super) fn idle_at(&self, patience: Duration) -> Instant {
        self.began + Duration::from_millis(self.moved.load(Ordering::Relaxed)) + patience
    }

    /// Done when nothing moved for so long.
    pub(super) async fn idle(&self, patience: Duration) {
        loop {
            let at = self.idle_at(patience);
            if at <= Instant::now() {
                return;
            }
            sleep_until(at).await;
        }
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        self.all.shard(self.number).lock().remove(&self.number);
        if let Some(account) = self.account.take() {
            account.close(*self.received.get_mut(), *self.sent.get_mut());
        }
    }
}

impl std::fmt::Debug for OpenCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpenCall({} of {})", self.number, self.api)
    }
}

impl From<Credential<'_>> for Presented {
    fn from(credential: Credential<'_>) -> Self {
        let owned = |part: Option<&str>| part.map(|part| Plaintext::new(part.to_owned()));
        match credential {
            Credential::Missing => Self::Missing,
            Credential::Malformed => Self::Malformed,
            Credential::Presented { key, secret } => Self::Parts { key: owned(key), secret: owned(secret) },
        }
    }
}

impl Presented {
    fn credential(&self) -> Credential<'_> {
        match self {
            Self::Missing => Credential::Missing,
            Self::Malformed => Credential::Malformed,
            Self::Parts { key, secret } => Credential::Presented {
                key: key.as_ref().map(Plaintext::expose),
                secret: secret.as_ref().map(Plaintext::expose),
            },
        }
    }
}

#[cfg(test)]
mod tests;
