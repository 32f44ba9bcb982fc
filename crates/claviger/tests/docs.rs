//! The guides of `docs/`, executed: their shell blocks against a real server, their configurations in a real
//! nginx, Caddy, Envoy and HAProxy, what they print compared with what they say they print.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

#[path = "docs/guide.rs"]
mod guide;
#[path = "docs/guides.rs"]
mod guides;
#[path = "docs/links.rs"]
mod links;
