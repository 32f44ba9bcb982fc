//! The database as a data node sees it, on PostgreSQL, through its narrow role: three views to read, one table to
//! add its reports to (migration 0005). Rows and lines of the log stay as they were read, so that the node can keep
//! them on its disk, and are understood by one function wherever they come from.

mod line;
mod rights;
mod row;

use std::ops::ControlFlow;
use std::sync::Arc;

use claviger_domain::event::Position;
use claviger_domain::id::NodeId;
use claviger_domain::time::Timestamp;
use futures::StreamExt as _;

pub use line::LogLine;
pub use rights::RoleRights;
pub use row::{Api, Application, DecidingRow, Environment, Fact, Grants, RowKind, SharedKey, SharedKeyTerms};

use crate::changes::{Bell, Changes};
use crate::columns::{Columns, FromRow};
use crate::dialect::{self, Access, Database, Reading};
use crate::error::StoreError;
use crate::reader::Reader;
use crate::silence::{heard, heard_over_all, heard_rows};
use crate::statements::statements;
use crate::store::Options;
use crate::value::values;

/// The form of the views that this program reads.
pub const FORM: i64 = 1;

statements! {
    HEAD = "SELECT form, position, hash, instance_id, epoch FROM data_node_head";
    AFTER = "SELECT position, version, at, kind, data, private, hash FROM data_node_log WHERE position > $1 ORDER BY position LIMIT $2";
    ROWS = "SELECT body, identity, deciding FROM data_node_rows WHERE kind = $1";
    KEYS = "SELECT COUNT(*) FROM data_node_rows WHERE kind = 'key'";
    NODES = "SELECT body FROM data_node_rows WHERE kind = 'node'";
    REPORT = "INSERT INTO node_reports (node_id, position, reported_at) VALUES ($1, $2, $3)";
}

#[cfg(test)]
pub(crate) use rights::STATEMENTS as RIGHTS;

/// The database of a data node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DataNodeStore {
    database: Database,
    bell: Arc<Bell>,
}

/// Where the log ends, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeHead {
    pub position: Position,
    /// SHA-256 of the last row.
    pub hash: [u8; 32],
    pub instance_id: String,
    pub epoch: u32,
}

/// A consistent state of what a data node may read.
#[derive(Debug)]
pub struct DataNodeReader(Reader);

impl DataNodeStore {
    /// Takes the address `postgres://…`. Whether anybody is there shows at the first use: a data node starts
    /// without its database.
    pub async fn open(url: &str, options: Options) -> Result<Self, StoreError> {
        let database = dialect::open(url, &options, Access::DataNode).await?;
        let bell = Arc::new(Bell::hang(&database));
        Ok(Self { database, bell })
    }

    /// A consistent state, as of the last commit. Give it back soon: it holds a connection.
    pub async fn read(&self) -> Result<DataNodeReader, StoreError> {
        let connection = heard(self.database.begin_reading(Reading::Follower)).await?;
        Ok(DataNodeReader(Reader::new(connection)))
    }

    /// Tells the control nodes how far this one has come.
    pub async fn report(&self, id: NodeId, position: Position, now: Timestamp) -> Result<(), StoreError> {
        heard(async {
            let mut connection = self.database.begin().await?;
            connection.execute(REPORT.text(), values![id, position, now]).await?;
            connection.commit().await
        })
        .await
    }

    pub(crate) const fn database(&self) -> &Database {
        &self.database
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
}

impl DataNodeReader {
    /// Where the log ends in this state. Views of another form are refused.
    pub async fn head(&mut self) -> Result<NodeHead, StoreError> {
        let head: Option<NodeHead> = heard(self.0.optional(HEAD, values![])).await?;
        head.ok_or_else(|| StoreError::corrupt("data_node_head", "the database was not initialised"))
    }

    /// The next lines of the log after `position`, at most so many.
    pub async fn lines_after(&mut self, position: Position, limit: u32) -> Result<Vec<LogLine>, StoreError> {
        heard(self.0.all(AFTER, values![position, i64::from(limit)])).await
    }

    /// How many Keys there are.
    pub async fn key_count(&mut self) -> Result<usize, StoreError> {
        let count: Option<i64> = heard_over_all(self.0.optional(KEYS, values![])).await?;
        Ok(count.and_then(|count| count.try_into().ok()).unwrap_or_default())
    }

    /// Whether the node's enrolment stands.
    pub async fn is_enrolled(&mut self, id: NodeId) -> Result<bool, StoreError> {
        let nodes: Vec<Enrolled> = heard(self.0.all(NODES, values![])).await?;
        Ok(nodes.iter().any(|node| node.id == id))
    }

    /// Hands every row of the kind to `take`, in no particular order, for as long as that wants more.
    pub async fn each_row(
        &mut self,
        kind: RowKind,
        mut take: impl FnMut(DecidingRow) -> ControlFlow<()> + Send,
    ) -> Result<(), StoreError> {
        let mut rows = heard_rows(self.0.stream::<row::Unnamed>(ROWS.text(), values![kind.as_str()]).await?);
        while let Some(row) = rows.next().await {
            if take(row?.of(kind)).is_break() {
                break;
            }
        }
        Ok(())
    }
}

/// A node whose enrolment stands.
#[derive(serde::Deserialize)]
struct Enrolled {
    id: NodeId,
}

impl FromRow for Enrolled {
    const TABLE: &'static str = "data_node_rows";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        columns.json()
    }
}

impl FromRow for NodeHead {
    const TABLE: &'static str = "data_node_head";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        let form = columns.integer()?;
        if form != FORM {
            let why = format!(
                "its form is {form}, and this program reads {FORM}: run the version of the control nodes"
            );
            return Err(columns.corrupt(&why));
        }
        Ok(Self {
            position: columns.position()?,
            hash: columns.hash()?,
            instance_id: columns.text()?.to_owned(),
            epoch: columns.count()?,
        })
    }
}
