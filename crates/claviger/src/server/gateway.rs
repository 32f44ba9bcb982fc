//! The gateway on its address: taken with the others, answering once the service is put together, and ended
//! without dropping a call.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use claviger_domain::peers::TrustedPeers;
use claviger_edge::{Certificate, Connection, Gateway, GatewaySettings, Limits, gateway_not_ready};
use claviger_egress::{Egress, Rules};
use claviger_service::ambient::{Entropy as _, SystemEntropy};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_util::sync::CancellationToken;

use super::deciding::Deciding;
use super::trials::Trials;
use super::{faces, listeners};
use crate::configuration::{Configuration, GatewayOptions};

/// The gateway's listener, with the gateway itself as soon as there is one.
#[derive(Debug)]
pub(super) struct GatewayDoor {
    gateway: Arc<OnceLock<Arc<Gateway>>>,
    serving: JoinHandle<()>,
    watching: Vec<AbortHandle>,
    own_listeners: Vec<SocketAddr>,
    limits: Limits,
}

impl GatewayDoor {
    /// Begins to answer that the node is starting.
    pub(super) fn open(
        listener: TcpListener,
        configuration: &Configuration,
        own_listeners: Vec<SocketAddr>,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let certificate = certificate(&configuration.gateway)?;
        let gateway = Arc::new(OnceLock::<Arc<Gateway>>::new());
        let answering = Arc::clone(&gateway);
        let answer = move |request, connection: &Connection| {
            let answered = answering.get().map(|gateway| gateway.answer(request, connection));
            async move {
                Ok::<_, Infallible>(match answered {
                    Some(answered) => answered.await,
                    None => gateway_not_ready(),
                })
            }
        };
        let (limits, stop) = (listeners::limits_of_gateway(), stop.clone().cancelled_owned());
        let mut watching = Vec::new();
        if let Some(certificate) = certificate.clone() {
            watching.push(tokio::spawn(async move { certificate.follow().await }).abort_handle());
        }
        let serving = tokio::spawn(async move {
            claviger_edge::serve_calls(listener, limits, certificate.as_ref(), answer, stop).await;
        });
        Ok(Self { gateway, serving, watching, own_listeners, limits })
    }

    /// From here on calls are decided and passed on.
    pub(super) fn connect(
        &mut self,
        configuration: &Configuration,
        deciding: &Deciding,
    ) -> anyhow::Result<()> {
        let options = &configuration.gateway;
        let authorities = match &options.upstream_ca_file {
            Some(file) => claviger_edge::read_certificates(file).context("gateway.upstream_ca_file")?,
            None => Vec::new(),
        };
        let tls = claviger_edge::upstream_tls(authorities).context("gateway.upstream_ca_file")?;
        let rules =
            Rules { own_listeners: self.own_listeners.clone(), allow: configuration.egress.allow.clone() };
        let settings = settings(configuration, deciding);
        let Deciding { index, meters, failures, limiter, .. } = deciding.clone();
        let egress = Egress::new(rules);
        let gateway = Arc::new(Gateway::new(index, meters, failures, limiter, egress, tls, settings));
        let watched = Arc::clone(&gateway);
        self.watching.push(tokio::spawn(async move { watched.watch().await }).abort_handle());
        // It is connected once, and so there is one gateway.
        let _ = self.gateway.set(gateway);
        Ok(())
    }

    /// For calls that visitors of the portal try, once there is a gateway.
    pub(super) fn trials(&self) -> Option<Trials> {
        self.gateway.get().map(|gateway| Trials::through(Arc::clone(gateway)))
    }

    /// Lets open calls end; the listener was told to stop.
    pub(super) async fn close(self) {
        let gateway = self.gateway.get();
        let upgraded = async {
            if let Some(gateway) = gateway {
                gateway.close(self.limits.grace).await;
            }
        };
        let (_, ()) = tokio::join!(self.serving, upgraded);
        // A call that came last may have been upgraded since.
        if let Some(gateway) = gateway {
            gateway.close(Duration::ZERO).await;
        }
        self.watching.iter().for_each(AbortHandle::abort);
    }
}

fn certificate(options: &GatewayOptions) -> anyhow::Result<Option<Certificate>> {
    match (&options.certificate_file, &options.key_file) {
        (Some(certificate), Some(key)) => {
            let loaded = Certificate::load(certificate.clone(), key.clone());
            Ok(Some(loaded.context("gateway.certificate_file and gateway.key_file")?))
        }
        _ => Ok(None),
    }
}

fn settings(configuration: &Configuration, deciding: &Deciding) -> GatewaySettings {
    let options = &configuration.gateway;
    let mut trace_seed = [0; 16];
    SystemEntropy.fill(&mut trace_seed);
    GatewaySettings {
        trusted: TrustedPeers::new(configuration.doors.trusted.clone()),
        environment: options.environment.clone(),
        calls: listeners::calls_of_gateway(),
        connect_timeout: options.connect_timeout,
        answer_timeout: options.answer_timeout,
        idle_timeout: options.idle_timeout,
        clock: Arc::clone(&deciding.clock),
        request_id_prefix: faces::request_id_prefix(),
        trace_seed,
    }
}
