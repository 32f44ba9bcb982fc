//! Envoy's door on its address: taken with the others, deciding once the service is put together.

use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

use claviger_domain::peers::TrustedPeers;
use claviger_edge::{ExtAuthz, ExtAuthzSettings, ext_authz_not_ready};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::deciding::Deciding;
use super::{faces, listeners};
use crate::configuration::Configuration;

/// The listener, with the door itself as soon as there is one.
#[derive(Debug)]
pub(super) struct ExtAuthzDoor {
    door: Arc<OnceLock<ExtAuthz>>,
    serving: JoinHandle<()>,
}

impl ExtAuthzDoor {
    /// Begins to answer that the node is starting.
    pub(super) fn open(listener: TcpListener, stop: &CancellationToken) -> Self {
        let door = Arc::new(OnceLock::<ExtAuthz>::new());
        let answering = Arc::clone(&door);
        let answer = move |request, peer: std::net::SocketAddr| {
            let door = answering.get().cloned();
            async move {
                Ok::<_, Infallible>(match door {
                    Some(door) => door.answer(request, peer.ip()).await,
                    None => ext_authz_not_ready(),
                })
            }
        };
        let stop = stop.clone().cancelled_owned();
        let serving = tokio::spawn(claviger_edge::serve(listener, listeners::FOR_ENVOY, answer, stop));
        Self { door, serving }
    }

    /// From here on calls are decided.
    pub(super) fn connect(&self, configuration: &Configuration, deciding: &Deciding) {
        let settings = ExtAuthzSettings {
            trusted: TrustedPeers::new(configuration.doors.trusted.clone()),
            clock: Arc::clone(&deciding.clock),
            request_id_prefix: faces::request_id_prefix(),
        };
        let Deciding { index, meters, failures, limiter, .. } = deciding.clone();
        // It is connected once, and so there is one door.
        let _ = self.door.set(ExtAuthz::new(index, meters, failures, limiter, settings));
    }

    /// Lets open calls end; the listener was told to stop.
    pub(super) async fn close(self) {
        let _ = self.serving.await;
    }
}
