//! How many calls may be open. One connection in HTTP/2 carries many calls, and each may need a connection to an
//! upstream: what bounds connections does not bound those.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use claviger_domain::time::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// After so long a time without a refusal the next one is told.
const QUIET_MICROS: i64 = 60_000_000;

/// The places of a gateway.
#[derive(Debug)]
pub(super) struct CallPlaces {
    free: Arc<Semaphore>,
    many: usize,
    /// When a call was last refused one.
    refused_at: AtomicI64,
}

impl CallPlaces {
    pub(super) fn new(many: usize) -> Self {
        let many = many.min(Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(many)), many, refused_at: AtomicI64::new(i64::MIN) }
    }

    /// One of them, if there is one in time.
    pub(super) async fn take(
        &self,
        patience: Duration,
        now: impl Fn() -> Timestamp,
    ) -> Option<OwnedSemaphorePermit> {
        let place = tokio::time::timeout(patience, Arc::clone(&self.free).acquire_owned()).await;
        if let Ok(Ok(place)) = place {
            return Some(place);
        }
        let now = now().as_micros();
        if now.saturating_sub(self.refused_at.swap(now, Ordering::Relaxed)) > QUIET_MICROS {
            tracing::warn!(calls = self.many, "as many calls are open as may be: others are refused");
        }
        None
    }
}
