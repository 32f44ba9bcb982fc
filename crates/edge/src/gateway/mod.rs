//! The built-in gateway: `/{api slug}/…` goes to the API's upstream if it may (product.md C1, C9). It decides as every
//! door does, on the bytes that it passes on; it keeps nothing of what passes, waits for nobody for ever, and
//! cuts what would now be refused.

mod account;
mod body;
mod connector;
mod cors;
mod headers;
mod open;
mod places;
mod problems;
mod trace;
mod trial;
mod tunnel;
mod upstreams;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use claviger_domain::event::Position;
use claviger_domain::peers::TrustedPeers;
use claviger_egress::Egress;
use claviger_limits::Limiter;
use claviger_verify::answer::{AS_OF, REQUEST_ID, RequestId, RequestIds, put_allotment, tells_allotment};
use claviger_verify::{Allotment, Failures, Index, Meters};
use futures::future::{BoxFuture, FutureExt as _};
use http::header::{CONNECTION, CONTENT_TYPE, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

pub use self::body::GatewayBody;
pub use self::connector::upstream_tls;
pub use self::trial::{TrialAnswer, TrialFailure, TrialLimits};

use self::account::Account;
use self::body::{Direction, Outgoing, Passing};
use self::connector::Pools;
use self::cors::Grant;
use self::headers::Arrival;
use self::open::{OpenCall, OpenCalls};
use self::places::CallPlaces;
use self::trace::Traces;
use self::upstreams::{Target, Targets};
use crate::answer::{self, Problem};
use crate::decider::{Call, Clock, Decided, Decider};
use crate::framing::TwoLengths;
use crate::path;
use crate::serve::{Connection, Hold};

/// How the gateway is set up.
#[derive(Clone)]
pub struct GatewaySettings {
    pub trusted: TrustedPeers,
    /// The Environment that this listener is for; `None`: the credential's own counts.
    pub environment: Option<String>,
    /// How many calls may be open. Further ones wait until one ends, as long as for an upstream to be connected to.
    pub calls: usize,
    /// How long an upstream may take to be connected to.
    pub connect_timeout: Duration,
    /// How long an upstream may take to answer after it was sent all, or the last piece.
    pub answer_timeout: Duration,
    /// How long nothing may move in an open call, and an upstream take nothing of what it is sent.
    pub idle_timeout: Duration,
    pub clock: Clock,
    /// The beginning of request ids made here, different at each start.
    pub request_id_prefix: String,
    /// Different at each start, for ids of traces.
    pub trace_seed: [u8; 16],
}

impl fmt::Debug for GatewaySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewaySettings")
            .field("trusted", &self.trusted)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}

/// The gateway. Share it by `Arc`.
pub struct Gateway {
    decider: Decider,
    settings: GatewaySettings,
    pools: Pools,
    targets: Targets,
    open: Arc<OpenCalls>,
    places: CallPlaces,
    tunnels: TaskTracker,
    traces: Traces,
    request_ids: RequestIds,
}

/// A call that may pass.
struct Passage {
    call: Arc<OpenCall>,
    targets: Vec<Arc<Target>>,
    /// Who calls, as the upstream is told.
    identity: HeaderMap,
    /// The headers that the decision was made on.
    credentials: Vec<HeaderName>,
    basic: bool,
    /// How the call stands to what limits it, which its caller is told.
    allotment: Option<Allotment>,
}

impl Passage {
    /// Why it may not pass any more, if so.
    fn refused(&self) -> Option<Problem> {
        self.call.refused().map(|code| Problem::of(code, self.basic))
    }

    /// What its caller hears where it was cut.
    fn cut(&self) -> Problem {
        self.refused().unwrap_or(problems::ENDING)
    }
}

impl Gateway {
    pub fn new(
        index: Arc<Index>,
        meters: Arc<Meters>,
        failures: Arc<Failures>,
        limiter: Limiter,
        egress: Egress,
        upstream_tls: rustls::ClientConfig,
        settings: GatewaySettings,
    ) -> Self {
        let (trusted, clock) = (settings.trusted.clone(), Arc::clone(&settings.clock));
        Self {
            decider: Decider::new(index, meters, failures, limiter, trusted, clock),
            pools: Pools::new(egress, upstream_tls, &settings),
            targets: Targets::default(),
            open: Arc::default(),
            places: CallPlaces::new(settings.calls),
            tunnels: TaskTracker::new(),
            traces: Traces::new(settings.trace_seed),
            request_ids: RequestIds::new(format!("{}-g", settings.request_id_prefix)),
            settings,
        }
    }

    /// Watches over open calls and cuts those that would now be refused, for ever.
    pub async fn watch(&self) {
        let GatewaySettings { environment, idle_timeout, .. } = &self.settings;
        self.open.watch(&self.decider, environment.as_deref(), *idle_timeout).await;
    }

    /// Lets upgraded connections end, which no listener waits for; cuts what is left after `grace`.
    pub async fn close(&self, grace: Duration) {
        self.tunnels.close();
        if tokio::time::timeout(grace, self.tunnels.wait()).await.is_err() {
            tracing::warn!(connections = self.tunnels.len(), "upgraded connections were cut");
        }
        self.open.cut_all();
        self.tunnels.wait().await;
    }

    /// Answers a call that came on this connection. In a box: the server under it moves what it is given about, and this
    /// is large.
    pub fn answer(
        self: &Arc<Self>,
        request: Request<Incoming>,
        connection: &Connection,
    ) -> BoxFuture<'static, Response<GatewayBody>> {
        let (gateway, peer, tls) = (Arc::clone(self), connection.peer, connection.tls);
        // In HTTP/2 other calls share the connection.
        let hold = (request.version() < Version::HTTP_2).then(|| connection.hold.clone());
        gateway.answer_one(request, peer, tls, hold).boxed()
    }

    async fn answer_one(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        peer: SocketAddr,
        tls: bool,
        hold: Option<Hold>,
    ) -> Response<GatewayBody> {
        let id = self.request_ids.of(request.headers());
        let caller = headers::upgrade(request.headers()).map(|protocol| (protocol, upgraded(&mut request)));
        let (parts, body) = request.into_parts();
        let (began, mut noted, mut open) = (Instant::now(), Noted::default(), None);
        let answered = match self.admit(&parts, peer, &id, hold, &mut noted).await {
            Ok(Admitted::Preflight(headers)) => Ok(no_content(headers)),
            Ok(Admitted::Passage(passage)) => {
                open = Some(Arc::clone(&passage.call));
                self.pass(passage, parts, body, peer, tls, &id, caller).await
            }
            Err(problem) => Err(problem),
        };
        let mut response = match answered {
            Ok(response) => response,
            Err(problem) => problem.into_response(&id, false).map(GatewayBody::Whole),
        };
        if let Some(grant) = noted.grant {
            grant.put(response.headers_mut());
        }
        if let Some(mut account) = noted.account {
            account.answer(response.status(), began.elapsed());
            match open {
                Some(call) => call.keep(account),
                None => account.close(0, response.body().size_hint().lower()),
            }
        }
        if let Some(as_of) = noted.as_of {
            response.headers_mut().insert(AS_OF, HeaderValue::from(as_of.0));
        }
        response.headers_mut().insert(REQUEST_ID, id.0);
        response
    }

    /// What the call may do. What is known of it by then is noted also where it may do nothing.
    async fn admit(
        &self,
        parts: &Parts,
        peer: SocketAddr,
        id: &RequestId,
        hold: Option<Hold>,
        noted: &mut Noted,
    ) -> Result<Admitted, Problem> {
        if parts.method == Method::CONNECT || parts.method == Method::TRACE {
            return Err(problems::METHOD_NOT_ALLOWED);
        }
        let has_host = parts.headers.contains_key(http::header::HOST) || parts.uri.authority().is_some();
        let has_two_lengths = parts.extensions.get::<TwoLengths>().is_some();
        if has_two_lengths
            || !headers::are_unambiguous(&parts.headers)
            || (parts.version == Version::HTTP_11 && !has_host)
        {
            return Err(problems::BAD_REQUEST);
        }
        let api = path::split(parts.uri.path()).ok_or(problems::BAD_PATH)?.slug;
        if cors::is_preflight(&parts.method, &parts.headers)
            && let Some(door) = self.decider.index.door(&api).filter(claviger_verify::Door::exposed)
            && let Some(cors) = door.routing().and_then(|routing| routing.cors.as_ref())
        {
            return Ok(Admitted::Preflight(cors::preflight(cors, &parts.headers)));
        }
        let environment = self.settings.environment.as_deref();
        let call =
            Call { headers: &parts.headers, peer: peer.ip(), api: &api, environment, permissions: &[] };
        let admitted = self.decider.decide(&call, |decided| {
            let routing = decided.door.filter(|door| door.exposed()).and_then(|door| door.routing());
            let cors = routing.and_then(|routing| routing.cors.as_ref());
            noted.as_of = Some(decided.decision.as_of());
            noted.grant = cors.map(|cors| Grant::of(cors, &parts.headers));
            let (meters, id) = (Arc::clone(&self.decider.meters), id.0.to_str().unwrap_or_default());
            noted.account = Some(Account::open(meters, decided, parts, id, self.decider.now()));
            match decided.refusal() {
                Some(problem) => Err(problem),
                None => Ok(Admitted::Passage(self.passage(&call, decided, hold))),
            }
        });
        admitted.await
    }

    fn passage(&self, call: &Call<'_>, decided: &Decided<'_>, hold: Option<Hold>) -> Passage {
        let own = decided.decision.environment().map(|environment| environment.id);
        let told = || call.environment.and_then(|told| decided.door?.environment(told));
        let upstreams =
            decided.door.and_then(|door| door.routing()).map(|it| it.upstreams(own.or_else(told)));
        let mut identity = HeaderMap::with_capacity(8);
        answer::put_identity(&decided.decision, &mut identity);
        let taken = |name: &&HeaderName| decided.extracted.takes(&decided.places, name.as_str());
        Passage {
            call: self.open.open(call.api, decided, hold),
            targets: self.targets.in_order(upstreams.unwrap_or_default(), self.decider.now()),
            identity,
            credentials: call.headers.keys().filter(taken).cloned().collect(),
            basic: decided.places.basic,
            allotment: decided.decision.allotment(),
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one place puts a call together from all that came with it"
    )]
    async fn pass(
        &self,
        mut passage: Passage,
        mut parts: Parts,
        body: Incoming,
        peer: SocketAddr,
        tls: bool,
        id: &RequestId,
        caller: Option<(HeaderValue, OnUpgrade)>,
    ) -> Result<Response<GatewayBody>, Problem> {
        if !self.place(&passage).await? {
            return Ok(problems::full(id).map(GatewayBody::Whole));
        }
        let arrival = Arrival { peer: peer.ip(), trusted: self.decider.trusted.contains(peer.ip()), tls };
        let authority = parts.uri.authority().map(http::uri::Authority::as_str);
        let is_credential = |name: &str| passage.credentials.iter().any(|it| it == name);
        headers::make_outgoing(&mut parts.headers, arrival, authority, is_credential);
        parts.headers.extend(std::mem::take(&mut passage.identity));
        parts.headers.insert(REQUEST_ID, id.0.clone());
        self.traces.put(&mut parts.headers);
        if let Some((protocol, _)) = &caller {
            parts.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            parts.headers.insert(UPGRADE, protocol.clone());
        }
        let call = Arc::clone(&passage.call);
        let direction = Direction::ToUpstream(Arc::clone(&self.decider.index));
        let body = Passing::new(body, Arc::clone(&call), self.settings.idle_timeout, direction);
        let mut response = self.send(&passage, parts, body).await?;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let (_, caller) = caller.ok_or(problems::UNREACHABLE)?;
            return Ok(self.tunnel(caller, response, call));
        }
        headers::make_returning(response.headers_mut());
        // What the upstream limits by itself, it may tell by itself.
        if let Some(allotment) = passage.allotment.filter(|_| !tells_allotment(response.headers())) {
            put_allotment(allotment, response.headers_mut());
        }
        let patience = self.settings.idle_timeout;
        let answer = response.map(|body| Passing::new(body, call, patience, Direction::ToCaller));
        Ok(answer.map(GatewayBody::Passing))
    }

    /// Whether there is a place for the call, which it has until it is over. To wait for one is no part of what
    /// upstreams are given time for.
    async fn place(&self, passage: &Passage) -> Result<bool, Problem> {
        let call = &passage.call;
        tokio::select! {
            biased;
            place = self.places.take(self.settings.connect_timeout, || self.decider.now()) => {
                Ok(place.map(|place| call.take(place)).is_some())
            }
            () = call.cut().cancelled() => Err(passage.cut()),
        }
    }

    /// Sends the call and waits for the head of its answer; not longer than something moves, and not when it was
    /// cut.
    async fn send(
        &self,
        passage: &Passage,
        parts: Parts,
        body: Passing,
    ) -> Result<Response<Incoming>, Problem> {
        let call = &passage.call;
        let pends = body.pends();
        tokio::select! {
            biased;
            answered = self.try_in_order(&passage.targets, parts, Outgoing::new(body)) => {
                answered.map_err(|problem| passage.refused().unwrap_or(problem))
            }
            () = call.cut().cancelled() => Err(passage.cut()),
            () = call.idle(self.settings.answer_timeout) => {
                let caller_is_slow = pends.load(Ordering::Relaxed);
                Err(if caller_is_slow { problems::CALLER_TIMED_OUT } else { problems::TIMED_OUT })
            }
        }
    }

    /// Tries one upstream after the other, for as long as nothing was sent.
    async fn try_in_order(
        &self,
        targets: &[Arc<Target>],
        mut parts: Parts,
        body: Outgoing,
    ) -> Result<Response<Incoming>, Problem> {
        let uri = std::mem::take(&mut parts.uri);
        let rest = path::split(uri.path()).ok_or(problems::BAD_PATH)?.rest;
        let needs_http2 =
            parts.headers.get(CONTENT_TYPE).is_some_and(|it| it.as_bytes().starts_with(b"application/grpc"));
        let mut failed = problems::UNREACHABLE;
        for (tried, target) in targets.iter().enumerate() {
            let is_last = tried + 1 == targets.len();
            let mut request = Request::new(body.clone());
            *request.method_mut() = parts.method.clone();
            *request.uri_mut() = target.uri(rest, uri.query()).ok_or(problems::BAD_PATH)?;
            *request.headers_mut() =
                if is_last { std::mem::take(&mut parts.headers) } else { parts.headers.clone() };
            let pool = self.pools.of(needs_http2 && target.is_plain());
            match pool.request(request).await {
                Ok(response) => {
                    target.was_reached();
                    return Ok(response);
                }
                Err(error) if error.is_connect() => {
                    target.was_not_reached(self.decider.now());
                    tracing::debug!(
                        ?target,
                        error = &error as &dyn std::error::Error,
                        "an upstream can't be reached"
                    );
                    failed = problems::of_failure(&error);
                }
                Err(error) => {
                    tracing::debug!(
                        ?target,
                        error = &error as &dyn std::error::Error,
                        "an upstream did not answer"
                    );
                    return Err(problems::of_failure(&error));
                }
            }
        }
        Err(failed)
    }

    /// Both sides change to the other protocol.
    fn tunnel(
        &self,
        caller: OnUpgrade,
        mut response: Response<Incoming>,
        call: Arc<OpenCall>,
    ) -> Response<GatewayBody> {
        let protocol = response.headers().get(UPGRADE).cloned();
        let upstream = hyper::upgrade::on(&mut response);
        self.tunnels.spawn(tunnel::carry(caller, upstream, call, self.settings.idle_timeout));
        headers::make_returning(response.headers_mut());
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        if let Some(protocol) = protocol {
            headers.insert(UPGRADE, protocol);
        }
        response.map(|_| GatewayBody::Whole(Full::default()))
    }
}

/// What is known of a call once it was decided on.
#[derive(Default)]
struct Noted {
    /// Which pages may read the answer.
    grant: Option<Grant>,
    account: Option<Account>,
    /// What was decided by, as far as anything was.
    as_of: Option<Position>,
}

enum Admitted {
    Preflight(HeaderMap),
    Passage(Passage),
}

fn upgraded(request: &mut Request<Incoming>) -> OnUpgrade {
    hyper::upgrade::on(request)
}

fn no_content(headers: HeaderMap) -> Response<GatewayBody> {
    let mut response = Response::new(GatewayBody::Whole(Full::new(Bytes::new())));
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.headers_mut() = headers;
    response
}

/// The answer of a node that has no gateway yet: it is still starting.
pub fn gateway_not_ready() -> Response<GatewayBody> {
    problems::STARTING.into_response(&RequestId::NONE, false).map(GatewayBody::Whole)
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Gateway").field(&self.settings).finish()
    }
}
