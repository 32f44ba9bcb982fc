//! Plaintext, digest and sealed bytes: three types that can't be taken for each other. None prints,
//! plaintext never serialises and is wiped; looking at it is an explicit verb.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A secret in the clear: a key's value, a password. Wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Plaintext(String);

impl Plaintext {
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// 256 random bits in hexadecimal digits, such as a session's value. `entropy` fills the buffer it is given.
    pub fn random(mut entropy: impl FnMut(&mut [u8])) -> Self {
        let mut bits = zeroize::Zeroizing::new([0_u8; 32]);
        entropy(bits.as_mut_slice());
        let mut text = String::with_capacity(64);
        for byte in bits.iter() {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
            }
        }
        Self(text)
    }

    /// Shows the secret. Every call is a place to look at in a review.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plaintext")
    }
}

/// HMAC-SHA-256 of a credential under a digest key that only the keeper and the deciding process hold
/// (security.md 1). Kept in the database in place of the credential.
#[derive(Clone, Copy)]
pub struct Digest([u8; 32]);

impl Digest {
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Digest {}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

/// Which digest key made a digest; the newest makes new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct DigestKeyId(pub u32);

/// A key for digests of one purpose. Its HMAC state is computed once, and wiped when it is dropped: whoever has
/// the state makes digests as with the key.
#[derive(Clone)]
pub struct DigestKey {
    id: DigestKeyId,
    state: Hmac<Sha256>,
}

impl DigestKey {
    pub fn new(id: DigestKeyId, key: &[u8; 32]) -> Self {
        let state =
            Hmac::new_from_slice(key).unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        Self { id, state }
    }

    pub const fn id(&self) -> DigestKeyId {
        self.id
    }

    pub fn digest(&self, credential: &[u8]) -> Digest {
        self.digest_of([credential])
    }

    /// The digest of parts, one after the other. All but the last must be of a fixed length.
    pub fn digest_of<const N: usize>(&self, parts: [&[u8]; N]) -> Digest {
        let mut mac = self.state.clone();
        for part in parts {
            mac.update(part);
        }
        Digest(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DigestKey({})", self.id.0)
    }
}

/// What the keeper sealed: an envelope that only it can open, and only in its place.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_secret_is_printed() {
        let shown = format!(
            "{:?} {:?} {:?} {:?}",
            Plaintext::new("hunter2".into()),
            Digest::from_bytes([0x41; 32]),
            DigestKey::new(DigestKeyId(1), &[0x42; 32]),
            Sealed::from_bytes(vec![0x43; 8]),
        );
        assert_eq!(shown, "Plaintext Digest DigestKey(1) Sealed(8 bytes)");
    }

    #[test]
    fn what_a_digest_keys_state_is_made_of_is_wiped() {
        use hmac::digest::block_api::{Buffer, CoreProxy};

        fn wiped<T: ZeroizeOnDrop>() {}
        // HMAC's state is two cores of its hash and a buffer; a build without the feature does not compile.
        wiped::<<Sha256 as CoreProxy>::Core>();
        wiped::<Buffer<<Sha256 as CoreProxy>::Core>>();
    }

    #[test]
    fn a_digest_is_hmac_sha_256() {
        // RFC 4231, test case 2, with the key padded to 32 bytes by zeroes (which HMAC does itself).
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let digest = DigestKey::new(DigestKeyId(1), &key).digest(b"what do ya want for nothing?");
        assert_eq!(digest.as_bytes()[..4], [0x5b, 0xdc, 0xc1, 0x46]);
    }
}
