//! Where a request came from: the peer, or what trusted proxies say of it (surface.md, "Client address").

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use claviger_domain::peers::TrustedPeers;
use http::{Extensions, HeaderMap};

/// The client's address, if the connection told its peer.
pub(crate) fn of(extensions: &Extensions, headers: &HeaderMap, trusted: &TrustedPeers) -> Option<IpAddr> {
    let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>()?;
    client(peer.ip(), headers, trusted)
}

/// The client's address behind this peer. `None` if the hop that counts is no address.
pub(crate) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &TrustedPeers) -> Option<IpAddr> {
    let lines = headers.get_all(TrustedPeers::FORWARDED_FOR).iter();
    trusted.client(peer, lines.map(http::HeaderValue::as_bytes))
}
