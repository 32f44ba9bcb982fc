//! A tower layer over the decision, for a server of your own: it asks before each call, as the doors do, and passes on
//! only what may pass. Behind the feature `tower`; it names no runtime and no server.
//!
//! What passes goes on without its credential, and with [`Passed`] among the request's extensions. What may not is
//! answered with the decision's status, `X-Claviger-Code`, and a problem as JSON.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use claviger_domain::decision::Code;
use claviger_domain::event::Position;
use claviger_domain::id::{ApplicationId, KeyId, KeySetId, SharedKeyId};
use claviger_domain::scope::Scope;
use claviger_domain::text::{Name, Slug};
use claviger_domain::time::Timestamp;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use crate::{Decision, Index, Limits, Meters, Places, Scratch, extract};

const CODE: HeaderName = HeaderName::from_static("x-claviger-code");
const AS_OF: HeaderName = HeaderName::from_static("x-claviger-as-of");
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"claviger\"");
const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"claviger\", charset=\"UTF-8\"");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
type Client = Arc<dyn Fn(&Parts) -> Option<IpAddr> + Send + Sync>;

/// Whose call it is: an extension of every request that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// None for a shared key, and for a call that needs no credential.
    pub application: Option<(ApplicationId, Name)>,
    pub key_id: Option<KeyId>,
    pub key_set_id: Option<KeySetId>,
    pub shared_key: Option<(SharedKeyId, Name)>,
    pub environment: Option<Slug>,
    /// The API's own permissions that are held.
    pub permissions: Vec<String>,
    /// The position of the log that it was decided at.
    pub as_of: Position,
}

impl Passed {
    fn of(decision: &Decision) -> Self {
        Self {
            application: decision.application().map(|it| (it.id, it.name.clone())),
            key_id: decision.key_id(),
            key_set_id: decision.key_set_id(),
            shared_key: decision.shared_key().map(|it| (it.id, it.name.clone())),
            environment: decision.environment().map(|it| it.slug.clone()),
            permissions: decision.permissions().map(ToOwned::to_owned).collect(),
            as_of: decision.as_of(),
        }
    }
}

/// Asks before each call of one API. Cheap to clone.
#[derive(Clone)]
pub struct GuardLayer(Arc<Guard>);

struct Guard {
    index: Arc<Index>,
    meters: Arc<Meters>,
    limits: Arc<Limits>,
    clock: Clock,
    client: Client,
    api: Box<str>,
    environment: Option<Box<str>>,
    permissions: Vec<Box<str>>,
}

impl GuardLayer {
    /// For the API of this slug or id. `clock` says what time it is.
    pub fn new(
        index: Arc<Index>,
        api: impl Into<Box<str>>,
        clock: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Guard {
            index,
            meters: Arc::default(),
            limits: Arc::default(),
            clock: Arc::new(clock),
            client: Arc::new(|_| None),
            api: api.into(),
            environment: None,
            permissions: Vec::new(),
        }))
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

    /// How a caller's address is found: where an API or a key has an address list, and nobody says an address, calls
    /// are `ip_denied`.
    #[must_use]
    pub fn with_client(self, client: impl Fn(&Parts) -> Option<IpAddr> + Send + Sync + 'static) -> Self {
        self.changed(|guard| guard.client = Arc::new(client))
    }

    /// Counts what is decided together with other layers and doors.
    #[must_use]
    pub fn counting(self, meters: Arc<Meters>, limits: Arc<Limits>) -> Self {
        self.changed(|guard| (guard.meters, guard.limits) = (meters, limits))
    }

    fn changed(self, change: impl FnOnce(&mut Guard)) -> Self {
        let mut guard = Arc::unwrap_or_clone(self.0);
        change(&mut guard);
        Self(Arc::new(guard))
    }
}

impl Clone for Guard {
    fn clone(&self) -> Self {
        Self {
            index: Arc::clone(&self.index),
            meters: Arc::clone(&self.meters),
            limits: Arc::clone(&self.limits),
            clock: Arc::clone(&self.clock),
            client: Arc::clone(&self.client),
            api: self.api.clone(),
            environment: self.environment.clone(),
            permissions: self.permissions.clone(),
        }
    }
}

impl std::fmt::Debug for GuardLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GuardLayer").field("api", &self.0.api).finish_non_exhaustive()
    }
}

impl Guard {
    /// Lets the call pass, without its credential and with its identity, or says why not.
    fn admit(&self, parts: &mut Parts) -> Result<(), Refusal> {
        let now = (self.clock)();
        let client = (self.client)(parts);
        let door = self.index.door(&self.api);
        let places = door.as_ref().map_or(Places::STANDARD, |door| door.places());
        let mut scratch = Scratch::new();
        let fields = parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let extracted = extract(&places, fields, &mut scratch);
        let permissions: Vec<&str> = self.permissions.iter().map(AsRef::as_ref).collect();
        let asked = crate::Request {
            credential: extracted.credential,
            api: Some(&self.api),
            environment: self.environment.as_deref(),
            permissions: &permissions,
            ip: client,
            cost: 1,
            scope: Scope::EVERYTHING,
        };
        let mut decision = self.index.decide(&asked, now);
        self.limits.take(&mut decision, now);
        self.meters.observe(&decision, client, now);
        if !decision.allowed() {
            return Err(Refusal::of(&decision, places.basic));
        }
        let ours: Vec<HeaderName> =
            parts.headers.keys().filter(|name| extracted.takes(&places, name.as_str())).cloned().collect();
        for name in ours {
            parts.headers.remove(name);
        }
        parts.extensions.insert(Passed::of(&decision));
        Ok(())
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, guard: Arc::clone(&self.0) }
    }
}

/// A service that is asked only by calls that may pass.
#[derive(Clone)]
pub struct Guarded<S> {
    inner: S,
    guard: Arc<Guard>,
}

impl<S: std::fmt::Debug> std::fmt::Debug for Guarded<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guarded").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, B, R> Service<Request<B>> for Guarded<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<String>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Answering<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        match self.guard.admit(&mut parts) {
            Ok(()) => Answering::Passed { inner: self.inner.call(Request::from_parts(parts, body)) },
            Err(refusal) => Answering::Refused { refusal: Some(refusal) },
        }
    }
}

pin_project_lite::pin_project! {
    /// The answer to a call.
    #[project = Projected]
    #[derive(Debug)]
    pub enum Answering<F> {
        /// That of the service.
        Passed { #[pin] inner: F },
        /// That it may not pass.
        Refused { refusal: Option<Refusal> },
    }
}

impl<F, R, E> Future for Answering<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: From<String>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        match self.project() {
            Projected::Passed { inner } => inner.poll(context),
            Projected::Refused { refusal } => match refusal.take() {
                Some(refusal) => Poll::Ready(Ok(refusal.into_response())),
                None => Poll::Pending,
            },
        }
    }
}

/// Why a call may not pass.
#[derive(Debug)]
pub struct Refusal {
    code: Code,
    basic: bool,
    retry_after_seconds: Option<u64>,
    allotment: Option<crate::Allotment>,
    as_of: Position,
}

impl Refusal {
    fn of(decision: &Decision, basic: bool) -> Self {
        Self {
            code: decision.code(),
            basic,
            retry_after_seconds: decision.retry_after_seconds(),
            allotment: decision.allotment(),
            as_of: decision.as_of(),
        }
    }

    fn into_response<R: From<String>>(self) -> Response<R> {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::FORBIDDEN);
        let (code, title) = (self.code.as_str(), status.canonical_reason().unwrap_or_default());
        // None of these needs to be escaped.
        let body = format!(
            r#"{{"type":"about:blank","title":"{title}","status":{},"code":"{code}"}}"#,
            status.as_u16()
        );
        let mut response = Response::new(R::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CODE, HeaderValue::from_static(code));
        headers.insert(AS_OF, HeaderValue::from(self.as_of.0));
        headers.insert(CONTENT_TYPE, PROBLEM);
        headers.insert(CACHE_CONTROL, NO_STORE);
        if status == StatusCode::UNAUTHORIZED {
            headers.append(WWW_AUTHENTICATE, BEARER);
            if self.basic {
                headers.append(WWW_AUTHENTICATE, BASIC);
            }
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allotment) = self.allotment {
            headers.insert("ratelimit-limit", HeaderValue::from(allotment.limit));
            headers.insert("ratelimit-remaining", HeaderValue::from(allotment.remaining));
            headers.insert("ratelimit-reset", HeaderValue::from(allotment.reset_seconds));
        }
        response
    }
}
