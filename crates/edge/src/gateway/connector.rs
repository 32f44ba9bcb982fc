//! Connections to upstreams: through `claviger-egress`, with TLS where the address says `https`, and pooled.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use claviger_egress::{Egress, Purpose};
use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tower::Service;

use super::GatewaySettings;
use super::body::Outgoing;
use crate::patient::Patient;

type BoxError = Box<dyn Error + Send + Sync>;
type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// For how long a connection that nobody uses is kept. Shorter than most servers keep theirs.
const KEEP: Duration = Duration::from_secs(50);
/// So many are kept to one upstream, or fewer where only few calls may be open: those that are kept count as no call.
const MOST_IDLE: usize = 256;
const FEWEST_IDLE: usize = 4;
/// One is kept for so many calls that may be open.
const CALLS_PER_IDLE: usize = 16;

/// The pools of connections to upstreams.
#[derive(Debug, Clone)]
pub(super) struct Pools {
    /// HTTP/1.1, or what TLS agrees on.
    usual: Client<Connector, Outgoing>,
    /// HTTP/2 without TLS, for calls that can be made in no other way.
    http2: Client<Connector, Outgoing>,
}

impl Pools {
    /// Waits so long for a connection, and then for an upstream that takes nothing of what it is sent: nobody asks the
    /// caller for more meanwhile, and would see that nothing moves.
    pub(super) fn new(egress: Egress, tls: ClientConfig, settings: &GatewaySettings) -> Self {
        let (patience, write_timeout) = (settings.connect_timeout, settings.idle_timeout);
        let plain = Plain { egress, patience, write_timeout };
        let tls = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions();
        let connector = Connector { inner: tls.wrap_connector(plain), patience };
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(KEEP)
            .pool_max_idle_per_host((settings.calls / CALLS_PER_IDLE).clamp(FEWEST_IDLE, MOST_IDLE))
            .http2_keep_alive_interval(KEEP)
            .http2_keep_alive_while_idle(false);
        let usual = builder.build(connector.clone());
        Self { usual, http2: builder.http2_only(true).build(connector) }
    }

    /// The one for a call; `http2` if it can be made in HTTP/2 alone and the upstream speaks no TLS.
    pub(super) const fn of(&self, http2: bool) -> &Client<Connector, Outgoing> {
        if http2 { &self.http2 } else { &self.usual }
    }
}

/// How TLS to upstreams is checked: by the authorities that the system trusts, and these.
pub fn upstream_tls(further: Vec<CertificateDer<'static>>) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "a certificate authority of the system can't be read");
    }
    roots.add_parsable_certificates(system.certs);
    for certificate in further {
        roots.add(certificate)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// TCP.
#[derive(Debug, Clone)]
struct Plain {
    egress: Egress,
    patience: Duration,
    write_timeout: Duration,
}

impl Service<Uri> for Plain {
    type Response = TokioIo<Patient<TcpStream>>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Self { egress, patience, write_timeout } = self.clone();
        Box::pin(async move {
            let host = uri.host().ok_or("the upstream's address has no host")?;
            let standard = if uri.scheme_str() == Some("https") { 443 } else { 80 };
            let port = uri.port_u16().unwrap_or(standard);
            let stream = egress.connect(Purpose::Upstream, host, port, patience).await?;
            stream.set_nodelay(true)?;
            Ok(TokioIo::new(Patient::new(stream, write_timeout)))
        })
    }
}

/// TCP, and TLS over it, within one limit of patience.
#[derive(Debug, Clone)]
pub(super) struct Connector {
    inner: HttpsConnector<Plain>,
    patience: Duration,
}

/// TLS was not agreed on in time.
#[derive(Debug, thiserror::Error)]
#[error("the upstream did not answer in time")]
pub(super) struct TooSlow;

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<TokioIo<Patient<TcpStream>>>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, patience) = (self.inner.call(uri), self.patience);
        Box::pin(async move { tokio::time::timeout(patience, connecting).await.map_err(|_| TooSlow)? })
    }
}
