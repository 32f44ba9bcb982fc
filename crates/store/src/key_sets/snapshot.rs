//! All Keys as rows that deciding is loaded from: one table, read once, as it streams.

use claviger_domain::id::KeySetId;
use claviger_domain::key_sets::DecidingKey;
use claviger_domain::policy_templates::{CallLimits, Policy};

use super::packed::{unpack, unpack_all};
use crate::bulk::Bulk;
use crate::columns::{Columns, FromRow};
use crate::error::StoreError;
use crate::reader::Reader;
use crate::statements::statements;
use crate::value::values;

statements! {
    OF_SET = "SELECT identity, deciding FROM keys WHERE removed_at IS NULL AND key_set_id = $1 ORDER BY generation";
    // As the index `key_sets_by_limits` has them.
    LIMITED = "SELECT id, policy FROM key_sets WHERE removed_at IS NULL AND policy NOT LIKE '%\"rate_limit\":null,\"quota\":null}'";
}

/// A Key Set with its policy.
struct Limited(KeySetId, Policy);

impl FromRow for Limited {
    const TABLE: &'static str = "key_sets";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self(columns.id()?, columns.json()?))
    }
}

impl FromRow for DecidingKey {
    const TABLE: &'static str = "keys";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        let (identity, deciding) = (columns.bytes()?, columns.bytes()?);
        unpack(identity, deciding).ok_or_else(|| columns.corrupt("a Key is packed in an unknown form"))
    }
}

impl Bulk for DecidingKey {
    const TABLE: &'static str = "keys";

    fn each(value: &[u8], take: &mut impl FnMut(Self)) -> bool {
        unpack_all(value, take).is_some()
    }
}

impl Reader {
    /// Hands every Key to `take`, in no particular order. With [`Reader::position`] of the same reader this
    /// is a snapshot from which the log is tailed.
    pub async fn each_key(&mut self, take: impl FnMut(DecidingKey) + Send) -> Result<(), StoreError> {
        let all = self.connection.dialect().all_keys;
        self.each(all, take).await
    }

    /// Hands every Key Set to `take` whose policy limits how often it may call, with what it limits.
    pub async fn each_limited_key_set(
        &mut self,
        mut take: impl FnMut(KeySetId, CallLimits) + Send,
    ) -> Result<(), StoreError> {
        let each = |Limited(id, policy): Limited| {
            if !policy.limits().is_none() {
                take(id, policy.limits());
            }
        };
        self.each_row(LIMITED.text(), values![], each).await
    }

    /// The same rows of one Key Set, oldest first.
    pub async fn key_rows(&mut self, id: KeySetId) -> Result<Vec<DecidingKey>, StoreError> {
        self.all(OF_SET, values![id]).await
    }
}
