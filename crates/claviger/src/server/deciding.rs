//! What the doors of a node decide with, whatever feeds it: the use cases of `serve`, or a data node.

use std::sync::Arc;

use claviger_edge::Clock;
use claviger_limits::Limiter;
use claviger_service::Service;
use claviger_verify::{Failures, Index, Meters};

/// Shared by all doors of the process. Cheap to clone.
#[derive(Clone)]
pub(super) struct Deciding {
    pub(super) index: Arc<Index>,
    pub(super) meters: Arc<Meters>,
    pub(super) failures: Arc<Failures>,
    pub(super) limiter: Limiter,
    pub(super) clock: Clock,
}

impl Deciding {
    pub(super) fn new(
        index: &Arc<Index>,
        meters: &Arc<Meters>,
        failures: &Arc<Failures>,
        limiter: Limiter,
        clock: Clock,
    ) -> Self {
        Self {
            index: Arc::clone(index),
            meters: Arc::clone(meters),
            failures: Arc::clone(failures),
            limiter,
            clock,
        }
    }

    /// Meets the others with whom limits are counted, if there are any.
    pub(super) async fn begin(&self) {
        if let Some(shared) = self.limiter.shared() {
            shared.begin().await;
        }
    }

    /// What `serve` decides with.
    pub(super) fn of(service: &Service) -> Self {
        let clock = service.clone();
        let (index, meters) = (service.index(), service.meters());
        let (failures, limiter) = (service.failures(), service.limiter().clone());
        Self::new(index, meters, failures, limiter, Arc::new(move || clock.now()))
    }
}
