//! The portal: what a person with no account may do who holds the link of an outside key (product.md C5, C6). The
//! link's token, or a session that it was traded for, is all of their authority; both end with the link.

use std::collections::BTreeSet;
use std::net::IpAddr;

use claviger_domain::apis::Api;
use claviger_domain::credential::{CredentialKind, WellFormed};
use claviger_domain::event::{ActorKind, ActorRef, EventBody, NewEvent, Private};
use claviger_domain::id::SharedKeyId;
use claviger_domain::secret::{Digest, Plaintext};
use claviger_domain::shared_keys::{Choice, SecretChange, SecretOrigin, TypedSecret, typed_digest};
use claviger_domain::time::Timestamp;
use claviger_store::{Reader, SharedKeyRow, Tx};
use claviger_wire::Page;
use claviger_wire::api_documents::Operation;
use claviger_wire::environments::EnvironmentRef;
use claviger_wire::portal as wire;

use crate::api_documents::{DocumentBytes, document_bytes};
use crate::error::{Error, SignIn};
use crate::fields::Fields;
use crate::idempotency::Claims;
use crate::lists::ListParameters;
use crate::request::{Answer, IdempotencyClaim, Outcome, Status, Written};
use crate::state::Service;

/// How long a session lasts.
const SESSION_SECONDS: i64 = 900;

/// What a visitor presents.
#[derive(Clone, Copy)]
pub enum Pass<'a> {
    /// The token of the link itself.
    Link(&'a str),
    /// A session that it was traded for.
    Session(&'a str),
}

impl std::fmt::Debug for Pass<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Link(_) => "Link",
            Self::Session(_) => "Session",
        })
    }
}

/// A visitor whose pass was good.
#[derive(Debug, Clone)]
pub struct Visit {
    shared_key_id: SharedKeyId,
    /// The link that the pass came from, which must be in force when something is done.
    portal: Digest,
    pub source: Option<IpAddr>,
    pub idempotency: Option<IdempotencyClaim>,
}

/// A session to be handed to the visitor's browser.
#[derive(Debug)]
pub struct Begun {
    pub value: Plaintext,
    pub seconds: i64,
    pub session: wire::Session,
}

impl Visit {
    /// The key that the link belongs to.
    pub(crate) const fn key_id(&self) -> SharedKeyId {
        self.shared_key_id
    }
}

impl Claims for Visit {
    fn caller(&self) -> String {
        self.shared_key_id.to_string()
    }

    fn claim(&self) -> Option<&IdempotencyClaim> {
        self.idempotency.as_ref()
    }
}

impl Answer for wire::Secret {
    fn without_secrets(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::to_value(Self { secret: None, ..self.clone() })
    }

    fn has_secret(&self) -> bool {
        self.secret.is_some()
    }
}

impl Service {
    /// Who presents this pass. One that is wrong in any way is told apart from none by nothing.
    pub async fn portal_sign_in(&self, pass: Pass<'_>, source: Option<IpAddr>) -> Result<Visit, Error> {
        let mut reader = self.state.store.read().await?;
        let now = self.now();
        let found = match pass {
            Pass::Link(token) => self.row_of_link(&mut reader, token).await?,
            Pass::Session(value) => self.row_of_session(&mut reader, value, now).await?,
        };
        let row = found.filter(|row| row.shared_key.live_portal_link(now).is_some());
        let visit = row.and_then(|row| {
            let (shared_key_id, portal) = (row.shared_key.id, row.portal?);
            Some(Visit { shared_key_id, portal, source, idempotency: None })
        });
        visit.ok_or_else(|| self.slowed(Error::SignIn(SignIn::Unauthenticated), source))
    }

    /// Trades the link's token for a session, so that the token is needed nowhere else.
    pub async fn portal_trade(&self, token: &str, source: Option<IpAddr>) -> Result<Begun, Error> {
        let visit = self.portal_sign_in(Pass::Link(token), source).await?;
        let value = Plaintext::random(|buffer| self.state.entropy.fill(buffer));
        let digest = self.digest_of_portal(&value).key;
        let (expires_at, _) = self
            .state
            .store
            .commit("portal_trade", |tx| {
                let visit = visit.clone();
                Box::pin(async move {
                    let now = self.now();
                    let row = visited(tx, &visit, now).await?;
                    let ends = row.shared_key.live_portal_link(now).and_then(|link| link.expires_at);
                    let session = now.plus_seconds(SESSION_SECONDS);
                    let expires_at = ends.map_or(session, |ends| ends.min(session));
                    let id = visit.shared_key_id;
                    tx.begin_portal_session(&digest, id, &visit.portal, now, expires_at).await?;
                    Ok::<_, Error>(expires_at)
                })
            })
            .await?;
        let session = wire::Session { expires_at: expires_at.to_string() };
        Ok(Begun { value, seconds: SESSION_SECONDS, session })
    }

    /// Ends a session. Whether there was one is told to nobody.
    pub async fn portal_leave(&self, session: &str) -> Result<(), Error> {
        let session = Plaintext::new(session.to_owned());
        for digest_key in self.state.keys.digest_control.iter() {
            let digest = digest_key.digest(session.expose().as_bytes());
            let ended = self.state.store.commit("portal_leave", |tx| {
                Box::pin(async move { Ok::<_, Error>(tx.end_portal_session(&digest).await?) })
            });
            ended.await?;
        }
        Ok(())
    }

    /// The API that the link opens.
    pub async fn portal_read(&self, visit: &Visit) -> Result<wire::Portal, Error> {
        let mut reader = self.state.store.read().await?;
        let row = reader.shared_key_row(visit.shared_key_id).await?;
        let key = row.ok_or(Error::SignIn(SignIn::Unauthenticated))?.shared_key;
        let api = api_of(&mut reader, &key).await?;
        let environments = reader.all_environments().await?;
        let own = |id| key.environment_id.is_none_or(|own| own == id);
        let good_in: BTreeSet<String> = environments
            .iter()
            .filter(|environment| own(environment.id))
            .filter(|environment| api.settings.environment_ids.contains(&environment.id))
            .map(|environment| environment.slug.to_string())
            .collect();
        let named = environments.iter().find(|environment| Some(environment.id) == key.environment_id);
        Ok(wire::Portal::new(&key, &api, good_in.into_iter().collect(), named.map(EnvironmentRef::from)))
    }

    /// Sets the secret, generated or typed: with the link alone only while none is set. The old one dies at once,
    /// and the owner is told by the log.
    pub async fn portal_set_secret(
        &self,
        visit: &Visit,
        body: &wire::PutSecret,
    ) -> Result<Written<wire::Secret>, Error> {
        let generated = self.fresh_credential(CredentialKind::Secret).value;
        let generated = &generated;
        let done = self
            .state
            .store
            .commit("portal_set_secret", |tx| {
                Box::pin(async move {
                    if let Some(kept) = self.kept_answer(tx, visit, self.now()).await? {
                        return Ok(kept);
                    }
                    let answer = self.set_secret(tx, visit, body, generated).await?;
                    self.keep_answer(tx, visit, Status::Done, answer).await
                })
            })
            .await;
        let (written, head) = done.map_err(|error| self.slowed_guess(error, visit, &["/current_secret"]))?;
        if matches!(written.outcome, Outcome::Fresh(_)) {
            self.follow_to(head).await?;
        }
        Ok(written)
    }

    /// The document of the API that the link opens.
    pub async fn portal_document(&self, visit: &Visit) -> Result<DocumentBytes, Error> {
        let mut reader = self.state.store.read().await?;
        let api = self.visited_api(&mut reader, visit).await?;
        document_bytes(&mut reader, &api, None).await
    }

    /// The operations that the document describes.
    pub async fn portal_operations(
        &self,
        visit: &Visit,
        given: &ListParameters,
    ) -> Result<Page<Operation>, Error> {
        let mut reader = self.state.store.read().await?;
        let api = self.visited_api(&mut reader, visit).await?;
        self.operations(&mut reader, &api, &visit.key_id().to_string(), given).await
    }

    async fn visited_api(&self, reader: &mut Reader, visit: &Visit) -> Result<Api, Error> {
        let row = visited(reader, visit, self.now()).await?;
        api_of(reader, &row.shared_key).await
    }

    async fn set_secret(
        &self,
        tx: &mut Tx<'_>,
        visit: &Visit,
        body: &wire::PutSecret,
        generated: &Plaintext,
    ) -> Result<wire::Secret, Error> {
        let now = self.now();
        let row = visited(tx, visit, now).await?;
        let (key, api) = (&row.shared_key, api_of(tx, &row.shared_key).await?);
        let mut fields = Fields::new();
        let typed = body.secret.as_deref().and_then(|text| {
            fields.take("/secret", TypedSecret::new(Plaintext::new(text.to_owned()), &key.name))
        });
        fields.finish()?;
        let choice = if typed.is_some() { Choice::Typed } else { Choice::Generated };
        let present_matches = body.current_secret.as_deref().map(|given| self.is_in_force(&row, given));
        let event = key.set_secret(SecretChange { choice, present_matches }, api.settings.requires)?;
        let private = match &typed {
            Some(typed) => self.digest_of_typed(key.id, typed),
            None => self.digest_of_secret(generated),
        };
        tx.append(self.visitors(visit, &row, now, event, private)).await?;
        let secret = typed.is_none().then(|| generated.expose().to_owned());
        Ok(wire::Secret { secret_set: true, secret })
    }

    /// In constant time: whether this is the secret in force.
    pub(crate) fn is_in_force(&self, row: &SharedKeyRow, given: &str) -> bool {
        let Some(((id, due), origin)) = row.secret.zip(row.shared_key.secret) else { return false };
        let Some(digest_key) = self.state.keys.digest_secret.by_id(id) else { return false };
        let digest = match origin {
            SecretOrigin::Typed => typed_digest(digest_key, row.shared_key.id, given),
            SecretOrigin::Generated => digest_key.digest(given.as_bytes()),
        };
        digest == due
    }

    fn digest_of_typed(&self, id: SharedKeyId, typed: &TypedSecret) -> Private {
        let digest_key = self.state.keys.digest_secret.newest();
        let key = typed_digest(digest_key, id, typed.value().expose());
        Private { digest_key: digest_key.id(), key, secret: None }
    }

    /// What the visitor causes, as the log keeps it.
    fn visitors(
        &self,
        visit: &Visit,
        row: &SharedKeyRow,
        now: Timestamp,
        body: EventBody,
        private: Private,
    ) -> NewEvent {
        let key = &row.shared_key;
        let (kind, id, name) = (ActorKind::Portal, Some(key.id.to_string()), key.name.to_string());
        NewEvent {
            id: self.fresh_id(now),
            at: now,
            actor: ActorRef { kind, id, name },
            source: visit.source.map(|source| source.to_string()),
            reason: None,
            place: key.place(),
            counterpart: None,
            body,
            private: Some(private),
        }
    }

    /// The same error, unless it was a wrong guess at what stands at one of these places, of which there were too many.
    pub(crate) fn slowed_guess(&self, error: Error, visit: &Visit, at: &[&str]) -> Error {
        let guessed = matches!(&error, Error::Refused(claviger_domain::refusal::Refusal::Invalid(errors))
            if errors.iter().any(|error| at.contains(&error.pointer.as_str())));
        if !guessed {
            return error;
        }
        match self.slowed(Error::SignIn(SignIn::Unauthenticated), visit.source) {
            Error::Refused(too_many) => too_many.into(),
            _ => error,
        }
    }

    async fn row_of_link(&self, reader: &mut Reader, token: &str) -> Result<Option<SharedKeyRow>, Error> {
        let Some(token) = WellFormed::parse(token).filter(|token| token.kind() == CredentialKind::Portal)
        else {
            return Ok(None);
        };
        for digest_key in self.state.keys.digest_control.iter() {
            let digest = digest_key.digest(token.expose().as_bytes());
            if let Some(row) = reader.shared_key_by_portal(&digest).await? {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    async fn row_of_session(
        &self,
        reader: &mut Reader,
        value: &str,
        now: Timestamp,
    ) -> Result<Option<SharedKeyRow>, Error> {
        for digest_key in self.state.keys.digest_control.iter() {
            let digest = digest_key.digest(value.as_bytes());
            if let Some(id) = reader.portal_session(&digest, now).await? {
                return Ok(reader.shared_key_row(id).await?);
            }
        }
        Ok(None)
    }
}

/// The key that the pass opens, if its link is still the one in force.
pub(crate) async fn visited(
    reader: &mut Reader,
    visit: &Visit,
    now: Timestamp,
) -> Result<SharedKeyRow, Error> {
    let row = reader.shared_key_row(visit.shared_key_id).await?;
    let in_force = |row: &SharedKeyRow| {
        row.portal == Some(visit.portal) && row.shared_key.live_portal_link(now).is_some()
    };
    row.filter(in_force).ok_or(Error::SignIn(SignIn::Unauthenticated))
}

pub(crate) async fn api_of(
    reader: &mut Reader,
    key: &claviger_domain::shared_keys::SharedKey,
) -> Result<Api, Error> {
    let api = reader.api(key.api_id).await?;
    api.ok_or_else(|| Error::internal("the API of a shared key is gone"))
}
