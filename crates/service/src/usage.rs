//! What was counted about calls: on its way from the meters to the database, and read from there (product.md C10,
//! E6).

mod read;
mod reporter;

pub(crate) use self::read::bad_cursor;
pub use self::reporter::UsageReporter;

use claviger_domain::time::{Period, Timestamp};
use claviger_store::{AddedUp, UsageEnds};
use tracing::warn;

use crate::error::Error;
use crate::state::Service;

/// As many as an act's impact looks back.
pub(crate) const DAY_SECONDS: i64 = 86_400;
/// How many batches are added up in one transaction: while it lasts, nobody else writes.
const AT_ONCE: u32 = 4;
/// How many rows are forgotten in one transaction.
const FORGOTTEN_AT_ONCE: u32 = 2_000;
/// How long a process is remembered that hands in nothing more.
const COUNTERS_DAYS: i64 = 7;

/// For how long what was counted is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRetention {
    pub minutes: Period,
    pub hours: Period,
    pub days: Period,
    /// The last responses.
    pub responses: Period,
}

impl Default for UsageRetention {
    fn default() -> Self {
        Self {
            minutes: Period::days(2),
            hours: Period::days(60),
            days: Period::years(3),
            responses: Period::days(7),
        }
    }
}

impl UsageRetention {
    fn ends(&self, now: Timestamp) -> UsageEnds {
        UsageEnds {
            minutes: now.minus(&self.minutes),
            hours: now.minus(&self.hours),
            days: now.minus(&self.days),
            responses: now.minus(&self.responses),
            counters: now.plus_seconds(-COUNTERS_DAYS * 86_400),
        }
    }
}

impl Service {
    /// Takes what was counted out of the way of calls. To be done about once a second.
    pub fn collect_usage(&self) {
        self.meters().collect(self.now());
    }

    /// Hands in what was counted, and adds up what this and other nodes handed in; answers how many batches there
    /// were. What can't be written stays counted, and is tried again the next time.
    pub async fn flush_usage(&self) -> Result<usize, Error> {
        self.state.reporter.report(&self.state.store, self.meters(), self.now()).await?;
        let mut batches = 0;
        loop {
            let added = self.add_up_usage().await?;
            if added.unreadable > 0 {
                warn!(
                    batches = added.unreadable,
                    "what a node handed in about calls can't be read; it is left out"
                );
            }
            batches += added.batches;
            if added.batches < AT_ONCE as usize {
                return Ok(batches);
            }
        }
    }

    async fn add_up_usage(&self) -> Result<AddedUp, Error> {
        let added = self.state.store.commit("usage_add_up", |tx| {
            Box::pin(async move { Ok::<_, Error>(tx.add_up_usage(AT_ONCE).await?) })
        });
        Ok(added.await?.0)
    }

    /// Forgets what is past its time.
    pub async fn forget_usage(&self) -> Result<(), Error> {
        let ends = &self.state.options.usage_retention.ends(self.now());
        loop {
            let forgotten = self.state.store.commit("usage_forget", |tx| {
                Box::pin(async move { Ok::<_, Error>(tx.forget_usage(ends, FORGOTTEN_AT_ONCE).await?) })
            });
            if !forgotten.await?.0 {
                return Ok(());
            }
        }
    }
}
