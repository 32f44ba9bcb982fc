//! A request being made, and what came back.

use std::net::SocketAddr;
use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method, Request};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

/// A request being made.
#[derive(Clone)]
pub(crate) struct Call<'w> {
    router: &'w Router,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl<'w> Call<'w> {
    pub(crate) fn new(router: &'w Router, method: &str, path: &str) -> Self {
        let method = method.parse().expect("a method");
        Self { router, method, path: path.to_owned(), headers: HeaderMap::new(), body: Vec::new() }
    }

    /// Signs the call in with a service key.
    pub(crate) fn by(self, key: &str) -> Self {
        self.header(AUTHORIZATION.as_str(), &format!("Bearer {key}"))
    }

    pub(crate) fn by_nobody(mut self) -> Self {
        self.headers.remove(AUTHORIZATION);
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name: http::HeaderName = name.parse().expect("a name");
        self.headers.insert(name, value.parse().expect("a value"));
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.raw("application/json", body.to_string())
    }

    pub(crate) fn raw(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header(CONTENT_TYPE.as_str(), content_type)
    }

    pub(crate) async fn send(self) -> Answer {
        let mut request = Request::builder().method(self.method.clone()).uri(&self.path);
        *request.headers_mut().expect("headers") = self.headers;
        let peer = SocketAddr::from(([127, 0, 0, 1], 40_000));
        let request = request.extension(ConnectInfo(peer)).body(Body::from(self.body)).expect("a request");
        let answer = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = answer.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes().to_vec();
        let asked = format!("{} {}", self.method, self.path);
        let answer = Answer { asked, status: parts.status.as_u16(), headers: parts.headers, bytes };
        demand_documented(&self.method, &self.path, &answer);
        answer
    }

    /// Sends it, and expects this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> impl Future<Output = Value> {
        let from = std::panic::Location::caller();
        async move {
            let answer = self.send().await;
            assert_eq!(answer.status, status, "at {from}: {answer}");
            if answer.bytes.is_empty() { Value::Null } else { answer.json() }
        }
    }
}

/// Whatever a test asks for, no route refuses in a way that the document does not say of it.
fn demand_documented(method: &Method, path: &str, answer: &Answer) {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(claviger_api::document);
    let code = answer.code();
    // Answered before any route is chosen.
    if code.is_empty() || matches!(code.as_str(), "method_not_allowed" | "headers_too_large") {
        return;
    }
    let method = if method == Method::HEAD { "get".to_owned() } else { method.as_str().to_lowercase() };
    let path = path.split('?').next().unwrap_or_default();
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    let best = paths
        .keys()
        .filter(|template| fits(template, path))
        .min_by_key(|template| template.matches('{').count());
    let Some(template) = best else { return };
    let listed = &paths[template][&method]["responses"][answer.status.to_string()]["$ref"];
    let name = listed.as_str().and_then(|listed| listed.rsplit('/').next()).unwrap_or_default();
    let codes = &DOCUMENT["components"]["responses"][name]["x-codes"];
    let known = codes.as_array().is_some_and(|codes| codes.iter().any(|known| *known == code));
    assert!(known, "the document does not say {} {code} of {method} {template}: {answer}", answer.status);
}

fn fits(template: &str, path: &str) -> bool {
    let (template, path) = (template.split('/'), path.split('/'));
    template.clone().count() == path.clone().count()
        && template.zip(path).all(|(expected, found)| expected.starts_with('{') || expected == found)
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    asked: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The stable code of a problem; empty for an answer that is none.
    pub(crate) fn code(&self) -> String {
        let problem = self.header("content-type") == Some("application/problem+json");
        if problem { self.json()["code"].as_str().unwrap_or_default().to_owned() } else { String::new() }
    }

    /// The pointers of the values that were refused.
    pub(crate) fn pointers(&self) -> Vec<String> {
        let body = self.json();
        let errors = body["errors"].as_array().into_iter().flatten();
        errors.filter_map(|error| error["pointer"].as_str().map(str::to_owned)).collect()
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} answered {}: {}", self.asked, self.status, self.text())
    }
}
