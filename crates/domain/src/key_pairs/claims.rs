//! The claims of a JSON Web Token that a pair signs (RFC 7519): the caller's, and those that say from when to when it
//! is good, which are Claviger's own.

use serde_json::{Map, Value};

use crate::credential::contains_credential;
use crate::refusal::{FieldError, Refusal};
use crate::time::{Period, Timestamp};

/// How long a token is good for at most, in seconds: what can't be taken back must not last.
const LONGEST_LIFE: i64 = 24 * 60 * 60;
/// How long the claims may be as JSON, in bytes: a token goes into a header.
const LONGEST_CLAIMS: usize = 8 * 1_024;
/// Set from `ttl`.
const OWN: [&str; 2] = ["exp", "iat"];

/// The claims as they are signed, a JSON object: good from `now` for `ttl`.
pub fn token_claims(given: &Map<String, Value>, ttl: &Period, now: Timestamp) -> Result<String, Refusal> {
    let mut errors = Vec::new();
    for own in OWN.iter().filter(|own| given.contains_key(**own)) {
        errors.push(FieldError::new(format!("/claims/{own}"), "is set from ttl; leave it out"));
    }
    let life = now.plus(ttl).seconds_since(now);
    if !(1..=LONGEST_LIFE).contains(&life) {
        errors.push(FieldError::new("/ttl", "must be PT1S to PT24H"));
    }
    let mut claims = given.clone();
    let issued_at = now.as_micros().div_euclid(1_000_000);
    claims.insert("iat".to_owned(), issued_at.into());
    claims.insert("exp".to_owned(), issued_at.saturating_add(life).into());
    let text = Value::Object(claims).to_string();
    if text.len() > LONGEST_CLAIMS {
        errors.push(FieldError::new("/claims", format!("must be at most {LONGEST_CLAIMS} bytes as JSON")));
    }
    if contains_credential(&text) {
        return Err(Refusal::LooksLikeASecret { pointer: "/claims".to_owned() });
    }
    if errors.is_empty() { Ok(text) } else { Err(Refusal::Invalid(errors)) }
}
