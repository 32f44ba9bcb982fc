//! The addresses: free, or taken by a Claviger that runs.

use std::io::ErrorKind;
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
    let (mut findings, mut taken) = (Vec::new(), Vec::new());
    let runs = answers(configuration.listen).await;
    for (setting, address) in [
        ("listen", configuration.listen),
        ("gateway_listen", configuration.gateway_listen),
        ("ext_authz_listen", configuration.ext_authz_listen),
        ("metrics_listen", configuration.metrics_listen),
    ] {
        let Err(error) = TcpListener::bind(address).await else { continue };
        if runs && may_be_its_own(error.kind()) {
            taken.push((setting, address));
        } else {
            let detail =
                format!("{address} can't be listened on ({error}): choose another, or stop what does");
            findings.push(Finding::error(setting, detail));
        }
    }
    let word = if runs { "a server answers on" } else { "nothing else listens on" };
    seen.note(format!("{word} {}", configuration.listen), findings);
    note_taken(&taken, configuration.listen, seen);
    runs
}

/// Whether a server that runs explains that an address can't be taken. A low port may be the server's to take, and not
/// that of whoever examines.
const fn may_be_its_own(error: ErrorKind) -> bool {
    matches!(error, ErrorKind::AddrInUse | ErrorKind::PermissionDenied)
}

/// Notes what is taken while a server answers on `listen`. What has it can't be seen from here, and it is mostly that
/// server, so that this is nothing to mend.
fn note_taken(taken: &[(&str, SocketAddr)], listen: SocketAddr, seen: &mut Examination) {
    let others = taken.iter().filter(|(_, address)| *address != listen);
    let named: Vec<_> = others.map(|(setting, address)| format!("{address} ({setting})")).collect();
    if !named.is_empty() {
        let sentence = format!(
            "taken, by that server if it was started with these settings; else look at what has them before a \
             restart: {}",
            named.join(", ")
        );
        seen.note(sentence, Vec::new());
    }
}

/// Whether a Claviger answers there.
async fn answers(address: SocketAddr) -> bool {
    let Ok(client) = Client::new(&format!("http://{address}")) else { return false };
    let asked = timeout(PATIENCE, client.get("/healthz").send::<Value>()).await;
    matches!(asked, Ok(Ok(answer)) if answer.body["status"] == "ok")
}
