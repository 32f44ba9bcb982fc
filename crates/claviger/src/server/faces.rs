//! What the configuration says to the faces: the REST API and the doors.

use std::sync::Arc;

use claviger_domain::peers::TrustedPeers;
use claviger_edge::{ForwardAuth, Settings};
use claviger_service::Service;
use claviger_service::ambient::{Entropy as _, SystemEntropy};

use super::deciding::Deciding;
use super::switchboard::Faces;
use super::trials::Trials;
use crate::configuration::{Configuration, Dialect};

/// All that answers on the main address.
pub(super) fn of(
    service: &Service,
    configuration: &Configuration,
    deciding: &Deciding,
    trials: Option<Trials>,
) -> Faces {
    let options = claviger_api::Options {
        public_url: configuration.public_url.clone(),
        trusted: TrustedPeers::new(configuration.doors.trusted.clone()),
        body_timeout: claviger_api::BODY_TIMEOUT,
        trials: trials.map(|trials| Arc::new(trials) as _),
    };
    Faces {
        rest: claviger_api::Face::new(service.clone(), &SystemEntropy, options),
        forward_auth: Arc::new(forward_auth(configuration, deciding)),
    }
}

pub(super) fn forward_auth(configuration: &Configuration, deciding: &Deciding) -> ForwardAuth {
    let doors = &configuration.doors;
    let settings = Settings {
        trusted: TrustedPeers::new(doors.trusted.clone()),
        dialect: match doors.dialect {
            Dialect::Forwarded => claviger_edge::Dialect::Forwarded,
            Dialect::Original => claviger_edge::Dialect::Original,
        },
        clock: Arc::clone(&deciding.clock),
        request_id_prefix: request_id_prefix(),
    };
    let Deciding { index, meters, failures, limiter, .. } = deciding.clone();
    ForwardAuth::new(index, meters, failures, limiter, settings)
}

/// Different at each start, so that ids of two lives of a server are told apart.
pub(super) fn request_id_prefix() -> String {
    let mut random = [0; 6];
    SystemEntropy.fill(&mut random);
    format!("req_{}", claviger_wire::events::hex(&random))
}
