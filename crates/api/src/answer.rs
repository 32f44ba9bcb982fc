//! Answers that are not problems: what a use case gave, with its status and its headers (surface.md,
//! "Answers" and "Writes").

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use claviger_service::request::{Answer, Outcome};
use claviger_service::{Read, Written};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use crate::refused::Refused;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const POSITION: HeaderName = HeaderName::from_static("claviger-position");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// What a handler gives when all went well, or its refusal.
pub(crate) type Answered<T> = Result<T, Refused>;

/// A value as JSON, with 200.
#[derive(Debug)]
pub(crate) struct Shown<T>(pub(crate) T);

/// An object with its entity tag, as a use case read it.
#[derive(Debug)]
pub(crate) struct Tagged<T>(pub(crate) Read<T>);

/// What a write did, done now or told again.
#[derive(Debug)]
pub(crate) struct Done<T>(pub(crate) Written<T>);

impl<T: Serialize> IntoResponse for Shown<T> {
    fn into_response(self) -> Response {
        body(StatusCode::OK, &self.0)
    }
}

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let mut response = body(StatusCode::OK, &self.0.body);
        insert(response.headers_mut(), ETAG, &self.0.etag);
        response
    }
}

impl<T: Answer> IntoResponse for Done<T> {
    fn into_response(self) -> Response {
        let written = self.0;
        let status = StatusCode::from_u16(written.status.code()).unwrap_or(StatusCode::OK);
        let mut response = match &written.outcome {
            _ if status == StatusCode::NO_CONTENT => status.into_response(),
            Outcome::Fresh(object) => body(status, object),
            Outcome::Replayed(object) => body(status, object),
        };
        let headers = response.headers_mut();
        match &written.outcome {
            Outcome::Fresh(object) if object.has_secret() => {
                headers.insert(CACHE_CONTROL, NO_STORE);
            }
            Outcome::Fresh(_) => {}
            Outcome::Replayed(_) => {
                headers.insert(REPLAYED, HeaderValue::from_static("true"));
            }
        }
        headers.insert(POSITION, HeaderValue::from(written.position.0));
        if let Some(etag) = &written.etag {
            insert(headers, ETAG, etag);
        }
        if let Some(location) = &written.location {
            insert(headers, LOCATION, location);
        }
        response
    }
}

fn body(status: StatusCode, value: &impl Serialize) -> Response {
    json(status, value).into_response()
}

/// A value as JSON.
pub(crate) fn json(
    status: StatusCode,
    value: &impl Serialize,
) -> Result<http::Response<Full<Bytes>>, Refused> {
    // As much as most answers have.
    let mut bytes = Vec::with_capacity(512);
    serde_json::to_writer(&mut bytes, value)
        .map_err(|error| Refused::internal().because(format!("an answer can't be written: {error}")))?;
    let mut response = http::Response::new(Full::from(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    Ok(response)
}

/// Our own values are always fit for a header; one that were not is left out.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use claviger_domain::event::Position;
    use claviger_service::request::{Gone, Status};

    use super::*;

    #[derive(Serialize)]
    struct Issued {
        key: &'static str,
    }

    impl Answer for Issued {
        fn has_secret(&self) -> bool {
            true
        }
    }

    #[test]
    fn a_write_says_where_it_took_effect_and_a_secret_is_not_stored() {
        let written = Written {
            outcome: Outcome::Fresh(Issued { key: "k" }),
            status: Status::Created,
            etag: Some("\"e\"".into()),
            location: Some("/v1/service-keys/svk_1".into()),
            position: Position(7),
        };
        let response = Done(written).into_response();
        assert_eq!(response.status(), 201);
        let header = |name: &str| response.headers().get(name).map(HeaderValue::as_bytes);
        assert_eq!(header("claviger-position"), Some(&b"7"[..]));
        assert_eq!(header("location"), Some(&b"/v1/service-keys/svk_1"[..]));
        assert_eq!(header("cache-control"), Some(&b"no-store"[..]));
        assert_eq!(header("etag"), Some(&b"\"e\""[..]));
    }

    #[test]
    fn a_replay_says_that_it_is_one_and_a_deletion_has_no_body() {
        let written = Written::<Gone> {
            outcome: Outcome::Replayed(serde_json::Value::Null),
            status: Status::Deleted,
            etag: None,
            location: None,
            position: Position(7),
        };
        let response = Done(written).into_response();
        assert_eq!(response.status(), 204);
        assert_eq!(response.headers()["idempotency-replayed"], "true");
        assert!(!response.headers().contains_key(CONTENT_TYPE));
    }
}
