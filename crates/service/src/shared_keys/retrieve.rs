//! Retrieving a shared key's credentials where the API's policy template said so when they were issued (product.md
//! C3): the reveal is in the log before the keeper is asked to open anything.

use claviger_domain::event::NewEvent;
use claviger_domain::id::SharedKeyId;
use claviger_domain::permission::Permission;
use claviger_domain::secret::Sealed;
use claviger_keeper::{Open, Place, Purpose};
use claviger_wire::acts::Act;
use claviger_wire::shared_keys as wire;
use serde::Serialize;

use super::values::{COLUMN, Part, TABLE};
use crate::error::{Error, Unavailable};
use crate::fields::reason_of;
use crate::request::{Answer, Outcome, Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

/// Leave to open the parts, in the log.
#[derive(Debug, Serialize)]
struct Revealed {
    #[serde(skip)]
    parts: Vec<(Part, Sealed)>,
}

impl Answer for Revealed {}

impl Answer for wire::Retrieved {
    fn without_secrets(&self) -> Result<serde_json::Value, serde_json::Error> {
        Ok(serde_json::json!({}))
    }

    fn has_secret(&self) -> bool {
        true
    }
}

impl Service {
    /// Opens what the key was issued with.
    pub async fn shared_key_retrieve(
        &self,
        request: &Request,
        id: SharedKeyId,
        act: &Act,
    ) -> Result<Written<wire::Retrieved>, Error> {
        // Asked before the transaction and minded in it: a refusal needs no keeper.
        let keeper_answers = self.keeper_answers().await;
        let written = self
            .write(request, "shared_key_reveal", Status::Done, |write| {
                Box::pin(write.shared_key_reveal(id, act, keeper_answers))
            })
            .await?;
        let (outcome, envelope) = written.split();
        let revealed = match outcome {
            Outcome::Replayed(body) => return Ok(envelope.with_outcome(Outcome::Replayed(body))),
            Outcome::Fresh(revealed) => revealed,
        };
        let mut told = wire::Retrieved { key: None, secret: None };
        for (part, sealed) in revealed.parts {
            let database = self.state.instance_id.clone();
            let (row, actor) = (part.row(id), request.caller.service_key_id.to_string());
            let position = envelope.position.0.unsigned_abs();
            let opened = self
                .ask_keeper(move |keeper| {
                    keeper.open(Open {
                        purpose: Purpose::Retrievable,
                        place: Place { database: &database, table: TABLE, row: &row, column: COLUMN },
                        sealed: &sealed,
                        actor: &actor,
                        position,
                    })
                })
                .await?;
            let value = Some(opened.expose().to_owned());
            match part {
                Part::Key => told.key = value,
                Part::Secret => told.secret = value,
            }
        }
        Ok(envelope.with_outcome(Outcome::Fresh(told)))
    }
}

impl Write<'_, '_> {
    async fn shared_key_reveal(
        &mut self,
        id: SharedKeyId,
        act: &Act,
        keeper_answers: bool,
    ) -> Result<Revealed, Error> {
        let reason = reason_of(act)?;
        let key = self.shared_key_to(id, Permission::SharedKeysRetrieve).await?;
        let body = key.retrieve()?;
        if !keeper_answers {
            return Err(Error::Unavailable(Unavailable::Keeper));
        }
        let mut parts = Vec::new();
        for part in [Part::Key, Part::Secret] {
            parts.extend(self.tx.sealed_row(&part.row(id)).await?.map(|sealed| (part, sealed)));
        }
        let event = NewEvent { reason, ..self.event(key.place(), body) };
        self.tx.append(event).await?;
        Ok(Revealed { parts })
    }
}
