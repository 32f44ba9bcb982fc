//! Answers to requests that may come again (surface.md, `Idempotency-Key`). Secrets are left out by the
//! caller before an answer is stored.

use claviger_domain::time::Timestamp;

use crate::columns::{Columns, FromRow};
use crate::commit::Tx;
use crate::error::StoreError;
use crate::statements::statements;
use crate::value::values;

statements! {
    FIND = "SELECT body_hash, running_until, status, headers, body FROM idempotency \
            WHERE caller = $1 AND method = $2 AND path = $3 AND idempotency_key = $4 AND expires_at > $5";
    BEGIN = "INSERT INTO idempotency (caller, method, path, idempotency_key, body_hash, running_until, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (caller, method, path, idempotency_key) DO UPDATE SET \
             body_hash = excluded.body_hash, running_until = excluded.running_until, status = NULL, headers = NULL, \
             body = NULL, expires_at = excluded.expires_at";
    FINISH = "UPDATE idempotency SET running_until = NULL, status = $5, headers = $6, body = $7 \
              WHERE caller = $1 AND method = $2 AND path = $3 AND idempotency_key = $4";
    FORGET = "DELETE FROM idempotency WHERE caller = $1 AND method = $2 AND path = $3 AND idempotency_key = $4";
    EXPIRE = "DELETE FROM idempotency WHERE expires_at <= $1";
}

/// What an `Idempotency-Key` is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyScope {
    pub caller: String,
    pub method: String,
    pub path: String,
    pub key: String,
}

/// An answer as it is given again, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    pub status: u16,
    /// Names and values, such as `Location` and `ETag`.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// How a request under an `Idempotency-Key` goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is the first: do it, and finish the record in the transaction that does it.
    New,
    /// It was answered before.
    Replay(StoredAnswer),
    /// The same request is being worked on.
    Running,
    /// The key was used for another body.
    OtherBody,
}

struct Record {
    body_hash: [u8; 32],
    running_until: Option<Timestamp>,
    answer: Option<StoredAnswer>,
}

impl FromRow for Record {
    const TABLE: &'static str = "idempotency";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        let body_hash = columns.hash()?;
        let running_until = columns.optional_instant()?;
        let status = columns.optional_integer()?;
        let headers = columns.optional_json()?;
        let body = columns.optional_text()?;
        let answer = match (status, headers, body) {
            (Some(status), Some(headers), Some(body)) => Some(StoredAnswer {
                status: status.try_into().map_err(|error| columns.corrupt(error))?,
                headers,
                body: body.to_owned(),
            }),
            _ => None,
        };
        Ok(Self { body_hash, running_until, answer })
    }
}

impl Tx<'_> {
    /// Looks the record up, and makes one that runs if there is none. A record whose worker has not finished
    /// by `running_until` is taken over: it died.
    pub async fn begin_idempotent(
        &mut self,
        scope: &IdempotencyScope,
        body_hash: [u8; 32],
        now: Timestamp,
        running_until: Timestamp,
        expires_at: Timestamp,
    ) -> Result<Begun, StoreError> {
        let found: Option<Record> =
            self.optional(FIND, values![&scope.caller, &scope.method, &scope.path, &scope.key, now]).await?;
        match found {
            Some(record) if record.body_hash != body_hash => return Ok(Begun::OtherBody),
            Some(Record { answer: Some(answer), .. }) => return Ok(Begun::Replay(answer)),
            Some(Record { running_until: Some(until), .. }) if until > now => return Ok(Begun::Running),
            _ => {}
        }
        let values = values![
            &scope.caller,
            &scope.method,
            &scope.path,
            &scope.key,
            body_hash,
            running_until,
            expires_at,
        ];
        self.write(BEGIN, values).await?;
        Ok(Begun::New)
    }

    /// Keeps the answer to be given again.
    pub async fn finish_idempotent(
        &mut self,
        scope: &IdempotencyScope,
        answer: &StoredAnswer,
    ) -> Result<(), StoreError> {
        let values = values![
            &scope.caller,
            &scope.method,
            &scope.path,
            &scope.key,
            i64::from(answer.status),
            crate::value::json(&answer.headers),
            &answer.body,
        ];
        self.write(FINISH, values).await
    }

    /// Gives up a record: the request wrote nothing, and may come again as if it were the first.
    pub async fn forget_idempotent(&mut self, scope: &IdempotencyScope) -> Result<(), StoreError> {
        self.write(FORGET, values![&scope.caller, &scope.method, &scope.path, &scope.key]).await
    }

    /// Deletes records past their time; says how many.
    pub async fn expire_idempotent(&mut self, now: Timestamp) -> Result<u64, StoreError> {
        self.execute(EXPIRE, values![now]).await
    }
}
