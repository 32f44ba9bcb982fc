//! The doors of the data plane: each turns its protocol into a [`claviger_verify::Request`] and the
//! decision into its protocol, and none decides by itself. So far forward-auth, which nginx
//! (`auth_request`), Caddy and Traefik ask; Envoy's ext_authz and the gateway come later.
//!
//! A door knows memory alone: the binary feeds the index from the log. What all faces share, doors or not, is
//! the server under them.

mod forward_auth;
mod patient;
mod peers;
mod percent;
mod serve;

pub use forward_auth::{Dialect, FORWARD_AUTH_PATH, ForwardAuth, ForwardAuthService, Peer, Settings};
pub use peers::TrustedPeers;
pub use serve::{Limits, serve};
