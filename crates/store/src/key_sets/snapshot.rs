//! All Keys as rows that deciding is loaded from: one table, read once, as it streams.

use claviger_domain::apis::AuthType;
use claviger_domain::id::{ApplicationId, EnvironmentId, KeyId, KeySetId};
use claviger_domain::key_sets::{Ended, Retirement, Schedule};
use claviger_domain::secret::{Digest, DigestKeyId};

use crate::columns::{Columns, FromRow};
use crate::error::StoreError;
use crate::reader::Reader;
use crate::statements::statements;
use crate::value::values;

macro_rules! columns {
    () => {
        "SELECT keys.id, keys.key_set_id, keys.application_id, keys.environment_id, keys.auth_type, \
         keys.suspended_by, keys.superseded_by, keys.digest_key, keys.key_digest, keys.secret_digest, \
         keys.start_at, keys.provisioned_at, keys.rotation_due_at, keys.expires_at, keys.retires_at, keys.retires_as, keys.ended_at, \
         keys.end_planned_at, keys.end_reason FROM keys WHERE keys.removed_at IS NULL"
    };
}

statements! {
    ALL = columns!();
    OF_SET = concat!(columns!(), " AND keys.key_set_id = $1 ORDER BY keys.generation");
}

/// A Key with all that deciding needs, its set's part too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyRow {
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

impl FromRow for KeyRow {
    const TABLE: &'static str = "keys";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: columns.id()?,
            key_set_id: columns.id()?,
            application_id: columns.id()?,
            environment_id: columns.id()?,
            auth_type: columns.word()?,
            suspended: columns.optional_text()?.is_some(),
            latest: columns.optional_text()?.is_none(),
            digest_key: DigestKeyId(columns.count()?),
            key_digest: Digest::from_bytes(columns.hash()?),
            secret_digest: columns.optional_hash()?.map(Digest::from_bytes),
            schedule: super::rows::schedule(columns)?,
            retirement: super::rows::retirement(columns)?,
            ended: super::rows::ended(columns)?,
        })
    }
}

impl Reader {
    /// Hands every Key to `take`, in no particular order. With [`Reader::position`] of the same reader this
    /// is a snapshot from which the log is tailed.
    pub async fn each_key(&mut self, take: impl FnMut(KeyRow) + Send) -> Result<(), StoreError> {
        self.each_row(ALL.text(), values![], take).await
    }

    /// The same rows of one Key Set, oldest first.
    pub async fn key_rows(&mut self, id: KeySetId) -> Result<Vec<KeyRow>, StoreError> {
        self.all(OF_SET, values![id]).await
    }
}
