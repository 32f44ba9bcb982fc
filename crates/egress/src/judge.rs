//! Which addresses may be reached. An IPv6 address that only carries an IPv4 one is judged by that too.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::{Purpose, Rules};

/// Why an address must not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A cloud's metadata service, which gives credentials to whoever asks.
    Metadata,
    LinkLocal,
    /// No single machine's address: unspecified, broadcast, multicast, or kept for later.
    NotAHost,
    OwnListener,
    Loopback,
    /// A network that is not the Internet: private, carrier-grade NAT, documentation, benchmarks.
    Private,
    /// Mapped, translated or tunnelled IPv4.
    Carried,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metadata => "a metadata service",
            Self::LinkLocal => "a link-local address",
            Self::NotAHost => "no address of a host",
            Self::OwnListener => "where Claviger itself listens",
            Self::Loopback => "an address of this machine",
            Self::Private => "an address of a private network",
            Self::Carried => "an IPv4 address in the form of an IPv6 one",
        })
    }
}

/// Metadata services of AWS (also for containers), Azure, Google Cloud, Oracle and Alibaba.
const METADATA: [IpAddr; 9] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x23)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// May this address be reached for this purpose?
pub(crate) fn judge(rules: &Rules, purpose: Purpose, address: SocketAddr) -> Result<(), Reason> {
    let stated = address.ip();
    let carried = carried(stated);
    for ip in std::iter::once(stated).chain(carried) {
        if METADATA.contains(&ip) {
            return Err(Reason::Metadata);
        }
        if is_own(rules, SocketAddr::new(ip, address.port())) {
            return Err(Reason::OwnListener);
        }
    }
    for ip in std::iter::once(stated).chain(carried) {
        let allowed = rules.allow.iter().any(|network| network.contains(&ip));
        match kind(ip) {
            Some(reason) if !allowed && refused_for(purpose, reason) => return Err(reason),
            _ => {}
        }
        if allowed {
            return Ok(());
        }
    }
    match (purpose, carried) {
        (Purpose::Outside, Some(_)) => Err(Reason::Carried),
        _ => Ok(()),
    }
}

const fn refused_for(purpose: Purpose, reason: Reason) -> bool {
    match purpose {
        Purpose::Outside => true,
        Purpose::Upstream => !matches!(reason, Reason::Loopback | Reason::Private | Reason::Carried),
    }
}

/// Whether that is one of our listeners. One on all addresses is met at every address of this machine.
fn is_own(rules: &Rules, address: SocketAddr) -> bool {
    rules.own_listeners.iter().filter(|own| own.port() == address.port()).any(|own| {
        let own = own.ip().to_canonical();
        own == address.ip() || (own.is_unspecified() && is_of_this_machine(address.ip()))
    })
}

/// A socket can be bound to an address of this machine and to no other; nothing is sent.
fn is_of_this_machine(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified() || UdpSocket::bind((ip, 0)).is_ok()
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible, NAT64 (RFC 6052, RFC 8215), 6to4.
fn carried(ip: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(ip) = ip else { return None };
    let segments = ip.segments();
    let pair = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    let last = pair(segments[6], segments[7]);
    let v4 = match segments {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => return None,
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0x64, 0xff9b, 1, ..] => last,
        [0, 0, 0, 0, 0xffff, 0, ..] => last,
        [0x2002, high, low, ..] => pair(high, low),
        _ => return None,
    };
    Some(IpAddr::V4(v4))
}

/// What is peculiar about an address; `None` for one that the whole Internet can reach.
fn kind(ip: IpAddr) -> Option<Reason> {
    match ip {
        IpAddr::V4(ip) => kind_of_v4(ip),
        IpAddr::V6(ip) => kind_of_v6(ip),
    }
}

fn kind_of_v4(ip: Ipv4Addr) -> Option<Reason> {
    let [a, b, c, _] = ip.octets();
    if ip.is_link_local() {
        Some(Reason::LinkLocal)
    } else if a == 0 || a >= 224 {
        Some(Reason::NotAHost)
    } else if ip.is_loopback() {
        Some(Reason::Loopback)
    } else if ip.is_private()
        || (a == 100 && b & 0xc0 == 64)
        || ip.is_documentation()
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && b & 0xfe == 18)
    {
        Some(Reason::Private)
    } else {
        None
    }
}

fn kind_of_v6(ip: Ipv6Addr) -> Option<Reason> {
    let segments = ip.segments();
    if ip.is_unicast_link_local() {
        Some(Reason::LinkLocal)
    } else if ip.is_unspecified() || ip.is_multicast() {
        Some(Reason::NotAHost)
    } else if ip.is_loopback() {
        Some(Reason::Loopback)
    } else if ip.is_unique_local()
        || segments[0] & 0xffc0 == 0xfec0
        || segments[..2] == [0x2001, 0xdb8]
        || (segments[0] == 0x2001 && segments[1] < 0x200)
        || segments[..4] == [0x100, 0, 0, 0]
        || segments[0] == 0x3fff
        || segments[0] == 0x5f00
    {
        Some(Reason::Private)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(rules: &Rules, purpose: Purpose, text: &str) -> Option<Reason> {
        let address = SocketAddr::new(text.parse().expect("an address"), 8_080);
        judge(rules, purpose, address).err()
    }

    #[test]
    fn addresses_are_judged_by_purpose() {
        use Reason::{Carried, LinkLocal, Loopback, Metadata, NotAHost, Private};
        for (address, upstream, outside) in [
            ("93.184.215.14", None, None),
            ("2606:4700::1111", None, None),
            ("127.0.0.1", None, Some(Loopback)),
            ("127.9.9.9", None, Some(Loopback)),
            ("::1", None, Some(Loopback)),
            ("10.0.0.7", None, Some(Private)),
            ("172.16.0.1", None, Some(Private)),
            ("192.168.1.1", None, Some(Private)),
            ("100.64.0.1", None, Some(Private)),
            ("198.18.0.1", None, Some(Private)),
            ("192.0.2.1", None, Some(Private)),
            ("fd12::1", None, Some(Private)),
            ("fec0::1", None, Some(Private)),
            ("2001::1", None, Some(Private)),
            ("169.254.1.1", Some(LinkLocal), Some(LinkLocal)),
            ("fe80::1", Some(LinkLocal), Some(LinkLocal)),
            ("169.254.169.254", Some(Metadata), Some(Metadata)),
            ("100.100.100.200", Some(Metadata), Some(Metadata)),
            ("168.63.129.16", Some(Metadata), Some(Metadata)),
            ("fd00:ec2::254", Some(Metadata), Some(Metadata)),
            ("0.0.0.0", Some(NotAHost), Some(NotAHost)),
            ("0.1.2.3", Some(NotAHost), Some(NotAHost)),
            ("255.255.255.255", Some(NotAHost), Some(NotAHost)),
            ("224.0.0.1", Some(NotAHost), Some(NotAHost)),
            ("240.0.0.1", Some(NotAHost), Some(NotAHost)),
            ("::", Some(NotAHost), Some(NotAHost)),
            ("ff02::1", Some(NotAHost), Some(NotAHost)),
            ("::ffff:169.254.169.254", Some(Metadata), Some(Metadata)),
            ("::ffff:169.254.1.1", Some(LinkLocal), Some(LinkLocal)),
            ("::ffff:0.0.0.0", Some(NotAHost), Some(NotAHost)),
            ("::169.254.169.254", Some(Metadata), Some(Metadata)),
            ("64:ff9b::a9fe:a9fe", Some(Metadata), Some(Metadata)),
            ("64:ff9b:1::a9fe:a9fe", Some(Metadata), Some(Metadata)),
            ("64:ff9b::a9fe:101", Some(LinkLocal), Some(LinkLocal)),
            ("2002:a9fe:a9fe::1", Some(Metadata), Some(Metadata)),
            ("::ffff:10.0.0.7", None, Some(Private)),
            ("::ffff:93.184.215.14", None, Some(Carried)),
            ("64:ff9b::5db8:d70e", None, Some(Carried)),
        ] {
            assert_eq!(judged(&Rules::default(), Purpose::Upstream, address), upstream, "{address}");
            assert_eq!(judged(&Rules::default(), Purpose::Outside, address), outside, "{address}");
        }
    }

    #[test]
    fn the_operator_may_allow_networks_but_no_metadata_and_nothing_of_ours() {
        let networks = ["10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "::ffff:0:0/96"];
        let rules = Rules {
            own_listeners: vec!["127.0.0.1:8080".parse().expect("an address")],
            allow: networks.map(|network| network.parse().expect("a network")).to_vec(),
        };
        for (address, expected) in [
            ("10.0.0.7", None),
            ("127.0.0.2", None),
            ("169.254.1.1", None),
            ("::ffff:93.184.215.14", None),
            ("192.168.0.1", Some(Reason::Private)),
            ("169.254.169.254", Some(Reason::Metadata)),
            ("127.0.0.1", Some(Reason::OwnListener)),
            ("::ffff:127.0.0.1", Some(Reason::OwnListener)),
        ] {
            assert_eq!(judged(&rules, Purpose::Outside, address), expected, "{address}");
        }
    }

    #[test]
    fn own_listeners_are_refused_in_every_form_and_on_every_address_they_have() {
        for (own, address, refused) in [
            ("127.0.0.1:8080", "127.0.0.1", true),
            ("127.0.0.1:8080", "::ffff:127.0.0.1", true),
            ("127.0.0.1:8080", "64:ff9b::7f00:1", true),
            ("127.0.0.1:8080", "127.0.0.2", false),
            ("127.0.0.1:9090", "127.0.0.1", false),
            ("0.0.0.0:8080", "127.0.0.1", true),
            ("0.0.0.0:8080", "127.3.3.3", true),
            ("[::]:8080", "127.0.0.1", true),
            ("[::]:8080", "::1", true),
            ("0.0.0.0:8080", "203.0.113.9", false),
        ] {
            let own_listeners = vec![own.parse().expect("an address")];
            let rules = Rules { own_listeners, allow: Vec::new() };
            let judged = judged(&rules, Purpose::Upstream, address);
            assert_eq!(judged == Some(Reason::OwnListener), refused, "{own} {address}: {judged:?}");
        }
    }
}
