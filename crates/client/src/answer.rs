//! What the server answered to a call that it carried out.

use reqwest::header::HeaderMap;
use serde::Deserialize;

/// A good answer: its body, and what the headers say beside it.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    pub status: u16,
    pub body: T,
    /// The object's version, for `If-Match`.
    pub etag: Option<String>,
    /// Where in the log a write took effect.
    pub position: Option<i64>,
    /// Where the thing that was made can be read.
    pub location: Option<String>,
    /// Whether this is the recorded answer to the same `Idempotency-Key`.
    pub replayed: bool,
}

/// The body of an answer that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nothing;

impl<'de> Deserialize<'de> for Nothing {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl<T> Answer<T> {
    pub(crate) fn new(status: u16, headers: &HeaderMap, body: T) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self {
            status,
            body,
            etag: text("etag"),
            position: text("claviger-position").and_then(|position| position.parse().ok()),
            location: text("location"),
            replayed: text("idempotency-replayed").is_some_and(|value| value == "true"),
        }
    }
}
