//! The digest keys of the deciding process (security.md 1). Each digest names the key that made it; new
//! ones use the newest, and a decision tries at most two.

use claviger_domain::secret::{DigestKey, DigestKeyId};

/// The digest keys of one generation: one for keys, one for secrets. They share their id.
#[derive(Debug, Clone)]
pub struct DigestGeneration {
    pub key: DigestKey,
    pub secret: DigestKey,
}

impl DigestGeneration {
    /// The id that events and rows name.
    pub const fn id(&self) -> DigestKeyId {
        self.key.id()
    }
}

/// The generations in use.
#[derive(Debug, Clone)]
pub struct DigestKeys {
    pub newest: DigestGeneration,
    pub previous: Option<DigestGeneration>,
}

impl DigestKeys {
    /// The generation whose digests name this key, if it is in use.
    pub fn by_id(&self, id: DigestKeyId) -> Option<&DigestGeneration> {
        std::iter::once(&self.newest).chain(&self.previous).find(|generation| generation.id() == id)
    }
}
