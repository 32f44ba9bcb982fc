//! Every statement of the crate is understood by both databases.

use std::collections::BTreeSet;
use std::path::Path;

use claviger_domain::apis::Api;
use claviger_domain::applications::Application;
use claviger_domain::environments::Environment;
use claviger_domain::event::Event;
use claviger_domain::groups::Group;
use claviger_domain::jobs::Job;
use claviger_domain::key_pairs::KeyPair;
use claviger_domain::key_sets::KeySet;
use claviger_domain::members::Member;
use claviger_domain::organizations::Organization;
use claviger_domain::permission_groups::PermissionGroup;
use claviger_domain::policy_templates::PolicyTemplate;
use claviger_domain::service_keys::ServiceKey;
use claviger_domain::shared_keys::SharedKey;
use claviger_domain::subscriptions::Subscription;
use sqlx::{AssertSqlSafe, Executor as _, SqlSafeStr as _};

use super::{POSTGRES_STATEMENTS, Place, STATEMENTS, queries_of};
use crate::dialect::{self, Database};
use crate::nodes::NodeRow;

fn fragment_queries() -> Vec<String> {
    [
        queries_of::<Api>(crate::apis::FRAGMENTS),
        queries_of::<Application>(crate::applications::FRAGMENTS),
        queries_of::<Environment>(crate::environments::FRAGMENTS),
        queries_of::<Event>(crate::events::FRAGMENTS),
        queries_of::<Group>(crate::groups::FRAGMENTS),
        queries_of::<Job>(crate::jobs::FRAGMENTS),
        queries_of::<KeyPair>(crate::key_pairs::FRAGMENTS),
        queries_of::<KeySet>(crate::key_sets::filter::FRAGMENTS),
        queries_of::<Member>(crate::members::FRAGMENTS),
        queries_of::<NodeRow>(crate::nodes::FRAGMENTS),
        queries_of::<Organization>(crate::organizations::FRAGMENTS),
        queries_of::<PermissionGroup>(crate::permission_groups::FRAGMENTS),
        queries_of::<PolicyTemplate>(crate::policy_templates::FRAGMENTS),
        queries_of::<ServiceKey>(crate::service_keys::FRAGMENTS),
        queries_of::<SharedKey>(crate::shared_keys::FRAGMENTS),
        queries_of::<Subscription>(crate::subscriptions::FRAGMENTS),
        crate::last_used::FRAGMENTS
            .iter()
            .map(|fragment| format!("SELECT last_used.id FROM last_used WHERE {}", fragment.0))
            .collect(),
        crate::usage::part_queries(),
        crate::key_sets::filter::selections::FRAGMENTS.iter().map(|query| query.0.to_owned()).collect(),
    ]
    .concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_and_fragment_prepares_on_both_databases() {
    let common = STATEMENTS.iter().flat_map(|(module, statements)| {
        statements
            .iter()
            .map(move |statement| (format!("{module}::{}", statement.name), statement.sql.to_owned()))
    });
    let fragments = fragment_queries().into_iter().map(|sql| ("a fragment".to_owned(), sql));
    let common: Vec<(String, String)> = common.chain(fragments).collect();
    assert!(common.len() > 250, "{} are registered", common.len());
    for place in Place::both().await {
        let (own, queries) = match &place.store.database {
            Database::Sqlite { .. } => (dialect::sqlite::STATEMENTS, dialect::sqlite::FRAGMENTS),
            Database::Postgres { .. } => (dialect::postgres::STATEMENTS, dialect::postgres::FRAGMENTS),
        };
        let further: &[(&str, &[_])] = match &place.store.database {
            Database::Sqlite { .. } => &[],
            Database::Postgres { .. } => POSTGRES_STATEMENTS,
        };
        let own = own.iter().chain(further.iter().flat_map(|(_, statements)| *statements));
        let own = own.map(|statement| (statement.name.to_owned(), statement.sql.to_owned()));
        let own = own.chain(queries.iter().map(|query| ("a selection".to_owned(), query.0.to_owned())));
        for (name, sql) in common.iter().cloned().chain(own) {
            let text = AssertSqlSafe(sql.clone()).into_sql_str();
            let prepared = match &place.store.database {
                Database::Sqlite { writer, .. } => writer.prepare(text).await.map(drop),
                Database::Postgres { writers: pool, .. } => pool.prepare(text).await.map(drop),
            };
            prepared.unwrap_or_else(|error| panic!("{name}: {error}: {sql}"));
        }
    }
}

/// A module whose statements are not in the lists above would not be prepared.
#[test]
fn every_module_with_statements_is_registered() {
    let mut found = BTreeSet::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let declares = |what: &str| text.lines().any(|line| line.trim_start() == format!("{what}! {{"));
            let module = path.strip_prefix(&root).unwrap().with_extension("").display().to_string();
            if declares("statements") && !["dialect", "statements"].contains(&module.as_str()) {
                found.insert(module.replace('/', "::"));
            }
        }
    }
    let registered: BTreeSet<String> =
        STATEMENTS.iter().chain(POSTGRES_STATEMENTS).map(|(module, _)| (*module).to_owned()).collect();
    assert_eq!(found, registered);
}
