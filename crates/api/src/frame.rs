//! What surrounds every route: the request's id, the ceiling on headers, the catch for panics, the body
//! of a problem, the headers that keep a browser from doing harm, the line in the log and the counters.

use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::Body;
use axum::extract::MatchedPath;
use axum::response::IntoResponse as _;
use bytes::Bytes;
use claviger_domain::credential::contains_credential;
use claviger_domain::usage::method_word;
use claviger_service::ambient::Entropy;
use futures::FutureExt as _;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use tower::{Layer, Service};

use crate::app::App;
use crate::refused::{Refused, Told};

/// The header that names a request, of the caller's or of our making.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// All headers of a request together (surface.md, "Limits").
const MAX_HEADERS: usize = 32 << 10;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Makes the ids of requests: unpredictable per process, then counted.
#[derive(Debug)]
struct RequestIds {
    prefix: String,
    next: AtomicU64,
}

#[derive(Debug)]
struct Shared {
    ids: RequestIds,
    /// The path under which a reverse proxy shows us; empty for none.
    prefix: String,
}

/// The layer around all routes.
#[derive(Debug, Clone)]
pub(crate) struct Frame(Arc<Shared>);

impl Frame {
    pub(crate) fn new(entropy: &dyn Entropy, prefix: String) -> Self {
        let mut random = [0; 6];
        entropy.fill(&mut random);
        let ids = RequestIds { prefix: format!("req_{}", hex::encode(random)), next: AtomicU64::new(1) };
        Self(Arc::new(Shared { ids, prefix }))
    }
}

impl Frame {
    /// Surrounds one request as the layer does, where no router stands between.
    pub(crate) fn around<B, F>(
        &self,
        route: &'static str,
        request: Request<B>,
        source: Option<IpAddr>,
        app: &App,
        answer: fn(&App, Request<B>, Option<IpAddr>) -> F,
    ) -> impl Future<Output = Response<Full<Bytes>>> + use<B, F>
    where
        F: Future<Output = Result<Response<Full<Bytes>>, Refused>>,
    {
        let shared = Arc::clone(&self.0);
        let asked = Asked::new(&shared.ids, &request, Route::Known(route));
        // What is done before anything is waited for may panic as well.
        let begun = catch_unwind(AssertUnwindSafe(|| match too_large(request.headers()) {
            Some(refused) => Err(refused),
            None => Ok(answer(app, request, source)),
        }));
        async move {
            let answered = match begun {
                Ok(Ok(answering)) => AssertUnwindSafe(answering).catch_unwind().await,
                Ok(Err(refused)) => Ok(Err(refused)),
                Err(panic) => Err(panic),
            };
            let response = match answered {
                Ok(answered) => answered.unwrap_or_else(Refused::respond),
                Err(panic) => panicked(panic.as_ref()).respond(),
            };
            asked.finish(&shared, response)
        }
    }
}

impl<S> Layer<S> for Frame {
    type Service = Framed<S>;

    fn layer(&self, inner: S) -> Framed<S> {
        Framed { inner, shared: Arc::clone(&self.0) }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Framed<S> {
    inner: S,
    shared: Arc<Shared>,
}

type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl<S> Service<Request<Body>> for Framed<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Answering {
        let shared = Arc::clone(&self.shared);
        let route = Route::Matched(request.extensions().get::<MatchedPath>().cloned());
        let asked = Asked::new(&shared.ids, &request, route);
        if let Some(refused) = too_large(request.headers()) {
            return Box::pin(async move { Ok(asked.finish(&shared, refused.into_response())) });
        }
        let answering = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        Box::pin(async move {
            let response = match answering.await {
                Ok(Ok(response)) => response,
                Ok(Err(never)) => match never {},
                Err(panic) => panicked(panic.as_ref()).into_response(),
            };
            Ok(asked.finish(&shared, response))
        })
    }
}

/// The path of a route as it is documented.
enum Route {
    /// As the router found it; none if it found none.
    Matched(Option<MatchedPath>),
    Known(&'static str),
}

impl Route {
    fn as_str(&self) -> &str {
        match self {
            Self::Matched(path) => path.as_ref().map_or("none", MatchedPath::as_str),
            Self::Known(path) => path,
        }
    }
}

/// What of a request is needed when its answer leaves.
struct Asked {
    id: HeaderValue,
    method: Method,
    route: Route,
    if_none_match: Option<HeaderValue>,
    began: Instant,
}

impl Asked {
    fn new<B>(ids: &RequestIds, request: &Request<B>, route: Route) -> Self {
        Self {
            id: sane_id(request.headers()).unwrap_or_else(|| ids.fresh()),
            method: request.method().clone(),
            route,
            if_none_match: request.headers().get(IF_NONE_MATCH).cloned(),
            began: Instant::now(),
        }
    }

    fn finish<B: From<Vec<u8>> + Default>(self, shared: &Shared, mut response: Response<B>) -> Response<B> {
        if let Some(told) = response.extensions_mut().remove::<Told>() {
            self.write_problem(&mut response, told);
        }
        self.answer_unchanged(&mut response);
        let headers = response.headers_mut();
        prefix_location(headers, &shared.prefix);
        protect(headers);
        self.record(response.status());
        response.headers_mut().insert(REQUEST_ID, self.id);
        response
    }

    fn write_problem<B: From<Vec<u8>>>(&self, response: &mut Response<B>, told: Told) {
        let mut problem = told.problem;
        problem.request_id = self.id.to_str().unwrap_or_default().to_owned();
        if let Some(fault) = told.fault {
            tracing::error!(request_id = %problem.request_id, fault, "a request failed by our fault");
        }
        // A problem is strings and numbers: writing it can't fail.
        *response.body_mut() = B::from(serde_json::to_vec(&problem).unwrap_or_default());
        response.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
    }

    /// The caller has this very state already (RFC 9110, 13.1.2).
    fn answer_unchanged<B: Default>(&self, response: &mut Response<B>) {
        let Some(known) = self.if_none_match.as_ref().and_then(|value| value.to_str().ok()) else { return };
        let tag = response.headers().get(ETAG).and_then(|value| value.to_str().ok());
        let reads = matches!(self.method, Method::GET | Method::HEAD);
        let same = tag.is_some_and(|tag| {
            known.trim() == "*" || known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)
        });
        if reads && same && response.status() == StatusCode::OK {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = B::default();
            response.headers_mut().remove(CONTENT_TYPE);
        }
    }

    /// One line and one count for each request; calls to decide are counted where they are decided.
    fn record(&self, status: StatusCode) {
        let route = self.route.as_str();
        let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let request_id = self.id.to_str().unwrap_or_default();
        if route.starts_with("/v1/verify") {
            tracing::debug!(request_id, route, status = status.as_u16(), micros, "decided");
            return;
        }
        let method = method_word(self.method.as_str());
        tracing::info!(request_id, method, route, status = status.as_u16(), micros, "answered");
        let labels = [
            ("method", method.to_owned()),
            ("route", route.to_owned()),
            ("status", status.as_str().to_owned()),
        ];
        metrics::counter!("claviger_http_requests_total", &labels).increment(1);
        metrics::histogram!("claviger_http_request_seconds", "route" => route.to_owned())
            .record(self.began.elapsed());
    }
}

impl RequestIds {
    fn fresh(&self) -> HeaderValue {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        HeaderValue::try_from(format!("{}{number:06x}", self.prefix))
            .unwrap_or_else(|_| HeaderValue::from_static("req_unnamed"))
    }
}

/// The caller's own id, if it is short and plain enough to be told and logged.
fn sane_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let value = headers.get(REQUEST_ID)?;
    let text = value.to_str().ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte);
    let sane = (1..=128).contains(&text.len()) && text.bytes().all(plain) && !contains_credential(text);
    sane.then(|| value.clone())
}

fn too_large(headers: &HeaderMap) -> Option<Refused> {
    // A name, `: `, a value, and the end of the line.
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    let detail = "All headers together are larger than 32 KiB.";
    (bytes > MAX_HEADERS).then(|| Refused::new(status, "headers_too_large", detail))
}

/// A created object is found below the path under which we are shown.
fn prefix_location(headers: &mut HeaderMap, prefix: &str) {
    if prefix.is_empty() {
        return;
    }
    let prefixed = headers
        .get(LOCATION)
        .and_then(|location| location.to_str().ok())
        .and_then(|location| HeaderValue::try_from(format!("{prefix}{location}")).ok());
    if let Some(location) = prefixed {
        headers.insert(LOCATION, location);
    }
}

fn protect(headers: &mut HeaderMap) {
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers
        .entry(CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
}

fn panicked(panic: &(dyn Any + Send)) -> Refused {
    let words = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    Refused::internal().because(format!("panic: {}", words.unwrap_or("of an unknown kind")))
}
