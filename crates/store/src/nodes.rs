//! Nodes: what each one last said of itself. Reports are no history, so they are not in the log; that one
//! was removed is.

use claviger_domain::event::Position;
use claviger_domain::id::NodeId;
use claviger_domain::secret::Digest;
use claviger_domain::text::{Name, folded};
use claviger_domain::time::Timestamp;

use crate::columns::{Columns, FromRow};
use crate::commit::Tx;
use crate::error::StoreError;
use crate::list::{Assembly, ListQuery, Listed, Page, PlaceColumns, SortColumn, pattern};
use crate::reader::Reader;
use crate::statements::{fragments, statements};
use crate::value::{values, word};

macro_rules! columns {
    () => {
        "nodes.id, nodes.name, nodes.kind, nodes.position, nodes.last_seen_at, nodes.created_at"
    };
}

statements! {
    BY_ID = concat!("SELECT ", columns!(), " FROM nodes WHERE id = $1 AND removed_at IS NULL");
    ALL = concat!("SELECT ", columns!(), " FROM nodes WHERE removed_at IS NULL ORDER BY created_at, id");
    // A control node that was removed and comes back decides again, so it shows and counts again. The enrolment of
    // a data node ended when it was removed: it stays so, whatever it goes on saying.
    REPORT = "INSERT INTO nodes (id, name, folded_name, kind, position, last_seen_at, created_at) \
              VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET name = excluded.name, \
              folded_name = excluded.folded_name, position = excluded.position, last_seen_at = excluded.last_seen_at, \
              removed_at = NULL WHERE nodes.removed_at IS NULL OR nodes.kind = 'control'";
    HIDE = "UPDATE nodes SET removed_at = $2 WHERE id = $1";
    ENROL = "INSERT INTO nodes (id, name, folded_name, kind, position, last_seen_at, created_at) \
             VALUES ($1, $2, $3, 'data', 0, $4, $4) ON CONFLICT (id) DO NOTHING";
    REPORTS = "SELECT node_id, MAX(position), MAX(reported_at) FROM node_reports GROUP BY node_id ORDER BY node_id";
    CARRY_OVER = "UPDATE nodes SET position = $2, last_seen_at = $3 \
             WHERE id = $1 AND kind = 'data' AND removed_at IS NULL";
    CARRIED_OVER = "DELETE FROM node_reports WHERE node_id = $1 AND position <= $2 AND reported_at <= $3";
    OFFER = "INSERT INTO node_tokens (digest, node_id, name, expires_at) VALUES ($1, $2, $3, $4)";
    OFFERED = "SELECT node_id, name FROM node_tokens WHERE digest = $1 AND expires_at > $2";
    TAKE = "DELETE FROM node_tokens WHERE digest = $1 OR expires_at <= $2";
    FORGET = "DELETE FROM nodes WHERE last_seen_at < $1 AND removed_at IS NULL";
}

fragments! {
    BY_IDS = "nodes.id = $1";
    BY_NAME = "nodes.folded_name LIKE $1 ESCAPE '\\'";
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    Control,
    Data,
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeReport {
    pub id: NodeId,
    pub name: String,
    pub kind: NodeKind,
    /// Up to where its index applied the log.
    pub position: Position,
}

/// What a data node said of itself, and was not carried over to its row yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadReport {
    pub node_id: NodeId,
    pub position: Position,
    pub reported_at: Timestamp,
}

impl FromRow for UnreadReport {
    const TABLE: &'static str = "node_reports";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self { node_id: columns.id()?, position: columns.position()?, reported_at: columns.instant()? })
    }
}

/// What is known of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    pub report: NodeReport,
    pub last_seen_at: Timestamp,
    pub created_at: Timestamp,
}

/// Which nodes a list shows.
#[derive(Debug, Clone, Default)]
pub struct NodeFilter {
    pub ids: Vec<NodeId>,
    pub q: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NodeSort {
    #[default]
    CreatedAt,
    Name,
}

impl FromRow for NodeRow {
    const TABLE: &'static str = "nodes";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            report: NodeReport {
                id: columns.id()?,
                name: columns.text()?.to_owned(),
                kind: columns.word()?,
                position: columns.position()?,
            },
            last_seen_at: columns.instant()?,
            created_at: columns.instant()?,
        })
    }
}

impl Listed for NodeRow {
    type Filter = NodeFilter;
    type Sort = NodeSort;
    const COLUMNS: &'static str = columns!();
    const FROM: &'static str = "nodes WHERE nodes.removed_at IS NULL";
    const ID: &'static str = "nodes.id";
    const PLACES: &'static [PlaceColumns] = &[PlaceColumns::INSTANCE];

    fn sort_column(sort: NodeSort) -> SortColumn {
        match sort {
            NodeSort::CreatedAt => SortColumn::Integer("nodes.created_at"),
            NodeSort::Name => SortColumn::Text("nodes.folded_name"),
        }
    }

    fn conditions(filter: &NodeFilter, query: &mut Assembly) {
        query.and_either(BY_IDS, filter.ids.iter().copied());
        if let Some(q) = &filter.q {
            query.and(BY_NAME, values![pattern(q)]);
        }
    }
}

impl Reader {
    pub async fn node(&mut self, id: NodeId) -> Result<Option<NodeRow>, StoreError> {
        self.optional(BY_ID, values![id]).await
    }

    /// Every node, oldest first: there are few.
    pub async fn all_nodes(&mut self) -> Result<Vec<NodeRow>, StoreError> {
        self.all(ALL, values![]).await
    }

    /// One page. Nodes belong to the instance: only [`Visible::everything`] shows any.
    ///
    /// [`Visible::everything`]: crate::Visible::everything
    pub async fn nodes(
        &mut self,
        query: &ListQuery<NodeFilter, NodeSort>,
    ) -> Result<Page<NodeRow>, StoreError> {
        self.list(query).await
    }

    /// What data nodes said since it was carried over last.
    pub async fn unread_reports(&mut self) -> Result<Vec<UnreadReport>, StoreError> {
        self.all(REPORTS, values![]).await
    }

    /// The node that the token of this digest enrols, and its name, if it is good at `now`.
    pub async fn node_token(
        &mut self,
        digest: &Digest,
        now: Timestamp,
    ) -> Result<Option<(NodeId, Name)>, StoreError> {
        self.optional(OFFERED, values![digest, now]).await
    }

    pub(crate) async fn enrol_node(
        &mut self,
        id: NodeId,
        name: &Name,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(ENROL, values![id, name, name.folded(), at]).await.map(drop)
    }

    pub(crate) async fn hide_node(&mut self, id: NodeId, at: Timestamp) -> Result<(), StoreError> {
        self.write(HIDE, values![id, at]).await
    }
}

impl Tx<'_> {
    /// Keeps what a node says of itself; not in the log.
    pub async fn report_node(&mut self, report: &NodeReport, now: Timestamp) -> Result<(), StoreError> {
        let (folded, kind) = (folded(&report.name), word(&report.kind));
        let values = values![report.id, &report.name, folded, kind, report.position, now, now];
        self.write(REPORT, values).await
    }

    /// Carries over to the node's row what it said of itself.
    pub async fn carry_over(&mut self, report: &UnreadReport) -> Result<(), StoreError> {
        let values = || values![report.node_id, report.position, report.reported_at];
        self.execute(CARRY_OVER, values()).await?;
        self.execute(CARRIED_OVER, values()).await.map(drop)
    }

    /// Keeps the digest of a token that enrols a data node until it expires.
    pub async fn put_node_token(
        &mut self,
        digest: &Digest,
        id: NodeId,
        name: &Name,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.execute(OFFER, values![digest, id, name, expires_at]).await.map(drop)
    }

    /// The token is used up; those that have expired go with it.
    pub async fn take_node_token(&mut self, digest: &Digest, now: Timestamp) -> Result<(), StoreError> {
        self.execute(TAKE, values![digest, now]).await.map(drop)
    }

    /// Forgets nodes that were last seen before `limit`.
    pub async fn forget_nodes(&mut self, limit: Timestamp) -> Result<u64, StoreError> {
        self.execute(FORGET, values![limit]).await
    }
}
