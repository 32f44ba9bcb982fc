//! Adding up what was handed in: each batch once, whole, in one transaction, by minute, hour and day. So the three
//! always agree, however late a batch comes.

use std::collections::BTreeMap;

use claviger_domain::decision::Code;
use claviger_domain::id::ApiId;
use claviger_domain::time::Timestamp;
use claviger_domain::usage::LastUse;

use super::{Counted, CountedAs, FORMAT, UsageBatch, UsageStep};
use crate::columns::{Columns, FromRow};
use crate::commit::Tx;
use crate::error::StoreError;
use crate::statements::statements;
use crate::value::{Value, values};
use crate::write::Write;

statements! {
    // In the order of their numbers: one that comes after a later one counts as seen.
    NEXT = "SELECT counter, number, at, batch FROM usage_batches WHERE format <= $1 ORDER BY counter, number LIMIT $2";
    SEEN = "INSERT INTO usage_counters (id, number, at) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET \
            number = excluded.number, at = excluded.at WHERE usage_counters.number < excluded.number";
    DONE = "DELETE FROM usage_batches WHERE counter = $1 AND number = $2";
    ADD = "INSERT INTO usage (step, start, api_id, key_id, key_set_id, code, latency, calls) \
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (step, start, api_id, key_id, code, latency) \
           DO UPDATE SET calls = usage.calls + excluded.calls";
}

/// What was done with the batches that waited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AddedUp {
    /// How many were looked at; fewer than asked for if no more wait.
    pub batches: usize,
    /// How many can't be read: nobody of ours wrote them. They are left out.
    pub unreadable: usize,
}

struct Handed {
    counter: String,
    number: i64,
    at: Timestamp,
    /// None: it can't be read.
    batch: Option<UsageBatch>,
}

impl FromRow for Handed {
    const TABLE: &'static str = "usage_batches";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            counter: columns.text()?.to_owned(),
            number: columns.integer()?,
            at: columns.instant()?,
            batch: serde_json::from_str(columns.text()?).ok(),
        })
    }
}

impl Tx<'_> {
    /// Adds up some of the batches that wait. Those of a newer program wait on, for one that can read them.
    pub async fn add_up_usage(&mut self, most: u32) -> Result<AddedUp, StoreError> {
        let mut done = AddedUp::default();
        let handed: Vec<Handed> = self.all(NEXT, values![FORMAT, most]).await?;
        for Handed { counter, number, at, batch } in handed {
            let is_new = self.execute(SEEN, values![&counter, number, at]).await? > 0;
            match batch {
                Some(batch) if is_new => self.add_up(&counter, number, &batch).await?,
                Some(_) => {}
                None => done.unreadable += 1,
            }
            self.execute(DONE, values![&counter, number]).await?;
            done.batches += 1;
        }
        Ok(done)
    }

    async fn add_up(&mut self, counter: &str, number: i64, batch: &UsageBatch) -> Result<(), StoreError> {
        let rows = rows_of(&batch.counts);
        self.connection.write(vec![Write::of(ADD, rows)]).await?;
        self.keep_responses(counter, number, &batch.responses).await?;
        let used =
            batch.used.iter().map(|used| (used.id.clone(), LastUse { at: used.at, source: used.source }));
        let marks: Vec<_> = used.chain(batch.counts.iter().filter_map(last_use)).collect();
        self.mark_used(&marks).await
    }
}

/// What one row counts, told apart as the table does: a batch that names two Key Sets for one Key must not be one
/// that can't be added up, and so holds up all behind it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Summed {
    step: UsageStep,
    start: Timestamp,
    api_id: Option<ApiId>,
    key_id: String,
    code: Option<Code>,
    latency: u8,
}

/// Each count once for each step; what falls together is one row.
fn rows_of(counts: &[Counted]) -> Vec<Vec<Value>> {
    let mut sums = BTreeMap::<Summed, (String, i64)>::new();
    for count in counts {
        let (code, latency) = match count.measure {
            CountedAs::Decided(code) => (Some(code), 0),
            CountedAs::Answered(latency) => (None, latency),
        };
        for step in UsageStep::ALL {
            let start = step.begins(count.at);
            let key_id = count.key.map(|key| key.id()).unwrap_or_default();
            let summed = Summed { step, start, api_id: count.api_id, key_id, code, latency };
            let key_set_id = || count.key.and_then(|key| key.key_set_id()).map(|id| id.to_string());
            let (_, calls) = sums.entry(summed).or_insert_with(|| (key_set_id().unwrap_or_default(), 0));
            *calls += i64::from(count.calls);
        }
    }
    sums.into_iter().map(|(summed, (key_set_id, calls))| summed.row(key_set_id, calls)).collect()
}

impl Summed {
    fn row(self, key_set_id: String, calls: i64) -> Vec<Value> {
        values![
            self.step.seconds(),
            self.start,
            self.api_id.map(|id| id.to_string()).unwrap_or_default(),
            self.key_id,
            key_set_id,
            self.code.map_or("", Code::as_str),
            i64::from(self.latency),
            calls,
        ]
    }
}

/// A key was good in the minute of a call that was let through.
fn last_use(count: &Counted) -> Option<(String, LastUse)> {
    let good = count.measure == CountedAs::Decided(Code::Valid);
    count.key.filter(|_| good).map(|key| (key.id(), LastUse { at: count.at, source: count.source }))
}
