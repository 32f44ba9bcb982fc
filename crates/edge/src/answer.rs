//! What the doors that speak HTTP say: who calls, or a problem with its status and `X-Claviger-Code`.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::{BufMut as _, Bytes, BytesMut};
use claviger_domain::decision::Code;
use claviger_verify::{Allotment, Decision};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::request_id::{REQUEST_ID, RequestId};

pub(crate) const CODE: HeaderName = HeaderName::from_static("x-claviger-code");
const APPLICATION: HeaderName = HeaderName::from_static("x-claviger-application");
const KEY_NAME: HeaderName = HeaderName::from_static("x-claviger-key-name");
const KEY_ID: HeaderName = HeaderName::from_static("x-claviger-key-id");
const ENVIRONMENT: HeaderName = HeaderName::from_static("x-claviger-environment");
const PERMISSIONS: HeaderName = HeaderName::from_static("x-claviger-permissions");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"claviger\"");
const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"claviger\", charset=\"UTF-8\"");

/// Why the call may not pass, or was not understood.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    parameter: Option<String>,
    challenge: Challenge,
    allow: Option<&'static str>,
    retry_after_seconds: Option<u64>,
    allotment: Option<Box<Allotment>>,
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

/// Puts in the headers that tell a caller how much is left.
pub(crate) fn put_allotment(allotment: Allotment, headers: &mut HeaderMap) {
    headers.insert(LIMIT, HeaderValue::from(allotment.limit));
    headers.insert(REMAINING, HeaderValue::from(allotment.remaining));
    headers.insert(RESET, HeaderValue::from(allotment.reset_seconds));
}

/// Whether those headers are there already.
pub(crate) fn tells_allotment(headers: &HeaderMap) -> bool {
    [LIMIT, REMAINING, RESET].iter().any(|name| headers.contains_key(name))
}

impl Problem {
    pub(crate) const fn new(status: StatusCode, code: &'static str, detail: &'static str) -> Self {
        Self {
            status,
            code,
            detail: Cow::Borrowed(detail),
            parameter: None,
            challenge: Challenge::None,
            allow: None,
            retry_after_seconds: None,
            allotment: None,
        }
    }

    pub(crate) fn of(code: Code, basic: bool) -> Self {
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::FORBIDDEN);
        let challenge = match (status, basic) {
            (StatusCode::UNAUTHORIZED, true) => Challenge::BearerOrBasic,
            (StatusCode::UNAUTHORIZED, false) => Challenge::Bearer,
            _ => Challenge::None,
        };
        Self { challenge, ..Self::new(status, code.as_str(), detail(code)) }
    }

    pub(crate) fn too_many_failures(retry_after_seconds: u32) -> Self {
        let detail = "Too many attempts from this address failed; good calls are not concerned.";
        Self {
            retry_after_seconds: Some(retry_after_seconds.into()),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail)
        }
    }

    /// The same with how the call stands to what limits it, and when to try again.
    pub(crate) fn within(self, decision: &Decision) -> Self {
        let retry_after_seconds = self.retry_after_seconds.or(decision.retry_after_seconds());
        Self { retry_after_seconds, allotment: decision.allotment().map(Box::new), ..self }
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
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.challenge != Challenge::None {
            headers.append(WWW_AUTHENTICATE, BEARER);
        }
        if self.challenge == Challenge::BearerOrBasic {
            headers.append(WWW_AUTHENTICATE, BASIC);
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
        let mut problem =
            claviger_wire::Problem::new(status.as_u16(), title, self.code, self.detail.as_ref());
        problem.request_id = id.0.to_str().unwrap_or_default().to_owned();
        problem.parameter.clone_from(&self.parameter);
        serde_json::to_vec(&problem).unwrap_or_default()
    }
}

/// One sentence for people, the same for everybody: what is wrong with a Key is told only to one who
/// proved to hold it, and that is in the code already.
const fn detail(code: Code) -> &'static str {
    match code {
        Code::ApiNotExposed => "There is no such API here.",
        Code::Missing => "This API needs a credential.",
        Code::Malformed => "The credential is malformed, or was presented more than once.",
        Code::Stale => "The door has not heard of the log for too long to decide.",
        Code::Unknown => "The credential is not known.",
        Code::SecretRequired => "This key is good only together with its secret.",
        Code::SecretMismatch => "The secret does not belong to this key.",
        Code::Revoked => "The key is revoked.",
        Code::Expired => "The key has expired.",
        Code::Suspended => "The key is suspended.",
        Code::Pending => "The key waits for the approval of its Subscription.",
        Code::WrongEnvironment => "The key is for another Environment.",
        Code::NotSubscribed => "The key is not subscribed to this API.",
        Code::IpDenied => "The API may not be called from this address.",
        Code::PermissionDenied => "The key does not hold the permission that this call needs.",
        Code::RateLimited => "The key calls too often.",
        Code::QuotaExceeded => "The key has used up its quota.",
        Code::Valid => "The call may pass.",
    }
}
