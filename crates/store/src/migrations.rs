//! The schema, in numbered files that never change once released: expand first, contract later.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};

use crate::dialect::Database;
use crate::error::StoreError;

/// Every file of the folder `migrations`, in order.
const FILES: &[(i64, &str, &str)] = &[(1, "foundation", include_str!("../migrations/0001_foundation.sql"))];

/// Brings the database to the newest schema, or says why not. A schema from the future is left alone.
pub(crate) async fn run(database: &Database) -> Result<(), StoreError> {
    let migrations = FILES.iter().map(|(version, name, sql)| {
        Migration::new(*version, (*name).into(), MigrationType::Simple, (*sql).into_sql_str(), false)
    });
    let migrator = Migrator::with_migrations(migrations.collect());
    database.migrate(&migrator).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) => StoreError::NewerSchema { found, known: known() },
        MigrateError::Execute(error) => error.into(),
        other => StoreError::Migration(other.to_string()),
    })
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
}
