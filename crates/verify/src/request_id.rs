//! What names a call in logs, here and at the proxy: the id that it came with, or one made here.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use claviger_domain::credential::contains_credential;
use http::{HeaderMap, HeaderName, HeaderValue};

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of one call.
#[derive(Debug, Clone)]
pub struct RequestId(pub HeaderValue);

impl RequestId {
    /// Of a call that came before ids could be made.
    pub const NONE: Self = Self(HeaderValue::from_static("-"));

    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

/// Names the calls of one door.
#[derive(Debug)]
pub struct RequestIds {
    /// Different at each start and for each door.
    prefix: String,
    made: AtomicU64,
}

impl RequestIds {
    pub const fn new(prefix: String) -> Self {
        Self { prefix, made: AtomicU64::new(0) }
    }

    /// The proxy's own, if it gave one that can be shown. A credential can't, although nobody should put one there.
    pub fn of(&self, headers: &HeaderMap) -> RequestId {
        let fits = |value: &&HeaderValue| {
            (1..=128).contains(&value.len())
                && value.as_bytes().iter().all(u8::is_ascii_graphic)
                && !value.to_str().is_ok_and(contains_credential)
        };
        let given = headers.get(REQUEST_ID).filter(fits).cloned();
        given.map_or_else(|| self.fresh(), RequestId)
    }

    fn fresh(&self) -> RequestId {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        // As long as ours get.
        let mut text = String::with_capacity(64);
        // Writing to a String can't fail.
        let _ = write!(text, "{}{number:x}", self.prefix);
        HeaderValue::from_str(&text).map_or(RequestId::NONE, RequestId)
    }
}

#[cfg(test)]
mod tests {
    use claviger_domain::credential::{CredentialKind, generate};

    use super::*;

    #[test]
    fn a_callers_own_id_is_taken_unless_it_can_not_be_shown() {
        let ids = RequestIds::new("made-".to_owned());
        let key = generate(CredentialKind::Key, |buffer| buffer.fill(7)).value;
        let of = |id: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_str(id).expect("a value"));
            ids.of(&headers).as_str().to_owned()
        };
        assert_eq!(of("3f2b-1"), "3f2b-1");
        assert_eq!(of(&"x".repeat(128)), "x".repeat(128));
        for (at, id) in ["", "a b", "é", &"x".repeat(129), key.expose(), &format!("id={}!", key.expose())]
            .into_iter()
            .enumerate()
        {
            assert_eq!(of(id), format!("made-{at:x}"));
        }
    }
}
