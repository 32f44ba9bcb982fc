//! Which Key Set a Subscription uses: one that fits, or a new one, and under which name (product.md D1,
//! D2).

use crate::apis::AuthType;
use crate::id::{ApplicationId, EnvironmentId, OrganizationId};
use crate::key_sets::KeySet;
use crate::policy_templates::TemplateVersion;
use crate::text::Name;
use crate::time::Timestamp;

/// The Key Set that a Subscription needs for one auth type of its API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub application_id: ApplicationId,
    pub environment_id: EnvironmentId,
    pub auth_type: AuthType,
    pub template: TemplateVersion,
    /// Whose API it is.
    pub api_organization_id: OrganizationId,
}

/// A set that may be reused.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    pub set: &'a KeySet,
    /// Whose APIs the Subscriptions that ever used it are for: a credential that one company's gateway
    /// sees is never made to open another's API.
    pub api_organization_ids: &'a [OrganizationId],
}

impl Wanted {
    /// The set to reuse: the oldest that fits, if any does.
    pub fn choose<'a>(
        &self,
        candidates: impl IntoIterator<Item = Candidate<'a>>,
        now: Timestamp,
    ) -> Option<&'a KeySet> {
        let fitting = candidates.into_iter().filter(|candidate| self.fits(candidate, now));
        fitting.map(|candidate| candidate.set).min_by_key(|set| (set.created_at, set.id))
    }

    fn fits(&self, candidate: &Candidate<'_>, now: Timestamp) -> bool {
        let set = candidate.set;
        set.application_id == self.application_id
            && set.environment_id == self.environment_id
            && set.auth_type == self.auth_type
            && set.template == self.template
            && set.status(now).is_living()
            && candidate.api_organization_ids.iter().all(|id| *id == self.api_organization_id)
    }
}

/// `API key – NAME` and likewise, with the Application's name, cut to the limit.
pub fn default_name(auth_type: AuthType, application: &Name) -> Name {
    // The Application's own name stands in should the whole, against all rules, be none.
    Name::cut(&format!("{} – {application}", auth_type.label())).unwrap_or_else(|_| application.clone())
}
