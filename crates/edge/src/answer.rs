//! What the doors that speak HTTP say: who calls, or a problem with its status and `X-Claviger-Code`.

use std::fmt::Write as _;

use bytes::{BufMut as _, Bytes, BytesMut};
use claviger_domain::decision::Code;
use claviger_domain::event::Position;
use claviger_verify::answer::{AS_OF, CODE, PROBLEM, REQUEST_ID, RequestId, put_allotment, put_challenge};
use claviger_verify::{Allotment, Decision, Failures};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;

const APPLICATION: HeaderName = HeaderName::from_static("x-claviger-application");
const KEY_NAME: HeaderName = HeaderName::from_static("x-claviger-key-name");
const KEY_ID: HeaderName = HeaderName::from_static("x-claviger-key-id");
const ENVIRONMENT: HeaderName = HeaderName::from_static("x-claviger-environment");
const PERMISSIONS: HeaderName = HeaderName::from_static("x-claviger-permissions");
/// Why the call may not pass, or was not understood.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: &'static str,
    parameter: Option<String>,
    challenge: Challenge,
    allow: Option<&'static str>,
    retry_after_seconds: Option<u64>,
    allotment: Option<Box<Allotment>>,
    as_of: Option<Position>,
}

/// How to present a credential, told at 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Challenge {
    None,
    Bearer,
    BearerOrBasic,
}

/// Puts in the headers that tell the upstream who calls.
pub(crate) fn put_identity(decision: &Decision, headers: &mut HeaderMap) {
    // All values stand in one piece of memory; most calls need no more.
    let mut text = BytesMut::with_capacity(256);
    let mut put = |name: HeaderName, write: &dyn Fn(&mut BytesMut)| {
        write(&mut text);
        // Names may have letters beyond ASCII: they go as UTF-8.
        if let Ok(value) = HeaderValue::from_maybe_shared(text.split().freeze()) {
            headers.insert(name, value);
        }
    };
    if let (Some(application), Some(key_id)) = (decision.application(), decision.key_id()) {
        put(APPLICATION, &|text| _ = write!(text, "{}", application.id));
        put(KEY_ID, &|text| _ = write!(text, "{key_id}"));
    }
    if let Some(shared) = decision.shared_key() {
        put(KEY_NAME, &|text| text.put_slice(shared.name.as_str().as_bytes()));
        put(KEY_ID, &|text| _ = write!(text, "{}", shared.id));
    }
    if decision.key_id().is_some() || decision.shared_key().is_some() {
        put(PERMISSIONS, &|text| {
            for (at, held) in decision.permissions().enumerate() {
                text.put_slice(if at == 0 { b"" } else { b"," });
                text.put_slice(held.as_bytes());
            }
        });
    }
    if let Some(environment) = decision.environment() {
        put(ENVIRONMENT, &|text| text.put_slice(environment.slug.as_str().as_bytes()));
    }
}

impl Problem {
    pub(crate) const fn new(status: StatusCode, code: &'static str, detail: &'static str) -> Self {
        Self {
            status,
            code,
            detail,
            parameter: None,
            challenge: Challenge::None,
            allow: None,
            retry_after_seconds: None,
            allotment: None,
            as_of: None,
        }
    }

    pub(crate) fn of(code: Code, basic: bool) -> Self {
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::FORBIDDEN);
        let challenge = match (status, basic) {
            (StatusCode::UNAUTHORIZED, true) => Challenge::BearerOrBasic,
            (StatusCode::UNAUTHORIZED, false) => Challenge::Bearer,
            _ => Challenge::None,
        };
        Self { challenge, ..Self::new(status, code.as_str(), code.detail()) }
    }

    pub(crate) fn too_many_failures(retry_after_seconds: u32) -> Self {
        Self {
            retry_after_seconds: Some(retry_after_seconds.into()),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, Failures::CODE, Failures::DETAIL)
        }
    }

    /// The same with what the decision knew of, how the call stands to what limits it, and when to try again.
    pub(crate) fn decided(self, decision: &Decision) -> Self {
        let retry_after_seconds = self.retry_after_seconds.or(decision.retry_after_seconds());
        let (allotment, as_of) = (decision.allotment().map(Box::new), Some(decision.as_of()));
        Self { retry_after_seconds, allotment, as_of, ..self }
    }

    /// The same with the methods that are allowed.
    pub(crate) const fn allow(mut self, methods: &'static str) -> Self {
        self.allow = Some(methods);
        self
    }

    /// The same about this parameter or header.
    pub(crate) fn about(self, parameter: impl Into<String>) -> Self {
        Self { parameter: Some(parameter.into()), ..self }
    }

    /// With `auth_request` every refusal that is not 401 is 403, since nginx makes 500 of all others; the
    /// code keeps what it was.
    pub(crate) fn into_response(self, id: &RequestId, auth_request: bool) -> Response<Full<Bytes>> {
        let (status, headers, body) = self.into_parts(id, auth_request);
        let mut response = Response::new(Full::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    /// What the response is made of, for a protocol that has its own shape for it.
    pub(crate) fn into_parts(self, id: &RequestId, auth_request: bool) -> (StatusCode, HeaderMap, Vec<u8>) {
        let status = match self.status {
            StatusCode::UNAUTHORIZED => self.status,
            _ if auth_request => StatusCode::FORBIDDEN,
            other => other,
        };
        let body = self.body(status, id);
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CODE, HeaderValue::from_static(self.code));
        headers.insert(REQUEST_ID, id.0.clone());
        headers.insert(CONTENT_TYPE, PROBLEM);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(as_of) = self.as_of {
            headers.insert(AS_OF, HeaderValue::from(as_of.0));
        }
        if self.challenge != Challenge::None {
            put_challenge(self.challenge == Challenge::BearerOrBasic, &mut headers);
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allotment) = self.allotment {
            put_allotment(*allotment, &mut headers);
        }
        if let Some(methods) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(methods));
        }
        (status, headers, body)
    }

    fn body(&self, status: StatusCode, id: &RequestId) -> Vec<u8> {
        let title = status.canonical_reason().unwrap_or_default();
        let mut problem = claviger_wire::Problem::new(status.as_u16(), title, self.code, self.detail);
        problem.request_id = id.as_str().to_owned();
        problem.parameter.clone_from(&self.parameter);
        serde_json::to_vec(&problem).unwrap_or_default()
    }
}
