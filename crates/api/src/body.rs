//! Bodies of requests: bounded in size and time, JSON only, read strictly.

use std::error::Error;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::FromRequest;
use bytes::Bytes;
use claviger_wire::FieldProblem;
use futures::FutureExt as _;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::app::App;
use crate::asked::IDEMPOTENCY_KEY;
use crate::json::{self, Node};
use crate::refused::Refused;

/// The ceiling of bodies that have no other (surface.md, "Limits").
pub(crate) const MEBIBYTE: usize = 1 << 20;
/// The ceiling of batches.
pub(crate) const BATCH: usize = 4 * MEBIBYTE;

/// A body on its way, through a router or straight from the server.
pub trait Arriving: HttpBody<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> {}

impl<B: HttpBody<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>> Arriving for B {}

/// What was sent.
#[derive(Debug)]
pub(crate) struct Sent<T> {
    pub(crate) value: T,
    /// The digest of the bytes, where an `Idempotency-Key` came with them.
    pub(crate) sha256: Option<[u8; 32]>,
}

/// A JSON body of at most `LIMIT` bytes.
#[derive(Debug)]
pub(crate) struct Json<T, const LIMIT: usize = MEBIBYTE>(Sent<T>);

/// A JSON body of many.
pub(crate) type Batch<T> = Json<T, BATCH>;

/// The body of a lifecycle act: a JSON object, or nothing at all.
#[derive(Debug)]
pub(crate) struct Act<T>(Sent<T>);

impl<T: DeserializeOwned, const LIMIT: usize> FromRequest<App> for Json<T, LIMIT> {
    type Rejection = Refused;

    async fn from_request(request: Request<Body>, app: &App) -> Result<Self, Refused> {
        Self::receive(request, app.options.body_timeout).await
    }
}

impl<T: DeserializeOwned> FromRequest<App> for Act<T> {
    type Rejection = Refused;

    async fn from_request(request: Request<Body>, app: &App) -> Result<Self, Refused> {
        Self::receive(request, app.options.body_timeout).await
    }
}

impl<T: DeserializeOwned, const LIMIT: usize> Json<T, LIMIT> {
    pub(crate) fn receive<B: Arriving>(
        request: Request<B>,
        timeout: Duration,
    ) -> impl Future<Output = Result<Self, Refused>> {
        let keyed = request.headers().contains_key(IDEMPOTENCY_KEY);
        let is_json = is_json(request.headers());
        let collecting = collect(request, LIMIT, timeout);
        async move {
            if !is_json {
                return Err(unsupported());
            }
            let bytes = collecting.await?;
            Ok(Self(Sent { value: read(&bytes)?, sha256: digest(&bytes, keyed) }))
        }
    }
}

impl<T: DeserializeOwned> Act<T> {
    async fn receive(request: Request<Body>, timeout: Duration) -> Result<Self, Refused> {
        let is_json = is_json(request.headers());
        let keyed = request.headers().contains_key(IDEMPOTENCY_KEY);
        let bytes = collect(request, MEBIBYTE, timeout).await?;
        let value = match bytes.is_empty() {
            true => fit(Node::Object(Vec::new()))?,
            false if is_json => read(&bytes)?,
            false => return Err(unsupported()),
        };
        Ok(Self(Sent { value, sha256: digest(&bytes, keyed) }))
    }
}

impl<T, const LIMIT: usize> Json<T, LIMIT> {
    pub(crate) fn into_value(self) -> T {
        self.0.value
    }
}

impl<T, const LIMIT: usize> From<Json<T, LIMIT>> for Sent<T> {
    fn from(body: Json<T, LIMIT>) -> Self {
        body.0
    }
}

impl<T> From<Act<T>> for Sent<T> {
    fn from(body: Act<T>) -> Self {
        body.0
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

fn unsupported() -> Refused {
    Refused::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "Send JSON, with `Content-Type: application/json`.",
    )
}

fn too_large(limit: usize) -> Refused {
    let detail = format!("The body is larger than {} MiB.", limit / MEBIBYTE);
    Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
}

/// The body alone is kept while it arrives, so that a call does not carry its headers about.
pub(crate) fn collect<B: Arriving>(
    request: Request<B>,
    limit: usize,
    timeout: Duration,
) -> impl Future<Output = Result<Bytes, Refused>> {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = announced.and_then(|length| length.parse::<u64>().ok());
    let fits = length.is_none_or(|length| length <= limit as u64);
    let body = request.into_body();
    async move {
        if !fits {
            return Err(too_large(limit));
        }
        let mut arriving = std::pin::pin!(Limited::new(body, limit).collect());
        // Most bodies came with their headers: only the others need a deadline.
        let arrived = match arriving.as_mut().now_or_never() {
            Some(arrived) => Ok(arrived),
            None => Box::pin(tokio::time::timeout(timeout, arriving)).await,
        };
        match arrived {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(limit)),
            Ok(Err(_)) => {
                Err(Refused::new(StatusCode::BAD_REQUEST, "not_json", "The body broke off before its end."))
            }
            Err(_) => Err(Refused::new(
                StatusCode::REQUEST_TIMEOUT,
                "timed_out",
                format!("The body did not arrive within {} s.", timeout.as_secs()),
            )),
        }
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refused> {
    let tree =
        json::parse(bytes).map_err(|detail| Refused::new(StatusCode::BAD_REQUEST, "not_json", detail))?;
    fit(tree)
}

fn fit<T: DeserializeOwned>(tree: Node<'_>) -> Result<T, Refused> {
    json::read(tree).map_err(|errors| Refused::invalid(errors.into_iter().map(FieldProblem::from).collect()))
}

pub(crate) fn digest(bytes: &[u8], wanted: bool) -> Option<[u8; 32]> {
    wanted.then(|| Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use serde::Deserialize;

    use super::*;
    use crate::app::BODY_TIMEOUT;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Reason {
        #[serde(default)]
        reason: Option<String>,
    }

    fn request(content_type: Option<&str>, body: impl Into<Body>) -> Request<Body> {
        let builder = Request::builder().method("POST");
        let builder = match content_type {
            Some(content_type) => builder.header(CONTENT_TYPE, content_type),
            None => builder,
        };
        builder.body(body.into()).expect("a request")
    }

    fn code<T>(result: Result<T, Refused>) -> String {
        match result {
            Ok(_) => "ok".to_owned(),
            Err(refused) => {
                let text = format!("{refused:?}");
                text.split("code: \"")
                    .nth(1)
                    .and_then(|rest| rest.split('"').next())
                    .unwrap_or_default()
                    .to_owned()
            }
        }
    }

    #[tokio::test]
    async fn an_act_takes_nothing_or_an_object() {
        let json = Some("application/json; charset=utf-8");
        for (content_type, body, expected) in [
            (None, "", "ok"),
            (json, "", "ok"),
            (Some("text/plain"), "", "ok"),
            (json, "{}", "ok"),
            (json, r#"{"reason":"x"}"#, "ok"),
            (json, r#"{"reason":null}"#, "ok"),
            (json, "null", "invalid"),
            (json, "[]", "invalid"),
            (json, r#"["x"]"#, "invalid"),
            (json, r#"{"why":"x"}"#, "invalid"),
            (json, "{", "not_json"),
            (json, r#"{"reason":"x","reason":"y"}"#, "not_json"),
            (None, "{}", "unsupported_media_type"),
            (Some("application/jsonp"), "{}", "unsupported_media_type"),
        ] {
            let act = Act::<Reason>::receive(request(content_type, body), BODY_TIMEOUT).await;
            assert_eq!(code(act), expected, "{content_type:?} {body}");
        }
    }

    #[tokio::test]
    async fn a_body_is_bounded_whether_or_not_its_length_is_announced() {
        let json = Some("application/json");
        let long = format!("{{\"reason\":\"{}\"}}", "x".repeat(MEBIBYTE));
        let plain = Json::<Reason>::receive(request(json, long.clone()), BODY_TIMEOUT).await;
        assert_eq!(code(plain), "too_large");
        let chunk = Ok::<_, std::io::Error>(long.clone());
        let stream = Body::from_stream(futures::stream::iter([chunk]));
        assert_eq!(code(Json::<Reason>::receive(request(json, stream), BODY_TIMEOUT).await), "too_large");
        let batch = Json::<Reason, BATCH>::receive(request(json, long), BODY_TIMEOUT).await;
        assert_eq!(code(batch), "ok");
        let empty = Json::<Reason>::receive(request(json, ""), BODY_TIMEOUT).await;
        assert_eq!(code(empty), "not_json");
    }
}
