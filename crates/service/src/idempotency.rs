//! `Idempotency-Key`: the answer is kept in the transaction that makes it, so that a write and the record
//! of its answer are there together or not at all. A twin that comes meanwhile waits for the head of the
//! log, then finds the record (product.md G2; docs/adr).

use claviger_domain::event::Position;
use claviger_domain::refusal::Refusal;
use claviger_domain::time::Timestamp;
use claviger_store::{Begun, IdempotencyScope, StoredAnswer, Tx};

use crate::error::Error;
use crate::lists::bad;
use crate::request::{Answer, IdempotencyClaim, Outcome, Request, Status, Written};
use crate::state::Service;

/// For how long an answer is kept.
const KEPT_SECONDS: i64 = 86_400;
/// How long an `Idempotency-Key` may be, in bytes.
const MAX_KEY: usize = 255;
const ETAG: &str = "etag";
const LOCATION: &str = "location";
const POSITION: &str = "claviger-position";

/// Who may claim that a request is a repetition: a caller with a service key, or a visitor of the portal.
pub(crate) trait Claims: Sync {
    /// The id that claims are kept apart by.
    fn caller(&self) -> String;

    fn claim(&self) -> Option<&IdempotencyClaim>;
}

impl Claims for Request {
    fn caller(&self) -> String {
        self.caller.service_key_id.to_string()
    }

    fn claim(&self) -> Option<&IdempotencyClaim> {
        self.idempotency.as_ref()
    }
}

impl Service {
    /// The answer that this request got before, if it did.
    pub(crate) async fn kept_answer<T>(
        &self,
        tx: &mut Tx<'_>,
        request: &impl Claims,
        now: Timestamp,
    ) -> Result<Option<Written<T>>, Error> {
        let Some(claim) = request.claim() else { return Ok(None) };
        if claim.key.is_empty() || claim.key.len() > MAX_KEY {
            return Err(bad("Idempotency-Key", format!("must be 1 to {MAX_KEY} bytes")));
        }
        let until = now.plus_seconds(KEPT_SECONDS);
        match tx.begin_idempotent(&scope(request, claim), claim.body_sha256, now, until, until).await? {
            Begun::New => Ok(None),
            Begun::Replay(answer) => replayed(answer).map(Some),
            Begun::Running => Err(Refusal::Conflict.into()),
            Begun::OtherBody => Err(Refusal::invalid(
                "",
                "this Idempotency-Key was used for another body; take a new one for a new request",
            )
            .into()),
        }
    }

    /// Keeps the answer without its secrets.
    pub(crate) async fn record_idempotency<T: Answer>(
        &self,
        tx: &mut Tx<'_>,
        request: &impl Claims,
        written: &Written<T>,
    ) -> Result<(), Error> {
        let (Some(claim), Outcome::Fresh(answer)) = (request.claim(), &written.outcome) else {
            return Ok(());
        };
        let mut headers = vec![(POSITION.to_owned(), written.position.0.to_string())];
        headers.extend(written.etag.clone().map(|etag| (ETAG.to_owned(), etag)));
        headers.extend(written.location.clone().map(|location| (LOCATION.to_owned(), location)));
        let stored = StoredAnswer {
            status: written.status.code(),
            headers,
            body: answer.without_secrets().map_err(Error::internal)?.to_string(),
        };
        Ok(tx.finish_idempotent(&scope(request, claim), &stored).await?)
    }

    /// Gives up the record of an answer that could not be given after all: the request may come again as if it
    /// were the first.
    pub(crate) async fn forget_answer(&self, tx: &mut Tx<'_>, request: &impl Claims) -> Result<(), Error> {
        match request.claim() {
            Some(claim) => Ok(tx.forget_idempotent(&scope(request, claim)).await?),
            None => Ok(()),
        }
    }

    /// Deletes records past their time.
    pub async fn expire_idempotency(&self) -> Result<u64, Error> {
        let now = self.now();
        let (expired, _) = self
            .state
            .store
            .commit("idempotency_expire", |tx| {
                Box::pin(async move { Ok::<_, Error>(tx.expire_idempotent(now).await?) })
            })
            .await?;
        Ok(expired)
    }
}

fn scope(request: &impl Claims, claim: &IdempotencyClaim) -> IdempotencyScope {
    IdempotencyScope {
        caller: request.caller(),
        method: claim.method.clone(),
        path: claim.path.clone(),
        key: claim.key.clone(),
    }
}

fn replayed<T>(answer: StoredAnswer) -> Result<Written<T>, Error> {
    let header =
        |name: &str| answer.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.clone());
    let position = header(POSITION).and_then(|text| text.parse().ok()).map(Position);
    let status = Status::from_code(i64::from(answer.status));
    Ok(Written {
        etag: header(ETAG),
        location: header(LOCATION),
        position: position.unwrap_or_default(),
        status: status.ok_or_else(|| Error::internal("an idempotency record has an unknown status"))?,
        outcome: Outcome::Replayed(serde_json::from_str(&answer.body).map_err(Error::internal)?),
    })
}
