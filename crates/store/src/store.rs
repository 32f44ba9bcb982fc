//! Opening a database, and the two ways in: one that reads, one that writes.

use std::sync::Arc;
use std::time::Duration;

use claviger_domain::event::Position;

use crate::changes::{Bell, Changes};
use crate::dialect::{self, Access, Database, Reading};
use crate::error::StoreError;
use crate::migrations;
use crate::reader::Reader;

/// How a store is opened.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Connections to PostgreSQL, half of them for writers, who wait for each other; or readers of SQLite beside
    /// its one writer. What follows the log has its own.
    pub connections: u32,
    /// How long a request waits for a connection before the database counts as unavailable.
    pub acquire_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { connections: 10, acquire_timeout: Duration::from_secs(10) }
    }
}

/// The database of this instance. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) database: Database,
    bell: Arc<Bell>,
}

impl Store {
    /// Opens `sqlite:PATH` or `postgres://…`, made if it is a file that does not exist yet, and brings its
    /// schema up to date.
    pub async fn open(url: &str, options: Options) -> Result<Self, StoreError> {
        let database = dialect::open(url, &options, Access::Full).await?;
        migrations::run(&database).await?;
        crate::log::begin(&database).await?;
        let bell = Arc::new(Bell::hang(&database));
        Ok(Self { database, bell })
    }

    /// Opens a database to look at it: nothing in it is changed, and a schema that is not exactly the one
    /// that this program knows is refused. Nobody is woken by what others commit.
    pub async fn inspect(url: &str, options: Options) -> Result<Self, StoreError> {
        let database = dialect::open(url, &options, Access::Inspection).await?;
        migrations::demand_newest(&database).await?;
        Ok(Self { database, bell: Arc::new(Bell::still()) })
    }

    /// A consistent state to read, as of the last commit. Give it back soon: it holds a connection.
    pub async fn read(&self) -> Result<Reader, StoreError> {
        Ok(Reader::new(self.database.begin_reading(Reading::Request).await?))
    }

    /// The same for the one who follows the log, on a connection of its own: no number of requests that wait makes
    /// enforcement wait.
    pub async fn read_to_follow(&self) -> Result<Reader, StoreError> {
        Ok(Reader::new(self.database.begin_reading(Reading::Follower).await?))
    }

    /// The last position of the log.
    pub async fn head(&self) -> Result<Position, StoreError> {
        Ok(self.read().await?.head().await?.position)
    }

    /// Wakes its holder when there may be something new to read.
    pub fn changes(&self) -> Changes {
        self.bell.changes()
    }

    /// Ends all connections, once what runs has ended.
    pub async fn close(&self) {
        self.bell.silence();
        self.database.close().await;
    }

    pub(crate) fn wake(&self) {
        self.bell.ring();
    }
}
