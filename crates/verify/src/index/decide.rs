//! The order of the codes (surface.md, "Deciding"): one step after the other, the first that applies is
//! the answer. What is wrong with a Key is told only after its secret, if it has one, has matched. What calls use up
//! (`rate_limited`, `quota_exceeded`) is not looked at here: `crate::limits` takes it from a decision that came to
//! `valid`.

use std::hint::black_box;
use std::net::IpAddr;

use claviger_domain::apis::Requires;
use claviger_domain::credential::{CredentialKind, WellFormed};
use claviger_domain::decision::Code;
use claviger_domain::id::EnvironmentId;
use claviger_domain::scope::Scope;
use claviger_domain::time::Timestamp;
use ipnet::IpNet;

use self::shared::Shared;
use super::decision::{Met, Whose};
use super::keys::Location;
use super::record::{KeyRecord, Tag};
use super::world::{Profile, Standing, World};
use crate::digests::{DigestGeneration, DigestKeys};
use crate::facts::{ApiFacts, KeyEnd};
use crate::follower::Freshness;
use crate::request::{Credential, Request};

mod shared;

/// The code, and whose credential was presented where.
pub(super) type Verdict = (Code, Met);

/// The world is older than a record read in it; look again.
pub(super) struct Outdated;

/// An API that was found, and may be asked about.
#[derive(Clone, Copy)]
struct Target<'w> {
    slot: u32,
    api: &'w ApiFacts,
}

/// A key that was found, with what it shares with others.
struct Found<'w> {
    key: KeyRecord,
    location: Location,
    generation: &'w DigestGeneration,
    profile: &'w Profile,
    standing: Standing,
}

/// Whose credential was presented.
enum Identified<'w> {
    Key(Found<'w>),
    Shared(Shared<'w>),
}

/// Why the way ends before `valid`.
enum Stop {
    Refused(Code),
    /// The credential names a key, and does not prove it.
    Unproved(Code, Whose),
    /// Nothing was presented, and nothing is needed.
    NoIdentity,
    Outdated,
}

impl From<Code> for Stop {
    fn from(code: Code) -> Self {
        Self::Refused(code)
    }
}

pub(super) fn decide(
    world: &World,
    freshness: Freshness,
    request: &Request<'_>,
    now: Timestamp,
) -> Result<Verdict, Outdated> {
    if freshness == Freshness::Empty {
        return Ok((Code::Stale, Met::default()));
    }
    let target = match target(world, request) {
        Ok(target) => target,
        Err(api) => return Ok((Code::ApiNotExposed, Met { api, ..Met::default() })),
    };
    let at_api = Met { api: target.map(|target| target.slot), ..Met::default() };
    match identify(world, freshness, request, target) {
        Ok(identified) => {
            let (judged, own) = match &identified {
                Identified::Key(found) => (judge(world, found, request, target, now), found.profile.limits),
                Identified::Shared(shared) => (shared.judge(world, request, target), shared.facts.limits()),
            };
            let is_limited = !own.is_none() || target.is_some_and(|target| !target.api.limits.is_none());
            let whose = Some(identified.whose(world, request));
            let met = Met { whose, proved: true, is_limited, ..at_api };
            Ok((judged.err().unwrap_or(Code::Valid), met))
        }
        Err(Stop::NoIdentity) => Ok((without_identity(request, target), at_api)),
        Err(Stop::Refused(code)) => Ok((code, at_api)),
        Err(Stop::Unproved(code, whose)) => Ok((code, Met { whose: Some(whose), ..at_api })),
        Err(Stop::Outdated) => Err(Outdated),
    }
}

impl Identified<'_> {
    fn whose(&self, world: &World, request: &Request<'_>) -> Whose {
        match self {
            Self::Key(found) => Whose::key(&found.key),
            Self::Shared(shared) => {
                let environment = shared.environment(world, request);
                Whose::Shared { id: shared.facts.id, environment }
            }
        }
    }
}

/// `api_not_exposed`, also for an API that never was, and for one that the asker may not see. An error is the
/// slot of one that is only not exposed.
fn target<'w>(world: &'w World, request: &Request<'_>) -> Result<Option<Target<'w>>, Option<u32>> {
    let Some(name) = request.api else { return Ok(None) };
    let scope = Scope { environment_id: None, ..request.scope };
    let found = world.catalog.api_named(name).filter(|(_, api)| scope.covers(&api.place()));
    match found {
        Some((slot, api)) if api.exposed => Ok(Some(Target { slot, api })),
        Some((slot, _)) => Err(Some(slot)),
        None => Err(None),
    }
}

/// From `missing` to `secret_mismatch`.
fn identify<'w>(
    world: &'w World,
    freshness: Freshness,
    request: &Request<'_>,
    target: Option<Target<'w>>,
) -> Result<Identified<'w>, Stop> {
    let presented = present(request, target)?;
    if freshness == Freshness::Stale {
        return Err(Code::Stale.into());
    }
    let Some(presented) = presented else { return Err(Stop::NoIdentity) };
    // Without digest keys nothing can be decided.
    let digest_keys = world.digest_keys.as_deref().ok_or(Code::Stale)?;
    match presented {
        Presented::Key { key, secret } => {
            // A credential of another kind opens no company API.
            if key.kind() != CredentialKind::Key {
                return Err(Code::Unknown.into());
            }
            let identified = find(world, digest_keys, key, secret.is_some())?;
            if !visible(world, &identified, request) {
                return Err(Code::Unknown.into());
            }
            let proved = match &identified {
                Identified::Key(found) => prove(world, found, secret),
                Identified::Shared(shared) => shared.prove(digest_keys, secret),
            };
            match proved {
                Ok(()) => Ok(identified),
                Err(code) => Err(Stop::Unproved(code, identified.whose(world, request))),
            }
        }
        Presented::SecretAlone { secret, target } => {
            let found = shared::by_secret(world, digest_keys, secret, target);
            let found = found.filter(|shared| shared.visible_to(request)).ok_or(Code::Unknown)?;
            Ok(Identified::Shared(found))
        }
    }
}

/// A credential whose form is right.
enum Presented<'a, 'w> {
    Key {
        key: WellFormed<'a>,
        secret: Option<&'a str>,
    },
    /// Where the secret alone identifies a shared key.
    SecretAlone {
        secret: WellFormed<'a>,
        target: Target<'w>,
    },
}

/// `missing` and `malformed`; `None` for a call that needs no credential and has none.
fn present<'a, 'w>(
    request: &Request<'a>,
    target: Option<Target<'w>>,
) -> Result<Option<Presented<'a, 'w>>, Code> {
    let requires = target.map(|target| target.api.requires);
    match (request.credential, target) {
        (Credential::Missing, _) if requires == Some(Requires::None) => Ok(None),
        (Credential::Missing, _) => Err(Code::Missing),
        (Credential::Malformed, _) => Err(Code::Malformed),
        (Credential::Presented { key: Some(key), secret }, _) => {
            let key = WellFormed::parse(key).ok_or(Code::Malformed)?;
            Ok(Some(Presented::Key { key, secret }))
        }
        (Credential::Presented { key: None, secret: Some(secret) }, Some(target))
            if requires == Some(Requires::Secret) =>
        {
            let secret = WellFormed::parse(secret).ok_or(Code::Malformed)?;
            Ok(Some(Presented::SecretAlone { secret, target }))
        }
        (Credential::Presented { key: None, .. }, _) => Err(Code::Missing),
    }
}

/// `unknown`, unless the key stands in the index under one of the digest keys in use.
fn find<'w>(
    world: &'w World,
    digest_keys: &'w DigestKeys,
    key: WellFormed<'_>,
    with_secret: bool,
) -> Result<Identified<'w>, Stop> {
    let mut generations = std::iter::once(&digest_keys.newest).chain(&digest_keys.previous);
    let found = generations.find_map(|generation| {
        let tag = Tag::of(&generation.key.digest(key.expose().as_bytes()));
        match world.keys.locate(tag) {
            Some(location) => {
                if with_secret {
                    // What it has to match is on its way from memory while the rest is looked at.
                    black_box(world.keys.glance_at_secret(location));
                }
                Some(found_at(world, generation, location).map(Identified::Key))
            }
            None => shared::by_key(world, tag).map(|shared| Ok(Identified::Shared(shared))),
        }
    });
    found.unwrap_or(Err(Code::Unknown.into()))
}

fn found_at<'w>(
    world: &'w World,
    generation: &'w DigestGeneration,
    location: Location,
) -> Result<Found<'w>, Stop> {
    let key = world.keys.at(location).read();
    let profile = world.profiles.get(key.references.profile()).ok_or(Stop::Outdated)?;
    let standing = *world.standings.get(key.references.application()).ok_or(Stop::Outdated)?;
    if key.life.removed() || standing == Standing::Deleted {
        return Err(Code::Unknown.into());
    }
    Ok(Found { key, location, generation, profile, standing })
}

/// Whether the credential stands where the asker may look.
fn visible(world: &World, identified: &Identified<'_>, request: &Request<'_>) -> bool {
    match identified {
        Identified::Shared(shared) => shared.visible_to(request),
        Identified::Key(found) => {
            let environment = request.scope.environment_id;
            (request.api.is_some() || stands_in(world, found, request.scope))
                && environment.is_none_or(|id| id == found.profile.environment)
        }
    }
}

/// Whether the Key's Application stands where the asker may look.
fn stands_in(world: &World, found: &Found<'_>, scope: Scope) -> bool {
    let place = world.applications.get(found.key.references.application()).map(|it| it.place());
    scope == Scope::EVERYTHING
        || place.is_some_and(|place| scope.covers(&place.in_environment(found.profile.environment)))
}

/// `secret_required` and `secret_mismatch`.
fn prove(world: &World, found: &Found<'_>, secret: Option<&str>) -> Result<(), Code> {
    if !found.profile.auth_type.has_secret() {
        return Ok(());
    }
    let secret = secret.ok_or(Code::SecretRequired)?;
    let due = world.keys.secret_at(found.location).ok_or(Code::SecretMismatch)?;
    // A Key's secret is always a generated one; anything else is not worth a digest.
    let secret = WellFormed::parse(secret).filter(|secret| secret.kind() == CredentialKind::Secret);
    let presented = secret.map(|secret| found.generation.secret.digest(secret.expose().as_bytes()));
    match presented {
        Some(presented) if due.matches(&presented) => Ok(()),
        _ => Err(Code::SecretMismatch),
    }
}

/// From `revoked` to `valid`, for a credential that was proved.
fn judge(
    world: &World,
    found: &Found<'_>,
    request: &Request<'_>,
    target: Option<Target<'_>>,
    now: Timestamp,
) -> Result<(), Code> {
    living(world, found, now)?;
    in_environment(world, found.profile.environment, request)?;
    let Some(Target { slot, api }) = target else {
        // Without an API there is none whose permissions could be held.
        return if request.permissions.is_empty() { Ok(()) } else { Err(Code::PermissionDenied) };
    };
    let offered = api.auth_types.contains(&found.profile.auth_type)
        && api.environment_ids.contains(&found.profile.environment);
    let grant = found.profile.grant(slot).filter(|_| offered).ok_or(Code::NotSubscribed)?;
    admitted(api.ip_allow_list.as_deref(), request.ip)?;
    let holds = |asked: &&str| grant.held(api).any(|held| held.as_str() == *asked);
    if !request.permissions.iter().all(holds) {
        return Err(Code::PermissionDenied);
    }
    Ok(())
}

/// `revoked`, `expired`, `suspended` and `pending`.
fn living(world: &World, found: &Found<'_>, now: Timestamp) -> Result<(), Code> {
    let life = found.key.life;
    let by_clock = || life.stopped(now).then(|| world.end_by_clock(found.key.id, life));
    match life.ended().or_else(by_clock) {
        Some(KeyEnd::Revoked) => Err(Code::Revoked),
        Some(KeyEnd::Expired) => Err(Code::Expired),
        None if life.suspended() || found.standing == Standing::Suspended => Err(Code::Suspended),
        None if life.pending() => Err(Code::Pending),
        None => Ok(()),
    }
}

/// `wrong_environment`, if the door was told one.
fn in_environment(world: &World, own: EnvironmentId, request: &Request<'_>) -> Result<(), Code> {
    let fits = request.environment.is_none_or(|told| world.catalog.environment_named(told) == Some(own));
    if fits { Ok(()) } else { Err(Code::WrongEnvironment) }
}

/// `ip_denied`: where a list is set, an address that is not known is not on it.
fn admitted(list: Option<&[IpNet]>, ip: Option<IpAddr>) -> Result<(), Code> {
    let Some(list) = list else { return Ok(()) };
    let on_list = ip.is_some_and(|ip| {
        let ip = ip.to_canonical();
        list.iter().any(|network| network.contains(&ip))
    });
    if on_list { Ok(()) } else { Err(Code::IpDenied) }
}

/// A call without a credential where none is needed: it holds no permission.
fn without_identity(request: &Request<'_>, target: Option<Target<'_>>) -> Code {
    match target.map_or(Ok(()), |target| admitted(target.api.ip_allow_list.as_deref(), request.ip)) {
        Err(code) => code,
        Ok(()) if request.permissions.is_empty() => Code::Valid,
        Ok(()) => Code::PermissionDenied,
    }
}
