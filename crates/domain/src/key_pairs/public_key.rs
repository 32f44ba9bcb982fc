//! The public half of a key pair, read from its SubjectPublicKeyInfo (RFC 5280, 4.1) and written as others read it:
//! an OpenSSH line, PEM, a JSON Web Key, a fingerprint (product.md A2).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::Algorithm;

/// What stands before the 32 bytes of an Ed25519 key (RFC 8410).
const ED25519: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// What stands before the 64 bytes of a point on P-256 that is not compressed (RFC 5480).
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
/// The algorithm of an RSA key: its object identifier, and NULL (RFC 3279, 2.3.1).
const RSA: &[u8] =
    &[0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
const INTEGER: u8 = 0x02;

/// A public key of one of the algorithms.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    spki: Vec<u8>,
    numbers: Numbers,
}

/// What the key is made of; numbers are unsigned, most significant byte first, without leading zeroes.
#[derive(Clone, PartialEq, Eq)]
enum Numbers {
    Ed25519 { point: [u8; 32] },
    EcdsaP256 { x: [u8; 32], y: [u8; 32] },
    Rsa { algorithm: Algorithm, modulus: Vec<u8>, exponent: Vec<u8> },
}

/// The bytes are no key that a pair can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a public key of one of the algorithms")]
pub struct InvalidPublicKey;

/// A JSON Web Key (RFC 7517) of the public half.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwk {
    pub kty: &'static str,
    pub crv: Option<&'static str>,
    pub x: Option<String>,
    pub y: Option<String>,
    pub n: Option<String>,
    pub e: Option<String>,
    pub alg: &'static str,
}

impl PublicKey {
    /// Reads SubjectPublicKeyInfo in DER.
    pub fn from_spki(spki: Vec<u8>) -> Result<Self, InvalidPublicKey> {
        let numbers = Numbers::read(&spki).ok_or(InvalidPublicKey)?;
        Ok(Self { spki, numbers })
    }

    /// SubjectPublicKeyInfo in DER.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    pub const fn algorithm(&self) -> Algorithm {
        match self.numbers {
            Numbers::Ed25519 { .. } => Algorithm::Ed25519,
            Numbers::EcdsaP256 { .. } => Algorithm::EcdsaP256,
            Numbers::Rsa { algorithm, .. } => algorithm,
        }
    }

    /// The key as SSH sends it (RFC 4253, 6.6; RFC 5656, 3.1; RFC 8709, 4).
    pub fn ssh_blob(&self) -> Vec<u8> {
        let mut blob = Vec::new();
        put(&mut blob, self.ssh_name().as_bytes());
        match &self.numbers {
            Numbers::Ed25519 { point } => put(&mut blob, point),
            Numbers::EcdsaP256 { x, y } => {
                put(&mut blob, b"nistp256");
                put(&mut blob, &[&[0x04], x.as_slice(), y].concat());
            }
            Numbers::Rsa { modulus, exponent, .. } => {
                put(&mut blob, &positive(exponent));
                put(&mut blob, &positive(modulus));
            }
        }
        blob
    }

    /// One line as `authorized_keys` and Git hosts take it.
    pub fn openssh(&self, comment: &str) -> String {
        format!("{} {} {comment}", self.ssh_name(), STANDARD.encode(self.ssh_blob()))
    }

    /// SubjectPublicKeyInfo as PEM (RFC 7468, 13).
    pub fn pem(&self) -> String {
        let text = STANDARD.encode(&self.spki);
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        for (at, letter) in text.chars().enumerate() {
            if at > 0 && at % 64 == 0 {
                pem.push('\n');
            }
            pem.push(letter);
        }
        pem.push_str("\n-----END PUBLIC KEY-----\n");
        pem
    }

    pub fn jwk(&self) -> Jwk {
        let text = |bytes: &[u8]| Some(URL_SAFE_NO_PAD.encode(bytes));
        let alg = self.algorithm().jws();
        let empty = Jwk { kty: "OKP", crv: None, x: None, y: None, n: None, e: None, alg };
        match &self.numbers {
            Numbers::Ed25519 { point } => Jwk { crv: Some("Ed25519"), x: text(point), ..empty },
            Numbers::EcdsaP256 { x, y } => {
                Jwk { kty: "EC", crv: Some("P-256"), x: text(x), y: text(y), ..empty }
            }
            Numbers::Rsa { modulus, exponent, .. } => {
                Jwk { kty: "RSA", n: text(modulus), e: text(exponent), ..empty }
            }
        }
    }

    /// `SHA256:…` of the key as SSH sends it, as `ssh-keygen -l` and Git hosts show it.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(self.ssh_blob())))
    }

    const fn ssh_name(&self) -> &'static str {
        match self.numbers {
            Numbers::Ed25519 { .. } => "ssh-ed25519",
            Numbers::EcdsaP256 { .. } => "ecdsa-sha2-nistp256",
            Numbers::Rsa { .. } => "ssh-rsa",
        }
    }
}

impl Numbers {
    fn read(spki: &[u8]) -> Option<Self> {
        if let Some(point) = spki.strip_prefix(ED25519) {
            return Some(Self::Ed25519 { point: point.try_into().ok()? });
        }
        if let Some(point) = spki.strip_prefix(P256) {
            let (x, y) = point.split_at_checked(32)?;
            return Some(Self::EcdsaP256 { x: x.try_into().ok()?, y: y.try_into().ok()? });
        }
        let (outer, rest) = element(SEQUENCE, spki)?;
        let (string, after) = element(BIT_STRING, outer.strip_prefix(RSA)?)?;
        let (key, end) = element(SEQUENCE, string.strip_prefix(&[0])?)?;
        let (modulus, key) = unsigned(key)?;
        let (exponent, key) = unsigned(key)?;
        let whole = [rest, after, end, key].iter().all(|left| left.is_empty());
        // Both lengths are whole bytes, and the highest bit of the modulus is set.
        let algorithm = match modulus.len() * 8 {
            3_072 => Algorithm::Rsa3072,
            4_096 => Algorithm::Rsa4096,
            _ => return None,
        };
        let sound = whole && modulus[0] & 0x80 != 0 && !exponent.is_empty();
        sound.then(|| Self::Rsa { algorithm, modulus: modulus.to_vec(), exponent: exponent.to_vec() })
    }
}

/// The content of the element that `bytes` begin with, and what follows it. Lengths take no more bytes than they
/// need (DER).
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = bytes.strip_prefix(&[tag])?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => {
            let (&length, rest) = rest.split_first()?;
            (usize::from(length), rest)
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    let shortest = match first {
        0x81 => length > 0x7f,
        0x82 => length > 0xff,
        _ => true,
    };
    if shortest { rest.split_at_checked(length) } else { None }
}

/// A whole number that is not negative, without the zero that keeps it so.
fn unsigned(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (number, rest) = element(INTEGER, bytes)?;
    match number {
        [0, next, ..] if next & 0x80 != 0 => Some((&number[1..], rest)),
        [first, ..] if *first != 0 && first & 0x80 == 0 => Some((number, rest)),
        _ => None,
    }
}

/// The number with a leading zero where it would else count as negative (RFC 4251, `mpint`).
fn positive(number: &[u8]) -> Vec<u8> {
    let sign = number.first().is_some_and(|first| first & 0x80 != 0).then_some(0);
    sign.into_iter().chain(number.iter().copied()).collect()
}

/// A string as SSH sends it: its length in four bytes, then itself.
fn put(blob: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    blob.extend_from_slice(&length.to_be_bytes());
    blob.extend_from_slice(bytes);
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({})", self.fingerprint())
    }
}

/// SubjectPublicKeyInfo in base64, as events and PEM have it.
impl serde::Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.spki))
    }
}

impl<'de> serde::Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let spki = STANDARD.decode(text.as_bytes()).map_err(serde::de::Error::custom)?;
        Self::from_spki(spki).map_err(serde::de::Error::custom)
    }
}
