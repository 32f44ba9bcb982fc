//! A data node's bundle (security.md 2): the keys that deciding needs, encrypted by the control plane's keeper to
//! the key pair of the node's own keeper, for that one node of that one database.
//!
//! `version ‖ ephemeral public key (32) ‖ envelope`. The envelope's key comes from X25519 between an ephemeral pair
//! and the node's, by HKDF over both public halves; its place is the node's row. The node's pair is derived from
//! its keeper's own root secret, so that it is written nowhere.

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

use crate::ambient::{Ambient, NoEntropy};
use crate::envelope;
use crate::keys::{KEY_LENGTH, KeyBundle, KeyBytes};
use crate::place::Place;
use crate::tree::expand;
use crate::wire::codec::{Reader, Writer};

const VERSION: u8 = 1;
const SALT: &[u8] = b"claviger keeper: node bundle, version 1";
const PURPOSE: &str = "bundle";
/// The longest bundle that is looked at.
pub(crate) const LONGEST: usize = 1_024;

/// How many bytes the public half of a node's key pair has.
pub const NODE_KEY_LENGTH: usize = 32;

/// The public half of the key pair of a data node's keeper.
pub type NodeKey = [u8; NODE_KEY_LENGTH];

/// Which data node of which database a bundle is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipient<'a> {
    /// The id of the database.
    pub database: &'a str,
    /// The id of the node.
    pub node: &'a str,
}

impl<'a> Recipient<'a> {
    const fn place(self) -> Place<'a> {
        Place { database: self.database, table: "nodes", row: self.node, column: "bundle" }
    }
}

/// It was not made, or does not open. Why is told to no one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bundle does not open")]
pub(crate) struct NoBundle;

impl From<NoEntropy> for NoBundle {
    fn from(_: NoEntropy) -> Self {
        Self
    }
}

/// The public half of the pair whose private half is `private`.
pub(crate) fn public_half(private: &KeyBytes) -> Result<NodeKey, NoBundle> {
    let public = pair(private)?.compute_public_key().map_err(|_| NoBundle)?;
    public.as_ref().try_into().map_err(|_| NoBundle)
}

/// Encrypts `keys` to the pair of which `to` is the public half.
pub(crate) fn seal(
    to: &NodeKey,
    recipient: Recipient<'_>,
    keys: &KeyBundle,
    ambient: &dyn Ambient,
) -> Result<Vec<u8>, NoBundle> {
    let mut ephemeral: KeyBytes = Zeroizing::new([0; KEY_LENGTH]);
    ambient.fill(ephemeral.as_mut())?;
    let public = public_half(&ephemeral)?;
    let key = shared_key(&ephemeral, to, &public, to)?;
    let mut writer = Writer::default();
    keys.encode(&mut writer);
    let sealed = envelope::seal(&key, PURPOSE, recipient.place(), &writer.into_bytes(), ambient)?;
    Ok([&[VERSION], public.as_slice(), &sealed].concat())
}

/// Opens what was encrypted to the pair whose private half is `private`: the encoded keys.
pub(crate) fn open(
    private: &KeyBytes,
    recipient: Recipient<'_>,
    bundle: &[u8],
) -> Result<Zeroizing<Vec<u8>>, NoBundle> {
    let mut reader = Reader::new(bundle);
    if reader.u8().map_err(|_| NoBundle)? != VERSION {
        return Err(NoBundle);
    }
    let ephemeral =
        reader.raw(NODE_KEY_LENGTH).ok().and_then(|bytes| bytes.try_into().ok()).ok_or(NoBundle)?;
    let own = public_half(private)?;
    let key = shared_key(private, ephemeral, ephemeral, &own)?;
    envelope::open(&key, PURPOSE, recipient.place(), reader.rest()).map_err(|_| NoBundle)
}

/// What both sides derive: `private` of one and `other` of the other, bound to both public halves.
fn shared_key(
    private: &KeyBytes,
    other: &NodeKey,
    ephemeral: &NodeKey,
    node: &NodeKey,
) -> Result<KeyBytes, NoBundle> {
    agree(&pair(private)?, UnparsedPublicKey::new(&X25519, other), NoBundle, |shared| {
        let tree = hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(shared);
        let mut key: KeyBytes = Zeroizing::new([0; KEY_LENGTH]);
        expand(&tree, &[ephemeral, node], key.as_mut());
        Ok(key)
    })
}

fn pair(private: &KeyBytes) -> Result<PrivateKey, NoBundle> {
    PrivateKey::from_private_key(&X25519, private.as_slice()).map_err(|_| NoBundle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ambient::frozen::Frozen;
    use crate::keys::NodeKeys;
    use claviger_domain::secret::DigestKeyId;

    const RECIPIENT: Recipient<'_> = Recipient { database: "01k0db", node: "nod_1" };

    fn private(byte: u8) -> KeyBytes {
        Zeroizing::new([byte; KEY_LENGTH])
    }

    fn keys() -> KeyBundle {
        let mut keys = KeyBundle::default();
        (1..=3).for_each(|byte| keys.push(vec![(DigestKeyId(1), private(byte))]));
        keys
    }

    #[test]
    fn only_the_one_it_is_for_opens_it() {
        let ambient = Frozen::at("2026-07-01T12:00:00Z");
        let to = public_half(&private(9)).expect("a pair");
        let bundle = seal(&to, RECIPIENT, &keys(), &ambient).expect("a bundle");
        let opened = open(&private(9), RECIPIENT, &bundle).expect("it opens");
        let keys = NodeKeys::decode(&opened).expect("keys");
        assert_eq!(keys.digest_key.newest().id(), DigestKeyId(1));
        assert_eq!(open(&private(8), RECIPIENT, &bundle), Err(NoBundle), "another pair");
        for elsewhere in
            [Recipient { node: "nod_2", ..RECIPIENT }, Recipient { database: "another", ..RECIPIENT }]
        {
            assert_eq!(open(&private(9), elsewhere, &bundle), Err(NoBundle));
        }
        for at in 0..bundle.len() {
            let mut forged = bundle.clone();
            forged[at] ^= 1;
            // The highest bit of an X25519 key counts for nothing; this is not it.
            assert_eq!(open(&private(9), RECIPIENT, &forged), Err(NoBundle), "byte {at}");
        }
        assert_eq!(open(&private(9), RECIPIENT, &bundle[..40]), Err(NoBundle));
    }

    #[test]
    fn a_public_key_that_gives_nothing_is_refused() {
        let ambient = Frozen::at("2026-07-01T12:00:00Z");
        assert_eq!(seal(&[0; 32], RECIPIENT, &keys(), &ambient), Err(NoBundle), "of low order");
    }
}
