//! A gateway with an index in memory, the upstreams behind it, and callers.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use claviger_domain::apis::{
    ApiPermission, AuthType, Cors, CredentialHeaders, HeaderPreset, Requires, Upstream,
};
use claviger_domain::credential::{self, CredentialKind};
use claviger_domain::event::Position;
use claviger_domain::id::{ApiId, ApplicationId, EnvironmentId, GroupId, KeyId, KeySetId, OrganizationId};
use claviger_domain::peers::TrustedPeers;
use claviger_domain::policy_templates::CallLimits;
use claviger_domain::secret::{DigestKey, DigestKeyId};
use claviger_domain::text::{Name, Slug};
use claviger_domain::time::Timestamp;
use claviger_edge::{Connection, Gateway, GatewaySettings, Limits};
use claviger_egress::{Egress, Rules};
use claviger_limits::Limiter;
use claviger_verify::{
    ApiFacts, ApplicationFacts, DigestGeneration, DigestKeys, EnvironmentFacts, Failures, Index, KeyEnd,
    KeyFacts, KeySetFacts, Meters, Routing, SubscriptionFacts,
};
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};

pub(crate) type AnyBody = BoxBody<Bytes, Infallible>;

const START: i64 = 1_782_864_000_000_000;
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);
pub(crate) const SANDBOX: EnvironmentId = EnvironmentId::from_bytes([1; 16]);
pub(crate) const PRODUCTION: EnvironmentId = EnvironmentId::from_bytes([2; 16]);

/// What the index says; a test changes it and loads it again.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) limits: CallLimits,
    pub(crate) exposed: bool,
    pub(crate) subscribed: bool,
    pub(crate) suspended: bool,
    pub(crate) ended: Option<KeyEnd>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) requires: Requires,
    pub(crate) ip_allow_list: Option<Vec<IpNet>>,
    pub(crate) routing: Routing,
}

/// A gateway, and what a caller of the API `orders` holds.
pub(crate) struct Scene {
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) stop: tokio_util::sync::CancellationToken,
    pub(crate) serving: tokio::task::JoinHandle<()>,
    index: Arc<Index>,
    world: World,
    position: AtomicI64,
    micros: Arc<AtomicI64>,
}

/// How a gateway is set up otherwise than by default.
#[derive(Default)]
pub(crate) struct Setup {
    pub(crate) environment: Option<String>,
    pub(crate) rules: Rules,
    /// Proxies that are believed; nobody by default.
    pub(crate) trusted: Vec<IpNet>,
    /// How many connections may be open, if fewer than by default.
    pub(crate) connections: Option<usize>,
    /// How many calls may be open, if fewer.
    pub(crate) calls: Option<usize>,
    /// How long an upstream may take to answer, if not `PATIENCE`.
    pub(crate) answer_timeout: Option<Duration>,
}

pub(crate) fn routing(upstreams: &[&str]) -> Routing {
    let upstreams = upstreams.iter().map(|text| Upstream::new(text).expect(text)).collect();
    Routing { upstreams, environment_upstreams: BTreeMap::new(), cors: None }
}

impl Scene {
    /// In front of these upstreams.
    pub(crate) async fn new(upstreams: &[&str]) -> Self {
        Self::with(routing(upstreams), Setup::default()).await
    }

    pub(crate) async fn with(routing: Routing, setup: Setup) -> Self {
        let key =
            credential::generate(CredentialKind::Key, |buffer| buffer.fill(7)).value.expose().to_owned();
        let micros = Arc::new(AtomicI64::new(START));
        let clock = Arc::clone(&micros);
        let settings = GatewaySettings {
            trusted: TrustedPeers::new(setup.trusted),
            environment: setup.environment,
            calls: setup.calls.unwrap_or(Limits::DEFAULT.connections),
            connect_timeout: PATIENCE / 2,
            answer_timeout: setup.answer_timeout.unwrap_or(PATIENCE),
            idle_timeout: PATIENCE * 2,
            clock: Arc::new(move || Timestamp::from_micros(clock.load(Ordering::Relaxed))),
            request_id_prefix: "req_test".to_owned(),
            trace_seed: [7; 16],
        };
        let index = Arc::new(Index::new(86_400));
        let tls = claviger_edge::upstream_tls(Vec::new()).expect("authorities");
        let (meters, failures) = (Arc::new(Meters::default()), Arc::new(Failures::new(1_000)));
        let egress = Egress::new(setup.rules);
        let known = Arc::clone(&index);
        let gateway = Gateway::new(known, meters, failures, Limiter::alone(), egress, tls, settings);
        let gateway = Arc::new(gateway);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let stop = tokio_util::sync::CancellationToken::new();
        let answering = Arc::clone(&gateway);
        let connections = setup.connections.unwrap_or(Limits::DEFAULT.connections);
        let (header_timeout, grace) = (PATIENCE * 2, PATIENCE * 3);
        let limits = Limits { connections, header_timeout, grace, ..Limits::DEFAULT };
        let stopped = stop.clone().cancelled_owned();
        let answer = move |request, connection: &Connection| {
            let answered = answering.answer(request, connection);
            async move { Ok::<_, Infallible>(answered.await) }
        };
        let serving = tokio::spawn(async move {
            claviger_edge::serve_calls(listener, limits, None, answer, stopped).await;
        });
        let watched = Arc::clone(&gateway);
        tokio::spawn(async move { watched.watch().await });
        let world = World {
            limits: CallLimits::default(),
            exposed: true,
            subscribed: true,
            suspended: false,
            ended: None,
            expires_at: None,
            requires: Requires::Key,
            ip_allow_list: None,
            routing,
        };
        let position = AtomicI64::new(0);
        let scene = Self { address, key, gateway, stop, serving, index, world, position, micros };
        scene.load(&scene.world);
        scene
    }

    /// The world changes.
    pub(crate) fn change(&self, change: impl FnOnce(&mut World)) {
        let mut world = self.world.clone();
        change(&mut world);
        self.load(&world);
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros.load(Ordering::Relaxed))
    }

    /// Time passes.
    pub(crate) fn pass(&self, seconds: i64) {
        self.micros.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }

    fn load(&self, world: &World) {
        let digests = DigestKey::new(DigestKeyId(1), &[7; 32]);
        let newest = DigestGeneration { key: digests.clone(), secret: digests.clone() };
        self.index.use_digest_keys(DigestKeys { newest, previous: None });
        let mut loader = self.index.loader(1);
        for (id, slug) in [(SANDBOX, "sandbox"), (PRODUCTION, "production")] {
            loader.environment(EnvironmentFacts { id, slug: Slug::new(slug).expect("a slug") });
        }
        loader.api(api(world));
        loader.application(application(world)).expect("room");
        let key = key(world, digests.digest(self.key.as_bytes()));
        loader.key(&key).expect("room");
        if world.subscribed {
            let key_set_ids = vec![key.key_set.id];
            let api_id = ApiId::from_bytes([1; 16]);
            loader.subscription(SubscriptionFacts { api_id, key_set_ids, permissions: None }).expect("a Key");
        }
        let position = self.position.fetch_add(1, Ordering::Relaxed) + 1;
        loader.finish(Position(position), self.now()).expect("a snapshot");
    }

    /// A call with the key, in HTTP/1.1.
    pub(crate) async fn get(&self, target: &str) -> Response<Incoming> {
        self.send(self.request("GET", target, Empty::new())).await
    }

    pub(crate) fn request<B>(&self, method: &str, target: &str, body: B) -> Request<B> {
        let request = Request::builder().method(method).uri(target).header("host", "shop.example");
        request.header("x-api-key", &self.key).body(body).expect("a request")
    }

    pub(crate) async fn send<B>(&self, request: Request<B>) -> Response<Incoming>
    where
        B: http_body::Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
    {
        let stream = TcpStream::connect(self.address).await.expect("the gateway");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
        tokio::spawn(async move { connection.with_upgrades().await });
        sender.send_request(request).await.expect("an answer")
    }

    /// The same in HTTP/2, with prior knowledge.
    pub(crate) async fn send_h2<B>(&self, mut request: Request<B>) -> Response<Incoming>
    where
        B: http_body::Body<Data = Bytes, Error = Infallible> + Send + Unpin + 'static,
    {
        let stream = TcpStream::connect(self.address).await.expect("the gateway");
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .expect("HTTP/2");
        tokio::spawn(connection);
        request.headers_mut().remove("host");
        let target = format!("http://shop.example{}", request.uri());
        *request.uri_mut() = target.parse().expect("a target");
        sender.send_request(request).await.expect("an answer")
    }
}

fn api(world: &World) -> ApiFacts {
    ApiFacts {
        id: ApiId::from_bytes([1; 16]),
        slug: Slug::new("orders").expect("a slug"),
        organization_id: OrganizationId::from_bytes([1; 16]),
        group_id: GroupId::from_bytes([1; 16]),
        exposed: world.exposed,
        environment_ids: BTreeSet::from([SANDBOX, PRODUCTION]),
        auth_types: BTreeSet::from(AuthType::ALL),
        requires: world.requires,
        credential_headers: CredentialHeaders::Preset(HeaderPreset::Standard),
        permissions: ["orders:read", "orders:write"]
            .map(|word| ApiPermission::new(word).expect("a permission"))
            .to_vec(),
        ip_allow_list: world.ip_allow_list.clone(),
        limits: world.limits,
        routing: world.routing.clone(),
    }
}

fn application(world: &World) -> ApplicationFacts {
    ApplicationFacts {
        id: ApplicationId::from_bytes([1; 16]),
        name: Name::new("Shop").expect("a name"),
        organization_id: OrganizationId::from_bytes([1; 16]),
        group_id: GroupId::from_bytes([1; 16]),
        suspended: world.suspended,
    }
}

fn key(world: &World, digest: claviger_domain::secret::Digest) -> KeyFacts {
    KeyFacts {
        id: KeyId::from_bytes([1; 16]),
        key_set: KeySetFacts {
            id: KeySetId::from_bytes([1; 16]),
            application_id: ApplicationId::from_bytes([1; 16]),
            environment_id: SANDBOX,
            auth_type: AuthType::ApiKey,
            suspended: false,
            limits: CallLimits::default(),
        },
        latest: true,
        digest,
        secret_digest: None,
        provisioned: true,
        expires_at: world.expires_at,
        retires_at: None,
        ended: world.ended,
    }
}

/// The cors of a shop's page.
pub(crate) fn cors() -> Cors {
    Cors { origins: vec!["https://shop.example".to_owned()], credentials: true, max_age_seconds: Some(60) }
}

/// An upstream that answers by a function, and remembers the heads of what came.
pub(crate) struct Behind {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Mutex<Vec<http::request::Parts>>>,
    /// How many connections came.
    pub(crate) connections: Arc<AtomicUsize>,
}

impl Behind {
    pub(crate) async fn start<F, R>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Response<AnyBody>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let (seen, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let behind = Self { address, seen: Arc::clone(&seen), connections: Arc::clone(&connections) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::Relaxed);
                let (answer, seen) = (answer.clone(), Arc::clone(&seen));
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let (parts, body) = request.into_parts();
                    seen.lock().expect("nobody panicked").push(parts.clone());
                    let answered = answer(Request::from_parts(parts, body));
                    async move { Ok::<_, Infallible>(answered.await) }
                });
                tokio::spawn(async move {
                    let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    // A gateway that hangs up is what some tests are about.
                    let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
                });
            }
        });
        behind
    }

    /// One that says hello.
    pub(crate) async fn hello() -> Self {
        Self::start(async |_| Response::new(whole("hello"))).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The last head that came.
    pub(crate) fn last(&self) -> http::request::Parts {
        self.seen.lock().expect("nobody panicked").last().expect("a call").clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.lock().expect("nobody panicked").len()
    }
}

pub(crate) fn whole(text: impl Into<Bytes>) -> AnyBody {
    Full::new(text.into()).boxed()
}

pub(crate) async fn text(response: Response<Incoming>) -> String {
    let bytes = response.into_body().collect().await.expect("a whole body").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("text")
}

/// Status and code of a problem.
pub(crate) async fn problem(response: Response<Incoming>) -> (u16, String) {
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let body: serde_json::Value = serde_json::from_str(&text(response).await).expect("JSON");
    assert_eq!(body["status"], status);
    assert!(body["request_id"].is_string(), "{body}");
    (status, body["code"].as_str().expect("a code").to_owned())
}
