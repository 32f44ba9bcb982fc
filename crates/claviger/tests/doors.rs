//! One decision, many translators: one table of requests goes through every door of real servers, through the
//! built-in gateway, a real nginx, a real Caddy, a real Envoy and a server that embeds the library too, and has one
//! answer.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "doors/door.rs"]
mod door;
#[path = "doors/ext_authz.rs"]
mod ext_authz;
#[path = "doors/library.rs"]
mod library;
#[path = "doors/parity.rs"]
mod parity;
#[path = "doors/scene.rs"]
mod scene;
