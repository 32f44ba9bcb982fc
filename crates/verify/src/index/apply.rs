//! From events to the index: the same story that the domain's `Aggregate::apply` tells of whole nouns,
//! told of what deciding needs. An ending of something unknown ends nothing; anything that would permit
//! something unknown is a contradiction, and the index stops closed.

use claviger_domain::apis::{ApiPermission, ApiSettings};
use claviger_domain::event::{EventBody, IssuedKey, KeySetTerms, Private};
use claviger_domain::id::{ApiId, KeySetId, SharedKeyId};
use claviger_domain::key_sets::KeyStatus;
use claviger_domain::shared_keys::SecretOrigin;

use super::writer::{Contradiction, Writer};
use crate::facts::{
    ApiFacts, ApplicationFacts, EnvironmentFacts, KeyEnd, KeyFacts, KeySetFacts, Routing, SharedKeyFacts,
    SharedSecret,
};

impl Writer {
    /// Applies one event of the log. Those of nouns that deciding does not know change nothing.
    pub(super) fn apply(&mut self, body: &EventBody, private: Option<&Private>) -> Result<(), Contradiction> {
        match body {
            EventBody::KeyIssued { key_set_id, key } => self.issue(*key_set_id, key, private),
            _ => {
                self.apply_to_catalog(body)?;
                self.apply_to_subscription(body)?;
                self.apply_to_shared_key(body, private)?;
                self.apply_to_key_set(body)
            }
        }
    }

    fn apply_to_catalog(&mut self, body: &EventBody) -> Result<(), Contradiction> {
        match body {
            EventBody::EnvironmentCreated { environment_id, slug, .. } => {
                self.put_environment(EnvironmentFacts { id: *environment_id, slug: slug.clone() });
            }
            EventBody::EnvironmentDeleted { environment_id } => self.remove_environment(*environment_id),
            EventBody::ApiCreated { api_id, organization_id, group_id, slug, settings, exposed } => {
                let owner = (*organization_id, *group_id);
                self.catalog_mut().put_api(ApiFacts::begun(*api_id, slug, owner, settings, *exposed));
            }
            EventBody::ApiUpdated { api_id, settings } => {
                self.change_api(*api_id, |api| api.set(settings))?;
            }
            EventBody::ApiExposed { api_id } => self.change_api(*api_id, |api| api.exposed = true)?,
            EventBody::ApiUnexposed { api_id } => self.change_api(*api_id, |api| api.exposed = false)?,
            EventBody::ApiDeleted { api_id } => self.catalog_mut().remove_api(*api_id),
            EventBody::ApplicationCreated { application_id, organization_id, group_id, name } => {
                self.put_application(ApplicationFacts {
                    id: *application_id,
                    name: name.clone(),
                    organization_id: *organization_id,
                    group_id: *group_id,
                    suspended: false,
                })?;
            }
            EventBody::ApplicationUpdated { application_id, name } => {
                self.change_application(*application_id, |it| it.name = name.clone())?;
            }
            EventBody::ApplicationSuspended { application_id } => {
                self.change_application(*application_id, |it| it.suspended = true)?;
            }
            EventBody::ApplicationActivated { application_id } => {
                self.change_application(*application_id, |it| it.suspended = false)?;
            }
            EventBody::ApplicationDeleted { application_id } => self.remove_application(*application_id)?,
            _ => {}
        }
        Ok(())
    }

    fn apply_to_subscription(&mut self, body: &EventBody) -> Result<(), Contradiction> {
        match body {
            EventBody::SubscriptionCreated { terms, .. } if !terms.pending => {
                self.grant_all(&terms.key_set_ids, terms.api_id, terms.permissions.as_deref())
            }
            EventBody::SubscriptionAccepted { api_id, permissions, key_set_ids, .. }
            | EventBody::SubscriptionRenewed { api_id, permissions, key_set_ids, .. } => {
                self.grant_all(key_set_ids, *api_id, permissions.as_deref())
            }
            EventBody::SubscriptionUpdated { api_id, permissions, key_set_ids, .. } => {
                // One that is still Pending gives nothing yet.
                key_set_ids.iter().try_for_each(|set| self.narrow(*set, *api_id, permissions.as_deref()))
            }
            EventBody::SubscriptionEnded { api_id, key_set_ids, .. } => {
                key_set_ids.iter().try_for_each(|set| self.withdraw(*set, *api_id))
            }
            _ => Ok(()),
        }
    }

    fn grant_all(
        &mut self,
        sets: &[KeySetId],
        api: ApiId,
        permissions: Option<&[ApiPermission]>,
    ) -> Result<(), Contradiction> {
        sets.iter().try_for_each(|set| self.grant(*set, api, permissions))
    }

    fn apply_to_key_set(&mut self, body: &EventBody) -> Result<(), Contradiction> {
        match body {
            EventBody::KeySetCreated { key_set_id, terms } => self.begin_set(set_begun(*key_set_id, terms)),
            EventBody::KeySetProvisioned { key_set_id, key_id, schedule, status } => {
                self.suspend_set(*key_set_id, *status == KeyStatus::Suspended);
                self.provision_key(*key_set_id, *key_id, schedule.expires_at)?;
            }
            EventBody::KeySetSuspended { key_set_id, .. } => self.suspend_set(*key_set_id, true),
            EventBody::KeySetActivated { key_set_id } => self.suspend_set(*key_set_id, false),
            EventBody::KeySetRevoked { key_set_id } => self.revoke_set(*key_set_id),
            EventBody::KeySetPolicyChanged { key_set_id, policy, schedule, .. } => {
                self.limit_set(*key_set_id, policy.limits())?;
                if let Some(schedule) = schedule {
                    self.reschedule_latest(*key_set_id, schedule.expires_at);
                }
            }
            EventBody::KeySetRemoved { key_set_id } => self.remove_set(*key_set_id),
            EventBody::KeyRetirementPlanned { key_set_id, key_id, retirement } => {
                self.retire_key(*key_set_id, *key_id, retirement.retires_at);
            }
            EventBody::KeyRevoked { key_set_id, key_id, ended }
            | EventBody::KeyExpired { key_set_id, key_id, ended } => {
                self.end_key(*key_set_id, *key_id, KeyEnd::from(ended.reason));
            }
            _ => {}
        }
        Ok(())
    }

    fn apply_to_shared_key(
        &mut self,
        body: &EventBody,
        private: Option<&Private>,
    ) -> Result<(), Contradiction> {
        match body {
            EventBody::SharedKeyCreated { shared_key_id, terms } => {
                let private = private.ok_or(Contradiction::NoDigest)?;
                self.put_shared_key(SharedKeyFacts::begun(*shared_key_id, terms, private));
            }
            EventBody::SharedKeyUpdated { shared_key_id, name, permissions, rate_limit, ip_allow_list } => {
                self.change_shared_key(*shared_key_id, |key| {
                    key.name = name.clone();
                    key.permissions.clone_from(permissions);
                    key.rate_limit = *rate_limit;
                    key.ip_allow_list.clone_from(ip_allow_list);
                })?;
            }
            EventBody::SharedKeyEnabled { shared_key_id } => {
                self.change_shared_key(*shared_key_id, |key| key.disabled = false)?;
            }
            EventBody::SharedKeyDisabled { shared_key_id } => {
                self.change_shared_key(*shared_key_id, |key| key.disabled = true)?;
            }
            EventBody::SharedKeySecretReset { shared_key_id, .. } => {
                self.give_secret(*shared_key_id, SecretOrigin::Generated, private)?;
            }
            EventBody::SharedKeySecretSet { shared_key_id, origin } => {
                self.give_secret(*shared_key_id, *origin, private)?;
            }
            EventBody::SharedKeySecretCleared { shared_key_id } => {
                self.change_shared_key(*shared_key_id, |key| key.secret = None)?;
            }
            EventBody::SharedKeyDeleted { shared_key_id } => self.remove_shared_key(*shared_key_id),
            _ => {}
        }
        Ok(())
    }

    fn give_secret(
        &mut self,
        id: SharedKeyId,
        origin: SecretOrigin,
        private: Option<&Private>,
    ) -> Result<(), Contradiction> {
        let Private { digest_key, key: digest, .. } = *private.ok_or(Contradiction::NoDigest)?;
        self.change_shared_key(id, |key| key.secret = Some(SharedSecret { digest_key, digest, origin }))
    }

    fn issue(
        &mut self,
        set: KeySetId,
        key: &IssuedKey,
        private: Option<&Private>,
    ) -> Result<(), Contradiction> {
        let private = private.ok_or(Contradiction::NoDigest)?;
        let set = self.set_of(set).ok_or(Contradiction::UnknownKeySet)?;
        let suspended = key.suspended_by.is_some();
        self.suspend_set(set.id, suspended);
        self.put_key(&KeyFacts {
            id: key.key_id,
            key_set: KeySetFacts { suspended, ..set },
            latest: true,
            digest: private.key,
            secret_digest: private.secret,
            provisioned: key.schedule.is_some(),
            expires_at: key.schedule.and_then(|schedule| schedule.expires_at),
            retires_at: None,
            ended: None,
        })
    }
}

impl ApiFacts {
    fn set(&mut self, settings: &ApiSettings) {
        self.environment_ids.clone_from(&settings.environment_ids);
        self.auth_types.clone_from(&settings.auth_types);
        self.requires = settings.requires;
        self.credential_headers.clone_from(&settings.credential_headers);
        self.permissions.clone_from(&settings.permissions);
        self.ip_allow_list.clone_from(&settings.ip_allow_list);
        self.limits = settings.limits();
        self.routing = Routing::from(settings);
    }
}

fn set_begun(id: KeySetId, terms: &KeySetTerms) -> KeySetFacts {
    KeySetFacts {
        id,
        application_id: terms.application_id,
        environment_id: terms.environment_id,
        auth_type: terms.auth_type,
        suspended: false,
        limits: terms.policy.limits(),
    }
}
