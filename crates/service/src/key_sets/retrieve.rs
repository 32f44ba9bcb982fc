//! Retrieving a Key's value (product.md D8): the reveal is in the log before the keeper is asked to open it,
//! and what may be had once is wiped before it is shown. No transaction waits for the keeper.
//!
//! 1. One transaction decides, and appends the reveal with its actor. The sealed value stays.
//! 2. The keeper opens the value, and journals that under the event's position.
//! 3. A second transaction wipes what may be had once, and keeps the answer's idempotency record. Of several
//!    who opened one value, the one whose transaction wipes it has it; the others drop it unseen.
//! 4. Whoever waits for the answer gets it. If nobody does any more, the sealed value is put back.
//!
//! A twin under the same `Idempotency-Key` that comes between 1 and 3 finds no record yet: its reveal is in the log
//! too, and 3 answers it with the record of the one that was faster, without the value.
//!
//! What an end of the process, of the keeper or of the caller's patience leaves behind:
//!
//! - before 1 is committed: nothing.
//! - between 1 and 3: a reveal in the log that nobody saw. The sealed value is there, the request has no record,
//!   and the next one retrieves it as if it were the first ([`unopened`]). The set's `can` does not offer that: it
//!   is told from the log, which has the reveal.
//! - after 3, the caller gone: the same, by 4, for which the end of the process waits. Until 4 is committed the value
//!   counts as shown; if the database is away for longer than 4 is tried, it is lost.
//! - 3 is committed, but the connection was lost before PostgreSQL said so: the caller is answered `unavailable`, and the
//!   value is lost unseen. It is not put back, since nobody knows who wiped it: a rival that did has seen it. The remedy
//!   is to regenerate the Key.
//! - after 3, the process killed before its answer left or before 4: the value is lost, as that of every act that tells it
//!   in its answer would be. The other order would show it twice; the remedy is to regenerate the Key.

use std::time::Duration;

use claviger_domain::apis::AuthType;
use claviger_domain::event::{EventBody, NewEvent};
use claviger_domain::id::{KeyId, KeySetId};
use claviger_domain::key_sets::{Act, Custody, KeySet, Retrieval};
use claviger_domain::refusal::Refusal;
use claviger_domain::secret::Sealed;
use claviger_domain::time::Timestamp;
use claviger_store::Tx;
use claviger_wire::acts as body;
use claviger_wire::key_sets as wire;
use serde::Serialize;
use tokio::sync::oneshot;

use super::view::facts;
use crate::credentials::Value;
use crate::error::{Error, Unavailable};
use crate::request::{Answer, Outcome, Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

/// Seconds between attempts to put a value back.
const PAUSES: [u64; 4] = [1, 2, 4, 8];

/// Leave to open one value, in the log. What is recorded of the request is its answer.
#[derive(Debug, Serialize)]
struct Revealed {
    #[serde(skip)]
    key_id: KeyId,
    #[serde(skip)]
    key_set_id: KeySetId,
    #[serde(skip)]
    auth_type: AuthType,
    #[serde(skip)]
    sealed: Sealed,
    #[serde(skip)]
    last_time: bool,
}

impl Revealed {
    /// Whether something is wiped, or recorded, before the value is shown.
    const fn is_concluded_by_a_write(&self, request: &Request) -> bool {
        self.last_time || request.idempotency.is_some()
    }
}

impl Answer for Revealed {
    fn is_final(&self) -> bool {
        false
    }
}

type Retrieved = Result<Written<wire::Retrieved>, Error>;

/// An answer on its way to whoever waits for it. Dropped on the way, it was not seen.
struct Handed {
    concluded: Retrieved,
    seen: oneshot::Sender<()>,
}

impl Answer for wire::Retrieved {
    fn without_secrets(&self) -> Result<serde_json::Value, serde_json::Error> {
        Ok(serde_json::json!({"key_id": self.key_id}))
    }

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
        // Asked before the transaction and minded in it: a refusal needs no keeper.
        let keeper_answers = self.keeper_answers().await;
        let written = self
            .write(request, "key_set_reveal", Status::Done, |write| {
                Box::pin(async move { write.key_set_reveal(id, key_id, body, keeper_answers).await })
            })
            .await?;
        let (outcome, envelope) = written.split();
        match outcome {
            Outcome::Replayed(body) => Ok(envelope.with_outcome(Outcome::Replayed(body))),
            Outcome::Fresh(revealed) => {
                let actor = request.caller.service_key_id.to_string();
                let sealed = revealed.sealed.clone();
                let value = self.open(revealed.key_id, sealed, actor, envelope.position).await?;
                let told = Outcome::Fresh(told(&revealed, &value));
                self.hand_over(request, revealed, envelope.with_outcome(told)).await
            }
        }
    }

    /// Concludes the retrieval in a task of its own, which goes on if the caller hangs up: then it knows that
    /// nobody has seen the value.
    async fn hand_over(
        &self,
        request: &Request,
        revealed: Revealed,
        answer: Written<wire::Retrieved>,
    ) -> Retrieved {
        let (service, request) = (self.clone(), request.clone());
        let (hand, taken) = oneshot::channel();
        self.state.retrievals.spawn(async move {
            let concluded = service.conclude(&request, &revealed, &answer, &hand).await;
            let concluded = concluded.map(|kept| kept.unwrap_or(answer));
            let is_fresh = matches!(&concluded, Ok(Written { outcome: Outcome::Fresh(_), .. }));
            let (seen, was_seen) = oneshot::channel();
            let _ = hand.send(Handed { concluded, seen });
            // What was sent may still lie there when the caller goes.
            if was_seen.await.is_err() && is_fresh && revealed.is_concluded_by_a_write(&request) {
                service.put_back(&request, &revealed).await;
            }
        });
        let Handed { concluded, seen } = taken.await.map_err(Error::internal)?;
        let _ = seen.send(());
        concluded
    }

    /// Wipes what may be had once, and records the answer. A twin of the request that was faster is answered
    /// for this one, too.
    async fn conclude(
        &self,
        request: &Request,
        revealed: &Revealed,
        answer: &Written<wire::Retrieved>,
        hand: &oneshot::Sender<Handed>,
    ) -> Result<Option<Written<wire::Retrieved>>, Error> {
        if !revealed.is_concluded_by_a_write(request) {
            return Ok(None);
        }
        let concluded = self
            .store()
            .commit("key_set_retrieve", |tx| {
                Box::pin(async move {
                    let now = self.now();
                    if let Some(kept) = self.kept_answer(tx, request, now).await? {
                        return Ok(Some(kept));
                    }
                    if hand.is_closed() {
                        return Err(Error::internal("nobody waits for the value any more"));
                    }
                    if revealed.last_time && !tx.discard_sealed(revealed.key_id).await? {
                        return Err(no_longer_there(tx, revealed, now).await?.into());
                    }
                    self.record_idempotency(tx, request, answer).await?;
                    Ok(None)
                })
            })
            .await;
        concluded.map(|(kept, _)| kept)
    }

    /// Nobody has seen the value: it is kept for the next time, and a repetition of the request is not taken
    /// for answered. A database that is away is waited for.
    async fn put_back(&self, request: &Request, revealed: &Revealed) {
        let mut kept = self.try_to_put_back(request, revealed).await;
        for pause in PAUSES {
            if !matches!(kept, Err(Error::Unavailable(_))) {
                break;
            }
            tokio::time::sleep(Duration::from_secs(pause)).await;
            kept = self.try_to_put_back(request, revealed).await;
        }
        if let Err(error) = kept {
            let key = revealed.key_id;
            tracing::error!(%key, %error, "a value that its caller did not wait for is lost; regenerate the Key");
        }
    }

    async fn try_to_put_back(&self, request: &Request, revealed: &Revealed) -> Result<(), Error> {
        let put_back = self.store().commit("key_set_put_back", |tx| {
            Box::pin(async move {
                self.forget_answer(tx, request).await?;
                if revealed.last_time && lives(tx, revealed, self.now()).await? {
                    tx.put_sealed(revealed.key_id, &revealed.sealed).await?;
                }
                Ok(())
            })
        });
        put_back.await.map(|((), _)| ())
    }

    /// Waits until no retrieval is under way any more whose caller may have hung up. To be called when nothing
    /// asks any more, and before the store closes.
    pub async fn end_retrievals(&self) {
        self.state.retrievals.close();
        self.state.retrievals.wait().await;
    }
}

impl Write<'_, '_> {
    async fn key_set_reveal(
        &mut self,
        id: KeySetId,
        key_id: Option<KeyId>,
        body: &body::Act,
        keeper_answers: bool,
    ) -> Result<Revealed, Error> {
        let reason = self.reason(body.reason.as_deref())?;
        let set = self.key_set_to(id, Act::Retrieve.permission()).await?;
        self.check_key_set_match(&set).await?;
        let facts = facts(self.tx, &set, self.now).await?;
        let retrieval = match set.retrieve(key_id, self.now, &facts) {
            Err(Refusal::AlreadyShown) => unopened(self.tx, &set, key_id).await?,
            decided => decided?,
        };
        if !keeper_answers {
            return Err(Error::Unavailable(Unavailable::Keeper));
        }
        let sealed = self.tx.sealed(retrieval.key_id).await?;
        let sealed =
            sealed.ok_or_else(|| Error::internal("a Key that can be retrieved has no sealed value"))?;
        let event = NewEvent { reason, ..self.event(set.place(), retrieval.event) };
        self.tx.append(event).await?;
        let (key_id, last_time) = (retrieval.key_id, retrieval.last_time);
        Ok(Revealed { key_id, key_set_id: id, auth_type: set.auth_type, sealed, last_time })
    }
}

/// A value that may be had once, of which the log has a reveal that nobody saw: it is there still.
async fn unopened(tx: &mut Tx<'_>, set: &KeySet, key_id: Option<KeyId>) -> Result<Retrieval, Error> {
    let key = key_id.map_or_else(|| set.latest(), |id| set.key(id)).ok_or(Refusal::NotFound)?;
    if key.custody != Custody::Shown || tx.sealed(key.id).await?.is_none() {
        return Err(Refusal::AlreadyShown.into());
    }
    let event = EventBody::KeySetRetrieved { key_set_id: set.id, key_id: key.id };
    Ok(Retrieval { key_id: key.id, event, last_time: true })
}

/// Why a value that was opened is wiped by now: another one has it, or its Key ended meanwhile.
async fn no_longer_there(tx: &mut Tx<'_>, revealed: &Revealed, now: Timestamp) -> Result<Refusal, Error> {
    let set = tx.key_set(revealed.key_set_id).await?.ok_or(Refusal::NotFound)?;
    let facts = facts(tx, &set, now).await?;
    Ok(set.retrieve(Some(revealed.key_id), now, &facts).err().unwrap_or(Refusal::Conflict))
}

async fn lives(tx: &mut Tx<'_>, revealed: &Revealed, now: Timestamp) -> Result<bool, Error> {
    let set = tx.key_set(revealed.key_set_id).await?;
    let key = set.as_ref().and_then(|set| Some((set, set.key(revealed.key_id)?)));
    Ok(key.is_some_and(|(set, key)| set.key_status(key, now).is_living()))
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
