//! Cursors of lists: opaque, authenticated, and bound to caller, path and filters (surface.md, "Lists").

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claviger_domain::secret::{Digest, DigestKey};
use serde::Serialize;
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq as _;

const TAG_LENGTH: usize = 16;

/// Seals and opens cursors, under a key that the keeper derives.
#[derive(Debug, Clone)]
pub struct CursorKey(DigestKey);

impl CursorKey {
    pub const fn new(key: DigestKey) -> Self {
        Self(key)
    }

    /// The cursor as text. `binding` names caller, path and filters, in a fixed order.
    pub fn seal<C: Serialize>(&self, binding: &str, cursor: &C) -> Result<String, serde_json::Error> {
        let mut bytes = serde_json::to_vec(cursor)?;
        let tag = self.tag(binding, &bytes);
        bytes.extend_from_slice(&tag.as_bytes()[..TAG_LENGTH]);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The cursor in the text, or `None` if it was not made here for just this list.
    pub fn open<C: DeserializeOwned>(&self, binding: &str, text: &str) -> Option<C> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (cursor, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_LENGTH)?)?;
        let genuine = self.tag(binding, cursor).as_bytes()[..TAG_LENGTH].ct_eq(tag);
        if bool::from(genuine) { serde_json::from_slice(cursor).ok() } else { None }
    }

    fn tag(&self, binding: &str, cursor: &[u8]) -> Digest {
        let mut message = (binding.len() as u64).to_be_bytes().to_vec();
        message.extend_from_slice(binding.as_bytes());
        message.extend_from_slice(cursor);
        self.0.digest(&message)
    }
}

#[cfg(test)]
mod tests {
    use claviger_domain::secret::DigestKeyId;

    use super::*;

    #[test]
    fn a_cursor_is_good_only_where_it_was_made() {
        let key_of = |byte| CursorKey::new(DigestKey::new(DigestKeyId(1), &[byte; 32]));
        let key = key_of(1);
        let text = key.seal("svk_1 /v1/apis q=a", &(7, "x")).expect("seals");
        assert_eq!(key.open("svk_1 /v1/apis q=a", &text), Some((7, "x".to_owned())));
        assert_eq!(key.open::<(i32, String)>("svk_2 /v1/apis q=a", &text), None);
        assert_eq!(key_of(2).open::<(i32, String)>("svk_1 /v1/apis q=a", &text), None);
        for wrong in ["", "AAAA", "!", &text[1..], &format!("A{text}")] {
            assert_eq!(key.open::<(i32, String)>("svk_1 /v1/apis q=a", wrong), None, "{wrong}");
        }
    }
}
