//! The data, for commands that look at it without a server.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use claviger_store::{Options, Store};

use crate::configuration::Configuration;

/// Few connections, and no patience: a person waits.
const OPTIONS: Options = Options { connections: 2, acquire_timeout: Duration::from_secs(5) };

/// Opens the database to look at it: nothing in it is changed, its schema neither.
pub(super) async fn open(configuration: &Configuration) -> anyhow::Result<Store> {
    let url = &configuration.database_url;
    demand_file(configuration)?;
    Store::inspect(url.expose(), OPTIONS).await.with_context(|| format!("open the database {}", url.masked()))
}

/// An embedded database must be there already: opening it would make it.
pub(super) fn demand_file(configuration: &Configuration) -> anyhow::Result<()> {
    if let Some(file) = file_of(configuration.database_url.expose())
        && !file.exists()
    {
        bail!("there is no database {}: is --data-dir right?", file.display());
    }
    Ok(())
}

/// The file of an embedded database.
pub(super) fn file_of(url: &str) -> Option<&Path> {
    let path = url.strip_prefix("sqlite:")?;
    Some(Path::new(path.strip_prefix("//").unwrap_or(path)))
}
