//! What deciding needs of a Key, wherever it is kept.

use super::{Ended, Retirement, Schedule};
use crate::apis::AuthType;
use crate::id::{ApplicationId, EnvironmentId, KeyId, KeySetId};
use crate::secret::{Digest, DigestKeyId};

/// A Key with all that deciding needs, its set's part too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecidingKey {
    pub id: KeyId,
    pub key_set_id: KeySetId,
    pub application_id: ApplicationId,
    pub environment_id: EnvironmentId,
    pub auth_type: AuthType,
    /// Whether the set is Suspended.
    pub suspended: bool,
    /// Whether it is the newest of its set.
    pub latest: bool,
    pub digest_key: DigestKeyId,
    pub key_digest: Digest,
    pub secret_digest: Option<Digest>,
    /// None while Pending.
    pub schedule: Option<Schedule>,
    pub retirement: Option<Retirement>,
    pub ended: Option<Ended>,
}
