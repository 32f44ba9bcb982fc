//! Whose word about a caller's address is believed, and where a call comes from by that rule (surface.md,
//! "Client address"). Doors and the API ask here, so no door can be told what another would not believe.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// `doors.trusted`: the proxies in front of us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedPeers(Vec<IpNet>);

impl TrustedPeers {
    /// The header that proxies write a call's hops into, the nearest last.
    pub const FORWARDED_FOR: &'static str = "x-forwarded-for";

    pub const fn new(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// This machine alone, which is the default.
    pub fn loopback() -> Self {
        let v4 = IpNet::new_assert(IpAddr::from([127, 0, 0, 0]), 8);
        let v6 = IpNet::new_assert(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1_u16]), 128);
        Self(vec![v4, v6])
    }

    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }

    /// Where a call comes from: the peer itself unless it is trusted; else the rightmost forwarded hop that
    /// is not. `lines` are the values of [`Self::FORWARDED_FOR`] in the order in which they came. `None` if
    /// the hop that counts is no address: what proxies pass on is bytes, and a hop that can't be read must
    /// not make its sender look like the proxy.
    pub fn client<'a>(
        &self,
        peer: IpAddr,
        lines: impl DoubleEndedIterator<Item = &'a [u8]>,
    ) -> Option<IpAddr> {
        let mut client = peer.to_canonical();
        if !self.contains(client) {
            return Some(client);
        }
        for line in lines.rev() {
            for hop in line.rsplit(|byte| *byte == b',') {
                client = address(hop)?;
                if !self.contains(client) {
                    return Some(client);
                }
            }
        }
        Some(client)
    }
}

/// An address as proxies write it: alone, with a port, or in brackets.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop.trim_ascii()).ok()?;
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    text.parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .or_else(bare)
        .map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, lines: &[&[u8]]) -> Option<String> {
        let peers = TrustedPeers::new(vec![
            "127.0.0.0/8".parse().expect("a network"),
            "10.0.0.0/8".parse().expect("a network"),
            "2001:db8:f::/48".parse().expect("a network"),
        ]);
        let peer = peer.parse().expect("an address");
        peers.client(peer, lines.iter().copied()).map(|ip| ip.to_string())
    }

    #[test]
    fn the_rightmost_hop_that_is_not_trusted_is_the_client() {
        for (lines, expected) in [
            (&[][..], "127.0.0.1"),
            (&[&b"192.0.2.1"[..]], "192.0.2.1"),
            (&[b"6.6.6.6, 192.0.2.1"], "192.0.2.1"),
            (&[b"6.6.6.6", b"192.0.2.1"], "192.0.2.1"),
            (&[b"6.6.6.6, 192.0.2.1, 10.1.2.3"], "192.0.2.1"),
            (&[b"6.6.6.6, nonsense, 192.0.2.1"], "192.0.2.1"),
            (&[b"\xff, 192.0.2.1"], "192.0.2.1"),
            (&[b"192.0.2.1", b"10.1.2.3,10.1.2.4"], "192.0.2.1"),
            (&[b"10.1.2.3"], "10.1.2.3"),
            (&[b"192.0.2.1:4711"], "192.0.2.1"),
            (&[b"[2001:db8::1]:80"], "2001:db8::1"),
            (&[b"[2001:db8::1]"], "2001:db8::1"),
            (&[b"2001:db8::1, 2001:db8:f::7"], "2001:db8::1"),
            (&[b"::ffff:192.0.2.1"], "192.0.2.1"),
        ] {
            for peer in ["127.0.0.1", "::ffff:127.0.0.1"] {
                assert_eq!(client(peer, lines).as_deref(), Some(expected), "{lines:?}");
            }
        }
    }

    #[test]
    fn a_hop_that_is_no_address_is_nobody() {
        for line in [
            &b"unknown"[..],
            b"192.0.2.1, ",
            b"192.0.2.1, _hidden",
            b"6.6.6.6, nonsense, 10.0.0.2",
            b"[::1",
            b"\xff",
            b"",
        ] {
            assert_eq!(client("127.0.0.1", &[line]), None, "{line:?}");
        }
    }

    #[test]
    fn a_stranger_is_where_it_calls_from_whatever_it_says() {
        for line in [&b"10.1.2.3"[..], b"127.0.0.1", b"192.0.2.1, 10.1.2.3", b"unknown", b""] {
            assert_eq!(client("203.0.113.9", &[line]).as_deref(), Some("203.0.113.9"), "{line:?}");
        }
    }

    #[test]
    fn this_machine_is_trusted_by_default_and_nobody_else() {
        let peers = TrustedPeers::loopback();
        let trusted = |ip: &str| peers.contains(ip.parse().expect("an address"));
        assert!(
            trusted("127.0.0.1") && trusted("127.9.9.9") && trusted("::1") && trusted("::ffff:127.0.0.1")
        );
        assert!(!trusted("10.0.0.1") && !trusted("::2") && !trusted("192.0.2.1"));
    }
}
