//! How many calls may be open. One connection in HTTP/2 carries many calls, and each may need a connection to an
//! upstream: what bounds connections does not bound those.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use claviger_domain::time::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A refusal is told no more often: there may be very many.
const QUIET_MICROS: u64 = 60_000_000;

/// The places of a gateway.
#[derive(Debug)]
pub(super) struct CallPlaces {
    free: Arc<Semaphore>,
    many: usize,
    /// When it was last told that a call was refused one.
    told_at: AtomicI64,
}

impl CallPlaces {
    pub(super) fn new(many: usize) -> Self {
        let many = many.min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(many)), many, told_at: AtomicI64::new(i64::MIN) }
    }

    /// One of them, if there is one in time.
    pub(super) async fn take(
        &self,
        patience: Duration,
        now: impl Fn() -> Timestamp,
    ) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(place);
        }
        let place = tokio::time::timeout(patience, Arc::clone(&self.free).acquire_owned()).await;
        if let Ok(Ok(place)) = place {
            return Some(place);
        }
        let (now, told_at) = (now().as_micros(), self.told_at.load(Ordering::Relaxed));
        if now.abs_diff(told_at) >= QUIET_MICROS
            && self.told_at.compare_exchange(told_at, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            tracing::warn!(calls = self.many, "as many calls are open as may be: others are refused");
        }
        None
    }
}
