//! The addresses that the program listens on, taken all at once or not at all.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::net::TcpListener;

use crate::configuration::Configuration;

/// The doors that exist, each on its address.
#[derive(Debug)]
pub(super) struct Listeners {
    /// REST API and forward-auth.
    pub(super) main: TcpListener,
    pub(super) metrics: TcpListener,
}

impl Listeners {
    pub(super) async fn bind(configuration: &Configuration) -> anyhow::Result<Self> {
        Ok(Self {
            main: bind("listen", configuration.listen).await?,
            metrics: bind("metrics_listen", configuration.metrics_listen).await?,
        })
    }
}

async fn bind(setting: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        let flag = setting.replace('_', "-");
        format!("{address} can't be listened on; is it in use? Choose another with --{flag}")
    })
}

/// All addresses of ours, those of doors that do not exist yet included: no upstream may be one of them.
pub(super) fn own(configuration: &Configuration) -> Vec<SocketAddr> {
    vec![
        configuration.listen,
        configuration.gateway_listen,
        configuration.ext_authz_listen,
        configuration.metrics_listen,
    ]
}
