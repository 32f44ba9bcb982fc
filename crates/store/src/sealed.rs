//! Sealed values of Keys: envelopes that only the keeper opens, and only in their place.

use claviger_domain::id::KeyId;
use claviger_domain::secret::Sealed;

use crate::columns::{Columns, FromRow};
use crate::commit::Tx;
use crate::error::StoreError;
use crate::reader::Reader;
use crate::statements::statements;
use crate::value::values;

statements! {
    BY_ID = "SELECT bytes FROM sealed WHERE key_id = $1";
    ALL_AFTER = "SELECT key_id, bytes FROM sealed WHERE key_id > $1 ORDER BY key_id LIMIT $2";
    PUT = "INSERT INTO sealed (key_id, bytes) VALUES ($1, $2) ON CONFLICT (key_id) DO UPDATE SET bytes = excluded.bytes";
    WIPE = "DELETE FROM sealed WHERE key_id = $1";
}

impl FromRow for Sealed {
    const TABLE: &'static str = "sealed";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self::from_bytes(columns.bytes()?.to_vec()))
    }
}

struct SealedKey(KeyId, Sealed);

impl FromRow for SealedKey {
    const TABLE: &'static str = "sealed";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self(columns.id()?, Sealed::from_row(columns)?))
    }
}

impl Reader {
    /// What is sealed of a Key; None once it was wiped, or if it never was kept.
    pub async fn sealed(&mut self, key_id: KeyId) -> Result<Option<Sealed>, StoreError> {
        self.optional(BY_ID, values![key_id]).await
    }

    /// Sealed values in the order of their Keys' ids, for `keeper rotate`; None begins.
    pub async fn sealed_after(
        &mut self,
        after: Option<KeyId>,
        limit: u32,
    ) -> Result<Vec<(KeyId, Sealed)>, StoreError> {
        let after = after.map_or_else(String::new, |id| id.to_string());
        let rows: Vec<SealedKey> = self.all(ALL_AFTER, values![after, limit]).await?;
        Ok(rows.into_iter().map(|SealedKey(id, sealed)| (id, sealed)).collect())
    }

    /// Whether there was something to wipe.
    pub(crate) async fn wipe_sealed(&mut self, key_id: KeyId) -> Result<bool, StoreError> {
        Ok(self.execute(WIPE, values![key_id]).await? > 0)
    }
}

impl Tx<'_> {
    /// Wipes a Key's sealed value that was opened the one time it may be; whether it was there to be wiped.
    pub async fn discard_sealed(&mut self, key_id: KeyId) -> Result<bool, StoreError> {
        self.wipe_sealed(key_id).await
    }

    /// Keeps a Key's sealed value: in the transaction that appends `key.issued`, or when it is sealed anew.
    pub async fn put_sealed(&mut self, key_id: KeyId, sealed: &Sealed) -> Result<(), StoreError> {
        self.execute(PUT, values![key_id, sealed.as_bytes()]).await.map(drop)
    }
}
