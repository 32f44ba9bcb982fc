//! Checking the tables: the log is replayed into an empty database in memory, by the same code that wrote
//! the tables, and every row is compared.

use claviger_domain::event::{Event, Position};
use futures::TryStreamExt as _;
use sqlx::SqlSafeStr as _;

use super::{apply, row};
use crate::error::StoreError;
use crate::reader::Reader;
use crate::statements::{Statement, statements};
use crate::store::{Options, Store};
use crate::value::{Value, values};

/// The tables that are the log's shadow, each with its statements and how many columns its key has; the key
/// stands first.
macro_rules! shadows {
    ($($all:ident, $one:ident, $count:ident = $table:literal, $keys:literal, $condition:literal;)*) => {
        statements! {
            $(
                $all = concat!("SELECT * FROM ", $table);
                $one = concat!("SELECT * FROM ", $table, " WHERE ", $condition);
                $count = concat!("SELECT COUNT(*) FROM ", $table);
            )*
        }

        const SHADOWS: &[Shadow] = &[
            $(Shadow { table: $table, keys: $keys, all: $all, one: $one, count: $count },)*
        ];
    };
}

struct Shadow {
    table: &'static str,
    keys: usize,
    all: Statement,
    one: Statement,
    count: Statement,
}

shadows! {
    ALL_ORGANIZATIONS, ONE_ORGANIZATION, COUNT_ORGANIZATIONS = "organizations", 1, "id = $1";
    ALL_GROUPS, ONE_GROUP, COUNT_GROUPS = "groups", 1, "id = $1";
    ALL_MEMBERS, ONE_MEMBER, COUNT_MEMBERS = "members", 1, "id = $1";
    ALL_MEMBER_GROUPS, ONE_MEMBER_GROUP, COUNT_MEMBER_GROUPS = "member_groups", 2, "member_id = $1 AND group_id = $2";
    ALL_ENVIRONMENTS, ONE_ENVIRONMENT, COUNT_ENVIRONMENTS = "environments", 1, "id = $1";
    ALL_PERMISSION_GROUPS, ONE_PERMISSION_GROUP, COUNT_PERMISSION_GROUPS = "permission_groups", 1, "id = $1";
    ALL_ROLE_GRANTS, ONE_ROLE_GRANT, COUNT_ROLE_GRANTS = "role_grants", 1, "id = $1";
    ALL_POLICY_TEMPLATES, ONE_POLICY_TEMPLATE, COUNT_POLICY_TEMPLATES = "policy_templates", 1, "id = $1";
    ALL_APIS, ONE_API, COUNT_APIS = "apis", 1, "id = $1";
    ALL_API_ENVIRONMENTS, ONE_API_ENVIRONMENT, COUNT_API_ENVIRONMENTS = "api_environments", 2, "api_id = $1 AND environment_id = $2";
    ALL_API_AUTH_TYPES, ONE_API_AUTH_TYPE, COUNT_API_AUTH_TYPES = "api_auth_types", 2, "api_id = $1 AND auth_type = $2";
    ALL_API_DOCUMENTS, ONE_API_DOCUMENT, COUNT_API_DOCUMENTS = "api_documents", 2, "api_id = $1 AND version = $2";
    ALL_APPLICATIONS, ONE_APPLICATION, COUNT_APPLICATIONS = "applications", 1, "id = $1";
    ALL_KEY_SETS, ONE_KEY_SET, COUNT_KEY_SETS = "key_sets", 1, "id = $1";
    ALL_KEYS, ONE_KEY, COUNT_KEYS = "keys", 1, "id = $1";
    ALL_SUBSCRIPTIONS, ONE_SUBSCRIPTION, COUNT_SUBSCRIPTIONS = "subscriptions", 1, "id = $1";
    ALL_SUBSCRIPTION_KEY_SETS, ONE_SUBSCRIPTION_KEY_SET, COUNT_SUBSCRIPTION_KEY_SETS = "subscription_key_sets", 2, "subscription_id = $1 AND key_set_id = $2";
    ALL_SERVICE_KEYS, ONE_SERVICE_KEY, COUNT_SERVICE_KEYS = "service_keys", 1, "id = $1";
    ALL_SHARED_KEYS, ONE_SHARED_KEY, COUNT_SHARED_KEYS = "shared_keys", 1, "id = $1";
    ALL_KEY_PAIRS, ONE_KEY_PAIR, COUNT_KEY_PAIRS = "key_pairs", 1, "id = $1";
    ALL_KEY_PAIR_GRANTS, ONE_KEY_PAIR_GRANT, COUNT_KEY_PAIR_GRANTS = "key_pair_grants", 2, "key_pair_id = $1 AND grantee = $2";
    ALL_GIT_INTEGRATIONS, ONE_GIT_INTEGRATION, COUNT_GIT_INTEGRATIONS = "git_integrations", 1, "api_id = $1";
    ALL_SERVICE_KEY_GROUPS, ONE_SERVICE_KEY_GROUP, COUNT_SERVICE_KEY_GROUPS = "service_key_permission_groups", 2, "service_key_id = $1 AND permission_group_id = $2";
}

/// What comparing the tables with the log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateReport {
    /// Up to where the log was replayed.
    pub position: Position,
    /// How many rows are as they must be.
    pub rows: u64,
    pub fault: Option<StateFault>,
}

/// The first row that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFault {
    pub table: &'static str,
    /// Its key; empty if only the number of rows differs.
    pub key: String,
    pub why: String,
}

impl Reader {
    /// Replays the log beside the tables and compares every row.
    pub async fn verify_state(&mut self) -> Result<StateReport, StoreError> {
        let store = Store::open("sqlite::memory:", Options::default()).await?;
        let mut shadow = Self::writing(store.database.begin().await?);
        let position = self.replay_into(&mut shadow).await?;
        let (mut rows, mut fault) = (0, None);
        for table in SHADOWS {
            match self.compare(&mut shadow, table).await? {
                Ok(compared) => rows += compared,
                Err(found) => {
                    fault = Some(found);
                    break;
                }
            }
        }
        shadow.connection.rollback().await;
        store.close().await;
        Ok(StateReport { position, rows, fault })
    }

    async fn replay_into(&mut self, shadow: &mut Self) -> Result<Position, StoreError> {
        let mut position = Position(0);
        let mut events = self.stream::<Event>(row::STREAM.text(), values![0_i64]).await?;
        while let Some(event) = events.try_next().await? {
            apply::apply(shadow, &event.event).await?;
            position = event.position;
        }
        Ok(position)
    }

    /// How many rows of the table are equal, or the first that is not.
    async fn compare(
        &mut self,
        shadow: &mut Self,
        table: &Shadow,
    ) -> Result<Result<u64, StateFault>, StoreError> {
        let expected: Option<i64> = shadow.optional(table.count, values![]).await?;
        let mut rows = self.connection.stream(table.all.sql.into_sql_str(), values![])?;
        let mut compared = 0;
        while let Some(row) = rows.try_next().await? {
            let found = row.values(table.table)?;
            let key = found[..table.keys].to_vec();
            let fault = |why| StateFault { table: table.table, key: shown(&key), why };
            let Some(replayed) = shadow.row(table.one, key.clone()).await? else {
                return Ok(Err(fault("the log does not lead to this row".to_owned())));
            };
            let replayed = replayed.values(table.table)?;
            if let Some(column) = (0..found.len()).find(|index| found.get(*index) != replayed.get(*index)) {
                return Ok(Err(fault(format!(
                    "the column {} differs from the log's",
                    row.column_name(column)
                ))));
            }
            compared += 1;
        }
        let expected = expected.unwrap_or_default().unsigned_abs();
        Ok(if compared == expected {
            Ok(compared)
        } else {
            let why = format!("{compared} rows stand where the log leads to {expected}");
            Err(StateFault { table: table.table, key: String::new(), why })
        })
    }
}

fn shown(key: &[Value]) -> String {
    let parts: Vec<&str> = key
        .iter()
        .map(|value| match value {
            Value::Text(Some(text)) => text.as_str(),
            _ => "?",
        })
        .collect();
    parts.join(" ")
}
