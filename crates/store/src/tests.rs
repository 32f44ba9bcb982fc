//! Tests that need the SQL itself: every statement and every fragment is prepared on both databases, and
//! the filters of Key Sets are explained by both.

mod explain;
mod following;
mod limits;
mod prepare;
mod retry;
mod shapes;
mod upgrade;

use claviger_testkit::{Database, Postgres};
use tempfile::TempDir;

use crate::list::{Assembly, Listed};
use crate::statements::{Fragment, Statement};
use crate::{Options, Store};

/// Every module's statements.
pub(crate) const STATEMENTS: &[(&str, &[Statement])] = &[
    ("api_documents", crate::api_documents::STATEMENTS),
    ("apis", crate::apis::STATEMENTS),
    ("applications", crate::applications::STATEMENTS),
    ("log", crate::log::STATEMENTS),
    ("environments", crate::environments::STATEMENTS),
    ("git_integrations", crate::git_integrations::STATEMENTS),
    ("groups", crate::groups::STATEMENTS),
    ("idempotency", crate::idempotency::STATEMENTS),
    ("instance", crate::instance::STATEMENTS),
    ("jobs", crate::jobs::STATEMENTS),
    ("key_pairs", crate::key_pairs::STATEMENTS),
    ("key_sets", crate::key_sets::STATEMENTS),
    ("key_sets::alike", crate::key_sets::alike::STATEMENTS),
    ("key_sets::due", crate::key_sets::due::STATEMENTS),
    ("key_sets::pending", crate::key_sets::pending::STATEMENTS),
    ("key_sets::snapshot", crate::key_sets::snapshot::STATEMENTS),
    ("last_used", crate::last_used::STATEMENTS),
    ("leases", crate::leases::STATEMENTS),
    ("locked", crate::locked::STATEMENTS),
    ("log::row", crate::log::row::STATEMENTS),
    ("log::shadow", crate::log::shadow::STATEMENTS),
    ("members", crate::members::STATEMENTS),
    ("migrations", crate::migrations::STATEMENTS),
    ("nodes", crate::nodes::STATEMENTS),
    ("organizations", crate::organizations::STATEMENTS),
    ("permission_groups", crate::permission_groups::STATEMENTS),
    ("policy_templates", crate::policy_templates::STATEMENTS),
    ("portal_sessions", crate::portal_sessions::STATEMENTS),
    ("sealed", crate::sealed::STATEMENTS),
    ("service_keys", crate::service_keys::STATEMENTS),
    ("shared_keys", crate::shared_keys::STATEMENTS),
    ("snapshot", crate::snapshot::STATEMENTS),
    ("subscriptions", crate::subscriptions::STATEMENTS),
    ("tests::explain", explain::STATEMENTS),
    ("tests::limits", limits::STATEMENTS),
    ("tests::retry", retry::STATEMENTS),
    ("tests::upgrade", upgrade::STATEMENTS),
    ("usage", crate::usage::STATEMENTS),
    ("usage::fold", crate::usage::FOLD),
    ("usage::read", crate::usage::READ),
    ("usage::responses", crate::usage::RESPONSES),
    ("usage::retention", crate::usage::RETENTION),
    ("users", crate::users::STATEMENTS),
];

/// Those of modules that PostgreSQL alone has.
pub(crate) const POSTGRES_STATEMENTS: &[(&str, &[Statement])] =
    &[("data_node::mod", crate::data_node::STATEMENTS), ("data_node::rights", crate::data_node::RIGHTS)];

/// A list's fragments, each as a query of its own.
pub(crate) fn queries_of<T: Listed>(fragments: &[Fragment]) -> Vec<String> {
    let query = |fragment: &Fragment| {
        let mut assembly = Assembly::default();
        for text in ["SELECT ", T::COLUMNS, ", ", T::ID, " FROM ", T::FROM] {
            assembly.text(text);
        }
        assembly.and(*fragment, Vec::new());
        assembly.finish().0.as_str().to_owned()
    };
    fragments.iter().map(query).collect()
}

/// A database for one test.
pub(crate) struct Place {
    pub(crate) store: Store,
    pub(crate) url: String,
    _folder: Option<TempDir>,
    _database: Option<Database>,
}

impl Place {
    pub(crate) async fn both() -> [Self; 2] {
        [Self::sqlite().await, Self::postgres().await]
    }

    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("claviger.db").display());
        let store = Store::open(&url, Options::default()).await.unwrap();
        Self { store, url, _folder: Some(folder), _database: None }
    }

    pub(crate) async fn postgres() -> Self {
        let database = Postgres::shared().create_database();
        let url = database.url().to_owned();
        let store = Store::open(&url, Options::default()).await.unwrap();
        Self { store, url, _folder: None, _database: Some(database) }
    }
}
