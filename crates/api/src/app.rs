//! What the handlers share: the use cases, the OpenAPI document, and what the operator's configuration
//! says to this face.

use std::collections::HashMap;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, Path};
use bytes::Bytes;
use claviger_domain::peers::TrustedPeers;
use claviger_service::Service;
use http::request::Parts;
use http::{HeaderValue, Method};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::openapi;
use crate::refused::Refused;
use crate::trials::TrialDoor;

/// What the operator's configuration says to this face.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where people and programs find us; its path goes before every `Location`.
    pub public_url: String,
    /// Proxies whose word on the client's address is taken (`doors.trusted`).
    pub trusted: TrustedPeers,
    /// How long a body may take to arrive; [`BODY_TIMEOUT`] where nobody says otherwise.
    pub body_timeout: Duration,
    /// Through what visitors of the portal try calls; `None`: through nothing.
    pub trials: Option<Arc<dyn TrialDoor>>,
}

/// As long as the headers before it may take.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);

impl Options {
    /// The path in `public_url`, without a slash at its end.
    pub(crate) fn prefix(&self) -> &str {
        let rest = self.public_url.split_once("://").map_or("", |(_, rest)| rest);
        rest.find('/').map_or("", |at| rest[at..].trim_end_matches('/'))
    }
}

/// The state of all handlers. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) service: Service,
    pub(crate) options: Options,
    pub(crate) document: Document,
    known: HashMap<String, HashMap<Method, Vec<String>>>,
}

/// The OpenAPI document as it is sent.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) text: Bytes,
    pub(crate) etag: HeaderValue,
}

impl App {
    pub(crate) fn new(service: Service, options: Options, document: &Value) -> Self {
        let text = document.to_string();
        let tag = format!("\"{}\"", hex::encode(&Sha256::digest(text.as_bytes())[..16]));
        let etag = HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\""));
        let known = openapi::query_parameters(document);
        let document = Document { text: text.into(), etag };
        Self(Arc::new(Shared { service, options, document, known }))
    }

    /// The query parameters that the document names for the route.
    pub(crate) fn known_parameters(&self, route: &str, method: &Method) -> &[String] {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.known.get(route).and_then(|methods| methods.get(method)).map_or(&[], Vec::as_slice)
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// A part of the path that names a thing. What is no id of its kind is what never was.
#[derive(Debug)]
pub(crate) struct At<T>(pub(crate) T);

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for At<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let Path(text) =
            Path::<String>::from_request_parts(parts, state).await.map_err(|_| Refused::not_found())?;
        text.parse().map(Self).map_err(|_| Refused::not_found())
    }
}

/// Two parts of the path: a thing, and one inside it.
#[derive(Debug)]
pub(crate) struct Within<T, U>(pub(crate) T, pub(crate) U);

impl<S: Send + Sync, T: FromStr, U: FromStr> FromRequestParts<S> for Within<T, U> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let Path((outer, inner)) = Path::<(String, String)>::from_request_parts(parts, state)
            .await
            .map_err(|_| Refused::not_found())?;
        match (outer.parse(), inner.parse()) {
            (Ok(outer), Ok(inner)) => Ok(Self(outer, inner)),
            _ => Err(Refused::not_found()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_the_path_of_the_public_address() {
        for (public_url, prefix) in [
            ("http://127.0.0.1:7700", ""),
            ("https://example.com/", ""),
            ("https://example.com/claviger", "/claviger"),
            ("https://example.com/a/b/", "/a/b"),
        ] {
            let options = Options {
                public_url: public_url.to_owned(),
                trusted: TrustedPeers::new(Vec::new()),
                body_timeout: BODY_TIMEOUT,
                trials: None,
            };
            assert_eq!(options.prefix(), prefix, "{public_url}");
        }
    }
}
