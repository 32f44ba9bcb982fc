//! Whom a door believes, and where a call comes from: the rightmost hop that is not a trusted peer
//! (surface.md, "Deciding").

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// `doors.trusted`: the proxies in front of us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedPeers(Vec<IpNet>);

impl TrustedPeers {
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

    /// Where a call comes from that a trusted peer forwarded. Without forwarded hops it is the peer's
    /// own. `None` if the hop that counts is no address.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let mut client = peer.to_canonical();
        for line in headers.get_all(FORWARDED_FOR).iter().rev() {
            for hop in line.as_bytes().rsplit(|byte| *byte == b',') {
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

    fn client(peer: &str, hops: &[&str]) -> Option<String> {
        let peers = TrustedPeers::new(vec![
            "127.0.0.0/8".parse().expect("a network"),
            "10.0.0.0/8".parse().expect("a network"),
            "2001:db8:f::/48".parse().expect("a network"),
        ]);
        let mut headers = HeaderMap::new();
        for line in hops {
            headers.append(FORWARDED_FOR, line.parse().expect("a header"));
        }
        peers.client(peer.parse().expect("an address"), &headers).map(|ip| ip.to_string())
    }

    #[test]
    fn the_rightmost_hop_that_is_not_trusted_is_the_client() {
        for (hops, expected) in [
            (&[][..], "127.0.0.1"),
            (&["192.0.2.1"], "192.0.2.1"),
            (&["6.6.6.6, 192.0.2.1"], "192.0.2.1"),
            (&["6.6.6.6", "192.0.2.1"], "192.0.2.1"),
            (&["6.6.6.6, 192.0.2.1, 10.1.2.3"], "192.0.2.1"),
            (&["192.0.2.1", "10.1.2.3,10.1.2.4"], "192.0.2.1"),
            (&["10.1.2.3"], "10.1.2.3"),
            (&["192.0.2.1:4711"], "192.0.2.1"),
            (&["[2001:db8::1]:80"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["2001:db8::1, 2001:db8:f::7"], "2001:db8::1"),
            (&["::ffff:192.0.2.1"], "192.0.2.1"),
        ] {
            assert_eq!(client("127.0.0.1", hops).as_deref(), Some(expected), "{hops:?}");
        }
    }

    #[test]
    fn a_hop_that_is_no_address_is_nobody() {
        for hops in [&["unknown"][..], &["192.0.2.1, "], &["192.0.2.1, _hidden"], &[""]] {
            assert_eq!(client("127.0.0.1", hops), None, "{hops:?}");
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
