//! Entity tags: a digest of the object as it is shown, without what changes by itself.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// Members that move without an act: marks of use, who has been told, and what the caller may do.
const VOLATILE: &[&str] = &[
    "last_used_at",
    "last_used_from",
    "enforcement",
    "can",
    "access",
    "attachments",
    "replaced_by",
    "exceeds_creator",
    "authorized_apis",
];

/// The strong entity tag of an object, quoted (RFC 9110, 8.8.3).
pub fn of(object: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut value = serde_json::to_value(object)?;
    strip(&mut value);
    let digest = Sha256::digest(value.to_string().as_bytes());
    Ok(format!("\"{}\"", URL_SAFE_NO_PAD.encode(&digest[..16])))
}

/// Whether this is an `If-Match` field: `*`, or a list of entity tags (RFC 9110, 13.1.1).
pub fn is_if_match(text: &str) -> bool {
    let is_tag = |tag: &str| {
        let opaque =
            tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        opaque.is_some_and(|opaque| opaque.bytes().all(|byte| byte > b' ' && byte != b'"' && byte != 0x7f))
    };
    text.trim() == "*" || text.split(',').all(|tag| is_tag(tag.trim()))
}

/// Whether an `If-Match` field names `etag`: `*`, or a list with it.
pub fn matches(if_match: &str, etag: &str) -> bool {
    if_match.trim() == "*" || if_match.split(',').any(|candidate| candidate.trim() == etag)
}

fn strip(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(members) => {
            members.retain(|name, _| !VOLATILE.contains(&name.as_str()));
            members.values_mut().for_each(strip);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn marks_of_use_leave_the_tag_as_it_is() {
        let tag = of(&json!({"name": "a", "keys": [{"last_used_at": 1}]})).expect("a tag");
        assert_eq!(of(&json!({"name": "a", "keys": [{"last_used_at": 2}]})).expect("a tag"), tag);
        assert_ne!(of(&json!({"name": "b", "keys": [{"last_used_at": 1}]})).expect("a tag"), tag);
        for field in [tag.as_str(), "*", " \"a\" , W/\"b\"", "\"\""] {
            assert!(is_if_match(field), "{field}");
        }
        for no in ["", "nonsense", "\"", "\"a", "\"a\",", "\"a b\"", "W/a", "*, \"a\""] {
            assert!(!is_if_match(no), "{no}");
        }
        assert!(matches("*", &tag) && matches(&format!("\"x\", {tag}"), &tag) && !matches("\"x\"", &tag));
    }
}
