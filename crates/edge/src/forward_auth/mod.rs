//! Forward-auth: a proxy asks before each call, with the call's headers, and passes the call on only at
//! 200 (surface.md, "Deciding"). No service key: only peers in `doors.trusted` are answered.

mod query;
mod target;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use claviger_domain::peers::TrustedPeers;
use claviger_limits::Limiter;
use claviger_verify::answer::{AS_OF, CODE, REQUEST_ID, RequestIds, put_allotment};
use claviger_verify::{Decision, Failures, Index, Meters};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::Full;

use self::query::Query;
use crate::answer::{self, Problem};
use crate::decider::{Call, Clock, Decider};

/// Where forward-auth is asked.
pub const FORWARD_AUTH_PATH: &str = "/v1/forward-auth";

/// Which headers tell of the call that is asked about. Only one kind is read: the proxy sets those, and a
/// caller may have sent the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `X-Forwarded-Method`, `X-Forwarded-Uri` (Caddy, Traefik).
    Forwarded,
    /// `X-Original-Method`, `X-Original-URI` (nginx).
    Original,
}

/// How the door is set up.
#[derive(Clone)]
pub struct Settings {
    pub trusted: TrustedPeers,
    pub dialect: Dialect,
    /// What time it is.
    pub clock: Clock,
    /// The beginning of request ids made here, different at each start.
    pub request_id_prefix: String,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("trusted", &self.trusted)
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

/// The door. It answers from memory, at once unless nodes count the call's rate or quota together.
pub struct ForwardAuth {
    decider: Decider,
    settings: Settings,
    request_ids: RequestIds,
}

/// What the door says.
enum Answer {
    /// The call may pass, and this is whose it is.
    Pass(HeaderMap),
    Refuse(Problem),
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        Self::Refuse(problem)
    }
}

const UNTRUSTED_PEER: Problem = Problem::new(
    StatusCode::FORBIDDEN,
    "untrusted_peer",
    "Forward-auth answers only the proxies in `doors.trusted`; this address is not one of them.",
);
const METHOD_NOT_ALLOWED: Problem = Problem::new(
    StatusCode::METHOD_NOT_ALLOWED,
    "method_not_allowed",
    "Forward-auth is asked with GET; the call's own method stands in a header.",
)
.allow("GET, HEAD");
const BAD_QUERY: Problem = Problem::new(
    StatusCode::BAD_REQUEST,
    "bad_query",
    "The query takes `api`, `environment`, `permissions` and `errors=auth_request`, each once.",
);

impl ForwardAuth {
    pub fn new(
        index: Arc<Index>,
        meters: Arc<Meters>,
        failures: Arc<Failures>,
        limiter: Limiter,
        settings: Settings,
    ) -> Self {
        let (trusted, clock) = (settings.trusted.clone(), Arc::clone(&settings.clock));
        let decider = Decider::new(index, meters, failures, limiter, trusted, clock);
        let request_ids = RequestIds::new(format!("{}-", settings.request_id_prefix));
        Self { decider, settings, request_ids }
    }

    /// Answers what was asked at [`FORWARD_AUTH_PATH`] by this peer.
    pub async fn answer(&self, request: &Parts, peer: IpAddr) -> http::Response<Full<Bytes>> {
        let id = self.request_ids.of(&request.headers);
        let query = Query::parse(request.uri.query().unwrap_or_default());
        let auth_request = query.as_ref().map_or_else(|bad| bad.auth_request, |query| query.auth_request);
        match self.consider(request, peer, query).await {
            Answer::Pass(mut headers) => {
                headers.insert(REQUEST_ID, id.0);
                let mut response = http::Response::new(Full::default());
                *response.headers_mut() = headers;
                response
            }
            Answer::Refuse(problem) => problem.into_response(&id, auth_request),
        }
    }

    async fn consider(
        &self,
        request: &Parts,
        peer: IpAddr,
        query: Result<Query<'_>, query::BadQuery>,
    ) -> Answer {
        if !self.settings.trusted.contains(peer) {
            return UNTRUSTED_PEER.into();
        }
        if request.method != Method::GET && request.method != Method::HEAD {
            return METHOD_NOT_ALLOWED.into();
        }
        let query = match query {
            Ok(query) => query,
            Err(bad) => return BAD_QUERY.about(bad.parameter).into(),
        };
        let named = query.api.as_deref().map(|api| Ok(api.into()));
        let api = named.unwrap_or_else(|| target::api_of(&request.headers, self.settings.dialect));
        match api {
            Ok(api) => self.decide(&request.headers, peer, &query, &api).await,
            Err(problem) => problem.into(),
        }
    }

    async fn decide(&self, headers: &HeaderMap, peer: IpAddr, query: &Query<'_>, api: &str) -> Answer {
        let asked = query.permissions();
        let environment = query.environment.as_deref();
        let call = Call { headers, peer, api, environment, permissions: asked.as_slice() };
        let answer = self.decider.decide(&call, |decided| match decided.refusal() {
            Some(problem) => Answer::Refuse(problem),
            None => Answer::Pass(identity(&decided.decision)),
        });
        answer.await
    }
}

impl fmt::Debug for ForwardAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ForwardAuth").field(&self.settings).finish()
    }
}

fn identity(decision: &Decision) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(CODE, HeaderValue::from_static(decision.code().as_str()));
    headers.insert(AS_OF, HeaderValue::from(decision.as_of().0));
    answer::put_identity(decision, &mut headers);
    if let Some(allotment) = decision.allotment() {
        put_allotment(allotment, &mut headers);
    }
    headers
}
