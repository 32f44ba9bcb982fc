//! The addresses: free, or taken by a Claviger that runs.

use std::net::SocketAddr;
use std::time::Duration;

use claviger_client::Client;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::Examination;
use crate::configuration::{Configuration, Finding};

const PATIENCE: Duration = Duration::from_secs(2);

/// Tries every address that is or will be listened on, and says whether a server answers.
pub(super) async fn examine(configuration: &Configuration, seen: &mut Examination) -> bool {
    let mut findings = Vec::new();
    let runs = answers(configuration.listen).await;
    for (setting, address) in [
        ("listen", configuration.listen),
        ("gateway_listen", configuration.gateway_listen),
        ("ext_authz_listen", configuration.ext_authz_listen),
        ("metrics_listen", configuration.metrics_listen),
    ] {
        // A server that runs has taken all of them, or it would not run.
        if let (false, Err(error)) = (runs, TcpListener::bind(address).await) {
            let detail =
                format!("{address} can't be listened on ({error}): choose another, or stop what does");
            findings.push(Finding::error(setting, detail));
        }
    }
    let word = if runs { "a server answers on" } else { "nothing else listens on" };
    seen.note(format!("{word} {}", configuration.listen), findings);
    runs
}

/// Whether a Claviger answers there.
async fn answers(address: SocketAddr) -> bool {
    let Ok(client) = Client::new(&format!("http://{address}")) else { return false };
    let asked = timeout(PATIENCE, client.get("/healthz").send::<Value>()).await;
    matches!(asked, Ok(Ok(answer)) if answer.body["status"] == "ok")
}
