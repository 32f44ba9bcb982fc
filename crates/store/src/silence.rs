//! Connections that hang. A peer that went without a word (its machine died, a firewall forgot the connection) is noticed
//! by the kernel after many minutes. Whoever follows the log can't wait for that: another connection may well be answered.

use std::future::Future;
use std::time::Duration;

use sqlx::{Connection as _, PgConnection};

use crate::error::StoreError;

/// How long PostgreSQL may take to answer one small question of a follower.
const SILENCE: Duration = Duration::from_secs(5);
/// The same for a connection that comes back to its pool: another one is made as soon.
const SILENCE_AT_RETURN: Duration = Duration::from_secs(1);

/// The answer, if it comes in time. A connection that is dropped without one is given up.
pub async fn heard<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let silent = |_| Err(StoreError::Unavailable(format!("no answer within {} s", SILENCE.as_secs())));
    tokio::time::timeout(SILENCE, asked).await.unwrap_or_else(silent)
}

/// Whether a connection that comes back to its pool may stay there: one that hangs would keep its place for ever.
pub(crate) async fn still_answers(session: &mut PgConnection) -> Result<bool, sqlx::Error> {
    match tokio::time::timeout(SILENCE_AT_RETURN, session.ping()).await {
        Ok(answered) => answered.map(|()| true),
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}
