//! Connections that hang. A peer that went without a word (its machine died, a firewall forgot the connection) is noticed
//! by the kernel after many minutes. Whoever follows the log can't wait for that: another connection may well be answered.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures::stream::{Stream, StreamExt as _, poll_fn};
use sqlx::postgres::PgListener;
use sqlx::{Acquire as _, Connection as _, PgConnection};

use crate::error::StoreError;

/// How long PostgreSQL may take to answer one small question of a follower.
const SILENCE: Duration = Duration::from_secs(5);
/// The same for a question that it looks at all rows for, and for the next row of them.
const SILENCE_OVER_ALL: Duration = Duration::from_secs(30);
/// The same for a connection that comes back to its pool: another one is made as soon.
const SILENCE_AT_RETURN: Duration = Duration::from_secs(1);

/// The answer, if it comes in time. A connection that is dropped without one is given up.
pub fn heard<T>(
    asked: impl Future<Output = Result<T, StoreError>>,
) -> impl Future<Output = Result<T, StoreError>> {
    heard_within(SILENCE, asked)
}

/// The same for what is answered from all rows of a table, however many there are.
pub fn heard_over_all<T>(
    asked: impl Future<Output = Result<T, StoreError>>,
) -> impl Future<Output = Result<T, StoreError>> {
    heard_within(SILENCE_OVER_ALL, asked)
}

fn heard_within<T>(
    patience: Duration,
    asked: impl Future<Output = Result<T, StoreError>>,
) -> impl Future<Output = Result<T, StoreError>> {
    // Off the stack: whatever writes has following in it, and each question of that would be there several times.
    let asked = Box::pin(asked);
    async move { tokio::time::timeout(patience, asked).await.unwrap_or_else(|_| Err(silent(patience))) }
}

/// The same for each of many rows; whoever takes them may take his time. A row that is there costs no timer.
pub(crate) fn heard_rows<T>(
    mut rows: impl Stream<Item = Result<T, StoreError>> + Unpin,
) -> impl Stream<Item = Result<T, StoreError>> + Unpin {
    let mut waiting: Option<Pin<Box<tokio::time::Sleep>>> = None;
    poll_fn(move |context| {
        if let Poll::Ready(row) = rows.poll_next_unpin(context) {
            waiting = None;
            return Poll::Ready(row);
        }
        let patience = waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(SILENCE_OVER_ALL)));
        patience.as_mut().poll(context).map(|()| Some(Err(silent(SILENCE_OVER_ALL))))
    })
}

/// Waits for a wake-up; false: none comes over this listener any more. It hears nothing for hours where nothing is done,
/// so it is asked whether anybody is there.
pub(crate) async fn wakes_up(listener: &mut PgListener) -> bool {
    loop {
        if let Ok(heard) = tokio::time::timeout(SILENCE, listener.try_recv()).await {
            return matches!(heard, Ok(Some(_)));
        }
        let asked = async { listener.acquire().await?.ping().await };
        if !matches!(tokio::time::timeout(SILENCE, asked).await, Ok(Ok(()))) {
            return false;
        }
    }
}

/// Whether a connection that comes back to its pool may stay there: one that hangs would keep its place for ever.
pub(crate) async fn still_answers(session: &mut PgConnection) -> Result<bool, sqlx::Error> {
    match tokio::time::timeout(SILENCE_AT_RETURN, session.ping()).await {
        Ok(answered) => answered.map(|()| true),
        Err(_) => Err(sqlx::Error::PoolTimedOut),
    }
}

fn silent(patience: Duration) -> StoreError {
    StoreError::Unavailable(format!("no answer within {} s", patience.as_secs()))
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    /// Rows that come this long one after another; after the last one nobody says anything.
    fn rows_each_after(
        pause: Duration,
        many: usize,
    ) -> impl Stream<Item = Result<usize, StoreError>> + Unpin {
        let row = move |number| async move {
            tokio::time::sleep(pause).await;
            Ok(number)
        };
        Box::pin(futures::stream::iter(0..many).then(row).chain(futures::stream::pending()))
    }

    #[tokio::test(start_paused = true)]
    async fn many_rows_may_take_their_time_and_one_may_not() {
        let mut rows = heard_rows(rows_each_after(SILENCE_OVER_ALL.mul_f32(0.9), 10));
        for number in 0..10 {
            assert_eq!(rows.next().await.unwrap().unwrap(), number);
            // Whoever takes them is slow.
            tokio::time::sleep(SILENCE_OVER_ALL * 2).await;
        }
        let since = Instant::now();
        let silent = rows.next().await.unwrap();
        assert!(matches!(&silent, Err(StoreError::Unavailable(said)) if said.contains("30 s")), "{silent:?}");
        assert_eq!(since.elapsed().as_secs(), SILENCE_OVER_ALL.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn rows_that_end_end() {
        let mut rows = heard_rows(futures::stream::iter([Ok(1), Err(silent(SILENCE))]));
        assert_eq!(rows.next().await.unwrap().unwrap(), 1);
        assert!(rows.next().await.unwrap().is_err());
        assert!(rows.next().await.is_none());
    }
}
