//! The doors of the data plane: each turns its protocol into a [`claviger_verify::Request`] and the
//! decision into its protocol, and none decides by itself. They are forward-auth, which nginx
//! (`auth_request`), Caddy and Traefik ask; Envoy's ext_authz; and the gateway, which passes calls on itself.
//!
//! A door knows memory alone: the binary feeds the index from the log. What all faces share, doors or not, is
//! the server under them.

mod answer;
mod decider;
mod ext_authz;
mod forward_auth;
mod framing;
mod gateway;
mod path;
mod patient;
mod percent;
mod permissions;
mod serve;
mod tls;
mod traffic;

pub use decider::Clock;
pub use ext_authz::{ExtAuthz, ExtAuthzSettings, ext_authz_not_ready};
pub use forward_auth::{Dialect, FORWARD_AUTH_PATH, ForwardAuth, Settings};
pub use gateway::{
    Gateway, GatewayBody, GatewaySettings, TrialAnswer, TrialFailure, TrialLimits, gateway_not_ready,
    upstream_tls,
};
pub use serve::{Connection, Limits, serve, serve_calls};
pub use tls::{Certificate, CertificateError, read_certificates};
