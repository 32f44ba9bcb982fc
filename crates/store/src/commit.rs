//! The one way to write: a named transaction that locks the head of the log first, and is tried again when
//! another one was in the way.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use claviger_domain::event::{NewEvent, Position};
use futures::future::BoxFuture;

use crate::connection::Fault;
use crate::error::StoreError;
use crate::locked;
use crate::log::{self, Head};
use crate::reader::Reader;
use crate::statements::Statement;
use crate::store::Store;
use crate::value::values;
use crate::write::Write;

/// How often a transaction is tried before the caller is told.
const ATTEMPTS: u32 = 8;
/// The pause after the first attempt; it doubles.
const PAUSE: Duration = Duration::from_millis(5);

/// A transaction that may write. It reads as a [`Reader`] does, and nobody else writes while it lives.
///
/// `'env` is what the closure of [`Store::commit`] may borrow.
pub struct Tx<'env> {
    reader: Reader,
    head: Head,
    began_at: Position,
    /// Whether the nodes are told to look at the log even if nothing was appended.
    wakes: bool,
    move_head: Statement,
    environment: PhantomData<fn(&'env ())>,
}

impl std::fmt::Debug for Tx<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tx").field("head", &self.head.position).finish_non_exhaustive()
    }
}

impl Deref for Tx<'_> {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

impl DerefMut for Tx<'_> {
    fn deref_mut(&mut self) -> &mut Reader {
        &mut self.reader
    }
}

impl Tx<'_> {
    /// Appends an event: its log row, and the state that follows from it. The only writer of the tables that
    /// are the log's shadow.
    pub async fn append(&mut self, event: NewEvent) -> Result<Position, StoreError> {
        self.head = log::append(&mut self.reader, &self.head, &event).await?;
        Ok(self.head.position)
    }

    /// Tells every node to look at the log again, once this is committed: for a change that one of them has
    /// not confirmed yet (product.md D15).
    pub const fn wake_nodes(&mut self) {
        self.wakes = true;
    }

    /// The position of the last event, those of this transaction included.
    pub const fn head_position(&self) -> Position {
        self.head.position
    }
}

impl Store {
    /// Runs `work` in one transaction and commits it; the answer comes with the position of the log's head
    /// after it.
    ///
    /// - The head of the log is locked first: transactions run one after the other, and what `work` reads
    ///   stays true until its end.
    /// - An error of `work` rolls back: nothing was written.
    /// - When another transaction was in the way, `work` runs again from the start, a bounded number of
    ///   times. So it has no effect but through `tx`, and no network in it.
    /// - If the connection is lost at the commit, nobody can say whether it happened: that is
    ///   [`StoreError::Unavailable`], and is never tried again here.
    ///
    /// `name` is what metrics and logs call it. `work` may borrow what lives outside:
    /// `store.commit("key_set_revoke", |tx| Box::pin(async move { … })).await`.
    pub async fn commit<'env, T, E, F>(&self, name: &'static str, mut work: F) -> Result<(T, Position), E>
    where
        E: From<StoreError>,
        F: for<'tx> FnMut(&'tx mut Tx<'env>) -> BoxFuture<'tx, Result<T, E>>,
    {
        let mut pause = PAUSE;
        for attempt in 1..=ATTEMPTS {
            match self.attempt(name, &mut work).await {
                Attempt::Done(answer) => return answer,
                Attempt::Contended(said) if attempt == ATTEMPTS => {
                    metrics::counter!("claviger_store_exhausted_total", "transaction" => name).increment(1);
                    return Err(StoreError::Contended(said).into());
                }
                Attempt::Contended(said) => {
                    metrics::counter!("claviger_store_retries_total", "transaction" => name).increment(1);
                    tracing::debug!(transaction = name, attempt, said, "trying the transaction again");
                }
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        unreachable!("the last attempt returns")
    }

    async fn attempt<'env, T, E, F>(&self, name: &'static str, work: &mut F) -> Attempt<T, E>
    where
        E: From<StoreError>,
        F: for<'tx> FnMut(&'tx mut Tx<'env>) -> BoxFuture<'tx, Result<T, E>>,
    {
        let mut tx = match self.begin().await {
            Ok(tx) => tx,
            Err(StoreError::Contended(said)) => return Attempt::Contended(said),
            Err(error) => return Attempt::Done(Err(error.into())),
        };
        let answer = match work(&mut tx).await {
            // What went wrong below must not be committed, even if `work` took it lightly.
            Ok(answer) => match tx.reader.connection.fault() {
                None => answer,
                Some(_) => {
                    return tx.failed(StoreError::Database("a statement failed before".to_owned())).await;
                }
            },
            Err(error) => return tx.failed(error).await,
        };
        let wakes = tx.wakes || tx.head.position > tx.began_at;
        // Moving the head to where it is rings PostgreSQL's bell, too.
        if let Err(error) = tx.write(wakes).await {
            return tx.failed(error).await;
        }
        let position = tx.head.position;
        match tx.reader.connection.commit().await {
            Ok(()) => {
                metrics::counter!("claviger_store_commits_total", "transaction" => name).increment(1);
                if wakes {
                    self.wake();
                }
                Attempt::Done(Ok((answer, position)))
            }
            Err(StoreError::Contended(said)) => Attempt::Contended(said),
            Err(error) => {
                tracing::warn!(transaction = name, %error, "a commit may or may not have happened");
                Attempt::Done(Err(error.into()))
            }
        }
    }

    async fn begin<'env>(&self) -> Result<Tx<'env>, StoreError> {
        let (connection, head) = locked::begin(&self.database).await?;
        let (began_at, move_head) = (head.position, self.database.dialect().move_head);
        Ok(Tx {
            reader: Reader::writing(connection),
            head,
            began_at,
            wakes: false,
            move_head,
            environment: PhantomData,
        })
    }
}

/// How one attempt ended.
enum Attempt<T, E> {
    Done(Result<(T, Position), E>),
    /// Nothing was written; another attempt may succeed.
    Contended(String),
}

impl Tx<'_> {
    async fn failed<T, E: From<StoreError>>(self, error: impl Into<E>) -> Attempt<T, E> {
        let contended = self.reader.connection.fault() == Some(Fault::Contended);
        self.reader.connection.rollback().await;
        if contended {
            Attempt::Contended("another transaction was in the way".to_owned())
        } else {
            Attempt::Done(Err(error.into()))
        }
    }

    /// Writes all that is still to be written before the commit.
    async fn write(&mut self, moves_head: bool) -> Result<(), StoreError> {
        let head = values![self.head.position, self.head.hash];
        self.reader.flush_with(moves_head.then(|| Write::of(self.move_head, vec![head]))).await
    }
}
