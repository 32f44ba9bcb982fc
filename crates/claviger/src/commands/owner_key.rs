//! `claviger owner-key`: a new service key that can do everything, on the server itself; the way back in when
//! the last one is lost or deleted.

use anyhow::{Context as _, bail};
use claviger_service::OwnerKey;
use claviger_store::{Options, Store};
use serde_json::json;

use super::{Outcome, data};
use crate::configuration::Configuration;
use crate::{server, terminal};

/// Makes the key; refused on a database that was not initialised.
pub(super) async fn run(configuration: &Configuration, as_json: bool) -> anyhow::Result<Outcome> {
    data::demand_file(configuration)?;
    let url = &configuration.database_url;
    let store = Store::open(url.expose(), Options { connections: 2, ..Options::default() })
        .await
        .with_context(|| format!("open the database {}", url.masked()))?;
    if !server::is_initialised(&store).await? {
        bail!(
            "the database was not initialised: run `claviger init --owner EMAIL`, which prints the first key"
        );
    }
    let service = server::assemble(configuration, store.clone()).await?;
    let made = service.owner_key().await;
    store.close().await;
    drop(service);
    print(&made.context("make the key")?, as_json)?;
    Ok(Outcome::Done)
}

/// The service key is shown this once.
fn print(made: &OwnerKey, as_json: bool) -> anyhow::Result<()> {
    let key = made.service_key.expose();
    let text = if as_json {
        let shown = json!({
            "member_id": made.member_id,
            "service_key_id": made.service_key_id,
            "service_key": key,
        });
        serde_json::to_string(&shown)?
    } else {
        format!(
            "Owner         {}\nService key   {key}\nIts id        {}\n\nThe service key has all permissions and is \
             not shown again: keep it now.\nTo use it from this shell:  claviger login",
            made.member_id, made.service_key_id,
        )
    };
    terminal::print_line(&text).map_err(|error| error.losing(super::OWNER_KEY_LOST))?;
    Ok(())
}
