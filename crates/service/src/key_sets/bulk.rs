//! One act on many Key Sets, in one transaction, with one outcome for each (product.md D5).

use std::collections::HashSet;

use claviger_domain::id::KeySetId;
use claviger_domain::key_sets::Act;
use claviger_domain::refusal::Refusal;
use claviger_domain::text::Note;
use claviger_wire::key_sets as wire;

use super::acts::Asked;
use crate::error::Error;
use crate::fields::Fields;
use crate::issuing::{Hand, Purse, replan};
use crate::request::{Answer, Request, Status, Written};
use crate::state::Service;
use crate::write::Write;

/// So many sets by one request.
const MOST: usize = 1_000;

impl Answer for wire::BulkOutcomes {
    fn without_secrets(&self) -> Result<serde_json::Value, serde_json::Error> {
        let mut told = self.clone();
        for set in told.items.iter_mut().filter_map(|outcome| outcome.key_set.as_mut()) {
            set.credentials = None;
        }
        serde_json::to_value(told)
    }

    fn has_secret(&self) -> bool {
        self.items.iter().filter_map(|outcome| outcome.key_set.as_ref()).any(|set| set.has_secret())
    }
}

impl Service {
    pub async fn key_set_bulk(
        &self,
        request: &Request,
        body: &wire::Bulk,
    ) -> Result<Written<wire::BulkOutcomes>, Error> {
        let asked = asked(body)?;
        let asked = asked.as_slice();
        let mut attempt = 0;
        loop {
            let purse = self.purse_for_acts(request, asked).await?;
            let purse = &purse;
            let written = self
                .write(request, "key_set_bulk", Status::Done, |write| {
                    Box::pin(async move {
                        let reason = write.reason(body.reason.as_deref())?;
                        let mut hand = purse.hand();
                        let mut items = Vec::with_capacity(asked.len());
                        for asked in asked {
                            items.push(write.one_of_many(*asked, reason.as_ref(), &mut hand, purse).await?);
                        }
                        Ok(wire::BulkOutcomes { items })
                    })
                })
                .await;
            if !replan(&mut attempt, &written) {
                return written;
            }
        }
    }
}

/// The sets and the act, once the body is in order.
fn asked(body: &wire::Bulk) -> Result<Vec<Asked>, Refusal> {
    let act = match body.act {
        wire::BulkAct::Suspend => Act::Suspend,
        wire::BulkAct::Activate => Act::Activate,
        wire::BulkAct::Regenerate => Act::Regenerate,
        wire::BulkAct::Revoke => Act::Revoke,
        wire::BulkAct::Issue => Act::Issue,
    };
    let mut fields = Fields::new();
    if body.ids.is_empty() || body.ids.len() > MOST {
        fields.wrong("/ids", format!("must be a list of 1 to {MOST} ids"));
    }
    let mut asked = Vec::with_capacity(body.ids.len());
    let mut seen = HashSet::new();
    for (at, text) in body.ids.iter().enumerate().take(MOST) {
        let pointer = format!("/ids/{at}");
        let Some(id) = fields.id(&pointer, text) else { continue };
        if !seen.insert(id) {
            fields.wrong(&pointer, "is named twice");
        }
        asked.push(Asked { id, act, key_id: None });
    }
    fields.finish()?;
    Ok(asked)
}

impl Write<'_, '_> {
    /// The outcome of one; only what is nobody's refusal ends the whole.
    async fn one_of_many(
        &mut self,
        asked: Asked,
        reason: Option<&Note>,
        hand: &mut Hand<'_>,
        purse: &Purse,
    ) -> Result<wire::BulkOutcome, Error> {
        let done = match self.key_set_to(asked.id, asked.act.permission()).await {
            Ok(set) => self.key_set_act(set, asked, reason, hand, purse).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(set) => Ok(outcome(asked.id, Ok(set))),
            Err(Error::Refused(Refusal::Conflict)) => Err(Refusal::Conflict.into()),
            Err(Error::Refused(refusal)) => Ok(outcome(asked.id, Err(refusal))),
            Err(error) => Err(error),
        }
    }
}

fn outcome(id: KeySetId, result: Result<wire::KeySet, Refusal>) -> wire::BulkOutcome {
    let id = id.to_string();
    match result {
        Ok(set) => wire::BulkOutcome { id, done: true, key_set: Some(Box::new(set)), refusal: None },
        Err(refusal) => {
            wire::BulkOutcome { id, done: false, key_set: None, refusal: Some(refusal_of(refusal)) }
        }
    }
}

fn refusal_of(refusal: Refusal) -> wire::BulkRefusal {
    let told = wire::BulkRefusal { code: refusal.code().to_owned(), ..Default::default() };
    match refusal {
        Refusal::Forbidden { missing } => wire::BulkRefusal { permission: Some(missing.to_string()), ..told },
        Refusal::InvalidTransition { from, act, allowed } => wire::BulkRefusal {
            from: Some(from.to_owned()),
            act: Some(act.to_owned()),
            allowed: Some(allowed.into_iter().map(str::to_owned).collect()),
            ..told
        },
        Refusal::Superseded { by } => wire::BulkRefusal { superseded_by: Some(by), ..told },
        _ => told,
    }
}
