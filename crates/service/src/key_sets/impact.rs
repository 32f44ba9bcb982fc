//! What an act on a Key Set would break, told before it is done (product.md G3, D14).

use claviger_domain::id::KeySetId;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_store::UsageFilter;
use claviger_wire::acts::Impact;
use claviger_wire::scope::Named;

use super::view::opens;
use crate::error::Error;
use crate::lists::bad;
use crate::names::Names;
use crate::request::Request;
use crate::state::Service;
use crate::usage::DAY_SECONDS;

impl Service {
    /// The APIs that the set opens now and that `act` would close to it, and when it was last used.
    pub async fn key_set_impact(
        &self,
        request: &Request,
        id: KeySetId,
        act: Option<&str>,
    ) -> Result<Impact, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let now = self.now();
        let set = reader.key_set(id).await?.ok_or(Refusal::NotFound)?;
        if !authority.allows(Permission::KeySetsRead, &set.place()) {
            return Err(Error::not_found());
        }
        let closes = match act.unwrap_or("revoke") {
            "revoke" | "suspend" => true,
            // With an overlap, callers have time to change over.
            "regenerate" => set.policy.overlap.is_zero(),
            "activate" | "issue" => false,
            _ => return Err(bad("act", "must be revoke, suspend, regenerate, activate or issue")),
        };
        let works = set.suspended_by.is_none() && set.living(now).any(|key| key.schedule.is_some());
        let mut names = Names::default();
        let mut breaks = Vec::new();
        if closes && works {
            for subscription in reader.subscriptions_of_key_set(id).await? {
                let api = names.api(&mut reader, subscription.api_id).await?;
                if let Some(api) = api.filter(|api| opens(&set, &subscription, Some(api), now)) {
                    breaks.push(Named { id: api.id.to_string(), name: api.settings.name.to_string() });
                }
            }
        }
        let keys: Vec<_> = set.keys.iter().map(|key| key.id.to_string()).collect();
        let last_used = reader.last_used(&keys).await?.into_values().map(|used| used.at).max();
        let filter = UsageFilter { key_set_ids: vec![id], ..UsageFilter::default() };
        let calls = reader.calls_passed(now.plus_seconds(-DAY_SECONDS), &filter).await?;
        Ok(Impact::new(calls, last_used, breaks))
    }
}
