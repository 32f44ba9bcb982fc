//! JSON Web Tokens: claims in, a compact JWS out (RFC 7515, 7519). The header is made here, so that nobody
//! can have other bytes signed than a token's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use claviger_domain::key_pairs::Algorithm;
use serde::Serialize;

/// The longest claims that are signed, in bytes.
pub(crate) const LONGEST_CLAIMS: usize = 16_384;
/// The longest token that comes of them.
pub(crate) const LONGEST_TOKEN: usize = 2 * LONGEST_CLAIMS;

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    kid: &'a str,
    typ: &'static str,
}

/// What a token's signature is over: its header and its claims. None if the claims are no JSON object.
pub(crate) fn signing_input(algorithm: Algorithm, key_id: &str, claims: &str) -> Option<String> {
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(claims).ok()?;
    let header = Header { alg: name(algorithm), kid: key_id, typ: "JWT" };
    let header = serde_json::to_vec(&header).ok()?;
    Some(format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims)))
}

/// The whole token.
pub(crate) fn token(input: &str, signature: &[u8]) -> String {
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The algorithm's name in a token's header (RFC 7518, 8037).
const fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Ed25519 => "EdDSA",
        Algorithm::EcdsaP256 => "ES256",
        Algorithm::Rsa3072 | Algorithm::Rsa4096 => "RS256",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_header_claims_and_signature() {
        let input = signing_input(Algorithm::Ed25519, "kp_1", r#"{"sub":"a"}"#).expect("claims");
        let token = token(&input, &[7; 64]);
        let parts: Vec<Vec<u8>> =
            token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64")).collect();
        assert_eq!(parts[0], br#"{"alg":"EdDSA","kid":"kp_1","typ":"JWT"}"#);
        assert_eq!(parts[1], br#"{"sub":"a"}"#);
        assert_eq!((parts.len(), parts[2].as_slice()), (3, [7; 64].as_slice()));
    }

    #[test]
    fn only_an_object_is_claims() {
        for claims in ["", "[]", "1", "\"text\"", "{", "{} {}", "null", "{\"a\":1}x"] {
            assert_eq!(signing_input(Algorithm::Ed25519, "kp_1", claims), None, "{claims}");
        }
    }
}
