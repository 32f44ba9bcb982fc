//! What the role that a data node signs in with may do, and what time its database has: for who examines a set-up.

use claviger_domain::time::Timestamp;

use super::DataNodeReader;
use crate::columns::{Columns, FromRow};
use crate::error::StoreError;
use crate::statements::statements;
use crate::value::values;

statements! {
    LACKING = "SELECT needed.name || ' (' || needed.act || ')' FROM (VALUES ('data_node_head', 'SELECT'), \
               ('data_node_log', 'SELECT'), ('data_node_rows', 'SELECT'), ('node_reports', 'INSERT'), \
               ('usage_batches', 'INSERT')) AS needed (name, act) \
               WHERE NOT has_table_privilege(needed.name, needed.act) ORDER BY 1";
    // What a sequence is asked for is refused as a question about a table, and the other way round; and each version
    // refuses the acts of later ones.
    SURPLUS = "SELECT classes.relname || ' (' || acts.act || ')' FROM pg_class AS classes \
               CROSS JOIN (VALUES ('SELECT', true, 0), ('INSERT', true, 0), ('UPDATE', true, 0), ('REFERENCES', true, 0), \
               ('DELETE', false, 0), ('TRUNCATE', false, 0), ('TRIGGER', false, 0), ('MAINTAIN', false, 170000), \
               ('USAGE', false, 0)) AS acts (act, on_columns, since) \
               WHERE classes.relkind IN ('r', 'v', 'm', 'p', 'f', 'S') \
               AND classes.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) \
               AND CASE WHEN CAST(current_setting('server_version_num') AS INTEGER) < acts.since THEN false \
               WHEN classes.relkind = 'S' AND acts.act IN ('SELECT', 'UPDATE', 'USAGE') \
               THEN has_sequence_privilege(classes.oid, acts.act) \
               WHEN classes.relkind = 'S' OR acts.act = 'USAGE' THEN false \
               WHEN acts.on_columns THEN has_any_column_privilege(classes.oid, acts.act) \
               ELSE has_table_privilege(classes.oid, acts.act) END \
               AND NOT (acts.act = 'SELECT' AND classes.relname IN ('data_node_head', 'data_node_log', 'data_node_rows')) \
               AND NOT (acts.act = 'INSERT' AND classes.relname IN ('node_reports', 'usage_batches')) ORDER BY 1";
    CLOCK = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";
}

/// What a role may do with the tables, views and sequences of the schema, or with any column of them, beside what it
/// should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleRights {
    /// What it needs and may not do: a table with the act.
    pub lacking: Vec<String>,
    /// What it may do beyond that.
    pub surplus: Vec<String>,
}

struct Right(String);

impl FromRow for Right {
    const TABLE: &'static str = "pg_class";

    fn from_row(columns: &mut Columns<'_>) -> Result<Self, StoreError> {
        Ok(Self(columns.text()?.to_owned()))
    }
}

impl DataNodeReader {
    /// What the role may do that this reader signed in with.
    pub async fn rights(&mut self) -> Result<RoleRights, StoreError> {
        let lacking: Vec<Right> = self.0.all(LACKING, values![]).await?;
        let surplus: Vec<Right> = self.0.all(SURPLUS, values![]).await?;
        let named = |rights: Vec<Right>| rights.into_iter().map(|Right(named)| named).collect();
        Ok(RoleRights { lacking: named(lacking), surplus: named(surplus) })
    }

    /// What time the database has.
    pub async fn clock(&mut self) -> Result<Timestamp, StoreError> {
        let micros: Option<i64> = self.0.optional(CLOCK, values![]).await?;
        micros.map(Timestamp::from_micros).ok_or_else(|| StoreError::corrupt("clock", "it tells no time"))
    }
}
