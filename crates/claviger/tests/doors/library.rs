//! The library in a server of one's own: the example, run as a process that is enrolled as a data node is.

use claviger_client::Client;
use claviger_testkit::{Claviger, Database, Example, Output};
use serde_json::{Value, json};

use super::scene::{APIS, ENVIRONMENTS, PERMISSIONS};

/// The example, with a route for each thing that the table asks.
#[derive(Debug)]
pub(super) struct Library {
    // In the order in which they end.
    example: Example,
    _claviger: Claviger,
}

impl Library {
    pub(super) async fn start(
        installation: &Claviger,
        database: &Database,
        control: &Client,
        further: &[&str],
    ) -> Self {
        let (role, url) = database.create_role("library");
        database.run(&format!("SELECT claviger_grant_data_node('{role}')"));
        let enrol = control.post("/v1/nodes/enroll").body(&json!({ "name": "library" }));
        let token = enrol.send::<Value>().await.unwrap().body["token"].as_str().unwrap().to_owned();
        let claviger = installation.data_node(&url);
        let mut join = claviger.command_on_data(&["gateway", "join", "--control-url", control.url()]);
        Output::of(&mut join, &token).demand_success("claviger gateway join");
        let mut arguments: Vec<String> = further.iter().map(|word| (*word).to_owned()).collect();
        arguments.extend(APIS.iter().flat_map(|api| {
            ENVIRONMENTS.iter().flat_map(move |environment| {
                PERMISSIONS.iter().map(move |permissions| guarded(api, *environment, permissions))
            })
        }));
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Self { example: claviger.example("library", &words), _claviger: claviger }
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
