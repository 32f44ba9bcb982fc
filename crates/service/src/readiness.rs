//! What keeps this node from serving, for `/readyz`.

use claviger_verify::Freshness;

use crate::error::{Error, Unavailable};
use crate::state::Service;

impl Service {
    /// What is away although the node can serve without it, by name: `limits_alone` where nodes should count rates and
    /// quotas together, and this one counts by itself.
    pub fn degraded(&self) -> Vec<&'static str> {
        self.limiter().is_cut_off().then_some("limits_alone").into_iter().collect()
    }

    /// Everything that is away; nothing: the node can serve.
    pub async fn not_ready(&self) -> Vec<Unavailable> {
        let mut reasons = Vec::new();
        match self.is_initialised().await {
            Ok(true) => {}
            Ok(false) => reasons.push(Unavailable::NotInitialised),
            Err(Error::Unavailable(reason)) => reasons.push(reason),
            Err(_) => reasons.push(Unavailable::Database),
        }
        if !self.keeper_answers().await {
            reasons.push(Unavailable::Keeper);
        }
        let standing = self.state.follower.index.standing(self.now());
        if standing.freshness != Freshness::Fresh && !reasons.contains(&Unavailable::NotInitialised) {
            reasons.push(Unavailable::Behind);
        }
        reasons
    }
}
