//! What the scheduler asks: which Key Sets are due, and when the next one is.

use claviger_domain::id::KeySetId;
use claviger_domain::time::Timestamp;

use crate::columns::{Columns, FromRow};
use crate::error::StoreError;
use crate::reader::Reader;
use crate::statements::statements;
use crate::value::values;

statements! {
    DUE = "SELECT id FROM key_sets WHERE next_due_at <= $1 AND next_due_at IS NOT NULL AND removed_at IS NULL \
           ORDER BY next_due_at, id LIMIT $2";
    NEXT = "SELECT next_due_at FROM key_sets WHERE next_due_at IS NOT NULL AND removed_at IS NULL \
            ORDER BY next_due_at, id LIMIT 1";
}

impl FromRow for KeySetId {
    const TABLE: &'static str = "key_sets";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        columns.id()
    }
}

impl Reader {
    /// Key Sets for which something is to be recorded or issued at `now`, the longest overdue first.
    pub async fn due_key_sets(&mut self, now: Timestamp, limit: u32) -> Result<Vec<KeySetId>, StoreError> {
        self.all(DUE, values![now, limit]).await
    }

    /// When the next Key Set is due; in the past while the scheduler is late.
    pub async fn next_due_at(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let next: Option<i64> = self.optional(NEXT, values![]).await?;
        Ok(next.map(Timestamp::from_micros))
    }
}
