//! The instance: one row that says which one this database is, and whether it was initialised.

use claviger_domain::time::Timestamp;

use crate::columns::{Columns, FromRow};
use crate::commit::Tx;
use crate::error::StoreError;
use crate::reader::Reader;
use crate::statements::statements;
use crate::value::values;

statements! {
    FIND = "SELECT instance_id, epoch, root_fingerprint, created_at, initialised_at FROM instance WHERE id = 1";
    PUT = "INSERT INTO instance (id, instance_id, epoch, root_fingerprint, created_at, initialised_at) \
           VALUES (1, $1, $2, $3, $4, $5) ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, \
           root_fingerprint = excluded.root_fingerprint, initialised_at = excluded.initialised_at";
}

/// What is known of this instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub instance_id: String,
    /// Begins at 1; a restore begins the next.
    pub epoch: u32,
    /// Of the keeper's root secret: another keeper is noticed at start.
    pub root_fingerprint: Vec<u8>,
    pub created_at: Timestamp,
    /// When `init` made the first Organization.
    pub initialised_at: Option<Timestamp>,
}

impl FromRow for Instance {
    const TABLE: &'static str = "instance";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            instance_id: columns.text()?.to_owned(),
            epoch: columns.count()?,
            root_fingerprint: columns.bytes()?.to_vec(),
            created_at: columns.instant()?,
            initialised_at: columns.optional_instant()?,
        })
    }
}

impl Reader {
    /// None before the first start with a keeper.
    pub async fn instance(&mut self) -> Result<Option<Instance>, StoreError> {
        self.optional(FIND, values![]).await
    }
}

impl Tx<'_> {
    /// Keeps the row; its id and its beginning stay those of the first time.
    pub async fn put_instance(&mut self, instance: &Instance) -> Result<(), StoreError> {
        let values = values![
            &instance.instance_id,
            instance.epoch,
            instance.root_fingerprint.as_slice(),
            instance.created_at,
            instance.initialised_at,
        ];
        self.execute(PUT, values).await.map(drop)
    }
}
