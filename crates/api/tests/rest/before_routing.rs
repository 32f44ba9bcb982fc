//! Deciding is asked for before any routing, and answered as the route would: whoever asks, from wherever, and
//! whatever goes wrong.

use std::net::{IpAddr, SocketAddr};

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::ConnectInfo;
use http::Request;
use serde_json::json;
use tower::ServiceExt as _;

use crate::world::World;

const QUESTION: &str = r#"{"credential":{"key":"clv_key_nonsense"},"api":"orders"}"#;

/// A request that is made twice.
struct Asked<'a> {
    method: &'a str,
    uri: &'a str,
    headers: Vec<(&'a str, &'a str)>,
    peer: [u8; 4],
    body: fn() -> Body,
}

impl<'a> Asked<'a> {
    fn of(headers: &[(&'a str, &'a str)]) -> Self {
        let body = || Body::from(QUESTION);
        Self { method: "POST", uri: "/v1/verify", headers: headers.to_vec(), peer: [192, 0, 2, 7], body }
    }

    /// Asks before routing, and the route; the one status of both.
    #[track_caller]
    fn status(&self, world: &World) -> impl Future<Output = u16> {
        let from = std::panic::Location::caller();
        let request = || {
            let begun = Request::builder().method(self.method).uri(self.uri).header("x-request-id", "test");
            let begun = self.headers.iter().fold(begun, |begun, (name, value)| begun.header(*name, *value));
            begun.body((self.body)()).expect("a request")
        };
        let peer = SocketAddr::new(IpAddr::from(self.peer), 40_000);
        let (first, mut second) = (request(), request());
        second.extensions_mut().insert(ConnectInfo(peer));
        async move {
            let first = world.face().answer(first, peer).await.map(Body::new);
            let routed = world.router().oneshot(second).await.expect("an answer");
            let mut told = Vec::new();
            for response in [first, routed] {
                let (parts, body) = response.into_parts();
                let mut headers: Vec<_> =
                    parts.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
                headers.retain(|header| !header.starts_with("content-length"));
                headers.sort();
                let body = to_bytes(body, 1 << 20).await.expect("a body");
                told.push((parts.status, headers, String::from_utf8_lossy(&body).into_owned()));
            }
            assert_eq!(told[0], told[1], "asked at {from}");
            told.swap_remove(0).0.as_u16()
        }
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_asked_for_before_routing_is_the_routes_own() {
    let world = World::on_sqlite().await;
    let owner = format!("Bearer {}", world.owner);
    let signed_in = [("authorization", owner.as_str()), JSON];
    let large = "x".repeat(33 << 10);
    let good = || Asked::of(&signed_in);
    for (asked, status) in [
        (good(), 200),
        (Asked { body: || Body::from(r#"{"cost":0}"#), ..good() }, 422),
        (Asked { body: || Body::from("{"), ..good() }, 400),
        (Asked { body: || Body::from(" ".repeat((1 << 20) + 1)), ..good() }, 413),
        (Asked::of(&signed_in[..1]), 415),
        (Asked::of(&[JSON]), 401),
        (Asked::of(&[("authorization", "Bearer nonsense"), JSON]), 401),
        (Asked { uri: "/v1/verify?x=1", ..good() }, 400),
        (Asked::of(&[("x-large", &large)]), 431),
        (Asked { method: "GET", ..good() }, 405),
        (Asked { uri: "/v1/verify/", ..good() }, 404),
        (Asked { body: broken, ..good() }, 500),
    ] {
        assert_eq!(asked.status(&world).await, status, "{} {} {:?}", asked.method, asked.uri, asked.headers);
    }
    // A fault in one call is none of the next.
    assert_eq!(good().status(&world).await, 200);
}

/// A body that is our own fault to read.
fn broken() -> Body {
    let faulty = futures::stream::poll_fn(|_| -> std::task::Poll<Option<Result<Bytes, std::io::Error>>> {
        panic!("a fault of the test's own")
    });
    Body::from_stream(faulty)
}

#[tokio::test(flavor = "multi_thread")]
async fn where_an_asker_comes_from_is_known_alike_before_routing() {
    let world = World::on_sqlite().await;
    let verify = world.permission_group("verify", &world.organization_id, &["verify:call"]).await;
    let body = json!({
        "name": "gateway", "permission_group_ids": [verify], "ip_allow_list": ["203.0.113.0/24"],
    });
    let made = world.post("/v1/service-keys", &body).expect(201).await;
    let key = format!("Bearer {}", made["key"].as_str().expect("a key"));
    let signed_in = [("authorization", key.as_str()), JSON];
    let forwarded = |from: &'static str| {
        let mut headers = signed_in.to_vec();
        headers.push(("x-forwarded-for", from));
        Asked::of(&headers)
    };
    let proxy = [127, 0, 0, 1];
    for (asked, status) in [
        (Asked { peer: [203, 0, 113, 9], ..Asked::of(&signed_in) }, 200),
        (Asked::of(&signed_in), 403),
        (Asked { peer: proxy, ..Asked::of(&signed_in) }, 403),
        (Asked { peer: proxy, ..forwarded("203.0.113.9") }, 200),
        (Asked { peer: proxy, ..forwarded("203.0.113.9, 192.0.2.7") }, 403),
        (Asked { peer: proxy, ..forwarded("nobody") }, 403),
        // A stranger says so in vain.
        (forwarded("203.0.113.9"), 403),
    ] {
        assert_eq!(asked.status(&world).await, status, "{:?} {:?}", asked.peer, asked.headers);
    }
    let guess =
        Asked { peer: [198, 51, 100, 1], ..Asked::of(&[("authorization", "Bearer clv_svc_wrong"), JSON]) };
    for _ in 0..60 {
        assert_eq!(guess.status(&world).await, 401);
    }
    assert_eq!(guess.status(&world).await, 429, "both ways count together: 120 a minute");
}
