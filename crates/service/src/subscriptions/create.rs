//! Subscribing (product.md D1, D2, D4): one transaction makes the Subscription with its Key Sets, so that
//! two at once never make two sets. Credentials are minted and sealed before it.

use claviger_domain::apis::{Api, ApiPermission, AuthType};
use claviger_domain::applications::Application;
use claviger_domain::event::{EventBody, NewEvent, SubscriptionTerms};
use claviger_domain::id::{EnvironmentId, SubscriptionId};
use claviger_domain::permission::Permission;
use claviger_domain::policy_templates::{Approval, PolicyTemplate};
use claviger_domain::refusal::Refusal;
use claviger_domain::subscriptions::{Subscription, subset_of};
use claviger_domain::text::Note;
use claviger_store::Reader;
use claviger_wire::bulk::Bulk;
use claviger_wire::subscriptions as wire;

use super::key_sets::Sides;
use crate::apis;
use crate::bulk;
use crate::environments;
use crate::error::Error;
use crate::fields::Fields;
use crate::issuing::{Hand, Purse, Wish, replan};
use crate::request::{Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

/// A subscribe request, its names resolved.
struct Wanted {
    application: Application,
    api: Api,
    template: PolicyTemplate,
    environment_id: EnvironmentId,
    permissions: Option<Vec<ApiPermission>>,
    note: Option<Note>,
}

impl Service {
    pub async fn subscription_create(
        &self,
        request: &Request,
        body: &wire::Create,
    ) -> Result<Written<wire::Subscription>, Error> {
        let mut attempt = 0;
        loop {
            let wishes = self.wishes_of(request, body).await?;
            let purse = self.purse(&wishes, self.now()).await?;
            let purse = &purse;
            let written = self
                .write(request, "subscription_create", Status::Created, |write| {
                    Box::pin(async move { write.subscription_create(body, &mut purse.hand(), purse).await })
                })
                .await;
            if !replan(&mut attempt, &written) {
                return written;
            }
        }
    }

    /// Subscribes many, all or none.
    pub async fn subscription_create_bulk(
        &self,
        request: &Request,
        body: &Bulk<wire::Create>,
    ) -> Result<Written<Bulk<wire::Subscription>>, Error> {
        bulk::check(body)?;
        let mut attempt = 0;
        loop {
            let mut wishes = Vec::new();
            for item in &body.items {
                wishes.extend(self.wishes_of(request, item).await?);
            }
            let purse = self.purse(&wishes, self.now()).await?;
            let purse = &purse;
            let written = self
                .write(request, "subscription_create_bulk", Status::Created, |write| {
                    Box::pin(async move {
                        let mut hand = purse.hand();
                        let mut items = Vec::with_capacity(body.items.len());
                        for (at, item) in body.items.iter().enumerate() {
                            let made = write.subscription_create(item, &mut hand, purse).await;
                            items.push(made.map_err(|error| bulk::at_item(at, error))?);
                        }
                        Ok(Bulk { items })
                    })
                })
                .await;
            if !replan(&mut attempt, &written) {
                return written;
            }
        }
    }

    /// What the request may need, as far as its names are true. What is wrong with it is told by the
    /// transaction.
    async fn wishes_of(&self, request: &Request, body: &wire::Create) -> Result<Vec<Wish>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        if !authority.holds(Permission::SubscriptionsCreate) {
            return Ok(Vec::new());
        }
        let Some((application, api, template, environment_id)) = named(&mut reader, body).await? else {
            return Ok(Vec::new());
        };
        let sides = Sides { application: &application, api: &api, template: &template, environment_id };
        let auth_types: Vec<AuthType> = api.settings.auth_types.iter().copied().collect();
        sides.wishes(&mut reader, &auth_types, self.now()).await
    }
}

/// All that the body names, if all of it is there.
async fn named(
    reader: &mut Reader,
    body: &wire::Create,
) -> Result<Option<(Application, Api, PolicyTemplate, EnvironmentId)>, Error> {
    let Ok(application_id) = body.application_id.parse() else { return Ok(None) };
    let application = reader.application(application_id).await?;
    let api = apis::by_id_or_slug(reader, &body.api_id).await?;
    let environment = environments::by_id_or_slug(reader, &body.environment_id).await?;
    let (Some(application), Some(api), Some(environment)) = (application, api, environment) else {
        return Ok(None);
    };
    let template = reader.policy_template(api.settings.policy_template_id).await?;
    Ok(template.map(|template| (application, api, template, environment.id)))
}

impl Write<'_, '_> {
    async fn subscription_create(
        &mut self,
        body: &wire::Create,
        hand: &mut Hand<'_>,
        purse: &Purse,
    ) -> Result<wire::Subscription, Error> {
        let wanted = self.wanted_subscription(body).await?;
        let pending = wanted.template.policy.approval == Approval::Required;
        self.check_free(&wanted, pending).await?;
        let Wanted { application, api, template, environment_id, permissions, note } = wanted;
        let sides = Sides { application: &application, api: &api, template: &template, environment_id };
        let auth_types: Vec<AuthType> = api.settings.auth_types.iter().copied().collect();
        let provided = self.provide_key_sets(sides, &auth_types, pending, hand, purse).await?;
        let subscription_id: SubscriptionId = self.fresh_id();
        let terms = SubscriptionTerms {
            application_id: application.id,
            organization_id: application.organization_id,
            group_id: application.group_id,
            api_id: api.id,
            api_organization_id: api.organization_id,
            api_group_id: api.group_id,
            environment_id,
            pending,
            lapses_at: pending.then(|| Subscription::lapse_after(self.now)),
            permissions,
            note,
            key_set_ids: provided.ids.clone(),
        };
        let body = EventBody::SubscriptionCreated { subscription_id, terms: Box::new(terms) };
        let consumer = application.place().in_environment(environment_id);
        let provider = api.place().in_environment(environment_id);
        let event = NewEvent { counterpart: Some(provider), ..self.event(consumer, body) };
        self.tx.append(event).await?;
        self.subscription_answer(subscription_id, provided).await
    }

    /// Reads the body; what it names must be visible to the actor, and what is not never was.
    async fn wanted_subscription(&mut self, body: &wire::Create) -> Result<Wanted, Error> {
        let mut fields = Fields::new();
        let application = match fields.id("/application_id", &body.application_id) {
            Some(id) => self.tx.application(id).await?,
            None => None,
        };
        let api = apis::by_id_or_slug(self.tx, &body.api_id).await?;
        let environment = environments::by_id_or_slug(self.tx, &body.environment_id).await?;
        let application = application.filter(|application| {
            let place = application.place();
            let inside = environment.as_ref().map_or(place, |it| place.in_environment(it.id));
            self.authority.allows(Permission::ApplicationsRead, &place)
                || self.authority.allows(Permission::SubscriptionsCreate, &inside)
        });
        let api = api.filter(|api| apis::is_visible(&self.authority, api));
        let application = fields.take("/application_id", application.ok_or("there is no such Application"));
        let api = fields.take("/api_id", api.ok_or("there is no such API"));
        let environment = fields.take("/environment_id", environment.ok_or("there is no such Environment"));
        let note = fields.note("/note", body.note.as_deref());
        let permissions = match (&api, &body.permissions) {
            (Some(api), Some(texts)) => Some(permissions(&mut fields, api, texts)),
            _ => None,
        };
        let all = application.zip(api).zip(environment);
        let ((application, api), environment) = fields.finish_with(all)?;
        let place = application.place().in_environment(environment.id);
        self.authority.require_act(Permission::SubscriptionsCreate, &place)?;
        if !api.settings.environment_ids.contains(&environment.id) {
            let detail = "the API is not offered in this Environment";
            return Err(Refusal::invalid("/environment_id", detail).into());
        }
        let template = self.tx.policy_template(api.settings.policy_template_id).await?;
        let template = template.ok_or_else(|| Error::internal("an API's policy template is gone"))?;
        Ok(Wanted { application, api, template, environment_id: environment.id, permissions, note })
    }

    /// Whether the API and the Application can have one more Subscription with each other.
    async fn check_free(&mut self, wanted: &Wanted, pending: bool) -> Result<(), Error> {
        if !wanted.api.exposed {
            return Err(Refusal::ApiNotExposed.into());
        }
        let application_id = wanted.application.id;
        self.lapse_due(application_id).await?;
        let live = self.tx.live_subscription(application_id, wanted.api.id, wanted.environment_id).await?;
        if let Some(live) = live {
            return Err(Refusal::AlreadySubscribed { subscription_id: live.id.to_string() }.into());
        }
        if pending {
            Subscription::check_pending_limit(self.tx.pending_subscriptions(application_id).await?)?;
        }
        Ok(())
    }
}

/// A part of the API's own permissions; every other one is named.
pub(crate) fn permissions(fields: &mut Fields, api: &Api, texts: &[String]) -> Vec<ApiPermission> {
    let mut asked = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        match ApiPermission::new(text) {
            Ok(permission) => asked.push(permission),
            Err(error) => fields.wrong(&format!("/permissions/{at}"), error),
        }
    }
    if asked.len() < texts.len() {
        return Vec::new();
    }
    match subset_of(&api.settings.permissions, &asked) {
        Ok(permissions) => permissions,
        Err(errors) => {
            errors.into_iter().for_each(|error| fields.wrong(&error.pointer, error.detail));
            Vec::new()
        }
    }
}
