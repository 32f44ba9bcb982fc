//! What an upstream gets and what a caller gets.

use std::sync::atomic::Ordering;

use claviger_domain::apis::{Requires, Upstream};
use claviger_domain::policy_templates::{CallLimits, Quota, QuotaPeriod, RateLimit, RatePeriod};
use http::{Request, Response};
use http_body_util::Empty;

use crate::scene::{Behind, PRODUCTION, SANDBOX, Scene, Setup, cors, problem, routing, text, whole};

#[tokio::test]
async fn c9_a_good_call_reaches_the_upstream_with_its_identity_and_without_its_credential() {
    let behind = Behind::hello().await;
    let scene = Scene::new(&[&format!("{}/v2/", behind.url())]).await;
    let mut request = scene.request("GET", "/orders/a%2Fb//c?x=%20&y", Empty::new());
    for (name, value) in [
        ("x-claviger-application", "forged"),
        ("x_claviger_key_id", "forged"),
        ("connection", "x-nominated"),
        ("x-nominated", "1"),
        ("x-forwarded-for", "6.6.6.6"),
        ("cookie", "a=1; claviger-session=2"),
        ("x-request-id", "abc"),
        ("authorization", "Bearer of-the-upstream"),
        ("accept", "text/plain"),
    ] {
        request.headers_mut().append(name, value.parse().expect("a value"));
    }
    let response = scene.send(request).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-request-id"]),
        (200, &"abc".parse().expect("it"))
    );
    assert!(!response.headers().contains_key("x-claviger-code"));
    assert_eq!(text(response).await, "hello");
    let seen = behind.last();
    assert_eq!(seen.uri.to_string(), "/v2/a%2Fb//c?x=%20&y");
    for (name, value) in [
        ("host", behind.address.to_string()),
        ("x-claviger-application", "app_".to_owned()),
        ("x-claviger-environment", "sandbox".to_owned()),
        ("x-claviger-permissions", "orders:read,orders:write".to_owned()),
        ("x-forwarded-for", "127.0.0.1".to_owned()),
        ("x-forwarded-host", "shop.example".to_owned()),
        ("x-forwarded-proto", "http".to_owned()),
        ("x-request-id", "abc".to_owned()),
        ("cookie", "a=1".to_owned()),
        ("authorization", "Bearer of-the-upstream".to_owned()),
        ("accept", "text/plain".to_owned()),
    ] {
        let values: Vec<&str> =
            seen.headers.get_all(name).iter().map(|it| it.to_str().expect("text")).collect();
        assert!(values.len() == 1 && values[0].starts_with(&value), "{name}: {values:?}");
    }
    assert!(seen.headers.contains_key("traceparent"));
    for gone in ["x-api-key", "x_claviger_key_id", "x-nominated", "connection"] {
        assert!(!seen.headers.contains_key(gone), "{gone}");
    }
    let all = format!("{seen:?}");
    assert!(!all.contains("clv_") && !all.contains("forged"), "{all}");
}

#[tokio::test]
async fn f1_who_may_not_call_hears_the_code_and_the_upstream_nothing() {
    let behind = Behind::hello().await;
    let scene = Scene::new(&[&behind.url()]).await;
    let bare = |target: &str| {
        Request::builder().uri(target).header("host", "a").body(Empty::new()).expect("a request")
    };
    let missing = scene.send(bare("/orders/1")).await;
    assert_eq!(missing.headers()["x-claviger-code"], "missing");
    assert!(missing.headers().contains_key("www-authenticate"));
    assert_eq!(problem(missing).await, (401, "missing".to_owned()));
    assert_eq!(problem(scene.send(bare("/nowhere/1")).await).await, (404, "api_not_exposed".to_owned()));
    let mut twice = scene.request("GET", "/orders/1", Empty::new());
    twice.headers_mut().append("x_api_key", "clv_key_x".parse().expect("a value"));
    assert_eq!(problem(scene.send(twice).await).await, (401, "malformed".to_owned()));
    scene.change(|world| world.subscribed = false);
    assert_eq!(problem(scene.get("/orders/1").await).await, (403, "not_subscribed".to_owned()));
    scene.change(|world| world.suspended = true);
    assert_eq!(problem(scene.get("/orders/1").await).await, (401, "suspended".to_owned()));
    scene.change(|world| world.exposed = false);
    assert_eq!(problem(scene.get("/orders/1").await).await, (404, "api_not_exposed".to_owned()));
    scene.change(|world| world.requires = Requires::None);
    assert_eq!(behind.connections.load(Ordering::Relaxed), 0, "nobody came so far");
    assert_eq!(scene.send(bare("/orders/1")).await.status(), 200);
    let seen = behind.last();
    let named = seen.headers.keys().filter(|name| name.as_str().starts_with("x-claviger-")).count();
    assert_eq!(named, 0, "a call without identity has none");
}

#[tokio::test]
async fn the_environment_picks_the_upstreams() {
    let (sandbox, production, others) = (Behind::hello().await, Behind::hello().await, Behind::hello().await);
    let own = |behind: &Behind| vec![Upstream::new(&behind.url()).expect("an upstream")];
    let mut routing = routing(&[&others.url()]);
    routing.environment_upstreams = [(PRODUCTION, own(&production))].into();
    let scene = Scene::with(routing.clone(), Setup::default()).await;
    scene.get("/orders").await;
    assert_eq!((sandbox.count(), production.count(), others.count()), (0, 0, 1));
    routing.environment_upstreams.insert(SANDBOX, own(&sandbox));
    scene.change(|world| world.routing = routing.clone());
    scene.get("/orders").await;
    assert_eq!((sandbox.count(), production.count(), others.count()), (1, 0, 1));
    let environment = Some("production".to_owned());
    let told = Scene::with(routing, Setup { environment, ..Setup::default() }).await;
    assert_eq!(problem(told.get("/orders").await).await, (403, "wrong_environment".to_owned()));
    told.change(|world| world.requires = Requires::None);
    let open = Request::builder().uri("/orders").header("host", "a").body(Empty::new()).expect("a request");
    assert_eq!(told.send(open).await.status(), 200);
    assert_eq!(sandbox.count(), 1);
}

#[tokio::test]
async fn an_answer_loses_what_an_upstream_must_not_say_and_redirects_are_not_followed() {
    let behind = Behind::start(async |_| {
        let response = Response::builder().status(302).header("location", "http://169.254.169.254/");
        let response = response.header("x-accel-redirect", "/etc/passwd").header("x-sendfile", "/etc/passwd");
        let response = response.header("x-claviger-code", "valid").header("set-cookie", "claviger-session=1");
        let response = response.header("x_claviger_as_of", "999").header("x-claviger-as-of", "999");
        response.header("set-cookie", "own=1").header("x-own", "1").body(whole("moved")).expect("an answer")
    })
    .await;
    let scene = Scene::new(&[&behind.url()]).await;
    let response = scene.get("/orders/x").await;
    assert_eq!(response.status(), 302);
    assert_eq!(response.headers()["location"], "http://169.254.169.254/");
    assert_eq!(
        (&response.headers()["set-cookie"], &response.headers()["x-own"]),
        (&"own=1".parse().expect("it"), &"1".parse().expect("it"))
    );
    assert_eq!(response.headers().get_all("x-claviger-as-of").iter().collect::<Vec<_>>(), ["1"]);
    for gone in ["x-accel-redirect", "x-sendfile", "x-claviger-code", "x_claviger_as_of"] {
        assert!(!response.headers().contains_key(gone), "{gone}");
    }
    assert_eq!(behind.count(), 1);
}

#[tokio::test]
async fn c9_a_preflight_is_answered_without_a_key_and_pages_may_read_refusals() {
    let behind = Behind::hello().await;
    let mut routing = routing(&[&behind.url()]);
    routing.cors = Some(cors());
    let scene = Scene::with(routing, Setup::default()).await;
    let asked = |origin: &str, slug: &str| {
        let request = Request::builder().method("OPTIONS").uri(format!("/{slug}/1")).header("host", "a");
        let request = request.header("origin", origin).header("access-control-request-method", "PUT");
        request.header("access-control-request-headers", "x-api-key").body(Empty::new()).expect("a request")
    };
    let allowed = scene.send(asked("https://shop.example", "orders")).await;
    assert_eq!(allowed.status(), 204);
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://shop.example");
    assert_eq!(allowed.headers()["access-control-allow-headers"], "x-api-key");
    let other = scene.send(asked("https://evil.example", "orders")).await;
    assert!(!other.headers().contains_key("access-control-allow-origin"));
    assert_eq!(problem(scene.send(asked("https://shop.example", "nowhere")).await).await.0, 404);
    assert_eq!(behind.count(), 0, "the upstream was not asked");
    let refused = Request::builder().uri("/orders/1").header("host", "a");
    let refused = refused.header("origin", "https://shop.example").body(Empty::new()).expect("a request");
    let refused = scene.send(refused).await;
    assert_eq!(refused.headers()["access-control-allow-origin"], "https://shop.example");
    assert_eq!(problem(refused).await, (401, "missing".to_owned()));
    scene.change(|world| world.routing.cors = None);
    assert_eq!(problem(scene.send(asked("https://shop.example", "orders")).await).await.0, 401);
}

#[tokio::test]
async fn several_upstreams_take_turns_and_a_dead_one_is_passed_over() {
    let (one, other) = (Behind::hello().await, Behind::hello().await);
    let dead = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = dead.local_addr().expect("its address");
    drop(dead);
    let scene = Scene::new(&[&one.url(), &format!("http://{address}"), &other.url()]).await;
    for n in 0..12 {
        let body = whole(format!("body {n}"));
        let response = scene.send(scene.request("POST", "/orders", body)).await;
        assert_eq!(response.status(), 200, "{n}");
    }
    assert!(one.count() >= 4 && other.count() >= 4, "{} {}", one.count(), other.count());
    assert_eq!(one.count() + other.count(), 12);
}

#[tokio::test]
async fn c9_a_stranger_does_not_say_where_it_calls_from() {
    let behind = Behind::hello().await;
    let loopback = || vec!["127.0.0.0/8".parse().expect("a network")];
    // Who opens the connection, and what it says of where the call comes from.
    for (trusted, forwarded, expected) in [
        (Vec::new(), "10.1.2.3", 403),
        (Vec::new(), "10.1.2.3, 10.1.2.4", 403),
        (loopback(), "10.1.2.3", 200),
        (loopback(), "10.1.2.3, 6.6.6.6", 403),
    ] {
        let believed = !trusted.is_empty();
        let setup = Setup { trusted, ..Setup::default() };
        let scene = Scene::with(routing(&[&behind.url()]), setup).await;
        scene.change(|world| world.ip_allow_list = Some(vec!["10.0.0.0/8".parse().expect("a network")]));
        let mut request = scene.request("GET", "/orders/1", Empty::new());
        request.headers_mut().insert("x-forwarded-for", forwarded.parse().expect("a value"));
        let status = scene.send(request).await.status().as_u16();
        assert_eq!(status, expected, "{forwarded}, believed: {believed}");
    }
}

#[tokio::test]
async fn c9_a_limited_caller_is_told_what_is_left_and_the_upstream_gets_no_more() {
    let behind = Behind::start(async |_| {
        let mut answer = Response::new(whole("hello"));
        answer.headers_mut().insert("ratelimit-policy", "10;w=60".parse().expect("a value"));
        answer
    })
    .await;
    let scene = Scene::new(&[&behind.url()]).await;
    let rate_limit = Some(RateLimit { limit: 2, per: RatePeriod::Minute, burst: 2 });
    scene.change(|world| world.limits = CallLimits { rate_limit, quota: None });
    let mut told = Vec::new();
    for _ in 0..3 {
        let response = scene.get("/orders/1").await;
        let number = |name: &str| {
            let value = response.headers().get(name)?;
            value.to_str().expect("text").parse::<u32>().ok()
        };
        let names = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after"];
        told.push((response.status().as_u16(), names.map(number)));
    }
    let expected = [
        (200, [Some(2), Some(1), Some(30), None]),
        (200, [Some(2), Some(0), Some(60), None]),
        (429, [Some(2), Some(0), Some(60), Some(30)]),
    ];
    assert_eq!(told, expected);
    assert_eq!(behind.count(), 2);
    let refused = problem(scene.get("/orders/1").await).await;
    assert_eq!(refused, (429, "rate_limited".to_owned()));
}

#[tokio::test]
async fn what_an_upstream_says_of_its_own_limits_stays() {
    let behind = Behind::start(async |_| {
        let mut answer = Response::new(whole("hello"));
        answer.headers_mut().insert("ratelimit-limit", "7".parse().expect("a value"));
        answer
    })
    .await;
    let scene = Scene::new(&[&behind.url()]).await;
    let quota = Some(Quota { limit: 2, per: QuotaPeriod::Month });
    scene.change(|world| world.limits = CallLimits { rate_limit: None, quota });
    let response = scene.get("/orders/1").await;
    assert_eq!(response.headers()["ratelimit-limit"], "7");
    assert!(!response.headers().contains_key("ratelimit-remaining"));
}
