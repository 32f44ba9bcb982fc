//! When Keys and service keys were last good: marked in memory on the call's way, written in batches off
//! it (product.md E6).

use std::collections::HashMap;

use claviger_domain::id::ServiceKeyId;
use claviger_domain::time::Timestamp;
use parking_lot::Mutex;

use crate::error::Error;
use crate::state::Service;

const MINUTE_MICROS: i64 = 60_000_000;

/// Service keys used since the last batch; bounded by the number of service keys.
#[derive(Debug, Default)]
pub(crate) struct ServiceKeysUsed(Mutex<HashMap<ServiceKeyId, Timestamp>>);

impl ServiceKeysUsed {
    pub(crate) fn mark(&self, id: ServiceKeyId, now: Timestamp) {
        self.0.lock().insert(id, to_the_minute(now));
    }

    fn drain(&self) -> HashMap<ServiceKeyId, Timestamp> {
        std::mem::take(&mut *self.0.lock())
    }

    /// Takes back marks that could not be written, unless newer ones came.
    fn restore(&self, marks: HashMap<ServiceKeyId, Timestamp>) {
        let mut used = self.0.lock();
        for (id, at) in marks {
            used.entry(id).or_insert(at);
        }
    }
}

impl Service {
    /// Writes the marks collected since the last call; answers how many. What can't be written is kept.
    pub async fn flush_last_used(&self) -> Result<usize, Error> {
        let meters = self.meters();
        let keys = meters.last_used().drain();
        let service_keys = self.state.follower.service_keys_used.drain();
        if keys.is_empty() && service_keys.is_empty() {
            return Ok(0);
        }
        let marks: Vec<_> = keys
            .iter()
            .map(|used| (used.key_id.to_string(), to_the_minute(used.at)))
            .chain(service_keys.iter().map(|(id, at)| (id.to_string(), *at)))
            .collect();
        let marks = &marks;
        let written = self
            .state
            .store
            .commit("last_used", |tx| Box::pin(async move { Ok::<_, Error>(tx.mark_used(marks).await?) }))
            .await;
        match written {
            Ok(_) => Ok(marks.len()),
            Err(error) => {
                meters.last_used().restore(keys);
                self.state.follower.service_keys_used.restore(service_keys);
                Err(error)
            }
        }
    }
}

fn to_the_minute(at: Timestamp) -> Timestamp {
    Timestamp::from_micros(at.as_micros() - at.as_micros().rem_euclid(MINUTE_MICROS))
}
