//! What a portal link was traded for: volume, not history, so beside the log. A session is found only as long
//! as the link that it came from is the one in force.

use claviger_domain::id::SharedKeyId;
use claviger_domain::secret::Digest;
use claviger_domain::text::Name;
use claviger_domain::time::Timestamp;

use crate::commit::Tx;
use crate::error::StoreError;
use crate::reader::Reader;
use crate::statements::statements;
use crate::value::values;

statements! {
    KEY_OF = "SELECT shared_keys.id, shared_keys.name FROM portal_sessions JOIN shared_keys ON shared_keys.id = portal_sessions.shared_key_id \
              WHERE portal_sessions.digest = $1 AND portal_sessions.expires_at > $2 AND shared_keys.deleted_at IS NULL \
              AND shared_keys.portal_digest = portal_sessions.portal_digest";
    BEGIN = "INSERT INTO portal_sessions (digest, shared_key_id, portal_digest, expires_at) VALUES ($1, $2, $3, $4)";
    END = "DELETE FROM portal_sessions WHERE digest = $1";
    EXPIRE = "DELETE FROM portal_sessions WHERE expires_at <= $1";
}

impl Reader {
    /// Whose session this is, if it is good at `now`.
    pub async fn portal_session(
        &mut self,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<Option<SharedKeyId>, StoreError> {
        let found: Option<(SharedKeyId, Name)> = self.optional(KEY_OF, values![digest, now]).await?;
        Ok(found.map(|(id, _)| id))
    }
}

impl Tx<'_> {
    /// Begins a session, and forgets those that are over.
    pub async fn begin_portal_session(
        &mut self,
        digest: &Digest,
        id: SharedKeyId,
        portal: &Digest,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(EXPIRE, values![now]).await?;
        self.execute(BEGIN, values![digest, id, portal, expires_at]).await.map(drop)
    }

    /// Ends a session; one that there is not is over already.
    pub async fn end_portal_session(&mut self, digest: &Digest) -> Result<(), StoreError> {
        self.execute(END, values![digest]).await.map(drop)
    }
}
