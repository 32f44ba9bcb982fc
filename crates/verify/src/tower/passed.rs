//! What the service behind the layer is told of a call.

use claviger_domain::event::Position;
use claviger_domain::id::{ApplicationId, KeyId, KeySetId, SharedKeyId};
use claviger_domain::text::{Name, Slug};

use crate::Decision;

/// Whose call it is: an extension of every request that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// None for a shared key, and for a call that needs no credential.
    pub application: Option<(ApplicationId, Name)>,
    pub key_id: Option<KeyId>,
    pub key_set_id: Option<KeySetId>,
    pub shared_key: Option<(SharedKeyId, Name)>,
    pub environment: Option<Slug>,
    /// The API's own permissions that are held.
    pub permissions: Vec<String>,
    /// The position of the log that it was decided at.
    pub as_of: Position,
}

impl Passed {
    pub(super) fn of(decision: &Decision) -> Self {
        Self {
            application: decision.application().map(|it| (it.id, it.name.clone())),
            key_id: decision.key_id(),
            key_set_id: decision.key_set_id(),
            shared_key: decision.shared_key().map(|it| (it.id, it.name.clone())),
            environment: decision.environment().map(|it| it.slug.clone()),
            permissions: decision.permissions().map(ToOwned::to_owned).collect(),
            as_of: decision.as_of(),
        }
    }
}
