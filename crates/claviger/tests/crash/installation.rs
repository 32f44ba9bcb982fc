//! An installation that is about to crash: its database, its owner's key, and one API that is called.

use claviger_client::Client;
use claviger_testkit::{Claviger, Database, Initialised, Postgres, Server};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::index::Followed;
use super::kills::Victim;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Sqlite,
    Postgres,
}

pub(crate) struct Installation {
    pub(crate) claviger: Claviger,
    pub(crate) runtime: Runtime,
    pub(crate) followed: Followed,
    /// What all clients share: the API's id.
    pub(crate) world: Value,
    owner: Initialised,
    database_url: String,
    // In the order in which they end.
    _database: Option<Database>,
    pub(crate) postgres: Option<Postgres>,
}

impl Installation {
    /// Made and initialised, with one exposed API. A PostgreSQL that is to be stopped is its own.
    pub(crate) fn new(on: On, victim: Victim) -> Self {
        let postgres = (victim == Victim::Postgres).then(Postgres::start);
        let database = (on == On::Postgres).then(|| match &postgres {
            Some(own) => own.create_database(),
            None => Postgres::shared().create_database(),
        });
        let mut claviger = Claviger::new(env!("CARGO_BIN_EXE_claviger"));
        let database_url = match &database {
            Some(database) => database.url().to_owned(),
            None => format!("sqlite:{}", claviger.data_folder().join("crash.sqlite").display()),
        };
        claviger = claviger.with_database(&database_url);
        let owner = claviger.init();
        let runtime = Runtime::new().expect("a runtime");
        let mut installation = Self {
            claviger,
            runtime,
            followed: Followed::new(),
            world: Value::Null,
            owner,
            database_url,
            _database: database,
            postgres,
        };
        installation.demand_equal_index();
        installation.publish();
        installation
    }

    /// The server's client with the owner's key.
    pub(crate) fn client(&self, server: &Server) -> Client {
        let client = Client::new(&server.url()).and_then(|client| client.with_key(&self.owner.service_key));
        client.expect("a client")
    }

    /// Demands that the log and the tables fit, by the program's own check; answers how many events it has.
    pub(crate) fn demand_fitting_log(&self) -> i64 {
        let output = self.claviger.run_on_data(&["verify-log", "--state", "--json"]);
        output.demand_success("claviger verify-log --state");
        let report: Value = serde_json::from_str(&output.stdout).expect("what verify-log prints");
        assert_eq!(report["ok"], true, "{report}");
        assert!(report["state"]["rows"].as_i64() > Some(0), "{report}");
        report["head"].as_i64().expect("the log's end")
    }

    /// Demands that an index which followed the log equals the tables.
    pub(crate) fn demand_equal_index(&mut self) -> i64 {
        self.runtime.block_on(self.followed.demand_equal(&self.database_url)).0
    }

    fn publish(&mut self) {
        let server = self.claviger.serve();
        let api = json!({
            "slug": "orders",
            "name": "Orders",
            "upstreams": ["http://127.0.0.1:9"],
            "auth_types": ["api_key"],
            "requires": "key",
            "exposed": true,
        });
        let made = self.client(&server).post("/v1/apis").body(&api).send::<Value>();
        let made = self.runtime.block_on(made).expect("an API").body;
        self.world = json!({ "api": made["id"] });
        let (status, log) = server.stop();
        assert!(status.success(), "{status}\n{log}");
    }
}
