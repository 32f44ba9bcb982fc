//! What a page of Key Sets must know of the living ones beside them.

use claviger_domain::apis::AuthType;
use claviger_domain::id::{ApplicationId, EnvironmentId, KeySetId};
use claviger_domain::key_sets::KeySet;
use claviger_domain::policy_templates::TemplateVersion;
use claviger_domain::time::Timestamp;

use crate::columns::{Columns, FromRow};
use crate::error::StoreError;
use crate::reader::Reader;
use crate::statements::statements;
use crate::value::{IntoValue, values};

statements! {
    // Ids are in the order of their making, as far as the clocks of several nodes agree: one of the oldest will do.
    LIVING = "SELECT MIN(id), application_id, environment_id, auth_type, template_id, template_version FROM key_sets \
              WHERE removed_at IS NULL AND latest_status IN ('pending', 'active', 'suspended') \
              AND (latest_stops_at IS NULL OR latest_stops_at > $1) AND application_id IN ($2) \
              GROUP BY application_id, environment_id, auth_type, template_id, template_version";
}

/// The oldest living set of its Application, Environment, auth type and template version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LivingKeySet {
    pub id: KeySetId,
    application_id: ApplicationId,
    environment_id: EnvironmentId,
    auth_type: AuthType,
    template: TemplateVersion,
}

impl LivingKeySet {
    /// Whether it stands where `set` stood.
    pub fn is_like(&self, set: &KeySet) -> bool {
        self.application_id == set.application_id
            && self.environment_id == set.environment_id
            && self.auth_type == set.auth_type
            && self.template == set.template
    }
}

impl FromRow for LivingKeySet {
    const TABLE: &'static str = "key_sets";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: columns.id()?,
            application_id: columns.id()?,
            environment_id: columns.id()?,
            auth_type: columns.word()?,
            template: TemplateVersion { template_id: columns.id()?, template_version: columns.count()? },
        })
    }
}

impl Reader {
    /// Of each kind that the Applications have, the oldest set that is neither Revoked nor Expired at `now`.
    pub async fn oldest_living_key_sets(
        &mut self,
        application_ids: &[ApplicationId],
        now: Timestamp,
    ) -> Result<Vec<LivingKeySet>, StoreError> {
        let ids = application_ids.iter().copied().map(IntoValue::into_value).collect();
        self.all_among(LIVING, values![now], ids).await
    }
}
