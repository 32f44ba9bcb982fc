//! The library's layer: what passes it, what it answers, and what the service behind it is told.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use claviger_domain::apis::AuthType;
use claviger_verify::{GuardLayer, Passed};
use http::{HeaderMap, Request, Response};
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
    assert!(told.contains("Some(") && told.ends_with("[\"orders:read\"] 1"), "{told}");
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
