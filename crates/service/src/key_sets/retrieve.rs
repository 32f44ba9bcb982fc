//! Retrieving a Key's value (product.md D8): the reveal is in the log before the keeper is asked to open
//! it, with the actor and the event's position. No transaction waits for the keeper.

use claviger_domain::apis::AuthType;
use claviger_domain::event::{EventBody, NewEvent};
use claviger_domain::id::{KeyId, KeySetId};
use claviger_domain::key_sets::{Act, Custody, KeySet, Retrieval};
use claviger_domain::refusal::Refusal;
use claviger_domain::secret::Sealed;
use claviger_store::Tx;
use claviger_wire::acts as body;
use claviger_wire::key_sets as wire;
use serde::Serialize;

use super::view::facts;
use crate::credentials::Value;
use crate::error::Error;
use crate::request::{Answer, Outcome, Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

/// Leave to open one value, in the log. Only the Key's id is ever serialised.
#[derive(Debug, Serialize)]
struct Revealed {
    key_id: KeyId,
    #[serde(skip)]
    auth_type: AuthType,
    #[serde(skip)]
    sealed: Sealed,
    #[serde(skip)]
    last_time: bool,
}

impl Answer for Revealed {}

impl Answer for wire::Retrieved {
    fn has_secret(&self) -> bool {
        true
    }
}

impl Service {
    /// Opens the value of LATEST, or of another living Key.
    pub async fn key_set_retrieve(
        &self,
        request: &Request,
        id: KeySetId,
        key_id: Option<&str>,
        body: &body::Act,
    ) -> Result<Written<wire::Retrieved>, Error> {
        let key_id = match key_id {
            Some(text) => Some(text.parse::<KeyId>().map_err(|error| crate::lists::bad("key_id", error))?),
            None => None,
        };
        // What is shown once must not be used up while nobody can show it.
        self.require_keeper().await?;
        let written = self
            .write(request, "key_set_retrieve", Status::Done, |write| {
                Box::pin(async move { write.key_set_reveal(id, key_id, body).await })
            })
            .await?;
        let Written { outcome, status, etag, location, position } = written;
        let outcome = match outcome {
            Outcome::Replayed(body) => Outcome::Replayed(body),
            Outcome::Fresh(revealed) => {
                let actor = request.caller.service_key_id.to_string();
                let opened = self.open(revealed.key_id, revealed.sealed.clone(), actor, position).await;
                match opened {
                    Ok(value) => Outcome::Fresh(told(&revealed, &value)),
                    Err(error) => {
                        self.unreveal(request, &revealed).await?;
                        return Err(error);
                    }
                }
            }
        };
        Ok(Written { outcome, status, etag, location, position })
    }

    /// The keeper opened nothing: what can be retrieved once is kept for the next time, and a repetition of
    /// the request is not taken for answered.
    async fn unreveal(&self, request: &Request, revealed: &Revealed) -> Result<(), Error> {
        let kept = self
            .store()
            .commit("key_set_unreveal", |tx| {
                Box::pin(async move {
                    self.forget_answer(tx, request).await?;
                    if revealed.last_time {
                        tx.put_sealed(revealed.key_id, &revealed.sealed).await?;
                    }
                    Ok::<_, Error>(())
                })
            })
            .await;
        kept.map(drop)
    }
}

impl Write<'_, '_> {
    async fn key_set_reveal(
        &mut self,
        id: KeySetId,
        key_id: Option<KeyId>,
        body: &body::Act,
    ) -> Result<Revealed, Error> {
        let reason = self.reason(body.reason.as_deref())?;
        let set = self.key_set_to(id, Act::Retrieve.permission()).await?;
        self.check_key_set_match(&set).await?;
        let facts = facts(self.tx, &set, self.now).await?;
        let retrieval = match set.retrieve(key_id, self.now, &facts) {
            Err(Refusal::AlreadyShown) => unopened(self.tx, &set, key_id).await?,
            decided => decided?,
        };
        let sealed = self.tx.sealed(retrieval.key_id).await?;
        let sealed =
            sealed.ok_or_else(|| Error::internal("a Key that can be retrieved has no sealed value"))?;
        let event = NewEvent { reason, ..self.event(set.place(), retrieval.event) };
        self.tx.append(event).await?;
        if retrieval.last_time {
            self.tx.discard_sealed(retrieval.key_id).await?;
        }
        let (key_id, last_time) = (retrieval.key_id, retrieval.last_time);
        Ok(Revealed { key_id, auth_type: set.auth_type, sealed, last_time })
    }
}

/// A value that could be retrieved once, and whose opening the keeper refused after it was in the log: it
/// still is there because nobody has seen it.
async fn unopened(tx: &mut Tx<'_>, set: &KeySet, key_id: Option<KeyId>) -> Result<Retrieval, Error> {
    let key = key_id.map_or_else(|| set.latest(), |id| set.key(id)).ok_or(Refusal::NotFound)?;
    if key.custody != Custody::Shown || tx.sealed(key.id).await?.is_none() {
        return Err(Refusal::AlreadyShown.into());
    }
    let event = EventBody::KeySetRetrieved { key_set_id: set.id, key_id: key.id };
    Ok(Retrieval { key_id: key.id, event, last_time: true })
}

fn told(revealed: &Revealed, value: &Value) -> wire::Retrieved {
    let key = value.key.expose().to_owned();
    let secret = value.secret.as_ref().map(|secret| secret.expose().to_owned());
    let basic = revealed.auth_type == AuthType::Basic;
    wire::Retrieved {
        key_id: revealed.key_id.to_string(),
        username: basic.then(|| key.clone()),
        password: secret.clone().filter(|_| basic),
        key,
        secret,
    }
}
