//! Where a request came from: the peer, or what trusted proxies say of it (surface.md, "Client address").

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client's address, if the connection told its peer.
pub(crate) fn of(extensions: &Extensions, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>()?;
    client(peer.ip(), headers, trusted)
}

/// The rightmost hop that is not a trusted proxy. `None` if the hop that counts is no address: what proxies
/// pass on is bytes, and a line that can't be read must not make its sender look like the proxy.
pub(crate) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = peer.to_canonical();
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let mut nearest = peer;
    if !is_trusted(&peer) {
        return Some(peer);
    }
    for line in headers.get_all(FORWARDED_FOR).iter().rev() {
        for hop in line.as_bytes().rsplit(|byte| *byte == b',') {
            nearest = address(std::str::from_utf8(hop.trim_ascii()).ok()?)?;
            if !is_trusted(&nearest) {
                return Some(nearest);
            }
        }
    }
    Some(nearest)
}

/// An address, with or without a port.
fn address(hop: &str) -> Option<IpAddr> {
    let bare = hop.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse().ok().or_else(|| hop.parse().ok().map(|socket: SocketAddr| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted: Vec<IpNet> =
            vec!["127.0.0.0/8".parse().expect("a net"), "10.0.0.0/8".parse().expect("a net")];
        for (peer, forwarded, expected) in [
            ("203.0.113.9", &b"198.51.100.1"[..], Some("203.0.113.9")),
            ("127.0.0.1", b"198.51.100.1", Some("198.51.100.1")),
            ("127.0.0.1", b"6.6.6.6, 198.51.100.1, 10.0.0.2", Some("198.51.100.1")),
            ("127.0.0.1", b"6.6.6.6, nonsense, 10.0.0.2", None),
            ("127.0.0.1", b"\xff, 198.51.100.1", Some("198.51.100.1")),
            ("127.0.0.1", b"\xff", None),
            ("127.0.0.1", b"[2001:db8::1]:443", Some("2001:db8::1")),
            ("127.0.0.1", b"::ffff:198.51.100.1", Some("198.51.100.1")),
            ("127.0.0.1", b"", None),
            ("127.0.0.1", b"10.0.0.3", Some("10.0.0.3")),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(FORWARDED_FOR, http::HeaderValue::from_bytes(forwarded).expect("a value"));
            let found = client(peer.parse().expect("an address"), &headers, &trusted);
            let found = found.map(|address| address.to_string());
            assert_eq!(found.as_deref(), expected, "{peer} {forwarded:?}");
        }
    }
}
