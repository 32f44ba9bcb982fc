//! Forward-auth as proxies see it: statuses, codes and headers.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use claviger_domain::apis::{ApiPermission, AuthType, CredentialHeaders, HeaderPreset, Requires};
use claviger_domain::credential::{self, CredentialKind};
use claviger_domain::decision::Code;
use claviger_domain::event::Position;
use claviger_domain::id::{
    ApiId, ApplicationId, EnvironmentId, GroupId, KeyId, KeySetId, OrganizationId, SharedKeyId,
};
use claviger_domain::peers::TrustedPeers;
use claviger_domain::policy_templates::{CallLimits, Quota, QuotaPeriod, RateLimit, RatePeriod};
use claviger_domain::secret::{DigestKey, DigestKeyId};
use claviger_domain::text::{Name, Slug};
use claviger_domain::time::Timestamp;
use claviger_edge::{Dialect, ForwardAuth, Settings};
use claviger_limits::Limiter;
use claviger_verify::{
    ApiFacts, ApplicationFacts, DigestGeneration, DigestKeys, EnvironmentFacts, Failures, Index, KeyFacts,
    KeySetFacts, Measure, Meters, Routing, SharedKeyFacts, SubscriptionFacts,
};
use futures::FutureExt as _;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};

const START: i64 = 1_782_864_000_000_000;
const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

struct Scene {
    door: Arc<ForwardAuth>,
    key: String,
    meters: Arc<Meters>,
    micros: Arc<AtomicI64>,
}

fn api(slug: &str, id: u8, change: impl FnOnce(&mut ApiFacts)) -> ApiFacts {
    let mut facts = ApiFacts {
        id: ApiId::from_bytes([id; 16]),
        slug: Slug::new(slug).expect("a slug"),
        organization_id: OrganizationId::from_bytes([1; 16]),
        group_id: GroupId::from_bytes([1; 16]),
        exposed: true,
        environment_ids: BTreeSet::from([EnvironmentId::from_bytes([1; 16])]),
        auth_types: BTreeSet::from(AuthType::ALL),
        requires: Requires::Key,
        credential_headers: CredentialHeaders::Preset(HeaderPreset::Standard),
        permissions: ["orders:read", "orders:write"]
            .map(|word| ApiPermission::new(word).expect("a permission"))
            .to_vec(),
        ip_allow_list: None,
        limits: CallLimits::default(),
        routing: Routing::default(),
    };
    change(&mut facts);
    facts
}

/// The shared key of `keyed`.
fn shared_key() -> String {
    credential::generate(CredentialKind::Key, |buffer| buffer.fill(6)).value.expose().to_owned()
}

/// One Key in the sandbox, subscribed to `orders` and `inner`; `billing` is not subscribed to.
fn index(key: &str) -> Index {
    let digests = DigestKey::new(DigestKeyId(1), &[7; 32]);
    let index = Index::new(86_400);
    let newest = DigestGeneration { key: digests.clone(), secret: digests.clone() };
    index.use_digest_keys(DigestKeys { newest, previous: None });
    let mut loader = index.loader(1);
    let slug = Slug::new("sandbox").expect("a slug");
    loader.environment(EnvironmentFacts { id: EnvironmentId::from_bytes([1; 16]), slug });
    loader.api(api("orders", 1, |_| {}));
    loader.api(api("billing", 2, |_| {}));
    loader.api(api("inner", 3, |it| it.ip_allow_list = Some(vec!["10.0.0.0/8".parse().expect("a network")])));
    loader.api(api("keyed", 4, |it| it.auth_types = [AuthType::ApiKey].into()));
    let rate_limit = Some(RateLimit { limit: 2, per: RatePeriod::Minute, burst: 2 });
    loader.api(api("slow", 5, |it| it.limits.rate_limit = rate_limit));
    let quota = Some(Quota { limit: 1, per: QuotaPeriod::Day });
    loader.api(api("scarce", 6, |it| it.limits.quota = quota));
    let application = ApplicationFacts {
        id: ApplicationId::from_bytes([1; 16]),
        name: Name::new("Shop").expect("a name"),
        organization_id: OrganizationId::from_bytes([1; 16]),
        group_id: GroupId::from_bytes([1; 16]),
        suspended: false,
    };
    loader.application(application).expect("room");
    let key_set = KeySetFacts {
        id: KeySetId::from_bytes([1; 16]),
        application_id: ApplicationId::from_bytes([1; 16]),
        environment_id: EnvironmentId::from_bytes([1; 16]),
        auth_type: AuthType::ApiKey,
        suspended: false,
        limits: CallLimits::default(),
    };
    let facts = KeyFacts {
        id: KeyId::from_bytes([1; 16]),
        key_set,
        latest: true,
        digest: digests.digest(key.as_bytes()),
        secret_digest: None,
        provisioned: true,
        expires_at: None,
        retires_at: None,
        ended: None,
    };
    loader.key(&facts).expect("room");
    for api in [1, 3, 5, 6] {
        let api_id = ApiId::from_bytes([api; 16]);
        let facts = SubscriptionFacts { api_id, key_set_ids: vec![key_set.id], permissions: None };
        loader.subscription(facts).expect("a Key");
    }
    loader.shared_key(SharedKeyFacts {
        id: SharedKeyId::from_bytes([1; 16]),
        api_id: ApiId::from_bytes([4; 16]),
        organization_id: OrganizationId::from_bytes([1; 16]),
        group_id: GroupId::from_bytes([1; 16]),
        name: Name::new("Zoé & sons").expect("a name"),
        disabled: false,
        environment_id: None,
        permissions: Some(vec![ApiPermission::new("orders:read").expect("a permission")]),
        rate_limit: None,
        ip_allow_list: None,
        digest: digests.digest(shared_key().as_bytes()),
        secret: None,
    });
    loader.finish(Position(1), Timestamp::from_micros(START)).expect("a first snapshot");
    index
}

impl Scene {
    fn new(dialect: Dialect) -> Self {
        let key =
            credential::generate(CredentialKind::Key, |buffer| buffer.fill(5)).value.expose().to_owned();
        let meters = Arc::new(Meters::default());
        let micros = Arc::new(AtomicI64::new(START));
        let clock = Arc::clone(&micros);
        let settings = Settings {
            trusted: TrustedPeers::new(vec!["127.0.0.0/8".parse().expect("a network")]),
            dialect,
            clock: Arc::new(move || Timestamp::from_micros(clock.load(Ordering::Relaxed))),
            request_id_prefix: "test".into(),
        };
        let index = Arc::new(index(&key));
        let failures = Arc::new(Failures::new(3));
        let door = ForwardAuth::new(index, Arc::clone(&meters), failures, Limiter::alone(), settings);
        Self { door: Arc::new(door), key, meters, micros }
    }

    fn ask(&self, query: &str, headers: &[(&str, &str)]) -> Response<Full<bytes::Bytes>> {
        self.ask_from(LOOPBACK, query, headers)
    }

    fn ask_from(&self, peer: IpAddr, query: &str, headers: &[(&str, &str)]) -> Response<Full<bytes::Bytes>> {
        let mut request = Request::get(format!("/v1/forward-auth{query}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.answer(request.body(()).expect("a request"), peer)
    }

    fn answer(&self, request: Request<()>, peer: IpAddr) -> Response<Full<bytes::Bytes>> {
        self.door.answer(request, peer).now_or_never().expect("it waits for nobody")
    }

    fn good(&self) -> [(&str, &str); 1] {
        [("X-API-Key", &self.key)]
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().expect("text"))
}

fn told(response: &Response<Full<bytes::Bytes>>) -> (u16, &str) {
    (response.status().as_u16(), header(response.headers(), "x-claviger-code"))
}

async fn problem(response: Response<Full<bytes::Bytes>>) -> serde_json::Value {
    assert_eq!(header(response.headers(), "content-type"), "application/problem+json");
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    serde_json::from_slice(&body).expect("JSON")
}

#[tokio::test]
async fn a_good_call_passes_with_its_identity() {
    let scene = Scene::new(Dialect::Forwarded);
    let response = scene.ask("?api=orders", &[("X-API-Key", &scene.key), ("X-Request-Id", "r-1")]);
    assert_eq!(told(&response), (200, "valid"));
    let headers = response.headers();
    assert_eq!(header(headers, "x-claviger-application"), ApplicationId::from_bytes([1; 16]).to_string());
    assert_eq!(header(headers, "x-claviger-key-id"), KeyId::from_bytes([1; 16]).to_string());
    assert_eq!(header(headers, "x-claviger-environment"), "sandbox");
    assert_eq!(header(headers, "x-claviger-permissions"), "orders:read,orders:write");
    assert_eq!(header(headers, "x-request-id"), "r-1");
    scene.meters.collect(Timestamp::MIN);
    let usage = scene.meters.take_usage(10);
    let [used] = usage.as_slice() else { panic!("one call: {usage:?}") };
    assert_eq!(used.key.map(|key| key.id()), Some(KeyId::from_bytes([1; 16]).to_string()));
    assert_eq!((used.measure, used.calls), (Measure::Decided(Code::Valid), 1));
    assert_eq!(used.source, Some(LOOPBACK));
}

#[tokio::test]
async fn refusals_are_problems_with_their_code() {
    let scene = Scene::new(Dialect::Forwarded);
    for (query, headers, expected) in [
        ("?api=orders", &[][..], (401, "missing")),
        ("?api=orders", &[("X-API-Key", "x")], (401, "malformed")),
        ("?api=never-was", &scene.good(), (404, "api_not_exposed")),
        ("?api=billing", &scene.good(), (403, "not_subscribed")),
        ("?api=orders&environment=production", &scene.good(), (403, "wrong_environment")),
        ("?api=orders&permissions=orders:fly", &scene.good(), (403, "permission_denied")),
        ("?api=inner", &scene.good(), (403, "ip_denied")),
        ("?api=orders&x=1", &scene.good(), (400, "bad_query")),
        ("", &scene.good(), (400, "bad_header")),
    ] {
        let response = scene.ask(query, headers);
        assert_eq!(told(&response), expected, "{query}");
        assert!(header(response.headers(), "x-request-id").starts_with("test-"));
        let asked = scene
            .ask(&format!("{query}{}errors=auth_request", if query.is_empty() { "?" } else { "&" }), headers);
        let status = if expected.0 == 401 { 401 } else { 403 };
        assert_eq!(told(&asked), (status, expected.1), "{query} for nginx");
        let problem = problem(response).await;
        assert_eq!((&problem["code"], &problem["status"]), (&expected.1.into(), &expected.0.into()));
        scene.micros.fetch_add(120_000_000, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_401_says_how_to_present_a_credential() {
    let scene = Scene::new(Dialect::Forwarded);
    let challenges = |api: &str| {
        let response = scene.ask(&format!("?api={api}"), &[]);
        let all = response.headers().get_all("www-authenticate").iter();
        all.map(|value| value.to_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(challenges("keyed"), ["Bearer realm=\"claviger\""]);
    assert_eq!(challenges("orders").len(), 2);
    assert!(challenges("orders")[1].starts_with("Basic "));
}

#[tokio::test]
async fn only_trusted_peers_are_answered() {
    let scene = Scene::new(Dialect::Forwarded);
    let stranger = "192.0.2.1".parse().expect("an address");
    let response = scene.ask_from(stranger, "?api=orders", &scene.good());
    assert_eq!(told(&response), (403, "untrusted_peer"));
    assert_eq!(told(&scene.ask("?api=orders", &scene.good())), (200, "valid"));
    let posted = || Request::post("/v1/forward-auth?api=orders").body(()).expect("a request");
    assert_eq!(told(&scene.answer(posted(), LOOPBACK)), (405, "method_not_allowed"));
    assert_eq!(told(&scene.answer(posted(), stranger)), (403, "untrusted_peer"));
}

#[tokio::test]
async fn the_forwarded_path_names_the_api_in_ones_own_dialect() {
    let forwarded = Scene::new(Dialect::Forwarded);
    let original = Scene::new(Dialect::Original);
    for (scene, name, other) in
        [(&forwarded, "X-Forwarded-Uri", "X-Original-URI"), (&original, "X-Original-URI", "X-Forwarded-Uri")]
    {
        let ask = |name: &str, uri: &str| {
            let response = scene.ask("", &[("X-API-Key", &scene.key), (name, uri)]);
            told(&response).0
        };
        assert_eq!(ask(name, "/orders/42?api=billing"), 200);
        assert_eq!(ask(name, "/billing/42"), 403);
        assert_eq!(ask(name, "/orders/%2e%2e/billing"), 400);
        assert_eq!(ask(other, "/orders/42"), 400);
        let response = scene.ask("?api=orders", &[("X-API-Key", &scene.key), (name, "/billing")]);
        assert_eq!(told(&response).0, 200, "what the proxy was told comes first");
    }
}

#[tokio::test]
async fn the_clients_address_is_the_last_hop_before_the_trusted_ones() {
    let scene = Scene::new(Dialect::Forwarded);
    let ask = |hops: &str| {
        let response = scene.ask("?api=inner", &[("X-API-Key", &scene.key), ("X-Forwarded-For", hops)]);
        told(&response).0
    };
    assert_eq!(ask("10.1.2.3"), 200);
    assert_eq!(ask("192.0.2.1, 10.1.2.3, 127.0.0.9"), 200);
    assert_eq!(ask("10.1.2.3, 192.0.2.1"), 403, "what a caller wrote itself does not count");
    assert_eq!(ask("10.1.2.3, unknown"), 403);
}

#[tokio::test]
async fn those_who_guess_are_slowed_and_good_calls_are_not() {
    let scene = Scene::new(Dialect::Forwarded);
    let bad = |from: &str| {
        let response = scene.ask("?api=orders", &[("X-API-Key", "x"), ("X-Forwarded-For", from)]);
        (response.status().as_u16(), header(response.headers(), "retry-after").to_owned())
    };
    for _ in 0..3 {
        assert_eq!(bad("192.0.2.1"), (401, String::new()));
    }
    assert_eq!(bad("192.0.2.1"), (429, "60".into()));
    assert_eq!(bad("192.0.2.2").0, 401);
    let good = scene.ask("?api=orders", &[("X-API-Key", &scene.key), ("X-Forwarded-For", "192.0.2.1")]);
    assert_eq!(told(&good), (200, "valid"));
    let forbidden = scene.ask("?api=billing", &[("X-API-Key", &scene.key), ("X-Forwarded-For", "192.0.2.1")]);
    assert_eq!(told(&forbidden).0, 403, "a credential that is good is no guess");
    scene.micros.fetch_add(61_000_000, Ordering::Relaxed);
    assert_eq!(bad("192.0.2.1").0, 401);
}

#[tokio::test]
async fn f3_limits_are_told_with_what_is_left_and_when_to_try_again() {
    let scene = Scene::new(Dialect::Forwarded);
    let ask = |query: &str| {
        let response = scene.ask(query, &scene.good());
        let names = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after"];
        let numbers = names.map(|name| header(response.headers(), name).to_owned());
        let (status, code) = told(&response);
        (status, code.to_owned(), numbers)
    };
    let answer =
        |status, code: &str, numbers: [&str; 4]| (status, code.to_owned(), numbers.map(str::to_owned));
    assert_eq!(ask("?api=orders"), answer(200, "valid", ["", "", "", ""]));
    assert_eq!(ask("?api=slow"), answer(200, "valid", ["2", "1", "30", ""]));
    assert_eq!(ask("?api=slow"), answer(200, "valid", ["2", "0", "60", ""]));
    assert_eq!(ask("?api=slow"), answer(429, "rate_limited", ["2", "0", "60", "30"]));
    let for_nginx = answer(403, "rate_limited", ["2", "0", "60", "30"]);
    assert_eq!(ask("?api=slow&errors=auth_request"), for_nginx);
    let forbidden = answer(403, "permission_denied", ["", "", "", ""]);
    assert_eq!(ask("?api=slow&permissions=orders:fly"), forbidden, "told before");
    scene.micros.fetch_add(30_000_000, Ordering::Relaxed);
    assert_eq!(ask("?api=slow"), answer(200, "valid", ["2", "0", "60", ""]));
    assert_eq!(ask("?api=scarce").0, 200);
    let (status, code, [limit, remaining, reset, retry_after]) = ask("?api=scarce");
    assert_eq!(
        (status, code.as_str(), limit.as_str(), remaining.as_str()),
        (429, "quota_exceeded", "1", "0")
    );
    // It is half a minute past midnight.
    assert_eq!((reset.as_str(), retry_after.as_str()), ("86370", "86370"));
    let counted = |code| scene.meters.decisions().find(|(it, _)| *it == code).map(|(_, count)| count);
    assert_eq!(counted(Code::RateLimited), Some(2));
}

#[test]
fn a_shared_key_is_told_by_its_name_and_has_no_application() {
    let scene = Scene::new(Dialect::Forwarded);
    let key = shared_key();
    let answer = scene.ask("?api=keyed&environment=sandbox", &[("X-API-Key", &key)]);
    assert_eq!((answer.status().as_u16(), header(answer.headers(), "x-claviger-code")), (200, "valid"));
    let name = answer.headers().get("x-claviger-key-name").expect("a name");
    assert_eq!(name.as_bytes(), "Zoé & sons".as_bytes(), "as UTF-8");
    assert!(header(answer.headers(), "x-claviger-key-id").starts_with("shk_"));
    assert!(!answer.headers().contains_key("x-claviger-application"));
    assert_eq!(header(answer.headers(), "x-claviger-permissions"), "orders:read");
    assert_eq!(header(answer.headers(), "x-claviger-environment"), "sandbox");
    let elsewhere = scene.ask("?api=orders", &[("X-API-Key", &key)]);
    assert_eq!(header(elsewhere.headers(), "x-claviger-code"), "not_subscribed");
}
