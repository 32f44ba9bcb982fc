//! A tower layer over the decision, for a server of your own: it asks before each call, as the doors do, and passes on
//! only what may pass. Behind the feature `tower`; it names no runtime and no server.
//!
//! What passes goes on without its credential and without what its caller said in Claviger's name, and with [`Passed`]
//! among the request's extensions. What may not is answered with the decision's status, `X-Claviger-Code`, and a problem
//! as JSON. Every answer tells the request's id and what the decision knew of the log; how much is left of what limits
//! the call, if anything does. Counting, and slowing down those who guess, are the doors' own.

mod answering;
mod guard;
mod passed;
mod told;

use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use claviger_domain::peers::TrustedPeers;
use claviger_domain::time::Timestamp;
use http::request::Parts;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use self::guard::Guard;
use crate::answer::RequestIds;
use crate::{Failures, Index, Limiting, Meters};

pub use self::answering::Answering;
pub use self::passed::Passed;

/// Asks before each call of one API. Cheap to clone.
#[derive(Debug, Clone)]
pub struct GuardLayer(Arc<Guard>);

impl GuardLayer {
    /// For the API of this slug or id. `clock` says what time it is.
    pub fn new(
        index: Arc<Index>,
        api: impl Into<Box<str>>,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Guard::new(index, api.into(), Arc::new(clock))))
    }

    /// The same for another API.
    #[must_use]
    pub fn of_api(self, api: impl Into<Box<str>>) -> Self {
        self.changed(|guard| guard.api = api.into())
    }

    /// In this Environment alone, by its slug: a credential of another is `wrong_environment`.
    #[must_use]
    pub fn in_environment(self, slug: impl Into<Box<str>>) -> Self {
        self.changed(|guard| guard.environment = Some(slug.into()))
    }

    /// Calls need this permission of the API's own too.
    #[must_use]
    pub fn requiring(self, permission: impl Into<Box<str>>) -> Self {
        self.changed(|guard| guard.permissions.push(permission.into()))
    }

    /// How it is known who opened the connection, and which of those are proxies whose `X-Forwarded-For` is believed.
    /// Where nobody says so, no call has an address: an API's or a key's address list refuses it as `ip_denied`, and
    /// nobody who guesses is slowed down.
    #[must_use]
    pub fn with_peer(
        self,
        trusted: TrustedPeers,
        peer: impl Fn(&Parts) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        self.changed(|guard| (guard.trusted, guard.peer) = (trusted, Arc::new(peer)))
    }

    /// Counts what is decided together with other layers and doors.
    #[must_use]
    pub fn counting(self, meters: Arc<Meters>) -> Self {
        self.changed(|guard| guard.meters = meters)
    }

    /// Counts rates and quotas together with other layers and doors, or with other nodes.
    #[must_use]
    pub fn limiting(self, limiter: Arc<dyn Limiting>) -> Self {
        self.changed(|guard| guard.limiter = limiter)
    }

    /// Counts failed attempts together with other layers and doors, and allows as many as they do.
    #[must_use]
    pub fn slowing(self, failures: Arc<Failures>) -> Self {
        self.changed(|guard| guard.failures = failures)
    }

    /// What the ids begin with of calls that came without one: different at each start of each process.
    #[must_use]
    pub fn naming_calls(self, prefix: impl Into<String>) -> Self {
        self.changed(|guard| guard.request_ids = Arc::new(RequestIds::new(prefix.into())))
    }

    fn changed(self, change: impl FnOnce(&mut Guard)) -> Self {
        let mut guard = Arc::unwrap_or_clone(self.0);
        change(&mut guard);
        Self(Arc::new(guard))
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, guard: Arc::clone(&self.0) }
    }
}

/// A service that is asked only by calls that may pass.
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    inner: S,
    guard: Arc<Guard>,
}

impl<S, B, R> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Answering<S, B>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The one that is ready goes with the call, which may have to wait before it is made.
        let ready = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, ready);
        Answering::begin(Arc::clone(&self.guard), ready, request)
    }
}
