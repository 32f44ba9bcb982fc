//! Subscriptions on the wire. Each side sees both names and the Key Sets' ids and states, never the
//! other's policy, members or credentials.

use claviger_domain::subscriptions as domain;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::apis::AuthType;
use crate::environments::EnvironmentRef;
use crate::given::given;
use crate::key_sets::{Credentials, Status as KeySetStatus};
use crate::mirror::mirrored;
use crate::scope::Named;

mirrored! {
    /// Rejected and ended are final.
    #[schema(as = SubscriptionStatus)]
    Status = domain::SubscriptionStatus { Pending, Active, Rejected, Ended, }
}

/// One Application's right to call one API in one Environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Subscription {
    pub id: String,
    pub status: Status,
    pub application: Named,
    /// The Organization of the Application.
    pub organization: Named,
    pub api: ApiRef,
    /// The Organization of the API.
    pub api_organization: Named,
    pub environment: EnvironmentRef,
    /// What it holds of the API's own permissions; null: all of them, also those added later.
    pub permissions: Option<Vec<String>>,
    pub note: Option<String>,
    /// Those made or reused for it that still are there.
    pub key_sets: Vec<KeySetUse>,
    #[schema(format = DateTime)]
    pub created_at: String,
    /// When it was accepted or rejected.
    #[schema(format = DateTime)]
    pub decided_at: Option<String>,
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
    /// When it lapses if it is still pending then.
    #[schema(format = DateTime)]
    pub lapses_at: Option<String>,
    /// The values of Keys newly issued under a shown-once policy: in this answer and nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Vec<Credentials>>,
}

/// An API named inside another object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ApiRef {
    pub id: String,
    pub slug: String,
    pub name: String,
}

/// A Key Set that a Subscription uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeySetUse {
    pub id: String,
    pub auth_type: AuthType,
    /// Whether it was there before; told by the answers of subscribe and `renew` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reused: Option<bool>,
    pub status: KeySetStatus,
}

/// A Subscription named inside another object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SubscriptionRef {
    pub id: String,
    pub status: Status,
    pub api: ApiRef,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SubscriptionCreate)]
pub struct Create {
    pub application_id: String,
    /// An id or a slug.
    pub api_id: String,
    /// An id or a slug.
    pub environment_id: String,
    /// A part of the API's own permissions. Left out or null: all.
    #[serde(default)]
    pub permissions: Option<Vec<String>>,
    /// For the provider, who may have to accept it. Up to 1,000 characters.
    #[serde(default)]
    pub note: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SubscriptionUpdate)]
pub struct Update {
    /// A part of the API's own permissions; null: all.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    pub permissions: Option<Option<Vec<String>>>,
}

/// The names around a Subscription, which stand in other tables.
#[derive(Debug, Clone)]
pub struct Around {
    pub application: Named,
    pub organization: Named,
    pub api: ApiRef,
    pub api_organization: Named,
    pub environment: EnvironmentRef,
    pub key_sets: Vec<KeySetUse>,
}

impl Subscription {
    pub fn new(subscription: &domain::Subscription, around: Around) -> Self {
        Self {
            id: subscription.id.to_string(),
            status: subscription.status.into(),
            application: around.application,
            organization: around.organization,
            api: around.api,
            api_organization: around.api_organization,
            environment: around.environment,
            permissions: subscription
                .permissions
                .as_ref()
                .map(|permissions| permissions.iter().map(ToString::to_string).collect()),
            note: subscription.note.as_ref().map(ToString::to_string),
            key_sets: around.key_sets,
            created_at: subscription.created_at.to_string(),
            decided_at: subscription.decided_at.map(|at| at.to_string()),
            ended_at: subscription.ended_at.map(|at| at.to_string()),
            lapses_at: subscription.lapses_at.map(|at| at.to_string()),
            credentials: None,
        }
    }

    /// The Subscription as it is read again later: without values, and without what only the answer of
    /// the act tells.
    #[must_use]
    pub fn at_rest(&self) -> Self {
        let mut rest = Self { credentials: None, ..self.clone() };
        rest.key_sets.iter_mut().for_each(|set| set.reused = None);
        rest
    }
}
