//! A data node as an operator enrols it: a narrow role in the database, a token, a data folder of its own.

use crate::claviger::{Claviger, Output, Server};
use crate::postgres::Database;

/// A data node, enrolled; whether it runs is up to the test.
#[derive(Debug)]
pub struct DataNode {
    pub claviger: Claviger,
    pub id: String,
    /// Its role in the database, and how that signs in.
    pub role: String,
    pub url: String,
}

impl DataNode {
    /// Makes a role and a token, and enrols a data folder by it. The service key may enrol nodes.
    #[track_caller]
    pub fn enrol(
        claviger: &Claviger,
        control: &Server,
        service_key: &str,
        database: &Database,
        name: &str,
    ) -> Self {
        let (role, url) = database.create_role(name);
        database.run(&format!("SELECT claviger_grant_data_node('{role}')"));
        let mut enroll = claviger.command(&["gateway", "enroll", "--name", name, "--json"]);
        enroll.env("CLAVIGER_URL", control.url()).env("CLAVIGER_KEY", service_key);
        let made = Output::of(&mut enroll, "");
        made.demand_success("claviger gateway enroll");
        let made: Enrolling = serde_json::from_str(&made.stdout)
            .unwrap_or_else(|e| panic!("{e} in what `gateway enroll --json` printed"));
        let node = Self { claviger: claviger.data_node(&url), id: made.id, role, url };
        node.join(&control.url(), &made.token).demand_success("claviger gateway join");
        node
    }

    /// Trades the token in.
    pub fn join(&self, control_url: &str, token: &str) -> Output {
        let mut command = self.claviger.command_on_data(&["gateway", "join", "--control-url", control_url]);
        Output::of(&mut command, token)
    }
}

/// What `claviger gateway enroll --json` prints.
#[derive(serde::Deserialize)]
struct Enrolling {
    id: String,
    token: String,
}
