//! The keys that the keeper hands to its parent, once: those of digests, of MACs of facts and snapshots, and of cursors.
//! What opens sealed values is not among them.

use claviger_domain::secret::{DigestKey, DigestKeyId};
use zeroize::Zeroizing;

use crate::wire::codec::{Malformed, Reader, Writer};

/// How many bytes a derived key has.
pub(crate) const KEY_LENGTH: usize = 32;

/// A derived key in the clear, wiped when dropped.
pub(crate) type KeyBytes = Zeroizing<[u8; KEY_LENGTH]>;

/// What the deciding process works with while it lives, the keeper's absence included.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Digests of credentials' keys, and of generated Basic user names.
    pub digest_key: DigestKeys,
    /// Digests of generated and typed secrets.
    pub digest_secret: DigestKeys,
    /// Digests of service keys, sessions, portal links and invitations.
    pub digest_control: DigestKeys,
    /// MACs of the rows that doors read.
    pub facts_calls: DigestKey,
    /// MACs of service keys, groups and grants.
    pub facts_control: DigestKey,
    /// MACs of paging cursors.
    pub cursor: DigestKey,
    /// MACs of what a data node keeps on its own disk.
    pub snapshot: DigestKey,
}

/// What a data node is given of the control plane's keys, in its bundle.
#[derive(Debug, Clone)]
pub struct NodeKeys {
    pub digest_key: DigestKeys,
    pub digest_secret: DigestKeys,
    pub facts_calls: DigestKey,
}

/// The keys of one kind of digest: the newest makes new digests, a former one still recognises old ones.
#[derive(Debug, Clone)]
pub struct DigestKeys {
    newest: DigestKey,
    former: Option<DigestKey>,
}

impl DigestKeys {
    /// The key that new digests are made with.
    pub const fn newest(&self) -> &DigestKey {
        &self.newest
    }

    /// The key of that id, if it is still in use.
    pub fn by_id(&self, id: DigestKeyId) -> Option<&DigestKey> {
        self.iter().find(|key| key.id() == id)
    }

    /// All keys in use, the newest first: one, or two while digests are being renewed.
    pub fn iter(&self) -> impl Iterator<Item = &DigestKey> {
        std::iter::once(&self.newest).chain(&self.former)
    }
}

/// The keys as they travel: bytes, each with its generation.
#[derive(Default)]
pub(crate) struct KeyBundle {
    groups: Vec<Vec<(DigestKeyId, KeyBytes)>>,
}

impl KeyBundle {
    /// Adds the keys of one label, the newest first. The order of labels is that of [`Keys`]' fields.
    pub(crate) fn push(&mut self, group: Vec<(DigestKeyId, KeyBytes)>) {
        self.groups.push(group);
    }

    pub(crate) fn encode(&self, writer: &mut Writer) {
        writer.count(self.groups.len());
        for group in &self.groups {
            writer.count(group.len());
            for (id, key) in group {
                writer.u32(id.0);
                writer.raw(key.as_slice());
            }
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Keys, Malformed> {
        if reader.count(7)? != 7 {
            return Err(Malformed);
        }
        Ok(Keys {
            digest_key: digest_keys(reader)?,
            digest_secret: digest_keys(reader)?,
            digest_control: digest_keys(reader)?,
            facts_calls: single_key(reader)?,
            facts_control: single_key(reader)?,
            cursor: single_key(reader)?,
            snapshot: single_key(reader)?,
        })
    }
}

impl NodeKeys {
    /// The keys of an opened bundle.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.count(3)? != 3 {
            return Err(Malformed);
        }
        let keys = Self {
            digest_key: digest_keys(&mut reader)?,
            digest_secret: digest_keys(&mut reader)?,
            facts_calls: single_key(&mut reader)?,
        };
        reader.finish()?;
        Ok(keys)
    }
}

fn digest_keys(reader: &mut Reader<'_>) -> Result<DigestKeys, Malformed> {
    let count = reader.count(2)?;
    let newest = if count == 0 { return Err(Malformed) } else { key(reader)? };
    let former = if count == 2 { Some(key(reader)?) } else { None };
    Ok(DigestKeys { newest, former })
}

fn single_key(reader: &mut Reader<'_>) -> Result<DigestKey, Malformed> {
    if reader.count(1)? == 1 { key(reader) } else { Err(Malformed) }
}

fn key(reader: &mut Reader<'_>) -> Result<DigestKey, Malformed> {
    let id = DigestKeyId(reader.u32()?);
    let bytes: &[u8; KEY_LENGTH] = reader.raw(KEY_LENGTH)?.try_into().map_err(|_| Malformed)?;
    Ok(DigestKey::new(id, bytes))
}
