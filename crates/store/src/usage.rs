//! What is counted about calls: volume, not history, so beside the log (ARCHITECTURE.md). Nodes hand in batches, a
//! plain insert each; whoever may write adds them up, by minute, hour and day at once. A batch that is handed in
//! again, since nobody knew whether it had arrived, is counted once.

mod fold;
mod read;
mod responses;
mod retention;

use std::net::IpAddr;

use claviger_domain::decision::Code;
use claviger_domain::id::ApiId;
use claviger_domain::time::Timestamp;
use claviger_domain::usage::UsedKey;
use serde::{Deserialize, Serialize};

use crate::data_node::DataNodeStore;
use crate::dialect::Database;
use crate::error::StoreError;
use crate::silence::heard;
use crate::statements::statements;
use crate::store::Store;
use crate::value::{json, values};

pub use self::fold::AddedUp;
pub use self::read::{LatencyCount, UsageBy, UsageCount, UsageFilter, UsageQuery};
pub use self::responses::{ResponseFilter, ResponseRow};
pub use self::retention::UsageEnds;
#[cfg(test)]
pub(crate) use self::{
    fold::STATEMENTS as FOLD, read::STATEMENTS as READ, responses::STATEMENTS as RESPONSES,
    retention::STATEMENTS as RETENTION,
};

statements! {
    // Without naming what is in conflict, so that it needs no right but to insert.
    HAND_IN = "INSERT INTO usage_batches (counter, number, at, batch, format) VALUES ($1, $2, $3, $4, $5) \
               ON CONFLICT DO NOTHING";
}

/// The form of [`UsageBatch`] as this program writes it, and the newest that it reads. To be raised with every change of
/// that form: while nodes of two versions run, the older ones leave to the newer what only those can read.
const FORMAT: i64 = 1;

/// How finely calls are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageStep {
    Minute,
    Hour,
    Day,
}

impl UsageStep {
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    pub const fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    /// The beginning of the step in which the instant falls.
    pub const fn begins(self, at: Timestamp) -> Timestamp {
        let micros = at.as_micros();
        Timestamp::from_micros(micros - micros.rem_euclid(self.seconds() * 1_000_000))
    }
}

/// What a process counted since its batch before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageBatch {
    #[serde(default)]
    pub counts: Vec<Counted>,
    #[serde(default)]
    pub responses: Vec<Responded>,
    /// Credentials that open no API, such as service keys.
    #[serde(default)]
    pub used: Vec<Used>,
}

/// So many calls that had all of this in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counted {
    pub at: Timestamp,
    pub api_id: Option<ApiId>,
    pub key: Option<UsedKey>,
    pub measure: CountedAs,
    pub calls: u32,
    /// From where the first of them came.
    pub source: Option<IpAddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountedAs {
    /// Decided on with this code.
    Decided(Code),
    /// Answered within this class of latency, which is never zero.
    Answered(u8),
}

/// What a call was answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Responded {
    pub at: Timestamp,
    pub api_id: Option<ApiId>,
    pub key: Option<UsedKey>,
    pub code: Code,
    pub status: u16,
    pub method: String,
    pub path: String,
    pub source: Option<IpAddr>,
    pub micros: i64,
    pub received: i64,
    pub sent: i64,
    pub request_id: String,
}

/// A credential was good at this instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Used {
    pub id: String,
    pub at: Timestamp,
    pub source: Option<IpAddr>,
}

/// Whose batch it is, and which of theirs. Numbers rise, and the next one is handed in only after the one before
/// has surely arrived.
#[derive(Debug, Clone, Copy)]
pub struct BatchNumber<'a> {
    /// Different for each process.
    pub counter: &'a str,
    pub number: i64,
}

impl UsageBatch {
    pub const fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.responses.is_empty() && self.used.is_empty()
    }
}

/// Where batches are handed in: by a control node's whole rights, or by the narrow role of a data node.
pub trait TakesUsage: Sync {
    /// Hands a batch in; one that arrived before is left as it is. On PostgreSQL it waits for no
    /// other writer; it needs no right but to insert here.
    fn hand_in_usage(
        &self,
        number: BatchNumber<'_>,
        batch: &UsageBatch,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

impl TakesUsage for Store {
    async fn hand_in_usage(
        &self,
        number: BatchNumber<'_>,
        batch: &UsageBatch,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        hand_in(&self.database, number, batch, now).await
    }
}

impl TakesUsage for DataNodeStore {
    async fn hand_in_usage(
        &self,
        number: BatchNumber<'_>,
        batch: &UsageBatch,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // A batch that is handed in again is counted once.
        heard(hand_in(self.database(), number, batch, now)).await
    }
}

async fn hand_in(
    database: &Database,
    number: BatchNumber<'_>,
    batch: &UsageBatch,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut connection = database.begin().await?;
    let values = values![number.counter, number.number, now, json(batch), FORMAT];
    match connection.execute(HAND_IN.text(), values).await {
        Ok(_) => connection.commit().await,
        Err(error) => {
            connection.rollback().await;
            Err(error)
        }
    }
}

/// Every part of a query about usage, each in a query of its own.
#[cfg(test)]
pub(crate) fn part_queries() -> Vec<String> {
    let of = |table: &str, parts: &[crate::statements::Fragment]| -> Vec<String> {
        parts.iter().map(|part| format!("SELECT {table}.api_id FROM {table} WHERE {}", part.0)).collect()
    };
    let sums = "(SELECT usage.api_id, usage.start, usage.code AS grouped FROM usage) AS sums";
    let after =
        |part: &crate::statements::Fragment| format!("SELECT sums.api_id FROM {sums} WHERE {}", part.0);
    [
        of("usage", read::FRAGMENTS),
        of("usage_responses", responses::parts::FRAGMENTS),
        read::pages::FRAGMENTS.iter().map(after).collect(),
    ]
    .concat()
}
