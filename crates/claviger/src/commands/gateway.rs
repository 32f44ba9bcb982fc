//! `claviger gateway`, `gateway enroll` and `gateway join`: a data node, the token that it enrols by, and its use.

use claviger_client::Client;
use claviger_domain::credential::{CredentialKind, WellFormed};
use serde_json::json;

use super::Outcome;
use crate::configuration::{Configuration, Explained};
use crate::rest;
use crate::server::{self, Join};
use crate::{telemetry, terminal};

/// Serves as a data node.
pub(super) async fn serve(settings: Explained) -> anyhow::Result<Outcome> {
    telemetry::begin_logs(&settings.configuration.log);
    for finding in &settings.findings {
        tracing::warn!(setting = finding.about, "{}", finding.detail);
    }
    server::serve_data_node(settings.configuration).await?;
    Ok(Outcome::Done)
}

/// Enrols this data folder by the token on standard input.
pub(super) async fn join(
    configuration: &Configuration,
    control_url: &str,
    as_json: bool,
) -> anyhow::Result<Outcome> {
    let client = Client::new(control_url)?;
    let token = rest::secret_line("The node's token, then Enter (it is not shown):")?;
    let kind = WellFormed::parse(token.expose()).map(|parsed| parsed.kind());
    if kind != Some(CredentialKind::Node) {
        anyhow::bail!(
            "this is no node's token: one begins with clv_node_, and a typing error in it is noticed"
        );
    }
    let joined = match server::join(configuration, &client, token.expose()).await {
        Ok(joined) => joined,
        Err(error) => return rest::refused(error, as_json),
    };
    let (enrolment, said) = match &joined {
        Join::Already(enrolment) => (enrolment, "was enrolled before; the token was not used"),
        Join::Done(enrolment) => (enrolment, "is enrolled: start it with `claviger gateway`"),
    };
    let text = if as_json {
        let already = matches!(joined, Join::Already(_));
        json!({ "id": enrolment.node_id.to_string(), "name": enrolment.name, "already": already }).to_string()
    } else {
        format!("{} ({}) {said}.", terminal::plain(&enrolment.name), enrolment.node_id)
    };
    terminal::print_line(&text)?;
    Ok(Outcome::Done)
}
