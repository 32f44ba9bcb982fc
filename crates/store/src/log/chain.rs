//! Checking the chain: does every row fit the one before, and does the log end where its head says?

use claviger_domain::event::Position;
use futures::TryStreamExt as _;

use super::{LogRow, ORIGIN, row};
use crate::error::StoreError;
use crate::reader::Reader;
use crate::value::values;

/// What checking the chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainReport {
    /// How many rows fit.
    pub checked: u64,
    /// Where the head says that the log ends.
    pub head: Position,
    pub fault: Option<ChainFault>,
}

/// The first position that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainFault {
    pub position: Position,
    pub why: &'static str,
}

impl Reader {
    /// Checks every row from the first to the head.
    pub async fn verify_chain(&mut self) -> Result<ChainReport, StoreError> {
        let head = self.head().await?;
        let (mut last, mut hash) = (0, ORIGIN);
        let mut rows = self.stream::<LogRow>(row::STREAM.text(), values![0_i64]).await?;
        let mut fault = None;
        while let Some(row) = rows.try_next().await? {
            if let Some(why) = misfit(&row, last + 1, &hash) {
                // A missing row is named itself, not the one found in its place.
                fault = Some(ChainFault { position: Position(last + 1), why });
                break;
            }
            (last, hash) = (row.position.0, row.hash);
        }
        if fault.is_none() && last != head.position.0 {
            let position = Position(last.min(head.position.0) + 1);
            fault = Some(ChainFault { position, why: "the log and its head end at different positions" });
        } else if fault.is_none() && hash != head.hash {
            fault = Some(ChainFault { position: head.position, why: "the head has another hash" });
        }
        Ok(ChainReport { checked: last.unsigned_abs(), head: head.position, fault })
    }
}

fn misfit(row: &LogRow, position: i64, previous_hash: &[u8; 32]) -> Option<&'static str> {
    if row.position.0 != position {
        Some("the row is missing")
    } else if row.previous_hash != *previous_hash {
        Some("it does not carry the hash of the row before")
    } else if row.computed_hash() != row.hash {
        Some("its hash is not that of its columns")
    } else {
        None
    }
}
