//! What a change of an API's `requires` would break, told before it is made (product.md C8).

use claviger_domain::apis::Requires;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::shared_keys::breaks;
use claviger_store::UsageFilter;
use claviger_wire::acts::Impact;
use claviger_wire::scope::Named;

use crate::apis;
use crate::error::Error;
use crate::lists::bad;
use crate::request::Request;
use crate::state::Service;
use crate::usage::DAY_SECONDS;

impl Service {
    /// The active keys whose calls are let through today and would be refused if the API required that.
    pub async fn api_impact(
        &self,
        request: &Request,
        api: &str,
        requires: Option<&str>,
    ) -> Result<Impact, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let api = apis::by_id_or_slug(&mut reader, api).await?;
        let api = api.filter(|api| apis::is_visible(&authority, api)).ok_or(Refusal::NotFound)?;
        if !authority.allows(Permission::SharedKeysRead, &api.place()) {
            return Err(Error::not_found());
        }
        let word =
            requires.ok_or_else(|| bad("requires", "is needed: none, key, secret or key_and_secret"))?;
        let then: Requires = serde_json::from_value(word.into())
            .map_err(|_| bad("requires", "must be none, key, secret or key_and_secret"))?;
        let keys = reader.shared_keys_of_api(api.id).await?;
        let broken = keys.iter().filter(|key| breaks(key, api.settings.requires, then));
        let named: Vec<_> =
            broken.map(|key| Named { id: key.id.to_string(), name: key.name.to_string() }).collect();
        let key_ids: Vec<_> = named.iter().map(|key| key.id.clone()).collect();
        let last_used = reader.last_used(&key_ids).await?.into_values().map(|used| used.at).max();
        let since = self.now().plus_seconds(-DAY_SECONDS);
        let filter = UsageFilter { api_ids: vec![api.id], key_ids, ..UsageFilter::default() };
        let calls = if named.is_empty() { 0 } else { reader.calls_passed(since, &filter).await? };
        Ok(Impact::new(calls, last_used, named))
    }
}
