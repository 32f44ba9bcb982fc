//! What keeps this node from serving, for `/readyz`.

use claviger_verify::Freshness;

use crate::error::{Error, Unavailable};
use crate::state::Service;

impl Service {
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
