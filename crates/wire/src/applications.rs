//! Applications on the wire.

use claviger_domain::applications as domain;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::given::given;
use crate::mirror::mirrored;
use crate::scope::Named;

mirrored! {
    /// Whether the Application's Key Sets work.
    #[schema(as = ApplicationStatus)]
    Status = domain::ApplicationStatus { Active, Suspended, }
}

/// A consumer's program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Application {
    pub id: String,
    pub organization_id: String,
    pub group_id: String,
    pub name: String,
    pub status: Status,
    #[schema(format = DateTime)]
    pub created_at: String,
    #[schema(format = DateTime)]
    pub suspended_at: Option<String>,
}

/// An Application that was activated, with what came back with it and what was suspended by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ApplicationActivated)]
pub struct Activated {
    #[serde(flatten)]
    pub application: Application,
    /// The Key Sets that work again.
    pub activated: Vec<Named>,
    /// The Key Sets that stay Suspended because they were suspended by hand; `"key_sets": "all"` brings
    /// them back too.
    pub left_suspended: Vec<Named>,
}

#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApplicationCreate)]
pub struct Create {
    /// Unique in its Group.
    pub name: String,
    /// Left out: the caller's own Group, or else the Group `default` of the caller's Organization.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub group_id: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApplicationUpdate)]
pub struct Update {
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApplicationActivate)]
pub struct Activate {
    /// Left out: `cascaded`.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub key_sets: Option<Returning>,
    /// Why, for the log. Up to 1,000 characters.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Which Key Sets come back with their Application: those it took with it, or all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Returning {
    #[default]
    Cascaded,
    All,
}

impl From<&domain::Application> for Application {
    fn from(application: &domain::Application) -> Self {
        Self {
            id: application.id.to_string(),
            organization_id: application.organization_id.to_string(),
            group_id: application.group_id.to_string(),
            name: application.name.to_string(),
            status: application.status.into(),
            created_at: application.created_at.to_string(),
            suspended_at: application.suspended_at.map(|at| at.to_string()),
        }
    }
}
