//! The schema, in numbered files that never change once released: expand first, contract later.

use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use crate::dialect::{Database, Reading};
use crate::error::StoreError;
use crate::reader::Reader;
use crate::statements::statements;
use crate::value::values;

statements! {
    NEWEST = "SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations";
}

/// Every file of the folder `migrations`, in order.
const FILES: &[(i64, &str, &str)] = &[
    (1, "foundation", include_str!("../migrations/0001_foundation.sql")),
    (2, "flat_lists", include_str!("../migrations/0002_flat_lists.sql")),
    (3, "shared_keys", include_str!("../migrations/0003_shared_keys.sql")),
    (4, "usage", include_str!("../migrations/0004_usage.sql")),
    (5, "data_nodes", include_str!("../migrations/0005_data_nodes.sql")),
    (6, "lighter_log", include_str!("../migrations/0006_lighter_log.sql")),
    (7, "limits", include_str!("../migrations/0007_limits.sql")),
    (8, "usage_format", include_str!("../migrations/0008_usage_format.sql")),
    (9, "key_pairs", include_str!("../migrations/0009_key_pairs.sql")),
    (10, "jobs", include_str!("../migrations/0010_jobs.sql")),
    (11, "api_documents", include_str!("../migrations/0011_api_documents.sql")),
    (12, "git_integrations", include_str!("../migrations/0012_git_integrations.sql")),
];

/// How a line begins that a new section of a file follows, and how it ends if the section is one database's own.
const RULE: &str = "-- --------";
const SQLITE_ALONE: &str = " SQLite alone";
const POSTGRES_ALONE: &str = " PostgreSQL alone";

/// How often the migrations are tried. PostgreSQL has a lock for them; on SQLite, of two processes that start
/// at once, the slower one fails where the faster one was before, and finds it done when it looks again.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// Brings the database to the newest schema, or says why not. A schema from the future is left alone.
pub(crate) async fn run(database: &Database) -> Result<(), StoreError> {
    run_to(database, known()).await
}

/// Brings the database to a schema that is not newer than `newest`.
pub(crate) async fn run_to(database: &Database, newest: i64) -> Result<(), StoreError> {
    let others = match database {
        Database::Sqlite { .. } => POSTGRES_ALONE,
        Database::Postgres { .. } => SQLITE_ALONE,
    };
    let files = FILES.iter().filter(|(version, ..)| *version <= newest);
    let migrations = files.map(|(version, name, sql)| {
        // The program's own text.
        let sql = AssertSqlSafe(without(sql, others)).into_sql_str();
        Migration::new(*version, (*name).into(), MigrationType::Simple, sql, false)
    });
    let migrator = Migrator::with_migrations(migrations.collect());
    let mut attempt = 1;
    loop {
        match database.migrate(&migrator).await {
            Ok(()) => return Ok(()),
            Err(MigrateError::VersionMissing(found)) => {
                return Err(StoreError::NewerSchema { found, known: known() });
            }
            Err(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..)) if attempt < ATTEMPTS => {
                attempt += 1;
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(StoreError::Migration(error.to_string())),
        }
    }
}

/// The file without the sections that are the other database's own.
fn without(file: &str, others: &str) -> String {
    let mut ours = true;
    let kept = file.split_inclusive('\n').filter(|line| {
        if line.starts_with(RULE) {
            ours = !line.trim_end().ends_with(others);
        }
        ours
    });
    kept.collect()
}

/// Demands that the schema is the newest one, and brings nothing up to date.
pub(crate) async fn demand_newest(database: &Database) -> Result<(), StoreError> {
    let mut reader = Reader::new(database.begin_reading(Reading::Request).await?);
    let tables: Option<i64> = reader.optional(database.dialect().has_schema, values![]).await?;
    let found: Option<i64> = match tables {
        Some(1..) => reader.optional(NEWEST, values![]).await?,
        _ => None,
    };
    demand_equal(found.unwrap_or_default(), known())
}

fn demand_equal(found: i64, known: i64) -> Result<(), StoreError> {
    match found {
        0 => Err(StoreError::NoSchema),
        found if found < known => Err(StoreError::OlderSchema { found, known }),
        found if found > known => Err(StoreError::NewerSchema { found, known }),
        _ => Ok(()),
    }
}

/// The newest schema that this program knows.
pub(crate) fn known() -> i64 {
    FILES.iter().map(|(version, ..)| *version).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_registered_in_order() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let registered: Vec<String> =
            FILES.iter().map(|(version, name, _)| format!("{version:04}_{name}.sql")).collect();
        assert_eq!(names, registered);
        // The newest number tells that all before it were run.
        assert!(FILES.iter().map(|(version, ..)| *version).eq(1..=known()));
    }

    #[test]
    fn a_section_of_one_database_is_left_out_for_the_other() {
        let file =
            "A;\n-- -------- SQLite alone\nB;\n-- -------- PostgreSQL alone\nC;\n-- -------- both\nD;\n";
        let rules = |text: String| text.lines().filter(|line| !line.starts_with(RULE)).collect::<String>();
        assert_eq!(rules(without(file, POSTGRES_ALONE)), "A;B;D;");
        assert_eq!(rules(without(file, SQLITE_ALONE)), "A;C;D;");
        // What stood before there were sections reads as it did: its checksum is kept in every database.
        assert_eq!(without(FILES[0].2, SQLITE_ALONE), FILES[0].2);
    }

    #[test]
    fn a_schema_is_older_newer_or_right() {
        assert!(matches!(demand_equal(0, 2), Err(StoreError::NoSchema)));
        assert!(matches!(demand_equal(3, 2), Err(StoreError::NewerSchema { found: 3, known: 2 })));
        assert!(demand_equal(2, 2).is_ok());
        let older = demand_equal(1, 2).unwrap_err().to_string();
        assert!(older.contains("older version") && older.contains("start `claviger serve`"), "{older}");
    }
}
