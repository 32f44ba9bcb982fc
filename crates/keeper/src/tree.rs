//! The key tree. One random root secret is sealed by the master key; every key in use is derived from the
//! root by HKDF-SHA-256 under the label of its purpose, so that a new master key changes no other key.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::hkdf;
use claviger_domain::secret::DigestKeyId;
use zeroize::Zeroizing;

use crate::keys::{KEY_LENGTH, KeyBundle, KeyBytes};
use crate::place::Purpose;
use crate::wire::codec::{Malformed, Reader};

/// What the tree of the root secret is extracted under. Never changes: another word is another tree.
const ROOT_SALT: &[u8] = b"claviger keeper: root secret, version 1";
/// The same for what is derived from the master key, which seals the root and nothing else.
const MASTER_SALT: &[u8] = b"claviger keeper: master key, version 1";
/// The generation of every key until digests can be renewed.
const FIRST: DigestKeyId = DigestKeyId(1);
const FINGERPRINT_LENGTH: usize = 16;

/// Which root secret a keeper works with, derived from it and telling nothing about it. The service keeps
/// it in the database, so that another data folder's keeper in front of the same database is noticed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RootFingerprint([u8; FINGERPRINT_LENGTH]);

impl RootFingerprint {
    pub const fn as_bytes(&self) -> &[u8; FINGERPRINT_LENGTH] {
        &self.0
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.raw(FINGERPRINT_LENGTH)?.try_into().map(Self).map_err(|_| Malformed)
    }
}

/// Thirty-two hexadecimal digits.
impl fmt::Display for RootFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for RootFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no fingerprint of a root secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not 32 hexadecimal digits")]
pub struct InvalidFingerprint;

impl FromStr for RootFingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        let mut bytes = [0; FINGERPRINT_LENGTH];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidFingerprint)?;
        Ok(Self(bytes))
    }
}

/// Thirty-two random bytes at the top of a tree: the master key, or the root secret that it seals.
pub(crate) struct Secret(KeyBytes);

impl Secret {
    pub(crate) fn new(bytes: KeyBytes) -> Self {
        Self(bytes)
    }

    /// For writing it to its file, or sealing it.
    pub(crate) fn expose(&self) -> &[u8; KEY_LENGTH] {
        &self.0
    }
}

/// All that is derived from the master key: the key that seals the root, and a mark to know it by.
pub(crate) struct MasterTree(hkdf::Prk);

impl MasterTree {
    pub(crate) fn new(master: &Secret) -> Self {
        Self(extract(MASTER_SALT, master))
    }

    /// The key that seals the root secret.
    pub(crate) fn sealing_key(&self) -> KeyBytes {
        derive(&self.0, "seal/root", 1)
    }

    /// By which a wrong master key is told from damaged bytes.
    pub(crate) fn mark(&self) -> [u8; FINGERPRINT_LENGTH] {
        fingerprint(&self.0)
    }
}

/// All that is derived from the root secret.
pub(crate) struct RootTree(hkdf::Prk);

impl RootTree {
    pub(crate) fn new(root: &Secret) -> Self {
        Self(extract(ROOT_SALT, root))
    }

    pub(crate) fn fingerprint(&self) -> RootFingerprint {
        RootFingerprint(fingerprint(&self.0))
    }

    /// The key that seals values of that purpose.
    pub(crate) fn sealing_key(&self, purpose: Purpose) -> KeyBytes {
        derive(&self.0, &format!("seal/{}", purpose.as_str()), 1)
    }

    /// What the deciding process is given, in the order of the fields of [`crate::keys::Keys`].
    pub(crate) fn bundle(&self) -> KeyBundle {
        self.bundle_of(&[
            "digest/key",
            "digest/secret",
            "digest/control",
            "facts/calls",
            "facts/control",
            "cursor",
            "snapshot",
        ])
    }

    /// What a data node is given, in the order of the fields of [`crate::keys::NodeKeys`].
    pub(crate) fn node_bundle(&self) -> KeyBundle {
        self.bundle_of(&["digest/key", "digest/secret", "facts/calls"])
    }

    /// The private half of the pair that a data node's bundle is encrypted to.
    pub(crate) fn node_pair(&self) -> KeyBytes {
        derive(&self.0, "node/pair", 1)
    }

    fn bundle_of(&self, labels: &[&str]) -> KeyBundle {
        let mut bundle = KeyBundle::default();
        for label in labels {
            bundle.push(vec![(FIRST, derive(&self.0, label, FIRST.0))]);
        }
        bundle
    }
}

fn extract(salt: &[u8], secret: &Secret) -> hkdf::Prk {
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret.expose())
}

/// A label never holds a zero byte, so that label and generation cannot be taken for another pair.
fn derive(tree: &hkdf::Prk, label: &str, generation: u32) -> KeyBytes {
    let mut key = Zeroizing::new([0; KEY_LENGTH]);
    expand(tree, &[label.as_bytes(), &[0], &generation.to_be_bytes()], key.as_mut());
    key
}

fn fingerprint(tree: &hkdf::Prk) -> [u8; FINGERPRINT_LENGTH] {
    let mut bytes = [0; FINGERPRINT_LENGTH];
    expand(tree, &[b"fingerprint", &[0]], &mut bytes);
    bytes
}

/// How many bytes HKDF is asked for.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF's expansion, which fails only beyond 8,160 bytes.
pub(crate) fn expand(tree: &hkdf::Prk, info: &[&[u8]], out: &mut [u8]) {
    tree.expand(info, Length(out.len()))
        .and_then(|material| material.fill(out))
        .unwrap_or_else(|_| unreachable!("HKDF gives keys of 32 bytes"));
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn secret(byte: u8) -> Secret {
        Secret::new(Zeroizing::new([byte; KEY_LENGTH]))
    }

    #[test]
    fn each_label_and_generation_has_its_own_key() {
        let tree = RootTree::new(&secret(1)).0;
        let mut seen = HashSet::new();
        for label in ["seal/retrievable", "digest/key", "digest/secret", "digest/control", "cursor"] {
            for generation in 1..4 {
                assert!(seen.insert(*derive(&tree, label, generation)), "{label} {generation}");
            }
        }
        assert!(seen.insert(*MasterTree::new(&secret(1)).sealing_key()), "the master's tree is another");
    }

    #[test]
    fn the_tree_never_changes() {
        // Computed by Python's `hmac` after RFC 5869; a change here makes every database unreadable.
        let tree = RootTree::new(&secret(7));
        assert_eq!(hex::encode(tree.sealing_key(Purpose::Retrievable).as_slice()), RETRIEVABLE_OF_SEVENS);
        assert_eq!(hex::encode(derive(&tree.0, "digest/key", 1).as_slice()), DIGEST_KEY_OF_SEVENS);
        assert_eq!(tree.fingerprint().to_string(), FINGERPRINT_OF_SEVENS);
    }

    #[test]
    fn a_fingerprint_reads_back_and_differs() {
        let fingerprint = RootTree::new(&secret(1)).fingerprint();
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        assert_ne!(RootTree::new(&secret(2)).fingerprint(), fingerprint);
        assert_eq!("12".parse::<RootFingerprint>(), Err(InvalidFingerprint));
    }

    const RETRIEVABLE_OF_SEVENS: &str = "dc3f3926dfb004c4ef820999588c18447b4080fb5b8dd60edcdbcfc974298e57";
    const DIGEST_KEY_OF_SEVENS: &str = "b579a5033b185e7ca15e71f0b4cf09070d77440f729dc7537e79c3e95fd34f5e";
    const FINGERPRINT_OF_SEVENS: &str = "5e2207c436429b7edfbafd8c5a877898";
}
