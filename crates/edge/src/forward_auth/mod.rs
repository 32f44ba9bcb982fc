//! Forward-auth: a proxy asks before each call, with the call's headers, and passes the call on only at
//! 200 (surface.md, "Deciding"). No service key: only peers in `doors.trusted` are answered.

mod query;
mod target;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use claviger_domain::peers::TrustedPeers;
use claviger_limits::Limiter;
use claviger_verify::answer::{AS_OF, CODE, REQUEST_ID, RequestIds, put_allotment};
use claviger_verify::{Decision, Failures, Index, Meters};
use futures::future::FutureExt as _;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;

use self::query::Query;
use crate::answer::{self, Problem};
use crate::decider::{Call, Clock, Decided, Decider};

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

impl Answer {
    fn of(decided: &Decided<'_>) -> Self {
        match decided.refusal() {
            Some(problem) => Self::Refuse(problem),
            None => Self::Pass(identity(&decided.decision)),
        }
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

    /// Answers what was asked at [`FORWARD_AUTH_PATH`] by this peer. Its body is nobody's concern, but stays until the
    /// answer is made.
    pub fn answer<B: Send + 'static>(
        self: &Arc<Self>,
        request: Request<B>,
        peer: IpAddr,
    ) -> impl Future<Output = Response<Full<Bytes>>> + Send + use<B> {
        let door = Arc::clone(self);
        async move {
            let (request, _body) = request.into_parts();
            match door.answer_at_once(&request, peer) {
                Some(response) => response,
                // In a box of its own: calls that wait for nobody need not carry the room for it.
                None => door.answer_in_time(&request, peer).boxed().await,
            }
        }
    }

    /// None: others have to be asked first, and nothing was done.
    fn answer_at_once(&self, request: &Parts, peer: IpAddr) -> Option<Response<Full<Bytes>>> {
        let (asked, auth_request) = self.read(request, peer);
        let answer = match asked {
            Ok(asked) => {
                let permissions = asked.query.permissions();
                let call = asked.call(request, peer, permissions.as_slice());
                self.decider.decide_at_once(&call, Answer::of)?
            }
            Err(problem) => Answer::Refuse(problem),
        };
        Some(self.respond(request, answer, auth_request))
    }

    async fn answer_in_time(&self, request: &Parts, peer: IpAddr) -> Response<Full<Bytes>> {
        let (asked, auth_request) = self.read(request, peer);
        let answer = match asked {
            Ok(asked) => {
                let permissions = asked.query.permissions();
                let call = asked.call(request, peer, permissions.as_slice());
                self.decider.decide(&call, Answer::of).await
            }
            Err(problem) => Answer::Refuse(problem),
        };
        self.respond(request, answer, auth_request)
    }

    /// What is asked, and whether its refusals are for nginx.
    fn read<'r>(&self, request: &'r Parts, peer: IpAddr) -> (Result<Asked<'r>, Problem>, bool) {
        let query = Query::parse(request.uri.query().unwrap_or_default());
        let auth_request = query.as_ref().map_or_else(|bad| bad.auth_request, |query| query.auth_request);
        (self.admit(request, peer, query), auth_request)
    }

    fn admit<'r>(
        &self,
        request: &'r Parts,
        peer: IpAddr,
        query: Result<Query<'r>, query::BadQuery>,
    ) -> Result<Asked<'r>, Problem> {
        if !self.settings.trusted.contains(peer) {
            return Err(UNTRUSTED_PEER);
        }
        if request.method != Method::GET && request.method != Method::HEAD {
            return Err(METHOD_NOT_ALLOWED);
        }
        let mut query = query.map_err(|bad| BAD_QUERY.about(bad.parameter))?;
        let api = match query.api.take() {
            Some(api) => api,
            None => target::api_of(&request.headers, self.settings.dialect)?.into(),
        };
        Ok(Asked { query, api })
    }

    fn respond(&self, request: &Parts, answer: Answer, auth_request: bool) -> Response<Full<Bytes>> {
        let id = self.request_ids.of(&request.headers);
        match answer {
            Answer::Pass(mut headers) => {
                headers.insert(REQUEST_ID, id.0);
                let mut response = Response::new(Full::default());
                *response.headers_mut() = headers;
                response
            }
            Answer::Refuse(problem) => problem.into_response(&id, auth_request),
        }
    }
}

/// A question of a proxy's that may be answered.
struct Asked<'r> {
    query: Query<'r>,
    /// Its slug, as the query or the call's own path has it.
    api: Cow<'r, str>,
}

impl Asked<'_> {
    fn call<'c>(&'c self, request: &'c Parts, peer: IpAddr, permissions: &'c [&'c str]) -> Call<'c> {
        let (headers, environment) = (&request.headers, self.query.environment.as_deref());
        Call { headers, peer, api: &self.api, environment, permissions }
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
