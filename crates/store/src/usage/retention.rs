//! What was counted is kept for so long, and then deleted, in steps that hold nobody up.

use claviger_domain::time::Timestamp;

use super::UsageStep;
use crate::commit::Tx;
use crate::error::StoreError;
use crate::statements::statements;
use crate::value::values;

statements! {
    FORGET = "DELETE FROM usage WHERE (step, start, api_id, key_id, code, latency) IN \
              (SELECT step, start, api_id, key_id, code, latency FROM usage WHERE step = $1 AND start < $2 LIMIT $3)";
    FORGET_RESPONSES = "DELETE FROM usage_responses WHERE id IN \
                        (SELECT id FROM usage_responses WHERE at < $1 LIMIT $2)";
    FORGET_COUNTERS = "DELETE FROM usage_counters WHERE id IN \
                       (SELECT id FROM usage_counters WHERE at < $1 LIMIT $2)";
}

/// What is older than these instants is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageEnds {
    pub minutes: Timestamp,
    pub hours: Timestamp,
    pub days: Timestamp,
    pub responses: Timestamp,
    /// Processes that handed in nothing since.
    pub counters: Timestamp,
}

impl Tx<'_> {
    /// Deletes at most so many rows of each kind; answers whether more may be left.
    pub async fn forget_usage(&mut self, ends: &UsageEnds, most: u32) -> Result<bool, StoreError> {
        let steps =
            [(UsageStep::Minute, ends.minutes), (UsageStep::Hour, ends.hours), (UsageStep::Day, ends.days)];
        let mut left = false;
        for (step, end) in steps {
            left |= self.execute(FORGET, values![step.seconds(), end, most]).await? >= u64::from(most);
        }
        for (statement, end) in [(FORGET_RESPONSES, ends.responses), (FORGET_COUNTERS, ends.counters)] {
            left |= self.execute(statement, values![end, most]).await? >= u64::from(most);
        }
        Ok(left)
    }
}
