//! The library in a server of one's own: the example, run as a process that is enrolled as a data node is.

use claviger_testkit::{DataNode, Database, Example};

use super::scene::{APIS, ENVIRONMENTS, Node, PERMISSIONS};

/// The example, with a route for each thing that the table asks.
#[derive(Debug)]
pub(super) struct Library {
    // In the order in which they end.
    example: Example,
    _node: DataNode,
}

impl Library {
    pub(super) fn start(control: &Node, service_key: &str, database: &Database, further: &[&str]) -> Self {
        let node = DataNode::enrol(&control.claviger, &control.server, service_key, database, "library");
        let mut arguments: Vec<String> = further.iter().map(|word| (*word).to_owned()).collect();
        arguments.extend(APIS.iter().flat_map(|api| {
            ENVIRONMENTS.iter().flat_map(move |environment| {
                PERMISSIONS.iter().map(move |permissions| guarded(api, *environment, permissions))
            })
        }));
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Self { example: node.claviger.example("library", &words), _node: node }
    }

    /// Where a call of this kind goes.
    pub(super) fn url(&self, api: &str, environment: Option<&str>, permissions: &[&str]) -> String {
        format!("{}/{}", self.example.url(), guarded(api, environment, permissions))
    }
}

fn guarded(api: &str, environment: Option<&str>, permissions: &[&str]) -> String {
    match (environment, permissions) {
        (None, []) => api.to_owned(),
        (Some(environment), []) => format!("{api}/{environment}"),
        (environment, permissions) => {
            format!("{api}/{}/{}", environment.unwrap_or("-"), permissions.join(","))
        }
    }
}
