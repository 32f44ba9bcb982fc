//! What every door that speaks HTTP says alike, whoever runs it: the names of headers, how to present a credential,
//! how much of a limit is left. Behind the feature `http`.

use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::limits::Allotment;

pub use crate::request_id::{REQUEST_ID, RequestId, RequestIds};

/// The code of a decision.
pub const CODE: HeaderName = HeaderName::from_static("x-claviger-code");
/// The position of the log that a decision knows of.
pub const AS_OF: HeaderName = HeaderName::from_static("x-claviger-as-of");
/// The media type of a refusal.
pub const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"claviger\"");
const BASIC: HeaderValue = HeaderValue::from_static("Basic realm=\"claviger\", charset=\"UTF-8\"");

/// Puts in the headers that tell a caller how much is left.
pub fn put_allotment(allotment: Allotment, headers: &mut HeaderMap) {
    headers.insert(LIMIT, HeaderValue::from(allotment.limit));
    headers.insert(REMAINING, HeaderValue::from(allotment.remaining));
    headers.insert(RESET, HeaderValue::from(allotment.reset_seconds));
}

/// Whether those headers are there already.
pub fn tells_allotment(headers: &HeaderMap) -> bool {
    [LIMIT, REMAINING, RESET].iter().any(|name| headers.contains_key(name))
}

/// Puts in how a credential is presented, which is told at 401.
pub fn put_challenge(basic: bool, headers: &mut HeaderMap) {
    headers.append(WWW_AUTHENTICATE, BEARER);
    if basic {
        headers.append(WWW_AUTHENTICATE, BASIC);
    }
}

/// Headers that Claviger alone sets. CGI and its kin read `_` as `-`.
pub fn is_ours(name: &str) -> bool {
    begins(name, "x-claviger-") || begins(name, "claviger-")
}

/// Whether a header's name begins with this, `_` read as `-`.
pub fn begins(name: &str, wanted: &str) -> bool {
    let same = |(one, other): (u8, u8)| one == other || (one == b'_' && other == b'-');
    name.len() >= wanted.len() && name.bytes().zip(wanted.bytes()).all(same)
}
