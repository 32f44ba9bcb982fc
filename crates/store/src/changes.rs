//! The wake-up: "look now", and nothing more. What was committed is learnt by reading the log, and a reader
//! that is never woken still polls.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::dialect::Database;
use crate::silence::wakes_up;

/// How long the listener waits after it lost PostgreSQL.
const PAUSE: Duration = Duration::from_millis(500);

/// Tells its holder to look at the log.
#[derive(Debug, Clone)]
pub struct Changes(watch::Receiver<u64>);

impl Changes {
    /// Waits until something may have been committed since the last call, in this process or, on PostgreSQL,
    /// in any. Race it with a timer: polling is the truth. Pending for ever once the store is gone.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The sending side; one per store.
#[derive(Debug)]
pub(crate) struct Bell {
    sender: Arc<watch::Sender<u64>>,
    listener: Option<AbortHandle>,
}

impl Bell {
    /// Starts listening where the database can tell what others commit.
    pub(crate) fn hang(database: &Database) -> Self {
        let sender = Arc::new(watch::Sender::new(0));
        let listener = matches!(database, Database::Postgres { .. })
            .then(|| tokio::spawn(listen(database.clone(), Arc::clone(&sender))).abort_handle());
        Self { sender, listener }
    }

    /// One that only this process rings.
    pub(crate) fn still() -> Self {
        Self { sender: Arc::new(watch::Sender::new(0)), listener: None }
    }

    pub(crate) fn ring(&self) {
        ring(&self.sender);
    }

    pub(crate) fn changes(&self) -> Changes {
        Changes(self.sender.subscribe())
    }

    pub(crate) fn silence(&self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.silence();
    }
}

fn ring(sender: &watch::Sender<u64>) {
    sender.send_modify(|rung| *rung = rung.wrapping_add(1));
}

async fn listen(database: Database, sender: Arc<watch::Sender<u64>>) {
    loop {
        match database.listen().await {
            Ok(None) => return,
            Ok(Some(mut listener)) => {
                // What was committed while nobody listened is found now.
                ring(&sender);
                while wakes_up(&mut listener).await {
                    ring(&sender);
                }
            }
            Err(error) => tracing::debug!(%error, "not listening to PostgreSQL; polling goes on"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
