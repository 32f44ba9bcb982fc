//! The library's layer: what passes it, what it answers, and what the service behind it is told.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use claviger_domain::apis::{ApiSettings, AuthType};
use claviger_domain::decision::Code;
use claviger_domain::peers::TrustedPeers;
use claviger_domain::policy_templates::{RateLimit, RatePeriod};
use claviger_domain::time::Timestamp;
use claviger_verify::{Decision, Failures, GuardLayer, Limiting, Meters, Passed, Settling};
use http::{HeaderMap, HeaderValue, Request, Response};
use tower_layer::Layer as _;
use tower_service::Service;

use crate::story::{ACME, PRODUCTION, START, Story, schedule, settings};

/// Answers with what it was told.
#[derive(Clone)]
struct Told;

impl Service<Request<()>> for Told {
    type Response = Response<String>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Response<String>, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let passed = request.extensions().get::<Passed>().expect("an identity");
        let application = passed.application.as_ref().map(|(_, name)| name.as_str().to_owned());
        let text = format!("{application:?} {:?} {}", passed.permissions, request.headers().len());
        std::future::ready(Ok(Response::new(text)))
    }
}

fn ask(layer: &GuardLayer, headers: &[(&'static str, &str)]) -> (u16, HeaderMap, String) {
    let mut request = Request::new(());
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().expect("a value"));
    }
    let future = std::pin::pin!(layer.layer(Told).call(request));
    let Poll::Ready(Ok(response)) = future.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("it waits for nothing")
    };
    let (parts, body) = response.into_parts();
    (parts.status.as_u16(), parts.headers, body)
}

#[test]
fn f1_the_layer_decides_as_the_doors_do() {
    let mut story = Story::new();
    let api = story.api("orders", settings());
    let application = story.application(ACME);
    let set = story.key_set(application, PRODUCTION, AuthType::ApiKey);
    let key = story.issue(set, Some(schedule(START, None)), None);
    story.subscribe(api, &[set], Some(&["orders:read"]), false);
    let credentials = story.credentials[&key].clone();
    let index = Arc::new(story.told());
    let now = START.plus_seconds(10);
    let layer = GuardLayer::new(Arc::clone(&index), "orders", move || now);
    let (status, _, told) = ask(&layer, &[("x-api-key", &credentials.key), ("accept", "*/*")]);
    assert_eq!(status, 200, "{told}");
    assert!(told.contains("Some(") && told.ends_with("[\"orders:read\"] 2"), "{told}");
    let forged =
        [("x-api-key", &*credentials.key), ("x-claviger-application", "me"), ("x_claviger_key_id", "me")];
    let (status, headers, told) = ask(&layer, &forged);
    assert!(status == 200 && told.ends_with("[\"orders:read\"] 1"), "its id alone is left: {told}");
    assert_eq!(headers["x-claviger-as-of"], story.position().0.to_string());
    let (status, headers, body) = ask(&layer, &[]);
    assert_eq!(status, 401);
    assert_eq!(headers["x-claviger-code"], "missing");
    assert_eq!(headers["x-claviger-as-of"], story.position().0.to_string());
    assert_eq!(headers.get_all("www-authenticate").iter().count(), 2, "the API takes `basic`");
    assert!(body.contains("\"code\":\"missing\"") && body.contains("\"status\":401"), "{body}");
    for (layer, headers, expected) in [
        (layer.clone(), vec![("x-api-key", "clv_key_wrong")], (401, "malformed")),
        (
            layer.clone(),
            vec![("x-api-key", &*credentials.key), ("x-api-key", &*credentials.key)],
            (401, "malformed"),
        ),
        (
            layer.clone().requiring("orders:write"),
            vec![("x-api-key", &*credentials.key)],
            (403, "permission_denied"),
        ),
        (
            layer.clone().in_environment("sandbox"),
            vec![("x-api-key", &*credentials.key)],
            (403, "wrong_environment"),
        ),
        (GuardLayer::new(Arc::clone(&index), "nowhere", move || now), vec![], (404, "api_not_exposed")),
    ] {
        let (status, headers, _) = ask(&layer, &headers);
        assert_eq!((status, headers["x-claviger-code"].to_str().expect("text")), expected);
    }
    index.stop();
    assert_eq!(ask(&layer, &[("x-api-key", &credentials.key)]).0, 503, "it fails closed");
}

/// A key at an API that one call an hour may be made to.
fn limited() -> (Story, String) {
    let mut story = Story::new();
    let rate = RateLimit { limit: 1, per: RatePeriod::Hour, burst: 1 };
    let api = story.api("orders", ApiSettings { rate_limit: Some(rate), ..settings() });
    let application = story.application(ACME);
    let set = story.key_set(application, PRODUCTION, AuthType::ApiKey);
    let key = story.issue(set, Some(schedule(START, None)), None);
    story.subscribe(api, &[set], None, false);
    let key = story.credentials[&key].key.clone();
    (story, key)
}

#[test]
fn c9_the_layer_limits_slows_names_and_counts_as_the_doors_do() {
    let (story, key) = limited();
    let (meters, now) = (Arc::new(Meters::default()), START.plus_seconds(10));
    let layer = GuardLayer::new(Arc::new(story.told()), "orders", move || now)
        .with_peer(TrustedPeers::loopback(), |_| Some([127, 0, 0, 1].into()))
        .slowing(Arc::new(Failures::new(1)))
        .naming_calls("own-")
        .counting(Arc::clone(&meters));
    let (status, headers, _) = ask(&layer, &[("x-api-key", &key), ("x-request-id", "theirs")]);
    assert_eq!((status, &headers["ratelimit-remaining"]), (200, &HeaderValue::from_static("0")));
    assert_eq!(headers["x-request-id"], "theirs");
    let (status, headers, body) = ask(&layer, &[("x-api-key", &key), ("x-request-id", "\"\\")]);
    assert_eq!((status, headers["x-claviger-code"].as_bytes()), (429, b"rate_limited".as_slice()));
    assert_eq!(headers["retry-after"], "3600");
    let problem: serde_json::Value = serde_json::from_str(&body).expect("JSON, whatever the id");
    assert_eq!(problem["request_id"], "\"\\");
    assert_eq!(problem["detail"], Code::RateLimited.detail());
    let guess = |from: &str| ask(&layer, &[("x-forwarded-for", from)]);
    let (status, headers, body) = guess("192.0.2.1");
    assert_eq!((status, headers["x-request-id"].as_bytes()), (401, b"own-0".as_slice()));
    assert!(body.contains(Code::Missing.detail()), "{body}");
    let (status, headers, body) = guess("192.0.2.1");
    assert_eq!((status, headers["x-claviger-code"].as_bytes()), (429, b"too_many_requests".as_slice()));
    assert!(!headers.contains_key("www-authenticate") && headers["retry-after"] == "60", "{headers:?}");
    assert!(!body.contains("missing"), "{body}");
    assert_eq!(guess("192.0.2.2").0, 401, "another source is not concerned");
    let counted: Vec<_> = meters.decisions().filter(|(_, calls)| *calls > 0).collect();
    assert_eq!(counted, [(Code::Missing, 3), (Code::RateLimited, 1), (Code::Valid, 1)]);
}

/// What limits it is asked elsewhere, and takes its time.
#[derive(Debug)]
struct Elsewhere;

impl Limiting for Elsewhere {
    fn settle<'s>(
        &'s self,
        decision: &'s mut Decision,
        meters: &'s Meters,
        source: Option<IpAddr>,
        now: Timestamp,
    ) -> Settling<'s> {
        let mut asked = false;
        Box::pin(std::future::poll_fn(move |context| {
            if !std::mem::replace(&mut asked, true) {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            meters.observe(decision, source, now);
            Poll::Ready(())
        }))
    }
}

#[test]
fn c9_a_call_is_decided_on_and_counted_once_it_is_begun() {
    let (story, key) = limited();
    let (meters, asked) = (Arc::new(Meters::default()), Arc::new(AtomicUsize::new(0)));
    let (now, count) = (START.plus_seconds(10), Arc::clone(&asked));
    let clock = move || {
        count.fetch_add(1, Ordering::Relaxed);
        now
    };
    let layer = GuardLayer::new(Arc::new(story.told()), "orders", clock).counting(Arc::clone(&meters));
    let mut request = Request::new(());
    request.headers_mut().insert("x-api-key", key.parse().expect("a value"));
    drop(layer.layer(Told).call(request));
    assert_eq!(asked.load(Ordering::Relaxed), 0, "nobody decided what nobody counts");
    assert_eq!(ask(&layer, &[("x-api-key", &key)]).0, 200, "it took nothing of the rate");
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let counted: Vec<_> = meters.decisions().filter(|(_, calls)| *calls > 0).collect();
    assert_eq!(counted, [(Code::Valid, 1)]);
}

#[test]
fn a_call_waits_for_those_who_count_together() {
    let (story, key) = limited();
    let now = START.plus_seconds(10);
    let layer = GuardLayer::new(Arc::new(story.told()), "orders", move || now).limiting(Arc::new(Elsewhere));
    let mut request = Request::new(());
    request.headers_mut().insert("x-api-key", key.parse().expect("a value"));
    let mut future = std::pin::pin!(layer.layer(Told).call(request));
    let mut context = Context::from_waker(Waker::noop());
    assert!(future.as_mut().poll(&mut context).is_pending());
    let Poll::Ready(Ok(response)) = future.poll(&mut context) else { panic!("it was answered") };
    assert_eq!(response.status(), 200);
}
