//! Cursors of lists: opaque, authenticated, and bound to caller, path and filters (surface.md, "Lists").

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::Sha256;

const TAG_LENGTH: usize = 16;

/// Seals and opens cursors, under a key that the keeper derives.
#[derive(Clone)]
pub struct CursorKey(Hmac<Sha256>);

impl std::fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CursorKey")
    }
}

impl CursorKey {
    pub fn new(key: &[u8; 32]) -> Self {
        Self(Hmac::new_from_slice(key).unwrap_or_else(|_| unreachable!("HMAC takes keys of any length")))
    }

    /// The cursor as text. `binding` names caller, path and filters, in a fixed order.
    pub fn seal<C: Serialize>(&self, binding: &str, cursor: &C) -> Result<String, serde_json::Error> {
        let mut bytes = serde_json::to_vec(cursor)?;
        let tag = self.tag(binding, &bytes).finalize().into_bytes();
        bytes.extend_from_slice(&tag[..TAG_LENGTH]);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The cursor in the text, or `None` if it was not made here for just this list.
    pub fn open<C: DeserializeOwned>(&self, binding: &str, text: &str) -> Option<C> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (cursor, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_LENGTH)?)?;
        self.tag(binding, cursor).verify_truncated_left(tag).ok()?;
        serde_json::from_slice(cursor).ok()
    }

    fn tag(&self, binding: &str, cursor: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(&(binding.len() as u64).to_be_bytes());
        mac.update(binding.as_bytes());
        mac.update(cursor);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_only_where_it_was_made() {
        let key = CursorKey::new(&[1; 32]);
        let text = key.seal("svk_1 /v1/apis q=a", &(7, "x")).expect("seals");
        assert_eq!(key.open("svk_1 /v1/apis q=a", &text), Some((7, "x".to_owned())));
        assert_eq!(key.open::<(i32, String)>("svk_2 /v1/apis q=a", &text), None);
        assert_eq!(CursorKey::new(&[2; 32]).open::<(i32, String)>("svk_1 /v1/apis q=a", &text), None);
        for wrong in ["", "AAAA", "!", &text[1..], &format!("A{text}")] {
            assert_eq!(key.open::<(i32, String)>("svk_1 /v1/apis q=a", wrong), None, "{wrong}");
        }
    }
}
