//! The forward-auth door on the main address: gateways ask it with their callers' headers.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::routing::any;
use claviger_edge::{Dialect, FORWARD_AUTH_PATH, ForwardAuth, Settings, TrustedPeers};
use claviger_service::Service;
use claviger_service::ambient::{Entropy as _, SystemEntropy};
use claviger_verify::Failures;

use crate::configuration::{self, Configuration};

/// The door as routes of their own: it takes no service key, and has its own request ids and limits.
pub(super) fn routes(service: &Service, configuration: &Configuration) -> Router {
    let doors = &configuration.doors;
    let clock = service.clone();
    let settings = Settings {
        trusted: TrustedPeers::new(doors.trusted.clone()),
        dialect: match doors.dialect {
            configuration::Dialect::Forwarded => Dialect::Forwarded,
            configuration::Dialect::Original => Dialect::Original,
        },
        clock: Arc::new(move || clock.now()),
        request_id_prefix: request_id_prefix(),
    };
    let failures = Arc::new(Failures::new(doors.failures_per_minute));
    let door =
        ForwardAuth::new(Arc::clone(service.index()), Arc::clone(service.meters()), failures, settings);
    let door = Arc::new(door);
    let answer = move |ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request| {
        let answer = door.answer(&request, peer.ip());
        async move { answer }
    };
    Router::new().route(FORWARD_AUTH_PATH, any(answer))
}

/// Different at each start, so that ids of two runs are not taken for each other's.
fn request_id_prefix() -> String {
    let mut random = [0; 6];
    SystemEntropy.fill(&mut random);
    claviger_wire::events::hex(&random)
}
