//! Sign-in by service key, and the reading of an actor's rights in a transaction.

use std::net::IpAddr;

use claviger_domain::credential::{CredentialKind, WellFormed};
use claviger_domain::event::{ActorKind, ActorRef};
use claviger_domain::refusal::Refusal;
use claviger_domain::service_keys::{ServiceKey, ServiceKeyStatus};
use claviger_domain::time::Timestamp;
use claviger_store::Reader;

use crate::authority::Authority;
use crate::error::{Error, SignIn};
use crate::request::{Caller, Request};
use crate::service_keys::rights;
use crate::state::Service;

impl Service {
    /// Who presents this service key. A key that is wrong in any way is told apart only as far as its
    /// holder has proved to hold it.
    pub async fn sign_in(&self, presented: &str, source: Option<IpAddr>) -> Result<Caller, Error> {
        self.who_presents(presented, source).await.map_err(|error| self.slowed(error, source))
    }

    /// The same error, unless this source has failed too often within a minute.
    pub(crate) fn slowed(&self, error: Error, source: Option<IpAddr>) -> Error {
        let failed =
            matches!(error, Error::SignIn(SignIn::Unauthenticated | SignIn::Inactive | SignIn::Expired));
        if failed { self.slow(error, source) } else { error }
    }

    /// Counts a failed attempt: the same error, unless there were too many.
    pub(crate) fn slow(&self, error: Error, source: Option<IpAddr>) -> Error {
        let failures = &self.state.sign_in_failures;
        if source.is_some_and(|source| failures.failed(source, self.now())) {
            let retry_after_seconds = failures.retry_after_seconds().into();
            return Refusal::TooManyRequests { retry_after_seconds }.into();
        }
        error
    }

    async fn who_presents(&self, presented: &str, source: Option<IpAddr>) -> Result<Caller, Error> {
        let unauthenticated = || Error::SignIn(SignIn::Unauthenticated);
        let credential = WellFormed::parse(presented)
            .filter(|credential| credential.kind() == CredentialKind::Service)
            .ok_or_else(unauthenticated)?;
        let mut reader = self.state.store.read().await?;
        let mut found = None;
        for digest_key in self.state.keys.digest_control.iter() {
            let digest = digest_key.digest(credential.expose().as_bytes());
            found = reader.service_key_by_digest(&digest).await?;
            if found.is_some() {
                break;
            }
        }
        let key = found.ok_or_else(unauthenticated)?;
        good(&key, source, self.now())?;
        self.state.follower.meters.signed_in(key.id, source, self.now());
        Ok(Caller { service_key_id: key.id, organization_id: key.organization_id, actor: actor_of(&key) })
    }

    /// A consistent state to read, with what the request's actor may do in it.
    pub(crate) async fn reading(&self, request: &Request) -> Result<(Reader, Authority), Error> {
        let mut reader = self.state.store.read().await?;
        let authority = self.authority(&mut reader, request, self.now()).await?;
        Ok((reader, authority))
    }

    /// The actor's rights as they are in this state. Who lost theirs since sign-in is refused.
    pub(crate) async fn authority(
        &self,
        reader: &mut Reader,
        request: &Request,
        now: Timestamp,
    ) -> Result<Authority, Error> {
        let key = reader.service_key(request.caller.service_key_id).await?;
        let key = key.ok_or(Error::SignIn(SignIn::Unauthenticated))?;
        good(&key, request.source, now)?;
        let groups = rights::groups_of(reader, &key).await?;
        Ok(Authority {
            actor: actor_of(&key),
            service_key_id: Some(key.id),
            member_id: key.member_id,
            organization_id: key.organization_id,
            held: rights::held(&groups, &key.scope),
            expires_at: key.expires_at,
            ip_allow_list: key.ip_allow_list,
        })
    }
}

fn actor_of(key: &ServiceKey) -> ActorRef {
    ActorRef { kind: ActorKind::ServiceKey, id: Some(key.id.to_string()), name: key.name.to_string() }
}

fn good(key: &ServiceKey, source: Option<IpAddr>, now: Timestamp) -> Result<(), Error> {
    if key.status == ServiceKeyStatus::Inactive {
        return Err(Error::SignIn(SignIn::Inactive));
    }
    if key.expires_at.is_some_and(|expires_at| expires_at <= now) {
        return Err(Error::SignIn(SignIn::Expired));
    }
    let allowed = key.ip_allow_list.as_ref().is_none_or(|list| {
        source.is_some_and(|source| list.iter().any(|range| range.contains(&source.to_canonical())))
    });
    if allowed { Ok(()) } else { Err(Error::SignIn(SignIn::IpDenied)) }
}
