//! How a Git host proves that it is the same one: the key that was seen at first, and is pinned (product.md B5).

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::written;

/// The kinds of keys that hosts have. None is a certificate.
const KINDS: &[&str] =
    &["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];

/// Of the RSA keys whose signatures the agent can check.
const RSA_BITS: RangeInclusive<usize> = 2_048..=8_192;

/// The bytes or the text are no host key that Claviger knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHostKey {
    #[error("must be a host's public key: Ed25519, ECDSA or RSA, as ssh-keyscan prints it")]
    Unknown,
    /// No proof by it could ever be checked.
    #[error("must have 2,048 to 8,192 bits, being an RSA key")]
    RsaLength,
}

/// A host's public key. Written as `ssh-ed25519 AAAA…`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HostKey {
    kind: &'static str,
    blob: Vec<u8>,
}

impl HostKey {
    /// An RSA key of 16,384 bits takes 2,071 bytes.
    const LONGEST: usize = 2_100;

    /// From the form in which SSH sends it (RFC 4253, section 6.6).
    pub fn from_blob(blob: Vec<u8>) -> Result<Self, InvalidHostKey> {
        if blob.len() > Self::LONGEST {
            return Err(InvalidHostKey::Unknown);
        }
        let (stated, key) = field(&blob).ok_or(InvalidHostKey::Unknown)?;
        let kind = KINDS.iter().find(|kind| kind.as_bytes() == stated).ok_or(InvalidHostKey::Unknown)?;
        if key.is_empty() {
            return Err(InvalidHostKey::Unknown);
        }
        if *kind == "ssh-rsa" && !RSA_BITS.contains(&rsa_bits(key).ok_or(InvalidHostKey::Unknown)?) {
            return Err(InvalidHostKey::RsaLength);
        }
        Ok(Self { kind, blob })
    }

    /// `ssh-ed25519`, …
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// As SSH sends it.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// `SHA256:…`, as ssh shows it to people.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&self.blob)))
    }
}

/// A field of SSH's, and what follows it.
fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// How long the modulus of an RSA key is, which stands behind the exponent.
fn rsa_bits(key: &[u8]) -> Option<usize> {
    let (_, behind) = field(key)?;
    let (modulus, _) = field(behind)?;
    let first = modulus.iter().position(|byte| *byte != 0)?;
    let whole = (modulus.len() - first) * 8;
    Some(whole - usize::try_from(modulus[first].leading_zeros()).ok()?)
}

impl FromStr for HostKey {
    type Err = InvalidHostKey;

    fn from_str(text: &str) -> Result<Self, InvalidHostKey> {
        let (kind, encoded) = text.split_once(' ').ok_or(InvalidHostKey::Unknown)?;
        let key = Self::from_blob(STANDARD.decode(encoded).map_err(|_| InvalidHostKey::Unknown)?)?;
        if key.kind == kind { Ok(key) } else { Err(InvalidHostKey::Unknown) }
    }
}

impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, STANDARD.encode(&self.blob))
    }
}

written!(HostKey);

#[cfg(test)]
mod tests {
    use super::*;

    /// GitHub's, with the fingerprint that GitHub publishes.
    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    #[test]
    fn a_host_key_has_the_fingerprint_that_people_know() {
        let key: HostKey = ED25519.parse().expect("a key");
        assert_eq!(key.kind(), "ssh-ed25519");
        assert_eq!(key.fingerprint(), "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
        assert_eq!(key.to_string(), ED25519);
        assert_eq!(HostKey::from_blob(key.blob().to_vec()), Ok(key));
    }

    /// With a modulus of so many bits.
    fn rsa(bits: usize) -> Vec<u8> {
        let mut modulus = vec![0; bits.div_ceil(8) + 1];
        modulus[1] = 1 << ((bits - 1) % 8);
        let fields = [b"ssh-rsa", &[1, 0, 1][..], &modulus];
        let with_length = |field: &&[u8]| {
            let length = u32::try_from(field.len()).expect("a short field");
            [&length.to_be_bytes()[..], field].concat()
        };
        fields.iter().flat_map(with_length).collect()
    }

    #[test]
    fn an_rsa_key_that_can_prove_nothing_is_refused_with_the_reason() {
        for bits in [2_048, 2_049, 3_072, 4_096, 8_192] {
            assert!(HostKey::from_blob(rsa(bits)).is_ok(), "{bits}");
        }
        for bits in [1_024, 2_047, 8_193, 16_384] {
            assert_eq!(HostKey::from_blob(rsa(bits)), Err(InvalidHostKey::RsaLength), "{bits}");
        }
        let cut = rsa(2_048)[..100].to_vec();
        assert_eq!(HostKey::from_blob(cut), Err(InvalidHostKey::Unknown));
    }

    #[test]
    fn what_is_no_host_key_is_refused() {
        let certificate = [&[0, 0, 0, 28][..], b"ssh-ed25519-cert-v01@openssh.com", &[0; 9]].concat();
        let empty = [&[0, 0, 0, 11][..], b"ssh-ed25519"].concat();
        let beyond = [&[0xff; 4][..], b"ssh-ed25519"].concat();
        let long = [&[0, 0, 0, 7][..], b"ssh-rsa", &[1; 2_100]].concat();
        for wrong in [certificate, empty, beyond, long, Vec::new(), vec![0; 3]] {
            assert_eq!(HostKey::from_blob(wrong.clone()), Err(InvalidHostKey::Unknown), "{wrong:?}");
        }
        let renamed = ED25519.replacen("ssh-ed25519", "ssh-rsa", 1);
        let commented = format!("{ED25519} host");
        for wrong in ["", "ssh-ed25519", "ssh-ed25519 !", &renamed, &commented, &format!("{ED25519}\n")] {
            assert_eq!(wrong.parse::<HostKey>(), Err(InvalidHostKey::Unknown), "{wrong}");
        }
    }
}
