//! The life of a Subscription: accepted or rejected by the provider, ended by either side, renewed by the
//! consumer (product.md D4, D17).

use claviger_domain::applications::ApplicationStatus;
use claviger_domain::event::{EventBody, NewEvent};
use claviger_domain::id::{ApplicationId, SubscriptionId};
use claviger_domain::key_sets::KeySet;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::subscriptions::{Subscription, SubscriptionAct, UsedSet};
use claviger_domain::text::Note;
use claviger_domain::time::Timestamp;
use claviger_store::{Reader, Tx};
use claviger_wire::acts::Act;
use claviger_wire::subscriptions as wire;

use super::key_sets::{Provided, Sides};
use crate::error::Error;
use crate::issuing::{Purse, replan};
use crate::request::{Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

impl Service {
    /// The provider says yes: Pending sets begin their lives now.
    pub async fn subscription_accept(
        &self,
        request: &Request,
        id: SubscriptionId,
        body: &Act,
    ) -> Result<Written<wire::Subscription>, Error> {
        self.write(request, "subscription_accept", Status::Done, |write| {
            Box::pin(async move {
                let present =
                    write.subscription_to(id, Permission::SubscriptionsAccept, Side::Provider).await?;
                // Its Application may be gone once it ended.
                present.check(SubscriptionAct::Accept, write.now)?;
                let application = write.application(present.application_id).await?;
                let sets = used_sets(write.tx, &present, write.now).await?;
                let suspended = application.status == ApplicationStatus::Suspended;
                let events = present.accept(&borrowed(&sets), suspended, write.now)?;
                write.append_around(&present, &sets, body, events).await?;
                write.subscription_answer(id, Provided::default()).await
            })
        })
        .await
    }

    /// The provider says no, for good.
    pub async fn subscription_reject(
        &self,
        request: &Request,
        id: SubscriptionId,
        body: &Act,
    ) -> Result<Written<wire::Subscription>, Error> {
        self.write(request, "subscription_reject", Status::Done, |write| {
            Box::pin(async move {
                let present =
                    write.subscription_to(id, Permission::SubscriptionsReject, Side::Provider).await?;
                let sets = used_sets(write.tx, &present, write.now).await?;
                let events = present.reject(&borrowed(&sets), write.now)?;
                write.append_around(&present, &sets, body, events).await?;
                write.subscription_answer(id, Provided::default()).await
            })
        })
        .await
    }

    /// Either side gives it up. Sets that live go on living, unused.
    pub async fn subscription_end(
        &self,
        request: &Request,
        id: SubscriptionId,
        body: &Act,
    ) -> Result<Written<wire::Subscription>, Error> {
        self.write(request, "subscription_end", Status::Done, |write| {
            Box::pin(async move {
                let present = write.subscription_to(id, Permission::SubscriptionsEnd, Side::Either).await?;
                let sets = used_sets(write.tx, &present, write.now).await?;
                let events = present.end(&borrowed(&sets), write.now)?;
                write.append_around(&present, &sets, body, events).await?;
                write.subscription_answer(id, Provided::default()).await
            })
        })
        .await
    }

    /// Makes or reuses a set for each auth type of the API that has no living one.
    pub async fn subscription_renew(
        &self,
        request: &Request,
        id: SubscriptionId,
        body: &Act,
    ) -> Result<Written<wire::Subscription>, Error> {
        let mut attempt = 0;
        loop {
            let purse = self.purse_for_renewal(request, id).await?;
            let purse = &purse;
            let written = self
                .write(request, "subscription_renew", Status::Done, |write| {
                    Box::pin(async move { write.subscription_renew(id, body, purse).await })
                })
                .await;
            if !replan(&mut attempt, &written) {
                return written;
            }
        }
    }

    async fn purse_for_renewal(&self, request: &Request, id: SubscriptionId) -> Result<Purse, Error> {
        let now = self.now();
        let mut wishes = Vec::new();
        {
            let (mut reader, authority) = self.reading(request).await?;
            let present = reader
                .subscription(id)
                .await?
                .filter(|it| authority.allows(Permission::SubscriptionsRenew, &it.consumer_place()));
            if let Some(renewal) = renewal(&mut reader, present, now).await? {
                wishes = renewal.sides().wishes(&mut reader, &renewal.missing, now).await?;
            }
        }
        self.purse(&wishes, now).await
    }
}

/// Which side of a Subscription an act belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Consumer,
    Provider,
    Either,
}

/// A Key Set of a Subscription, with whether another live one uses it.
pub(super) struct Used {
    set: KeySet,
    used_by_others: bool,
}

pub(super) fn borrowed(sets: &[Used]) -> Vec<UsedSet<'_>> {
    sets.iter().map(|used| UsedSet { set: &used.set, used_by_others: used.used_by_others }).collect()
}

pub(super) async fn used_sets(
    reader: &mut Reader,
    subscription: &Subscription,
    now: Timestamp,
) -> Result<Vec<Used>, Error> {
    let mut used = Vec::with_capacity(subscription.key_set_ids.len());
    for set in reader.key_sets_by_ids(&subscription.key_set_ids).await? {
        let others = reader.subscriptions_of_key_set(set.id).await?;
        let live = |other: &Subscription| other.id != subscription.id && other.status_at(now).is_live();
        used.push(Used { used_by_others: others.iter().any(live), set });
    }
    Ok(used)
}

/// What renewing a Subscription takes.
struct Renewal {
    subscription: Subscription,
    application: claviger_domain::applications::Application,
    api: claviger_domain::apis::Api,
    template: claviger_domain::policy_templates::PolicyTemplate,
    missing: Vec<claviger_domain::apis::AuthType>,
}

impl Renewal {
    const fn sides(&self) -> Sides<'_> {
        Sides {
            application: &self.application,
            api: &self.api,
            template: &self.template,
            environment_id: self.subscription.environment_id,
        }
    }
}

async fn renewal(
    reader: &mut Reader,
    subscription: Option<Subscription>,
    now: Timestamp,
) -> Result<Option<Renewal>, Error> {
    let Some(subscription) = subscription else { return Ok(None) };
    let application = reader.application(subscription.application_id).await?;
    let api = reader.api(subscription.api_id).await?;
    let (Some(application), Some(api)) = (application, api) else { return Ok(None) };
    let Some(template) = reader.policy_template(api.settings.policy_template_id).await? else {
        return Ok(None);
    };
    let sets = reader.key_sets_by_ids(&subscription.key_set_ids).await?;
    let auth_types = api.settings.auth_types.iter().copied();
    let missing = Subscription::auth_types_to_renew(auth_types, &sets, now);
    Ok(Some(Renewal { subscription, application, api, template, missing }))
}

impl Write<'_, '_> {
    /// The Subscription, if the actor may see it and do `act` to it from that side.
    pub(super) async fn subscription_to(
        &mut self,
        id: SubscriptionId,
        act: Permission,
        side: Side,
    ) -> Result<Subscription, Error> {
        let subscription = self.tx.subscription(id).await?.ok_or(Refusal::NotFound)?;
        if !super::is_visible(&self.authority, &subscription) {
            return Err(Error::not_found());
        }
        let consumer = || self.authority.allows(act, &subscription.consumer_place());
        let provider = || self.authority.allows(act, &subscription.provider_place());
        let allowed = match side {
            Side::Consumer => consumer(),
            Side::Provider => provider(),
            Side::Either => consumer() || provider(),
        };
        if !allowed {
            return Err(Error::forbidden(act));
        }
        self.check_subscription_match(&subscription).await?;
        Ok(subscription)
    }

    async fn subscription_renew(
        &mut self,
        id: SubscriptionId,
        body: &Act,
        purse: &Purse,
    ) -> Result<wire::Subscription, Error> {
        let present = self.subscription_to(id, Permission::SubscriptionsRenew, Side::Consumer).await?;
        // Its API may be gone once it ended.
        present.check(SubscriptionAct::Renew, self.now)?;
        let renewal = renewal(self.tx, Some(present), self.now).await?;
        let renewal = renewal.ok_or_else(|| Error::internal("a live Subscription's API is gone"))?;
        renewal.subscription.check_renew(&renewal.missing, self.now)?;
        let mut hand = purse.hand();
        let sides = renewal.sides();
        let provided = self.provide_key_sets(sides, &renewal.missing, false, &mut hand, purse).await?;
        let event = renewal.subscription.renewed(provided.ids.iter().copied());
        self.append_around(&renewal.subscription, &[], body, vec![event]).await?;
        self.subscription_answer(id, provided).await
    }

    /// Appends the events of a Subscription and of its sets, each where its subject stands.
    pub(super) async fn append_around(
        &mut self,
        subscription: &Subscription,
        sets: &[Used],
        body: &Act,
        events: Vec<EventBody>,
    ) -> Result<(), Error> {
        let reason = self.reason(body.reason.as_deref())?;
        for body in events {
            let event = placed(self, subscription, sets, reason.clone(), body);
            self.tx.append(event).await?;
        }
        Ok(())
    }

    /// Records the lapse of the Application's Pending Subscriptions that nobody decided on in time, so that
    /// they stand in nobody's way (product.md D4).
    pub(super) async fn lapse_due(&mut self, id: ApplicationId) -> Result<(), Error> {
        let now = self.now;
        for subscription in self.tx.live_subscriptions_of_application(id).await? {
            self.service.lapse(self.tx, &subscription, now).await?;
        }
        Ok(())
    }
}

fn placed(
    write: &Write<'_, '_>,
    subscription: &Subscription,
    sets: &[Used],
    reason: Option<Note>,
    body: EventBody,
) -> NewEvent {
    let about = sets.iter().find(|used| body.subject() == used.set.id.into());
    let (place, counterpart) = match about {
        Some(used) => (used.set.place(), None),
        None => (subscription.consumer_place(), Some(subscription.provider_place())),
    };
    NewEvent { reason, counterpart, ..write.event(place, body) }
}

impl Service {
    /// Records that a Pending Subscription lapsed, if it did, with the end of its Pending sets.
    pub(crate) async fn lapse(
        &self,
        tx: &mut Tx<'_>,
        subscription: &Subscription,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let sets = used_sets(tx, subscription, now).await?;
        let events = subscription.lapse(&borrowed(&sets), now);
        let lapsed = !events.is_empty();
        for body in events {
            let about = sets.iter().find(|used| body.subject() == used.set.id.into());
            let (place, counterpart) = match about {
                Some(used) => (used.set.place(), None),
                None => (subscription.consumer_place(), Some(subscription.provider_place())),
            };
            tx.append(NewEvent { counterpart, ..self.scheduled(now, place, body) }).await?;
        }
        Ok(lapsed)
    }
}
