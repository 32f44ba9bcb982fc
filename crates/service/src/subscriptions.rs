//! Subscriptions: one Application's right to call one API in one Environment, seen and listed by both
//! sides (product.md D1, D4, D17, F6).

use claviger_domain::id::SubscriptionId;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::subscriptions::Subscription;
use claviger_store::{SubscriptionFilter, SubscriptionSort};
use claviger_wire::Page;
use claviger_wire::subscriptions as wire;

use crate::apis::api_ids;
use crate::authority::Authority;
use crate::environments::environment_ids;
use crate::error::Error;
use crate::etag;
use crate::fields::Fields;
use crate::lists::{ListParameters, Parameters};
use crate::names::Names;
use crate::request::{Answer, Read, Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

mod acts;
mod create;
mod key_sets;
mod view;

pub(crate) use create::permissions;

use acts::Side;
use key_sets::Provided;

impl Answer for wire::Subscription {
    fn without_secrets(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::to_value(Self { credentials: None, ..self.clone() })
    }

    fn etag(&self) -> Option<String> {
        etag::of(&self.at_rest()).ok()
    }

    fn has_secret(&self) -> bool {
        self.credentials.is_some()
    }

    fn location(&self) -> Option<String> {
        Some(format!("/v1/subscriptions/{}", self.id))
    }
}

impl Service {
    pub async fn subscription_read(
        &self,
        request: &Request,
        id: SubscriptionId,
    ) -> Result<Read<wire::Subscription>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let subscription = reader.subscription(id).await?.ok_or(Refusal::NotFound)?;
        if !is_visible(&authority, &subscription) {
            return Err(Error::not_found());
        }
        let mut names = Names::default();
        Read::of(view::view(&mut reader, &mut names, &subscription, self.now()).await?)
    }

    /// Those of which the caller may see either side.
    pub async fn subscription_list(
        &self,
        request: &Request,
        given: &ListParameters,
    ) -> Result<Page<wire::Subscription>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let visible = authority.listed(Permission::SubscriptionsRead)?;
        let mut parameters = Parameters::new(given)?;
        let environments = parameters.many("environment_id");
        let filter = SubscriptionFilter {
            application_ids: parameters.all("application_id")?,
            api_ids: api_ids(&mut reader, &parameters.many("api_id")).await?,
            environment_ids: environment_ids(&mut reader, &environments).await?,
            statuses: parameters.words("status")?,
            key_set_ids: parameters.all("key_set_id")?,
            organization_ids: parameters.all("organization_id")?,
            group_ids: parameters.all("group_id")?,
            q: parameters.text("q")?,
            ..SubscriptionFilter::default()
        };
        let sorts = [("created_at", SubscriptionSort::CreatedAt)];
        let query = parameters.finish(self, request, &sorts, filter, visible)?;
        let page = reader.subscriptions(&query).await?;
        let items = view::views(&mut reader, &page.items, self.now()).await?;
        self.page(request, given, page.with_items(items))
    }

    /// The provider narrows what the Subscription holds of the API's own permissions, or widens it again;
    /// felt at once (product.md F6).
    pub async fn subscription_update(
        &self,
        request: &Request,
        id: SubscriptionId,
        body: &wire::Update,
    ) -> Result<Written<wire::Subscription>, Error> {
        self.write(request, "subscription_update", Status::Done, |write| {
            Box::pin(async move {
                let act = Permission::SubscriptionsUpdate;
                let present = write.subscription_to(id, act, Side::Provider).await?;
                if let Some(typed) = &body.permissions {
                    // Its API may be gone once it ended.
                    present.check_update(write.now)?;
                    let api = write.tx.api(present.api_id).await?.ok_or(Refusal::NotFound)?;
                    let mut fields = Fields::new();
                    let read = |texts: &Vec<String>| permissions(&mut fields, &api, texts);
                    let permissions = typed.as_ref().map(read);
                    fields.finish()?;
                    let events = present.change_permissions(permissions, write.now)?;
                    write.append_around(&present, &[], &claviger_wire::acts::Act::default(), events).await?;
                }
                write.subscription_answer(id, Provided::default()).await
            })
        })
        .await
    }
}

impl Write<'_, '_> {
    /// The Subscription after the write, with what only this answer tells.
    async fn subscription_answer(
        &mut self,
        id: SubscriptionId,
        provided: Provided,
    ) -> Result<wire::Subscription, Error> {
        let subscription = self.tx.subscription(id).await?.ok_or(Refusal::NotFound)?;
        let mut names = Names::default();
        let mut answer = view::view(self.tx, &mut names, &subscription, self.now).await?;
        if !provided.ids.is_empty() {
            let reused: Vec<_> = provided.reused.iter().map(ToString::to_string).collect();
            let ids: Vec<_> = provided.ids.iter().map(ToString::to_string).collect();
            for set in &mut answer.key_sets {
                // Sets that a renewal left alone were there before, too.
                set.reused = Some(reused.contains(&set.id) || !ids.contains(&set.id));
            }
        }
        answer.credentials = Some(provided.credentials).filter(|shown| !shown.is_empty());
        Ok(answer)
    }

    /// `If-Match`, without the cost of the view when it was not sent.
    async fn check_subscription_match(&mut self, subscription: &Subscription) -> Result<(), Error> {
        if self.request.if_match.is_none() {
            return Ok(());
        }
        let mut names = Names::default();
        let view = view::view(self.tx, &mut names, subscription, self.now).await?;
        self.check_if_match(&view)
    }
}

/// Each side sees it from where it stands.
fn is_visible(authority: &Authority, subscription: &Subscription) -> bool {
    authority.allows(Permission::SubscriptionsRead, &subscription.consumer_place())
        || authority.allows(Permission::SubscriptionsRead, &subscription.provider_place())
}
