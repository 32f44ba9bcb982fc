//! What the layer says: in the words of every door, so that a caller can't tell by them which one it met.

use claviger_domain::event::Position;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::answer::{
    AS_OF, CODE, PROBLEM, REQUEST_ID, RequestId, put_allotment, put_challenge, tells_allotment,
};
use crate::{Allotment, Decision, Failures};

/// What every answer tells beside its own.
pub(super) struct Told {
    id: RequestId,
    as_of: Position,
    allotment: Option<Allotment>,
}

impl Told {
    pub(super) fn new(id: RequestId, decision: &Decision) -> Self {
        Self { id, as_of: decision.as_of(), allotment: decision.allotment() }
    }

    pub(super) fn put(self, headers: &mut HeaderMap) {
        // What the service limits by itself, it may tell by itself.
        if let Some(allotment) = self.allotment.filter(|_| !tells_allotment(headers)) {
            put_allotment(allotment, headers);
        }
        headers.insert(AS_OF, HeaderValue::from(self.as_of.0));
        headers.insert(REQUEST_ID, self.id.0);
    }
}

/// Why a call may not pass.
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    detail: &'static str,
    basic: bool,
    retry_after_seconds: Option<u64>,
    told: Told,
}

impl Refusal {
    /// `slowed` says in how many seconds a source that failed too often may try again.
    pub(super) fn new(decision: &Decision, basic: bool, slowed: Option<u32>, told: Told) -> Self {
        let code = decision.code();
        let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::FORBIDDEN);
        let (status, code, detail) = match slowed {
            Some(_) => (StatusCode::TOO_MANY_REQUESTS, Failures::CODE, Failures::DETAIL),
            None => (status, code.as_str(), code.detail()),
        };
        let retry_after_seconds = slowed.map(u64::from).or(decision.retry_after_seconds());
        Self { status, code, detail, basic, retry_after_seconds, told }
    }

    pub(super) fn into_response<R: From<String>>(self) -> Response<R> {
        let problem = serde_json::json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or_default(),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
            "request_id": self.told.id.as_str(),
        });
        let mut response = Response::new(R::from(problem.to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CODE, HeaderValue::from_static(self.code));
        headers.insert(CONTENT_TYPE, PROBLEM);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            put_challenge(self.basic, headers);
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        self.told.put(headers);
        response
    }
}
