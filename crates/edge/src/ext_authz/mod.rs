//! Envoy's external authorization: Envoy asks over gRPC before it passes a call on
//! (`envoy.service.auth.v3.Authorization/Check`; surface.md, "Deciding"). Only peers in `doors.trusted` are answered.

mod asked;
mod reply;

use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use claviger_domain::peers::TrustedPeers;
use claviger_limits::Limiter;
use claviger_verify::answer::{RequestId, RequestIds};
use claviger_verify::{Failures, Index, Meters};
use envoy_types::pb::envoy::service::auth::v3::authorization_server::{Authorization, AuthorizationServer};
use envoy_types::pb::envoy::service::auth::v3::{CheckRequest, CheckResponse};
use http::{HeaderMap, StatusCode};
use hyper::body::Incoming;
use tonic::body::Body;
use tower::ServiceExt as _;

use self::asked::Asked;
use crate::answer::Problem;
use crate::decider::{Call, Clock, Decided, Decider};
use crate::path;

/// How the door is set up.
#[derive(Clone)]
pub struct ExtAuthzSettings {
    pub trusted: TrustedPeers,
    /// What time it is.
    pub clock: Clock,
    /// The beginning of request ids made here, different at each start.
    pub request_id_prefix: String,
}

impl fmt::Debug for ExtAuthzSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtAuthzSettings").field("trusted", &self.trusted).finish_non_exhaustive()
    }
}

/// The door. It answers at once, from memory. Cheap to clone.
#[derive(Clone)]
pub struct ExtAuthz {
    checking: Arc<Checking>,
    server: AuthorizationServer<Checking>,
}

/// Who opened the connection that a call came on.
#[derive(Debug, Clone, Copy)]
struct Peer(IpAddr);

/// What Envoy tells of a call at most, in bytes: its headers, and no body.
const MAX_CHECK: usize = 1 << 20;
/// How long a check may take to arrive and be answered.
const PATIENCE: Duration = Duration::from_secs(10);

struct Checking {
    decider: Decider,
    request_ids: RequestIds,
}

const UNTRUSTED_PEER: &str =
    "ext_authz answers only the proxies in `doors.trusted`; this address is not one of them";
const TOO_SLOW: &str = "the check did not arrive in time";
const NO_CALL: &str = "the check has no attributes of an HTTP request";
const BAD_PATH: Problem = Problem::new(
    StatusCode::BAD_REQUEST,
    "bad_query",
    "Without the context extension `api` the path of the call has to name the API: from `/` on, and without `.` or \
     `..` segments.",
);

impl ExtAuthz {
    pub fn new(
        index: Arc<Index>,
        meters: Arc<Meters>,
        failures: Arc<Failures>,
        limiter: Limiter,
        settings: ExtAuthzSettings,
    ) -> Self {
        let decider = Decider::new(index, meters, failures, limiter, settings.trusted, settings.clock);
        let request_ids = RequestIds::new(format!("{}-e", settings.request_id_prefix));
        let checking = Arc::new(Checking { decider, request_ids });
        let server = AuthorizationServer::from_arc(Arc::clone(&checking));
        Self { checking, server: server.max_decoding_message_size(MAX_CHECK) }
    }

    /// Answers a call of gRPC that came from this peer. Strangers are not even read.
    pub async fn answer(self, mut request: http::Request<Incoming>, peer: IpAddr) -> http::Response<Body> {
        if !self.checking.decider.trusted.contains(peer) {
            return tonic::Status::permission_denied(UNTRUSTED_PEER).into_http();
        }
        request.extensions_mut().insert(Peer(peer));
        match tokio::time::timeout(PATIENCE, self.server.oneshot(request)).await {
            Ok(answered) => answered.unwrap_or_else(|never: Infallible| match never {}),
            Err(_) => tonic::Status::deadline_exceeded(TOO_SLOW).into_http(),
        }
    }
}

impl fmt::Debug for ExtAuthz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtAuthz").finish_non_exhaustive()
    }
}

/// The answer of a node that has nothing to decide by yet: it is still starting.
pub fn ext_authz_not_ready() -> http::Response<Body> {
    tonic::Status::unavailable("the node is starting and has not read the log yet").into_http()
}

#[tonic::async_trait]
impl Authorization for Checking {
    async fn check(
        &self,
        request: tonic::Request<CheckRequest>,
    ) -> Result<tonic::Response<CheckResponse>, tonic::Status> {
        let Some(Peer(peer)) = request.extensions().get().copied() else {
            return Err(tonic::Status::permission_denied(UNTRUSTED_PEER));
        };
        let (http, around) =
            asked::call_of(request.into_inner()).ok_or_else(|| tonic::Status::invalid_argument(NO_CALL))?;
        let reply = match Asked::read(&http, &around, peer) {
            Ok(asked) => self.decide(&asked, &self.request_ids.of(&asked.headers)).await,
            Err(problem) => reply::denied(problem, &self.request_ids.of(&HeaderMap::new())),
        };
        Ok(tonic::Response::new(reply))
    }
}

impl Checking {
    async fn decide(&self, asked: &Asked<'_>, id: &RequestId) -> CheckResponse {
        let api = match asked.api {
            Some(api) => api.into(),
            None => match path::split(asked.path) {
                Some(split) => split.slug,
                None => return reply::denied(BAD_PATH, id),
            },
        };
        let call = Call {
            headers: &asked.headers,
            peer: asked.peer,
            api: &api,
            environment: asked.environment,
            permissions: asked.permissions.as_slice(),
        };
        let then = |decided: &Decided<'_>| match decided.refusal() {
            Some(problem) => reply::denied(problem, id),
            None => reply::passed(decided, call.headers),
        };
        self.decider.decide(&call, then).await
    }
}
