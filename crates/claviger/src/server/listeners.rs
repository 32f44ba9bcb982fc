//! The addresses that the program listens on, taken all at once or not at all, and what each allows.

use std::net::SocketAddr;

use anyhow::Context as _;
use claviger_edge::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;

use crate::configuration::Configuration;

/// Files that are not connections of callers: those of the databases, the keeper, the data folder.
const OWN_FILES: u64 = 256;
/// Fewer files than these leave the gateway fewer than 64 callers at once: such a server would seem to hang.
const FEWEST_FILES: u64 = OWN_FILES + 4 * 64;
/// A fourth for the gateway's callers, and another for its upstreams.
const GATEWAY_PART: u64 = 4;
/// A few collectors of metrics, each with a connection that it keeps.
pub(super) const FOR_MONITORING: Limits = Limits { connections: 64, ..Limits::DEFAULT };
/// Proxies, each with a connection for each of its threads, on which it asks of all its callers.
pub(super) const FOR_ENVOY: Limits = Limits { connections: 1_024, ..Limits::DEFAULT };

/// The doors that exist, each on its address.
#[derive(Debug)]
pub(super) struct Listeners {
    /// REST API and forward-auth.
    pub(super) main: TcpListener,
    pub(super) gateway: TcpListener,
    pub(super) ext_authz: TcpListener,
    pub(super) metrics: TcpListener,
}

impl Listeners {
    pub(super) async fn bind(configuration: &Configuration) -> anyhow::Result<Self> {
        demand_files(most_files())?;
        Ok(Self {
            main: bind("listen", configuration.listen).await?,
            gateway: bind("gateway_listen", configuration.gateway_listen).await?,
            ext_authz: bind("ext_authz_listen", configuration.ext_authz_listen).await?,
            metrics: bind("metrics_listen", configuration.metrics_listen).await?,
        })
    }

    /// All addresses of ours, with the ports that the system chose where it was left to choose.
    pub(super) fn own(&self, configuration: &Configuration) -> Vec<SocketAddr> {
        let taken = [&self.main, &self.gateway, &self.ext_authz, &self.metrics];
        let taken = taken.into_iter().flat_map(TcpListener::local_addr);
        own(configuration).into_iter().filter(|address| address.port() != 0).chain(taken).collect()
    }
}

async fn bind(setting: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        let flag = setting.replace('_', "-");
        format!("{address} can't be listened on; is it in use? Choose another with --{flag}")
    })
}

/// All addresses of ours: no upstream may be one of them.
pub(super) fn own(configuration: &Configuration) -> Vec<SocketAddr> {
    vec![
        configuration.listen,
        configuration.gateway_listen,
        configuration.ext_authz_listen,
        configuration.metrics_listen,
    ]
}

/// What the main address allows. Callers must never use up the files that the database needs.
pub(super) fn limits() -> Limits {
    limits_of(2)
}

/// What the gateway's address allows: each of its callers may need a connection to an upstream too.
pub(super) fn limits_of_gateway() -> Limits {
    limits_of(GATEWAY_PART)
}

/// How many calls the gateway may have open: one connection in HTTP/2 carries many, and each may need one to an upstream.
pub(super) fn calls_of_gateway() -> usize {
    room(GATEWAY_PART)
}

/// This part of the files that are there for callers.
fn limits_of(part: u64) -> Limits {
    Limits { connections: room(part).min(Limits::DEFAULT.connections), ..Limits::DEFAULT }
}

fn room(part: u64) -> usize {
    let room = most_files().saturating_sub(OWN_FILES) / part;
    usize::try_from(room).unwrap_or(usize::MAX)
}

/// Refuses to start where callers would only wait for each other.
fn demand_files(most: u64) -> anyhow::Result<()> {
    anyhow::ensure!(
        most >= FEWEST_FILES,
        "the process may have only {most} files open, and needs {FEWEST_FILES}: raise the hard limit (`ulimit -Hn`, \
         or LimitNOFILE= of the unit)"
    );
    Ok(())
}

/// How many files the process may have open, after asking for as many as it is allowed to ask for: shells
/// and supervisors grant far fewer to begin with.
fn most_files() -> u64 {
    let granted = getrlimit(Resource::Nofile);
    let most = Rlimit { current: granted.maximum, ..granted };
    let granted = if setrlimit(Resource::Nofile, most).is_ok() { most } else { granted };
    granted.current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_with_too_few_files_says_what_to_raise() {
        let refused = demand_files(FEWEST_FILES - 1).unwrap_err().to_string();
        assert!(refused.contains("only 511 files") && refused.contains("ulimit -Hn"), "{refused}");
        assert!(demand_files(FEWEST_FILES).is_ok());
    }
}
