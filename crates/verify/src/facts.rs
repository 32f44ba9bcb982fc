//! What deciding knows about the world, as plain values: the rows that a snapshot streams in, and what
//! events are turned into. Nothing here is a secret or can become one again: digests only.

use std::collections::{BTreeMap, BTreeSet};

use claviger_domain::apis::{
    Api, ApiPermission, ApiSettings, AuthType, Cors, CredentialHeaders, Requires, Upstream,
};
use claviger_domain::applications::{Application, ApplicationStatus};
use claviger_domain::environments::Environment;
use claviger_domain::event::{Private, SharedKeyTerms};
use claviger_domain::id::{
    ApiId, ApplicationId, EnvironmentId, GroupId, KeyId, KeySetId, OrganizationId, SharedKeyId,
};
use claviger_domain::key_sets::{DecidingKey, EndReason, Key, KeySet};
use claviger_domain::policy_templates::{CallLimits, RateLimit};
use claviger_domain::scope::Place;
use claviger_domain::secret::{Digest, DigestKeyId};
use claviger_domain::shared_keys::{SecretOrigin, SharedKey, SharedKeyStatus};
use claviger_domain::subscriptions::{Subscription, SubscriptionStatus};
use claviger_domain::text::{Name, Slug};
use claviger_domain::time::Timestamp;
use ipnet::IpNet;

/// One Environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentFacts {
    pub id: EnvironmentId,
    pub slug: Slug,
}

impl From<&Environment> for EnvironmentFacts {
    fn from(environment: &Environment) -> Self {
        Self { id: environment.id, slug: environment.slug.clone() }
    }
}

/// One API, as far as deciding needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiFacts {
    pub id: ApiId,
    pub slug: Slug,
    pub organization_id: OrganizationId,
    pub group_id: GroupId,
    pub exposed: bool,
    pub environment_ids: BTreeSet<EnvironmentId>,
    pub auth_types: BTreeSet<AuthType>,
    pub requires: Requires,
    pub credential_headers: CredentialHeaders,
    pub permissions: Vec<ApiPermission>,
    /// `None` lets any address in.
    pub ip_allow_list: Option<Vec<IpNet>>,
    /// What each Key Set or shared key may use of it.
    pub limits: CallLimits,
    pub routing: Routing,
}

/// Where a door that passes calls on itself takes them, and which pages may make them. Deciding does not look
/// at it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routing {
    pub upstreams: Vec<Upstream>,
    pub environment_upstreams: BTreeMap<EnvironmentId, Vec<Upstream>>,
    pub cors: Option<Cors>,
}

impl Routing {
    /// The upstreams of an Environment: its own, or else those of all.
    pub fn upstreams(&self, environment: Option<EnvironmentId>) -> &[Upstream] {
        let own = environment.and_then(|id| self.environment_upstreams.get(&id));
        own.filter(|own| !own.is_empty()).unwrap_or(&self.upstreams)
    }
}

impl From<&ApiSettings> for Routing {
    fn from(settings: &ApiSettings) -> Self {
        Self {
            upstreams: settings.upstreams.clone(),
            environment_upstreams: settings.environment_upstreams.clone(),
            cors: settings.cors.clone(),
        }
    }
}

impl ApiFacts {
    /// The facts of an API with these settings, which belongs to the Group of the Organization.
    pub fn begun(
        id: ApiId,
        slug: &Slug,
        (organization_id, group_id): (OrganizationId, GroupId),
        settings: &ApiSettings,
        exposed: bool,
    ) -> Self {
        Self {
            id,
            slug: slug.clone(),
            organization_id,
            group_id,
            exposed,
            environment_ids: settings.environment_ids.clone(),
            auth_types: settings.auth_types.clone(),
            requires: settings.requires,
            credential_headers: settings.credential_headers.clone(),
            permissions: settings.permissions.clone(),
            ip_allow_list: settings.ip_allow_list.clone(),
            limits: settings.limits(),
            routing: Routing::from(settings),
        }
    }

    /// Where the API stands.
    pub const fn place(&self) -> Place {
        Place::group(self.organization_id, self.group_id)
    }
}

impl From<&Api> for ApiFacts {
    fn from(api: &Api) -> Self {
        Self::begun(api.id, &api.slug, (api.organization_id, api.group_id), &api.settings, api.exposed)
    }
}

/// One Application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationFacts {
    pub id: ApplicationId,
    pub name: Name,
    pub organization_id: OrganizationId,
    pub group_id: GroupId,
    pub suspended: bool,
}

impl ApplicationFacts {
    /// Where the Application and its Key Sets stand.
    pub const fn place(&self) -> Place {
        Place::group(self.organization_id, self.group_id)
    }
}

impl From<&Application> for ApplicationFacts {
    fn from(application: &Application) -> Self {
        Self {
            id: application.id,
            name: application.name.clone(),
            organization_id: application.organization_id,
            group_id: application.group_id,
            suspended: application.status == ApplicationStatus::Suspended,
        }
    }
}

/// One Key Set: what its Keys have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeySetFacts {
    pub id: KeySetId,
    pub application_id: ApplicationId,
    pub environment_id: EnvironmentId,
    pub auth_type: AuthType,
    pub suspended: bool,
    /// What its policy limits.
    pub limits: CallLimits,
}

impl From<&KeySet> for KeySetFacts {
    fn from(set: &KeySet) -> Self {
        Self {
            id: set.id,
            application_id: set.application_id,
            environment_id: set.environment_id,
            auth_type: set.auth_type,
            suspended: set.suspended_by.is_some(),
            limits: set.policy.limits(),
        }
    }
}

/// One Key of a chain, living or dead: a dead one is refused by its own code, not as `unknown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyFacts {
    pub id: KeyId,
    pub key_set: KeySetFacts,
    /// Whether it is the newest of its set.
    pub latest: bool,
    /// Under whichever digest key made it; a decision tries both that are in use.
    pub digest: Digest,
    /// Present for auth types that have a secret.
    pub secret_digest: Option<Digest>,
    /// Whether it was provisioned; until then it is Pending.
    pub provisioned: bool,
    pub expires_at: Option<Timestamp>,
    pub retires_at: Option<Timestamp>,
    /// The recorded end. The clock may have ended the Key before.
    pub ended: Option<KeyEnd>,
}

impl KeyFacts {
    /// The facts of one Key of a set, with the digests that the set itself does not hold.
    pub fn of(set: &KeySet, key: &Key, digest: Digest, secret_digest: Option<Digest>) -> Self {
        Self {
            id: key.id,
            key_set: KeySetFacts::from(set),
            latest: set.latest().is_some_and(|latest| latest.id == key.id),
            digest,
            secret_digest,
            provisioned: key.schedule.is_some(),
            expires_at: key.schedule.and_then(|schedule| schedule.expires_at),
            retires_at: key.retirement.map(|retirement| retirement.retires_at),
            ended: key.ended.map(|ended| KeyEnd::from(ended.reason)),
        }
    }

    /// The facts of a Key as it is kept; `limits` are those of its set's policy.
    pub fn deciding(key: &DecidingKey, limits: CallLimits) -> Self {
        Self {
            id: key.id,
            key_set: KeySetFacts {
                id: key.key_set_id,
                application_id: key.application_id,
                environment_id: key.environment_id,
                auth_type: key.auth_type,
                suspended: key.suspended,
                limits,
            },
            latest: key.latest,
            digest: key.key_digest,
            secret_digest: key.secret_digest,
            provisioned: key.schedule.is_some(),
            expires_at: key.schedule.and_then(|schedule| schedule.expires_at),
            retires_at: key.retirement.map(|retirement| retirement.retires_at),
            ended: key.ended.map(|ended| KeyEnd::from(ended.reason)),
        }
    }
}

/// How a Key ended, as far as its code tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyEnd {
    /// Revoked by hand, or because a newer Key took its place.
    Revoked,
    Expired,
}

impl From<EndReason> for KeyEnd {
    fn from(reason: EndReason) -> Self {
        match reason {
            EndReason::Expired => Self::Expired,
            EndReason::Revoked | EndReason::Regenerated | EndReason::Rotated | EndReason::Issued => {
                Self::Revoked
            }
        }
    }
}

/// One Active Subscription: which Key Sets open which API, and what they hold there. The others give
/// nothing and are not loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionFacts {
    pub api_id: ApiId,
    pub key_set_ids: Vec<KeySetId>,
    /// `None`: all of the API's permissions, also those added later.
    pub permissions: Option<Vec<ApiPermission>>,
}

impl SubscriptionFacts {
    /// The facts of a Subscription if it is Active.
    pub fn of(subscription: &Subscription) -> Option<Self> {
        (subscription.status == SubscriptionStatus::Active).then(|| Self {
            api_id: subscription.api_id,
            key_set_ids: subscription.key_set_ids.clone(),
            permissions: subscription.permissions.clone(),
        })
    }
}

/// One shared key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedKeyFacts {
    pub id: SharedKeyId,
    pub api_id: ApiId,
    pub organization_id: OrganizationId,
    pub group_id: GroupId,
    pub name: Name,
    pub disabled: bool,
    /// `None`: good in every Environment of its API.
    pub environment_id: Option<EnvironmentId>,
    /// `None`: all of the API's permissions, also those added later.
    pub permissions: Option<Vec<ApiPermission>>,
    pub rate_limit: Option<RateLimit>,
    /// `None` lets any address in.
    pub ip_allow_list: Option<Vec<IpNet>>,
    pub digest: Digest,
    pub secret: Option<SharedSecret>,
}

/// The secret of a shared key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedSecret {
    pub digest_key: DigestKeyId,
    pub digest: Digest,
    pub origin: SecretOrigin,
}

impl SharedKeyFacts {
    /// The facts of a shared key, with the digests that it does not hold itself.
    pub fn of(key: &SharedKey, digest: Digest, secret: Option<(DigestKeyId, Digest)>) -> Self {
        Self {
            id: key.id,
            api_id: key.api_id,
            organization_id: key.organization_id,
            group_id: key.group_id,
            name: key.name.clone(),
            disabled: key.status == SharedKeyStatus::Disabled,
            environment_id: key.environment_id,
            permissions: key.permissions.clone(),
            rate_limit: key.rate_limit,
            ip_allow_list: key.ip_allow_list.clone(),
            digest,
            secret: key.secret.zip(secret).map(|(origin, (digest_key, digest))| SharedSecret {
                digest_key,
                digest,
                origin,
            }),
        }
    }

    pub(crate) fn begun(id: SharedKeyId, terms: &SharedKeyTerms, private: &Private) -> Self {
        Self {
            id,
            api_id: terms.api_id,
            organization_id: terms.organization_id,
            group_id: terms.group_id,
            name: terms.name.clone(),
            disabled: false,
            environment_id: terms.environment_id,
            permissions: terms.permissions.clone(),
            rate_limit: terms.rate_limit,
            ip_allow_list: terms.ip_allow_list.clone(),
            digest: private.key,
            secret: terms.audience.begins_with().zip(private.secret).map(|(origin, digest)| SharedSecret {
                digest_key: private.digest_key,
                digest,
                origin,
            }),
        }
    }

    /// What the key itself limits.
    pub(crate) const fn limits(&self) -> CallLimits {
        CallLimits { rate_limit: self.rate_limit, quota: None }
    }

    /// The API's own permissions that are held: of those granted, the ones that it still declares.
    pub fn held<'a>(&'a self, api: &'a ApiFacts) -> impl Iterator<Item = &'a ApiPermission> {
        api.permissions
            .iter()
            .filter(|declared| self.permissions.as_ref().is_none_or(|granted| granted.contains(declared)))
    }
}
