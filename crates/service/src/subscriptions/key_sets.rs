//! The Key Sets of a Subscription: for each auth type one that fits is reused, or a new one is made
//! (product.md D1, D2, D17).

use claviger_domain::apis::{Api, AuthType};
use claviger_domain::applications::{Application, ApplicationStatus};
use claviger_domain::event::{EventBody, KeySetTerms};
use claviger_domain::id::{EnvironmentId, KeySetId};
use claviger_domain::key_sets::{KeySet, KeyStatus, Opening};
use claviger_domain::policy_templates::{PolicyTemplate, TemplateVersion};
use claviger_domain::subscriptions::default_name;
use claviger_domain::time::Timestamp;
use claviger_store::Reader;
use claviger_wire::key_sets::Credentials;

use crate::credentials::issued;
use crate::error::Error;
use crate::issuing::{Hand, Purse, Wish, append_with_credential};
use crate::write::Write;

/// What a Subscription is between.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sides<'a> {
    pub(super) application: &'a Application,
    pub(super) api: &'a Api,
    pub(super) template: &'a PolicyTemplate,
    pub(super) environment_id: EnvironmentId,
}

/// The sets that a Subscription got, in the order of the auth types.
#[derive(Debug, Default)]
pub(super) struct Provided {
    pub(super) ids: Vec<KeySetId>,
    pub(super) reused: Vec<KeySetId>,
    /// Values that nobody can have again.
    pub(super) credentials: Vec<Credentials>,
}

impl Sides<'_> {
    const fn version(&self) -> TemplateVersion {
        TemplateVersion { template_id: self.template.id, template_version: self.template.version }
    }

    /// The set to reuse: the oldest that fits, and only one used for APIs of this Organization alone.
    async fn reusable(
        &self,
        reader: &mut Reader,
        auth_type: AuthType,
        now: Timestamp,
    ) -> Result<Option<KeySet>, Error> {
        let owner = self.api.organization_id;
        let (application_id, environment_id) = (self.application.id, self.environment_id);
        let sets = reader
            .reusable_key_sets(application_id, environment_id, auth_type, self.version(), owner, now)
            .await?;
        Ok(sets.into_iter().next())
    }

    /// The credentials that the sets which must be made will take.
    pub(super) async fn wishes(
        &self,
        reader: &mut Reader,
        auth_types: &[AuthType],
        now: Timestamp,
    ) -> Result<Vec<Wish>, Error> {
        let mut wishes = Vec::new();
        for auth_type in auth_types.iter().copied() {
            let reusable = self.reusable(reader, auth_type, now).await?;
            // A Pending set may go in the transaction, with the last Subscription that lapses there.
            let certain = reusable.as_ref().is_some_and(|set| set.status(now) != KeyStatus::Pending);
            if !certain {
                wishes.push(Wish { auth_type, sealed: self.template.policy.retrievable });
            }
        }
        Ok(wishes)
    }

    fn terms(&self, auth_type: AuthType) -> KeySetTerms {
        KeySetTerms {
            name: default_name(auth_type, &self.application.name),
            organization_id: self.application.organization_id,
            group_id: self.application.group_id,
            application_id: self.application.id,
            environment_id: self.environment_id,
            auth_type,
            policy: self.template.policy.clone(),
            template: self.version(),
        }
    }
}

impl Write<'_, '_> {
    /// Makes or reuses a set for each of the auth types.
    pub(super) async fn provide_key_sets(
        &mut self,
        sides: Sides<'_>,
        auth_types: &[AuthType],
        pending: bool,
        hand: &mut Hand<'_>,
        purse: &Purse,
    ) -> Result<Provided, Error> {
        let mut provided = Provided::default();
        for auth_type in auth_types.iter().copied() {
            if let Some(set) = sides.reusable(self.tx, auth_type, self.now).await? {
                provided.ids.push(set.id);
                provided.reused.push(set.id);
                continue;
            }
            let id = self.fresh_id();
            let fresh = hand.take(auth_type, sides.template.policy.retrievable)?;
            let application_suspended = sides.application.status == ApplicationStatus::Suspended;
            let opening = Opening { pending, application_suspended };
            let events = KeySet::open(id, sides.terms(auth_type), opening, fresh, self.now);
            let shown = self.append_opening(sides, events, purse).await?;
            provided.credentials.extend(shown.map(|minted| minted.credentials(id)));
            provided.ids.push(id);
        }
        Ok(provided)
    }

    /// Appends the events of a new set; what nobody can have again is told by the answer.
    async fn append_opening<'p>(
        &mut self,
        sides: Sides<'_>,
        events: Vec<EventBody>,
        purse: &'p Purse,
    ) -> Result<Option<&'p crate::credentials::Minted>, Error> {
        let place = sides.application.place().in_environment(sides.environment_id);
        let mut shown = None;
        for body in events {
            if let Some((key_id, false)) = issued(&body) {
                shown = purse.minted(key_id);
            }
            let event = self.event(place, body);
            append_with_credential(self.tx, event, purse).await?;
        }
        Ok(shown)
    }
}
