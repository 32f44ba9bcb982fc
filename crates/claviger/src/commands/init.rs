//! `claviger init`: the first Organization, its owner and a service key, without a running server.

use anyhow::Context as _;
use claviger_domain::members::Email;
use claviger_domain::refusal::Refusal;
use claviger_domain::text::Name;
use claviger_service::{Beginning, Initialised};
use claviger_store::{Options, Store};
use serde_json::json;

use super::Outcome;
use crate::configuration::Configuration;
use crate::{server, terminal};

/// Reads what was typed: both are refused as misuse if they don't fit.
pub(super) fn beginning(owner: &str, organization: &str) -> Result<Beginning, String> {
    Ok(Beginning {
        owner: Email::new(owner).map_err(|error| format!("--owner {error}"))?,
        organization: Name::new(organization).map_err(|error| format!("--organization {error}"))?,
    })
}

/// Initialises the database; refused on one that was initialised before.
pub(super) async fn run(
    configuration: &Configuration,
    beginning: &Beginning,
    as_json: bool,
) -> anyhow::Result<Outcome> {
    server::make_folder(&configuration.data_dir)?;
    let url = &configuration.database_url;
    let store = Store::open(url.expose(), Options { connections: 2, ..Options::default() })
        .await
        .with_context(|| format!("open the database {}", url.masked()))?;
    if server::is_initialised(&store).await? {
        // Asked first: the keeper of a running server would be in the way, and is not what is wrong.
        return Err(explained(Refusal::AlreadyInitialised.into()));
    }
    let service = server::assemble(configuration, store.clone()).await?;
    let made = service.init(beginning).await;
    store.close().await;
    drop(service);
    print(&made.map_err(explained)?, as_json)?;
    Ok(Outcome::Done)
}

/// The refusal in words of this command.
fn explained(error: claviger_service::Error) -> anyhow::Error {
    match error {
        claviger_service::Error::Refused(Refusal::AlreadyInitialised) => anyhow::anyhow!(
            "the database was initialised before, and nothing was changed; a lost service key is replaced with \
             another one's `claviger service-keys replace`, or, if none is left, with `claviger owner-key`"
        ),
        error => anyhow::Error::new(error).context("initialise the database"),
    }
}

/// The service key is shown this once.
fn print(made: &Initialised, as_json: bool) -> anyhow::Result<()> {
    let text = if as_json {
        let shown = json!({
            "organization_id": made.organization_id,
            "member_id": made.member_id,
            "service_key": made.service_key.expose(),
        });
        serde_json::to_string(&shown)?
    } else {
        format!(
            "Organization  {}\nOwner         {}\nService key   {}\n\nThe service key has all permissions and is \
             not shown again: keep it now.\nTo use it from this shell:  claviger login\nIf it is ever lost:         \
             claviger owner-key",
            made.organization_id,
            made.member_id,
            made.service_key.expose(),
        )
    };
    terminal::print_line(&text).map_err(|error| error.losing(super::OWNER_KEY_LOST))?;
    Ok(())
}
