//! The same order of codes for shared keys. What a call must carry is said by the key's own API, wherever it is
//! presented: what is wrong with a key is told only to one who proved to hold it.

use claviger_domain::apis::Requires;
use claviger_domain::credential::{CredentialKind, WellFormed};
use claviger_domain::decision::Code;
use claviger_domain::id::EnvironmentId;
use claviger_domain::scope::{Place, Scope};
use claviger_domain::shared_keys::{SecretOrigin, typed_digest};

use super::super::record::Tag;
use super::super::world::World;
use super::{Target, admitted};
use crate::digests::{DigestGeneration, DigestKeys};
use crate::facts::{ApiFacts, SharedKeyFacts};
use crate::request::Request;

/// A shared key that was found, with its own API.
#[derive(Clone, Copy)]
pub(super) struct Shared<'w> {
    pub(super) facts: &'w SharedKeyFacts,
    api: &'w ApiFacts,
}

/// By the tag of the key that was presented.
pub(super) fn by_key(world: &World, tag: Tag) -> Option<Shared<'_>> {
    with_api(world, world.shared.by_key(tag)?)
}

/// By a secret that was presented alone, at an API that identifies its callers so.
pub(super) fn by_secret<'w>(
    world: &'w World,
    digest_keys: &DigestKeys,
    secret: WellFormed<'_>,
    target: Target<'w>,
) -> Option<Shared<'w>> {
    let in_generation = |generation: &DigestGeneration| {
        let digest = generation.secret.digest(secret.expose().as_bytes());
        world.shared.by_secret(Tag::of(&digest)).filter(|facts| facts.api_id == target.api.id)
    };
    let facts = in_generation(&digest_keys.newest)
        .or_else(|| digest_keys.previous.as_ref().and_then(in_generation))?;
    with_api(world, facts)
}

fn with_api<'w>(world: &'w World, facts: &'w SharedKeyFacts) -> Option<Shared<'w>> {
    let slot = world.catalog.api_slot(facts.api_id)?;
    world.catalog.api(slot).map(|api| Shared { facts, api })
}

impl Shared<'_> {
    /// Whether the key stands where the asker may look. One that is good in every Environment of its API stands
    /// in each of them.
    pub(super) fn visible_to(self, request: &Request<'_>) -> bool {
        let Scope { environment_id, .. } = request.scope;
        let anywhere = Scope { environment_id: None, ..request.scope };
        let place = Place::group(self.facts.organization_id, self.facts.group_id);
        (request.api.is_some() || anywhere.covers(&place))
            && environment_id.is_none_or(|environment| self.is_good_in(environment))
    }

    /// `secret_required` and `secret_mismatch`.
    pub(super) fn prove(self, digest_keys: &DigestKeys, secret: Option<&str>) -> Result<(), Code> {
        let requires = self.api.requires;
        if matches!(requires, Requires::None | Requires::Key) {
            return Ok(());
        }
        let presented = secret.ok_or(Code::SecretRequired)?;
        let matches = self.has_secret(digest_keys, presented, requires == Requires::Secret);
        if matches { Ok(()) } else { Err(Code::SecretMismatch) }
    }

    /// In constant time: whether this is the key's secret, under the digest key that it was digested with.
    fn has_secret(self, digest_keys: &DigestKeys, presented: &str, generated_only: bool) -> bool {
        let Some(due) = self.facts.secret else { return false };
        let Some(generation) = digest_keys.by_id(due.digest_key) else { return false };
        let digest = match due.origin {
            SecretOrigin::Typed if generated_only => return false,
            SecretOrigin::Typed => typed_digest(&generation.secret, self.facts.id, presented),
            // Anything but a secret's form is not worth a digest.
            SecretOrigin::Generated => match WellFormed::parse(presented) {
                Some(secret) if secret.kind() == CredentialKind::Secret => {
                    generation.secret.digest(secret.expose().as_bytes())
                }
                _ => return false,
            },
        };
        Tag::of(&due.digest).matches(&digest)
    }

    /// From `suspended` to `valid`, for a key that was proved.
    pub(super) fn judge(
        self,
        world: &World,
        request: &Request<'_>,
        target: Option<Target<'_>>,
    ) -> Result<(), Code> {
        if self.facts.disabled {
            return Err(Code::Suspended);
        }
        if let Some(told) = request.environment {
            let named = world.catalog.environment_named(told);
            if !named.is_some_and(|environment| self.is_good_in(environment)) {
                return Err(Code::WrongEnvironment);
            }
        }
        let Some(Target { api, .. }) = target else {
            admitted(self.facts.ip_allow_list.as_deref(), request.ip)?;
            // Without an API there is none whose permissions could be held.
            return if request.permissions.is_empty() { Ok(()) } else { Err(Code::PermissionDenied) };
        };
        let offered = self.facts.environment_id.is_none_or(|own| api.environment_ids.contains(&own));
        if api.id != self.facts.api_id || !offered {
            return Err(Code::NotSubscribed);
        }
        admitted(api.ip_allow_list.as_deref(), request.ip)?;
        admitted(self.facts.ip_allow_list.as_deref(), request.ip)?;
        let holds = |asked: &&str| self.facts.held(api).any(|held| held.as_str() == *asked);
        if request.permissions.iter().all(holds) { Ok(()) } else { Err(Code::PermissionDenied) }
    }

    /// The Environment that this call is for, as far as it is known: the key's own, or the one that was told.
    pub(super) fn environment(self, world: &World, request: &Request<'_>) -> Option<EnvironmentId> {
        let told = request.environment.and_then(|told| world.catalog.environment_named(told));
        self.facts.environment_id.or(told).or(request.scope.environment_id)
    }

    fn is_good_in(self, environment: EnvironmentId) -> bool {
        match self.facts.environment_id {
            Some(own) => own == environment,
            None => self.api.environment_ids.contains(&environment),
        }
    }
}
