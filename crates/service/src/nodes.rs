//! Nodes: which processes decide, and how far each has followed the log (product.md D15, F4).

use claviger_domain::event::{EventBody, Position};
use claviger_domain::id::NodeId;
use claviger_domain::permission::Permission;
use claviger_domain::refusal::Refusal;
use claviger_domain::scope::Place;
use claviger_domain::time::Timestamp;
use claviger_store::{NodeFilter, NodeKind, NodeReport, NodeRow, NodeSort};
use claviger_wire::Page;
use claviger_wire::nodes as wire;

use crate::error::Error;
use crate::lists::{ListParameters, Parameters};
use crate::request::{Gone, Read, Request, Status, Written};
use crate::state::Service;

/// A node that was not heard of for so long is gone; it fails closed by its own clock.
pub(crate) const GONE_AFTER_SECONDS: i64 = 30;

/// How a node stands against the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NodeStatus {
    InSync,
    Behind,
    Gone,
}

impl NodeStatus {
    pub(crate) fn of(node: &NodeRow, head: Position, now: Timestamp) -> Self {
        if now.seconds_since(node.last_seen_at) > GONE_AFTER_SECONDS {
            Self::Gone
        } else if node.report.position < head {
            Self::Behind
        } else {
            Self::InSync
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::InSync => "in_sync",
            Self::Behind => "behind",
            Self::Gone => "gone",
        }
    }
}

impl Service {
    pub async fn node_list(
        &self,
        request: &Request,
        given: &ListParameters,
    ) -> Result<Page<wire::Node>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        let visible = authority.listed_anywhere(Permission::NodesRead)?;
        let mut parameters = Parameters::new(given)?;
        let filter = NodeFilter { q: parameters.text("q")?, ..NodeFilter::default() };
        let sorts = [("created_at", NodeSort::CreatedAt), ("name", NodeSort::Name)];
        let query = parameters.finish(self, request, &sorts, filter, visible)?;
        let page = reader.nodes(&query).await?;
        let (head, now) = (reader.position().await?, self.now());
        self.page(request, given, page.map(|node| on_wire(&node, head, now)))
    }

    pub async fn node_read(&self, request: &Request, id: NodeId) -> Result<Read<wire::Node>, Error> {
        let (mut reader, authority) = self.reading(request).await?;
        if !authority.allows_somewhere(Permission::NodesRead) {
            return Err(Error::not_found());
        }
        let node = reader.node(id).await?.ok_or(Refusal::NotFound)?;
        let head = reader.position().await?;
        Read::of(on_wire(&node, head, self.now()))
    }

    /// Forgets a node. The enrolment of a data node ends with that, whatever it is doing; a control node that still
    /// reports would be back at once, so it is refused.
    pub async fn node_delete(&self, request: &Request, id: NodeId) -> Result<Written<Gone>, Error> {
        self.write(request, "node_delete", Status::Deleted, |write| {
            Box::pin(async move {
                if !write.authority.allows_somewhere(Permission::NodesRead) {
                    return Err(Error::not_found());
                }
                let node = write.tx.node(id).await?.ok_or(Refusal::NotFound)?;
                write.authority.require_act(Permission::NodesDelete, &Place::INSTANCE)?;
                let status = NodeStatus::of(&node, write.tx.head_position(), write.now);
                if node.report.kind == NodeKind::Control && status != NodeStatus::Gone {
                    let from = status.as_str();
                    return Err(
                        Refusal::InvalidTransition { from, act: "delete", allowed: Vec::new() }.into()
                    );
                }
                write.delete(Place::INSTANCE, Vec::new(), EventBody::NodeRemoved { node_id: id }).await
            })
        })
        .await
    }

    /// Tells the others how far this node has come.
    pub async fn report_node(&self) -> Result<(), Error> {
        let options = &self.state.options;
        let report = NodeReport {
            id: options.node_id,
            name: options.node_name.clone(),
            kind: NodeKind::Control,
            position: self.state.follower.position(),
        };
        let now = self.now();
        let report = &report;
        self.state
            .store
            .commit("node_report", |tx| {
                Box::pin(async move { Ok::<_, Error>(tx.report_node(report, now).await?) })
            })
            .await?;
        Ok(())
    }
}

fn on_wire(node: &NodeRow, head: Position, now: Timestamp) -> wire::Node {
    let status = NodeStatus::of(node, head, now);
    wire::Node {
        id: node.report.id.to_string(),
        name: node.report.name.clone(),
        kind: kind_word(node.report.kind).to_owned(),
        status: status.as_str().to_owned(),
        position: node.report.position.0,
        behind_seconds: match status {
            NodeStatus::InSync => 0,
            NodeStatus::Behind | NodeStatus::Gone => now.seconds_since(node.last_seen_at).max(0),
        },
        last_seen_at: node.last_seen_at.to_string(),
    }
}

const fn kind_word(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Control => "control",
        NodeKind::Data => "data",
    }
}
