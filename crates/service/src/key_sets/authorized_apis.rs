//! The APIs that a Key Set opens: those of its Environment and auth type, by Active Subscriptions that use
//! it (product.md D6).

use claviger_domain::id::KeySetId;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_store::{ApiFilter, ApiSort, Visible};
use claviger_wire::Page;
use claviger_wire::key_sets as wire;

use super::view::opens;
use crate::error::Error;
use crate::lists::{ListParameters, Parameters};
use crate::names::Names;
use crate::request::Request;
use crate::state::Service;

impl Service {
    pub async fn key_set_authorized_apis(
        &self,
        request: &Request,
        id: KeySetId,
        given: &ListParameters,
    ) -> Result<Page<wire::AuthorizedApi>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let now = self.now();
        let set = reader.key_set(id).await?.ok_or(Refusal::NotFound)?;
        if !authority.allows(Permission::KeySetsRead, &set.place()) {
            return Err(Error::not_found());
        }
        let mut parameters = Parameters::new(given)?;
        let filter = ApiFilter {
            authorized_for: Some(id),
            organization_ids: parameters.all("organization_id")?,
            group_ids: parameters.all("group_id")?,
            q: parameters.text("q")?,
            ..ApiFilter::default()
        };
        let sorts = [("created_at", ApiSort::CreatedAt), ("name", ApiSort::Name), ("slug", ApiSort::Slug)];
        // Who sees the set sees what it opens: both sides of a Subscription see both names.
        let query = parameters.finish(self, request, &sorts, filter, Visible::everything())?;
        let page = reader.apis(&query).await?;
        let subscriptions = reader.subscriptions_of_key_set(id).await?;
        let mut names = Names::default();
        let mut opened = Vec::with_capacity(page.items.len());
        for api in &page.items {
            let by = subscriptions.iter().find(|it| it.api_id == api.id && opens(&set, it, Some(api), now));
            // One that was closed between the two reads opens nothing.
            let Some(by) = by else { continue };
            let held = by.held_permissions(&api.settings.permissions);
            opened.push(wire::AuthorizedApi {
                id: api.id.to_string(),
                slug: api.slug.to_string(),
                name: api.settings.name.to_string(),
                organization: names.organization(&mut reader, api.organization_id).await?,
                subscription_id: by.id.to_string(),
                permissions: held.into_iter().map(ToString::to_string).collect(),
                exposed: api.exposed,
            });
        }
        self.page(request, given, page.with_items(opened))
    }
}
