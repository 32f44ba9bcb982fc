//! Words of what is counted about calls.

use std::net::IpAddr;

use crate::id::{KeyId, KeySetId, ServiceKeyId, SharedKeyId};
use crate::time::Timestamp;

/// The last use of a credential (product.md E6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LastUse {
    /// The beginning of the minute.
    pub at: Timestamp,
    /// From where, as far as it is known.
    pub source: Option<IpAddr>,
}

/// How a call's method is called where calls are counted and kept: callers may send words of their own, of any length.
pub fn method_word(method: &str) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or("other")
}

/// A key that was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum UsedKey {
    Key {
        id: KeyId,
        key_set_id: KeySetId,
    },
    Shared(SharedKeyId),
    /// To Claviger's own API; it opens no other.
    Service(ServiceKeyId),
}

impl UsedKey {
    /// The key's own id.
    pub fn id(&self) -> String {
        match self {
            Self::Key { id, .. } => id.to_string(),
            Self::Shared(id) => id.to_string(),
            Self::Service(id) => id.to_string(),
        }
    }

    pub const fn key_set_id(&self) -> Option<KeySetId> {
        match self {
            Self::Key { key_set_id, .. } => Some(*key_set_id),
            Self::Shared(_) | Self::Service(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_make_no_words_of_their_own() {
        for known in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            assert_eq!(method_word(known), known);
        }
        for word in ["BREW", "get", "TRACE", "CONNECT", "X-1", "X-2", ""] {
            assert_eq!(method_word(word), "other", "{word}");
        }
    }
}
