//! Sealed values of Keys and shared keys: envelopes that only the keeper opens, and only in their place.

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

struct SealedRow(String, Sealed);

impl FromRow for SealedRow {
    const TABLE: &'static str = "sealed";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self(columns.text()?.to_owned(), Sealed::from_row(columns)?))
    }
}

impl Reader {
    /// What is sealed of a Key; None once it was wiped, or if it never was kept.
    pub async fn sealed(&mut self, key_id: KeyId) -> Result<Option<Sealed>, StoreError> {
        self.optional(BY_ID, values![key_id]).await
    }

    /// The same of a part of a shared key, by the row that it was sealed for.
    pub async fn sealed_row(&mut self, row: &str) -> Result<Option<Sealed>, StoreError> {
        self.optional(BY_ID, values![row]).await
    }

    /// Sealed values in the order of their rows, for `keeper rotate`; the empty text begins.
    pub async fn sealed_after(
        &mut self,
        after: &str,
        limit: u32,
    ) -> Result<Vec<(String, Sealed)>, StoreError> {
        let rows: Vec<SealedRow> = self.all(ALL_AFTER, values![after, limit]).await?;
        Ok(rows.into_iter().map(|SealedRow(row, sealed)| (row, sealed)).collect())
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
        self.write(PUT, values![key_id, sealed.as_bytes()]).await
    }

    /// Keeps a sealed part of a shared key, in the transaction that issues it.
    pub async fn put_sealed_row(&mut self, row: &str, sealed: &Sealed) -> Result<(), StoreError> {
        self.write(PUT, values![row, sealed.as_bytes()]).await
    }

    /// Wipes one; whether it was there does not matter.
    pub async fn discard_sealed_row(&mut self, row: &str) -> Result<(), StoreError> {
        self.write(WIPE, values![row]).await
    }
}
