//! The schema, in numbered files that never change once released: expand first, contract later.

use std::time::Duration;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use crate::dialect::{Database, Reading};
use crate::error::StoreError;
use crate::reader::Reader;
use crate::statements::statements;
use crate::value::values;

statements! {
    NEWEST = "SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations";
}

/// Every file of the folder `migrations`, in order.
const FILES: &[(i64, &str, &str)] = &[(1, "foundation", include_str!("../migrations/0001_foundation.sql"))];

/// How often the migrations are tried. PostgreSQL has a lock for them; on SQLite, of two processes that start
/// at once, the slower one fails where the faster one was before, and finds it done when it looks again.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// Brings the database to the newest schema, or says why not. A schema from the future is left alone.
pub(crate) async fn run(database: &Database) -> Result<(), StoreError> {
    let migrations = FILES.iter().map(|(version, name, sql)| {
        Migration::new(*version, (*name).into(), MigrationType::Simple, (*sql).into_sql_str(), false)
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
