//! What the doors ask after deciding: this node's own count, and what is shared if there is such a thing.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use claviger_domain::time::Timestamp;
use claviger_verify::{Allotment, Decision, Exceeded, Limiting, Limits, Meters, Rules, Settling};

use tokio::time::Instant;

use crate::shared::{Shared, count_alone};

/// What limits how often a call may be made, shared by the doors of a node. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Limiter {
    own: Arc<Limits>,
    shared: Option<Arc<Shared>>,
    /// Until when what is shared is asked.
    until: Option<Instant>,
}

/// How long all calls of a batch together wait for what is shared; then their node goes on alone with the others.
const BATCH_PATIENCE: Duration = Duration::from_millis(200);

impl Limiter {
    /// This node's own count alone.
    pub fn alone() -> Self {
        Self::default()
    }

    /// The same, and what it shares with other nodes.
    pub fn sharing(shared: Arc<Shared>) -> Self {
        Self { own: Arc::default(), shared: Some(shared), until: None }
    }

    /// The same for calls that are asked about together: what nodes share is waited for once, and not for each of them.
    #[must_use]
    pub fn for_a_batch(&self) -> Self {
        Self { until: Some(Instant::now() + BATCH_PATIENCE), ..self.clone() }
    }

    /// What this node counted.
    pub const fn own(&self) -> &Arc<Limits> {
        &self.own
    }

    /// What it shares with other nodes, if that is configured.
    pub const fn shared(&self) -> Option<&Arc<Shared>> {
        self.shared.as_ref()
    }

    /// Whether limits should hold across nodes, and this one counts alone.
    pub fn is_cut_off(&self) -> bool {
        self.shared.as_ref().is_some_and(|shared| !shared.is_connected())
    }

    /// Takes what a call costs from the rules that bind its decision, which becomes a refusal if one of them does not
    /// allow it, and counts what came of it: once, also if whoever calls goes while others are asked. Most calls are
    /// bound by no rule, and wait for nothing.
    pub async fn settle(
        &self,
        decision: &mut Decision,
        meters: &Meters,
        source: Option<IpAddr>,
        now: Timestamp,
    ) {
        if !self.settle_at_once(decision, meters, source, now) {
            // In a box of its own: calls that ask nobody need not carry the room for it.
            Box::pin(self.settle_together(decision, meters, source, now)).await;
        }
    }

    /// The same where this node's own count says all. False: others have to be asked, and nothing was done.
    pub fn settle_at_once(
        &self,
        decision: &mut Decision,
        meters: &Meters,
        source: Option<IpAddr>,
        now: Timestamp,
    ) -> bool {
        if let Some(rules) = decision.rules() {
            if self.shared.is_some() {
                return false;
            }
            let said = self.own.take_all(&rules, decision.cost(), now);
            decision.allot(said);
        }
        meters.observe(decision, source, now);
        true
    }

    async fn settle_together(
        &self,
        decision: &mut Decision,
        meters: &Meters,
        source: Option<IpAddr>,
        now: Timestamp,
    ) {
        if let Some(rules) = decision.rules() {
            let waiting = meters.waiting_for_limits(decision, source, now);
            let said = self.take_all(&rules, decision.cost(), now).await;
            waiting.heard();
            decision.allot(said);
        }
        meters.observe(decision, source, now);
    }

    async fn take_all(&self, rules: &Rules, cost: u32, now: Timestamp) -> Result<Allotment, Exceeded> {
        let own = self.own.take_all(rules, cost, now)?;
        let Some(shared) = &self.shared else { return Ok(own) };
        if self.until.is_some_and(|until| until <= Instant::now()) {
            count_alone();
            return Ok(own);
        }
        match shared.take(rules, cost).await {
            Some(Ok(left)) => Ok(own.stricter(left)),
            Some(Err(exceeded)) => {
                self.own.give_back(rules, cost, now);
                Err(exceeded)
            }
            None => Ok(own),
        }
    }
}

impl Limiting for Limiter {
    fn settle<'s>(
        &'s self,
        decision: &'s mut Decision,
        meters: &'s Meters,
        source: Option<IpAddr>,
        now: Timestamp,
    ) -> Settling<'s> {
        Box::pin(self.settle(decision, meters, source, now))
    }
}
