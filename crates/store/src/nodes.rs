//! Nodes: what each one last said of itself. Reports are no history, so they are not in the log; that one
//! was removed is.

use claviger_domain::event::Position;
use claviger_domain::id::NodeId;
use claviger_domain::text::folded;
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
              VALUES ($1, $2, $3, $4, $5, $6, $6) ON CONFLICT (id) DO UPDATE SET name = excluded.name, \
              folded_name = excluded.folded_name, position = excluded.position, last_seen_at = excluded.last_seen_at, \
              removed_at = NULL WHERE nodes.removed_at IS NULL OR nodes.kind = 'control'";
    HIDE = "UPDATE nodes SET removed_at = $2 WHERE id = $1";
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

    pub(crate) async fn hide_node(&mut self, id: NodeId, at: Timestamp) -> Result<(), StoreError> {
        self.write(HIDE, values![id, at]).await
    }
}

impl Tx<'_> {
    /// Keeps what a node says of itself; not in the log.
    pub async fn report_node(&mut self, report: &NodeReport, now: Timestamp) -> Result<(), StoreError> {
        let values =
            values![report.id, &report.name, folded(&report.name), word(&report.kind), report.position, now,];
        self.write(REPORT, values).await
    }

    /// Forgets nodes that were last seen before `limit`.
    pub async fn forget_nodes(&mut self, limit: Timestamp) -> Result<u64, StoreError> {
        self.execute(FORGET, values![limit]).await
    }
}
