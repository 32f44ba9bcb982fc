//! The log: gapless positions in the order of commits, each row chained to the one before. Appending writes
//! the row and the state that follows from it.

mod apply;
mod chain;
pub(crate) mod row;
pub(crate) mod shadow;

use claviger_domain::event::{NewEvent, Position};

pub use chain::{ChainFault, ChainReport};
pub(crate) use row::LogRow;
pub use shadow::{StateFault, StateReport};

use crate::columns::{Columns, FromRow};
use crate::dialect::Database;
use crate::error::StoreError;
use crate::reader::Reader;
use crate::statements::statements;
use crate::value::values;

statements! {
    BEGIN = "INSERT INTO log_head (id, position, hash) VALUES (1, 0, $1) ON CONFLICT (id) DO NOTHING";
    HEAD = "SELECT position, hash FROM log_head WHERE id = 1";
}

/// Where the log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) position: Position,
    pub(crate) hash: [u8; 32],
}

/// The hash that the first event carries as the one before it.
pub(crate) const ORIGIN: [u8; 32] = [0; 32];

impl FromRow for Head {
    const TABLE: &'static str = "log_head";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self { position: columns.position()?, hash: columns.hash()? })
    }
}

/// Gives a new database its empty log.
pub(crate) async fn begin(database: &Database) -> Result<(), StoreError> {
    let mut connection = database.begin().await?;
    connection.execute(BEGIN.text(), values![ORIGIN]).await?;
    connection.commit().await
}

/// Writes one event after `head`, and the state after it; answers the new head, which the transaction
/// stores at its end.
pub(crate) async fn append(reader: &mut Reader, head: &Head, event: &NewEvent) -> Result<Head, StoreError> {
    let row = LogRow::of(event, Position(head.position.0 + 1), head.hash)?;
    let head = Head { position: row.position, hash: row.hash };
    reader.pending.log.push(row.into_values());
    if let Err(error) = apply::apply(reader, event).await {
        // Its row must not be committed without its state, however lightly the caller takes it.
        reader.connection.spoil();
        return Err(error);
    }
    Ok(head)
}

impl Reader {
    pub(crate) async fn head(&mut self) -> Result<Head, StoreError> {
        let head = self.optional(HEAD, values![]).await?;
        head.ok_or_else(|| StoreError::corrupt("log_head", "the row is missing"))
    }

    /// The last position of the log in this state.
    pub async fn position(&mut self) -> Result<Position, StoreError> {
        Ok(self.head().await?.position)
    }

    /// The last position, and the hash of its row.
    pub async fn position_and_hash(&mut self) -> Result<(Position, [u8; 32]), StoreError> {
        let head = self.head().await?;
        Ok((head.position, head.hash))
    }
}
