//! On a filled table, no filter of Key Sets reads it from end to end: each one has an index to go by.

use claviger_domain::apis::AuthType;
use claviger_domain::id::{
    ApiId, ApplicationId, EnvironmentId, GroupId, KeySetId, OrganizationId, PolicyTemplateId,
};
use claviger_domain::key_sets::{KeySet, KeyStatus};
use claviger_domain::time::Timestamp;
use sqlx::{AssertSqlSafe, Row as _, SqlSafeStr as _};

use super::Place;
use crate::connection::Connection;
use crate::dialect::Database;
use crate::key_sets::snapshot::LIMITED;
use crate::list::{Listed as _, page_query};
use crate::log;
use crate::statements::statements;
use crate::value::{Value, values};
use crate::{Between, KeySetFilter, KeySetSort, ListQuery, Visible};

const FILLED: i64 = 5_000;

statements! {
    ORGANIZATION = "INSERT INTO organizations (id, name, folded_name, kind, created_at) VALUES ($1, 'O', 'o', 'internal', 1)";
    GROUP = "INSERT INTO groups (id, organization_id, name, folded_name, created_at) VALUES ($1, $2, 'G', 'g', 1)";
    ENVIRONMENT = "INSERT INTO environments (id, slug, name, folded_name, created_at) VALUES ($1, $1, 'E', 'e', 1)";
    TEMPLATE = "INSERT INTO policy_templates (id, organization_id, name, folded_name, version, policy, created_at, updated_at) \
                VALUES ($1, $2, $1, $1, 1, '{}', 1, 1)";
    APPLICATION = "INSERT INTO applications (id, organization_id, group_id, name, folded_name, status, created_at) \
                   VALUES ($1, $2, $3, $1, $1, 'active', 1)";
    KEY_SET = "INSERT INTO key_sets (id, name, folded_name, organization_id, group_id, application_id, environment_id, \
               auth_type, policy, template_id, template_version, created_at, search, latest_key_id, latest_status, \
               latest_stops_at, latest_stops_as, latest_created_at, latest_provisioned_at, latest_rotation_due_at, \
               latest_expires_at, latest_revoked_at) VALUES ($1, $1, $1, $2, $3, $4, $5, $6, '{}', $7, 1, $8, $1, $1, \
               $9, $8, 'expired', $8, $8, $8, $8, $8)";
    EVENT = "INSERT INTO log (position, id, version, at, kind, actor_kind, actor_name, subject_kind, subject_id, data, hash, \
             previous_hash) VALUES ($1, $2, 1, $1, 'k', 'system', 's', 's', $2, '{}', $3, $3)";
    BY_ACTOR = "SELECT position FROM log WHERE actor_id = $1 ORDER BY position DESC LIMIT 50";
    BY_COUNTERPART = "SELECT position FROM log WHERE (organization_id = $1 OR counterpart_organization_id = $1) ORDER BY position DESC";
    UNLIMIT = "UPDATE key_sets SET policy = '{\"rate_limit\":null,\"quota\":null}' WHERE id <> $1";
    ANALYZE = "ANALYZE";
}

pub(super) fn id<K: claviger_domain::id::Kind>(number: i64) -> claviger_domain::id::Id<K> {
    claviger_domain::id::Id::from_bytes(u128::from(number.unsigned_abs()).to_be_bytes())
}

/// Fifty Organizations with an Application each, and sets spread over them, over time and over statuses.
pub(super) async fn fill(connection: &mut Connection) {
    for number in 0..50 {
        let (organization, group) = (
            id::<claviger_domain::id::OrganizationKind>(number),
            id::<claviger_domain::id::GroupKind>(number),
        );
        connection.execute(ORGANIZATION.text(), values![organization]).await.unwrap();
        connection.execute(GROUP.text(), values![group, organization]).await.unwrap();
        connection
            .execute(ENVIRONMENT.text(), values![id::<claviger_domain::id::EnvironmentKind>(number)])
            .await
            .unwrap();
        let template: PolicyTemplateId = id(number);
        connection.execute(TEMPLATE.text(), values![template, organization]).await.unwrap();
        let application: ApplicationId = id(number);
        connection.execute(APPLICATION.text(), values![application, organization, group]).await.unwrap();
    }
    for number in 0..FILLED {
        let owner = number % 50;
        let status = if number % 40 == 0 { KeyStatus::Suspended } else { KeyStatus::Revoked };
        let auth_type = if number % 30 == 0 { AuthType::Basic } else { AuthType::ApiKey };
        let values = values![
            id::<claviger_domain::id::KeySetKind>(number),
            id::<claviger_domain::id::OrganizationKind>(owner),
            id::<claviger_domain::id::GroupKind>(owner),
            id::<claviger_domain::id::ApplicationKind>(owner),
            id::<claviger_domain::id::EnvironmentKind>(owner),
            auth_type.as_str(),
            id::<claviger_domain::id::PolicyTemplateKind>(owner),
            number,
            status.as_str(),
        ];
        connection.execute(KEY_SET.text(), values).await.unwrap();
    }
    connection.execute(ANALYZE.text(), values![]).await.unwrap();
}

fn filters() -> Vec<(&'static str, KeySetFilter)> {
    let at = || KeySetFilter::at(Timestamp::from_micros(100));
    let between = Between {
        after: Some(Timestamp::from_micros(FILLED - 20)),
        before: Some(Timestamp::from_micros(FILLED - 10)),
    };
    let (api, application, environment): (ApiId, ApplicationId, EnvironmentId) = (id(1), id(1), id(1));
    let (organization, group, set): (OrganizationId, GroupId, KeySetId) = (id(1), id(1), id(1));
    vec![
        ("ids", KeySetFilter { ids: vec![set], ..at() }),
        ("status", KeySetFilter { statuses: vec![KeyStatus::Suspended], ..at() }),
        ("status by the clock", KeySetFilter { statuses: vec![KeyStatus::Expired], ..at() }),
        ("auth_type", KeySetFilter { auth_types: vec![AuthType::Basic], ..at() }),
        ("api_id", KeySetFilter { api_ids: vec![api], ..at() }),
        ("application_id", KeySetFilter { application_ids: vec![application], ..at() }),
        ("environment_id", KeySetFilter { environment_ids: vec![environment], ..at() }),
        ("organization_id", KeySetFilter { organization_ids: vec![organization], ..at() }),
        ("group_id", KeySetFilter { group_ids: vec![group], ..at() }),
        ("q", KeySetFilter { q: Some("seldom".into()), ..at() }),
        ("created", KeySetFilter { created: between, ..at() }),
        ("provisioned", KeySetFilter { provisioned: between, ..at() }),
        ("rotation_due", KeySetFilter { rotation_due: between, ..at() }),
        ("expires", KeySetFilter { expires: between, ..at() }),
        ("revoked", KeySetFilter { revoked: between, ..at() }),
        ("last_used", KeySetFilter { last_used: between, ..at() }),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_filter_of_key_sets_goes_by_an_index() {
    for place in Place::both().await {
        let database = &place.store.database;
        let mut connection = database.begin().await.unwrap();
        fill(&mut connection).await;
        connection.commit().await.unwrap();
        for (name, filter) in filters() {
            for sort in [KeySetSort::CreatedAt, KeySetSort::Name, KeySetSort::ExpiresAt] {
                let query = ListQuery {
                    limit: 50,
                    sort,
                    descending: true,
                    cursor: None,
                    visible: Visible::everything(),
                    filter: filter.clone(),
                    count: false,
                };
                let selections = KeySet::selections(&filter, database.dialect());
                for selection in selections.iter().map(Some).chain([None]) {
                    let (sql, values) =
                        page_query::<KeySet>(&query, selection, KeySet::alternatives(&query.filter)).finish();
                    let plan = explain(database, sql.as_str(), values).await;
                    let whole = read_whole(&plan);
                    assert!(whole.is_none(), "{name} sorted by {sort:?}, {selection:?}: {plan:#?}");
                    assert!(plan.iter().any(|line| line.to_lowercase().contains("index")), "{plan:#?}");
                }
            }
        }
    }
}

/// A start does not read a million sets to find those that are limited.
#[tokio::test(flavor = "multi_thread")]
async fn limited_key_sets_are_found_by_an_index() {
    for place in Place::both().await {
        let database = &place.store.database;
        let mut connection = database.begin().await.unwrap();
        fill(&mut connection).await;
        connection.execute(UNLIMIT.text(), values![id::<claviger_domain::id::KeySetKind>(9)]).await.unwrap();
        connection.execute(ANALYZE.text(), values![]).await.unwrap();
        connection.commit().await.unwrap();
        let plan = explain(database, LIMITED.sql, values![]).await;
        assert!(plan.iter().any(|line| line.contains("key_sets_by_limits")), "{plan:#?}");
    }
}

/// The indexes that leave most events out serve those who ask for the few.
#[tokio::test(flavor = "multi_thread")]
async fn an_actor_and_a_counterpart_are_found_by_an_index() {
    for place in Place::both().await {
        let database = &place.store.database;
        let mut connection = database.begin().await.unwrap();
        for number in 1..FILLED {
            let id = format!("evt_{number}");
            connection.execute(EVENT.text(), values![number, id, log::ORIGIN]).await.unwrap();
        }
        connection.execute(ANALYZE.text(), values![]).await.unwrap();
        connection.commit().await.unwrap();
        for (query, index) in [(BY_ACTOR, "log_by_actor"), (BY_COUNTERPART, "log_by_counterpart")] {
            let plan = explain(database, query.sql, values!["an id"]).await;
            assert!(plan.iter().any(|line| line.contains(index)), "{index}: {plan:#?}");
        }
    }
}

/// The line that says that the table is read from end to end; not the one that reads what was found in it.
fn read_whole(plan: &[String]) -> Option<&String> {
    let mut found = 0;
    let mut before = "";
    for line in plan {
        found += usize::from(line == "MATERIALIZE found");
        let whole = line.contains("Seq Scan on key_sets")
            || (line.starts_with("SCAN key_sets") && !line.contains("INDEX"));
        if whole && (found == 0 || before == "MATERIALIZE found") {
            return Some(line);
        }
        found -= usize::from(whole);
        before = line;
    }
    None
}

async fn explain(database: &Database, sql: &str, values: Vec<Value>) -> Vec<String> {
    match database {
        Database::Sqlite { writer, .. } => {
            let sql = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")).into_sql_str();
            let arguments: sqlx::sqlite::SqliteArguments = crate::value::arguments(values).unwrap();
            let rows = sqlx::query_with(sql, arguments).fetch_all(writer).await.unwrap();
            rows.iter().map(|row| row.get::<String, _>("detail")).collect()
        }
        Database::Postgres { writers: pool, .. } => {
            let sql = AssertSqlSafe(format!("EXPLAIN {sql}")).into_sql_str();
            let arguments: sqlx::postgres::PgArguments = crate::value::arguments(values).unwrap();
            let rows = sqlx::query_with(sql, arguments).fetch_all(pool).await.unwrap();
            rows.iter().map(|row| row.get::<String, _>(0)).collect()
        }
    }
}
