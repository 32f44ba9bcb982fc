//! What the gateway says of itself; what it says of credentials is every door's (`crate::answer`). Nobody hears of
//! an upstream who may not call it.

use std::error::Error;

use bytes::Bytes;
use claviger_verify::answer::RequestId;
use http::header::RETRY_AFTER;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use hyper_util::client::legacy;

use super::connector::TooSlow;
use crate::answer::Problem;

pub(super) const BAD_PATH: Problem = Problem::new(
    StatusCode::BAD_REQUEST,
    "bad_path",
    "The path has to be /{api}/… without `.` or `..` segments, backslashes, NULs and bytes that are no text.",
);
pub(super) const BAD_REQUEST: Problem = Problem::new(
    StatusCode::BAD_REQUEST,
    "bad_request",
    "The request can be read in more than one way: it needs one Host, and one length: `Content-Length`, or \
     `Transfer-Encoding: chunked`.",
);
pub(super) const METHOD_NOT_ALLOWED: Problem = Problem::new(
    StatusCode::METHOD_NOT_ALLOWED,
    "method_not_allowed",
    "CONNECT and TRACE are not passed on.",
)
.allow("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
pub(super) const UNREACHABLE: Problem = Problem::new(
    StatusCode::BAD_GATEWAY,
    "upstream_unreachable",
    "The API's upstream can't be reached, or ended the connection before it answered.",
);
pub(super) const TIMED_OUT: Problem =
    Problem::new(StatusCode::GATEWAY_TIMEOUT, "timed_out", "The API's upstream did not answer in time.");
pub(super) const CALLER_TIMED_OUT: Problem = Problem::new(
    StatusCode::REQUEST_TIMEOUT,
    "request_timed_out",
    "The request's body stopped before its end.",
);
pub(super) const ENDING: Problem =
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "behind", "The gateway is ending; try again.");
const FULL: Problem = Problem::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "behind",
    "As many calls are open at the gateway as may be; try again.",
);
pub(super) const STARTING: Problem = Problem::new(
    StatusCode::SERVICE_UNAVAILABLE,
    "behind",
    "The node is starting and has not read the log yet; `/readyz` tells more.",
);

/// The answer to a call that found no place: it may find one soon.
pub(super) fn full(id: &RequestId) -> Response<Full<Bytes>> {
    let mut response = FULL.into_response(id, false);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Why there was no answer.
pub(super) fn of_failure(error: &legacy::Error) -> Problem {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let waited = matches!(error.downcast_ref(), Some(claviger_egress::Error::TimedOut { .. }));
        if waited || error.is::<TooSlow>() {
            return TIMED_OUT;
        }
        cause = error.source();
    }
    UNREACHABLE
}
