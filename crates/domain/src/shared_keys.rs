//! Shared keys: keys given directly to a named customer of one API, inside the Organization (key and secret)
//! or outside of it (key; its secret is set through the portal link) (product.md C3 to C8).

use ipnet::IpNet;

use crate::aggregate::{Aggregate, Misapplied, absent, present};
use crate::apis::ApiPermission;
use crate::credential::Masked;
use crate::event::{EventBody, SharedKeyTerms, Subject};
use crate::id::{ApiId, EnvironmentId, GroupId, OrganizationId, SharedKeyId};
use crate::policy_templates::RateLimit;
use crate::scope::Place;
use crate::text::Name;
use crate::time::Timestamp;

mod lifecycle;
mod requirement;
mod typed;

pub use lifecycle::{Choice, SecretChange, SharedKeyAct};
pub use requirement::breaks;
pub use typed::{InvalidSecret, TypedSecret, typed_digest};

/// How many keys a section of an API may have, unless the operator says otherwise (product.md C4).
pub const DEFAULT_KEYS_PER_SECTION: u32 = 5;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedKey {
    pub id: SharedKeyId,
    pub api_id: ApiId,
    /// Where its API stands.
    pub organization_id: OrganizationId,
    pub group_id: GroupId,
    pub name: Name,
    pub audience: Audience,
    pub status: SharedKeyStatus,
    pub masked: Masked,
    /// The one Environment it is good in; `None`: every Environment of its API.
    pub environment_id: Option<EnvironmentId>,
    /// What of the API's own permissions it holds; `None`: all of them, also those added later.
    pub permissions: Option<Vec<ApiPermission>>,
    pub rate_limit: Option<RateLimit>,
    /// `None` lets any address in.
    pub ip_allow_list: Option<Vec<IpNet>>,
    /// How its secret came about; `None` while there is none.
    pub secret: Option<SecretOrigin>,
    /// Whether the API's policy template let its value be shown again when it was issued.
    pub retrievable: bool,
    pub portal_link: Option<PortalLink>,
    pub created_at: Timestamp,
}

impl SharedKey {
    /// Where it stands: with its API, in the one Environment if it is for one.
    pub const fn place(&self) -> Place {
        place(self.organization_id, self.group_id, self.environment_id)
    }

    /// The portal link, if it opens the portal at `now`.
    pub fn live_portal_link(&self, now: Timestamp) -> Option<PortalLink> {
        self.portal_link.filter(|link| link.expires_at.is_none_or(|at| now < at))
    }
}

/// Where a shared key of an API that stands there will stand.
pub const fn place(
    organization_id: OrganizationId,
    group_id: GroupId,
    environment_id: Option<EnvironmentId>,
) -> Place {
    Place { organization_id: Some(organization_id), group_id: Some(group_id), environment_id }
}

impl Aggregate for SharedKey {
    fn apply(state: Option<Self>, at: Timestamp, body: &EventBody) -> Result<Option<Self>, Misapplied> {
        if let EventBody::SharedKeyCreated { shared_key_id, terms } = body {
            absent(state, body)?;
            return Ok(Some(Self::begun(*shared_key_id, at, terms)));
        }
        let mut key = present(state, body, |it| body.subject() == Subject::SharedKey(it.id))?;
        match body {
            EventBody::SharedKeyUpdated { name, permissions, rate_limit, ip_allow_list, .. } => {
                key.name = name.clone();
                key.permissions.clone_from(permissions);
                key.rate_limit = *rate_limit;
                key.ip_allow_list.clone_from(ip_allow_list);
            }
            EventBody::SharedKeyEnabled { .. } => key.status = SharedKeyStatus::Active,
            EventBody::SharedKeyDisabled { .. } => key.status = SharedKeyStatus::Disabled,
            EventBody::SharedKeySecretReset { retrievable, .. } => {
                key.secret = Some(SecretOrigin::Generated);
                key.retrievable = *retrievable;
            }
            EventBody::SharedKeySecretSet { origin, .. } => key.secret = Some(*origin),
            EventBody::SharedKeySecretCleared { .. } => key.secret = None,
            EventBody::SharedKeyPortalLinkCreated { expires_at, .. } => {
                key.portal_link = Some(PortalLink { created_at: at, expires_at: *expires_at });
            }
            EventBody::SharedKeyPortalLinkDeleted { .. } => key.portal_link = None,
            EventBody::SharedKeyRetrieved { .. } => {}
            EventBody::SharedKeyDeleted { .. } => return Ok(None),
            _ => return Err(Misapplied::new(body, "the event is of another noun")),
        }
        Ok(Some(key))
    }
}

impl SharedKey {
    fn begun(id: SharedKeyId, at: Timestamp, terms: &SharedKeyTerms) -> Self {
        Self {
            id,
            api_id: terms.api_id,
            organization_id: terms.organization_id,
            group_id: terms.group_id,
            name: terms.name.clone(),
            audience: terms.audience,
            status: SharedKeyStatus::Active,
            masked: terms.masked.clone(),
            environment_id: terms.environment_id,
            permissions: terms.permissions.clone(),
            rate_limit: terms.rate_limit,
            ip_allow_list: terms.ip_allow_list.clone(),
            secret: terms.audience.begins_with(),
            retrievable: terms.retrievable,
            portal_link: None,
            created_at: at,
        }
    }
}

/// The section that a shared key is listed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    Inside,
    Outside,
}

impl Audience {
    pub const ALL: [Self; 2] = [Self::Inside, Self::Outside];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inside => "inside",
            Self::Outside => "outside",
        }
    }

    /// The secret that a new key of this section has.
    pub const fn begins_with(self) -> Option<SecretOrigin> {
        match self {
            Self::Inside => Some(SecretOrigin::Generated),
            Self::Outside => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SharedKeyStatus {
    Active,
    Disabled,
}

impl SharedKeyStatus {
    pub const ALL: [Self; 2] = [Self::Active, Self::Disabled];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

/// How a secret came about. It decides how it is digested, and whether it can identify a key alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretOrigin {
    Generated,
    Typed,
}

impl SecretOrigin {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generated => "generated",
            Self::Typed => "typed",
        }
    }
}

/// The way into the portal for a person with no account (product.md C5). Its token is kept as a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortalLink {
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
}
