//! Handing in what a process counted. A batch is made once and handed in until it has surely arrived; only then is
//! the next one made. So nothing is lost to a database that is away, and nothing counted twice.

use claviger_domain::time::Timestamp;
use claviger_store::{BatchNumber, Counted, CountedAs, Responded, StoreError, TakesUsage, UsageBatch, Used};
use claviger_verify::{Measure, Meters, Response, Usage};
use tokio::sync::Mutex;

/// How much one batch holds of each.
const MOST: usize = 500;

/// Hands in what one process counts.
#[derive(Debug)]
pub struct UsageReporter {
    /// Different for each process.
    counter: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the last batch that was made.
    number: i64,
    /// That batch, if it has not surely arrived.
    pending: Option<UsageBatch>,
}

impl UsageReporter {
    /// `counter` must be another at each start of a process.
    pub fn new(counter: String) -> Self {
        Self { counter, state: Mutex::default() }
    }

    /// Hands in all that was counted so far. When this fails, or is dropped, what was not handed in is kept for the
    /// next time.
    pub async fn report(
        &self,
        store: &impl TakesUsage,
        meters: &Meters,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut state = self.state.lock().await;
        meters.collect(now);
        loop {
            if state.pending.is_none() {
                let batch = next(meters);
                if batch.is_empty() {
                    return Ok(());
                }
                state.number += 1;
                state.pending = Some(batch);
            }
            let number = BatchNumber { counter: &self.counter, number: state.number };
            if let Some(batch) = &state.pending {
                store.hand_in_usage(number, batch, now).await?;
            }
            state.pending = None;
        }
    }
}

fn next(meters: &Meters) -> UsageBatch {
    let mut batch = UsageBatch::default();
    for usage in meters.take_usage(MOST) {
        put(&mut batch, &usage);
    }
    batch.responses = meters.take_responses(MOST).into_iter().map(responded).collect();
    batch
}

fn put(batch: &mut UsageBatch, usage: &Usage) {
    let measure = match usage.measure {
        Measure::Decided(code) => CountedAs::Decided(code),
        Measure::Answered(latency) => CountedAs::Answered(latency.number()),
        Measure::SignedIn => {
            let used = usage.key.map(|key| Used { id: key.id(), at: usage.at, source: usage.source });
            batch.used.extend(used);
            return;
        }
    };
    let Usage { at, api_id, key, source, .. } = *usage;
    // More calls than a count can hold are several counts.
    let mut left = usage.calls;
    while left > 0 {
        let calls = u32::try_from(left).unwrap_or(u32::MAX);
        batch.counts.push(Counted { at, api_id, key, measure, calls, source });
        left -= u64::from(calls);
    }
}

fn responded(response: Response) -> Responded {
    let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    Responded {
        at: response.at,
        api_id: response.api_id,
        key: response.key,
        code: response.code,
        status: response.status,
        method: response.method.into(),
        path: response.path.into(),
        source: response.source,
        micros: whole(response.micros),
        received: whole(response.received),
        sent: whole(response.sent),
        request_id: response.request_id.into(),
    }
}
