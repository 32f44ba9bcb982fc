//! Desired and actual state are two things (product.md D15): which nodes have heard of the last change of
//! a Key Set, and which have not.

use claviger_domain::event::Position;
use claviger_domain::time::Timestamp;
use claviger_store::{NodeRow, Reader};
use claviger_wire::key_sets as wire;

use crate::error::Error;
use crate::state::Service;

/// The nodes as they last told how far they have come.
#[derive(Debug)]
pub(crate) struct Fleet {
    nodes: Vec<NodeRow>,
    now: Timestamp,
}

impl Fleet {
    /// All nodes but this one, which applies each change before it answers. One that is silent may go on
    /// deciding: it counts until it is removed.
    pub(crate) async fn read(service: &Service, reader: &mut Reader, now: Timestamp) -> Result<Self, Error> {
        let own = service.options().node_id;
        let mut nodes = reader.all_nodes().await?;
        nodes.retain(|node| node.report.id != own);
        Ok(Self { nodes, now })
    }

    /// Whether any node may not have heard of the change at `position`.
    pub(crate) fn is_waiting(&self, position: Position) -> bool {
        self.nodes.iter().any(|node| node.report.position < position)
    }

    pub(crate) fn enforcement(&self, position: Position) -> wire::Enforcement {
        let behind = self.nodes.iter().filter(|node| node.report.position < position);
        let nodes_behind: Vec<_> = behind
            .map(|node| wire::NodeBehind {
                id: node.report.id.to_string(),
                name: node.report.name.clone(),
                position: node.report.position.0,
                behind_seconds: self.now.seconds_since(node.last_seen_at).max(0),
            })
            .collect();
        wire::Enforcement {
            state: match nodes_behind.is_empty() {
                true => wire::EnforcementState::Enforced,
                false => wire::EnforcementState::Waiting,
            },
            position: position.0,
            nodes_behind,
        }
    }
}
