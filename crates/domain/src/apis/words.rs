//! The checked words in an API's settings: header names, addresses of upstreams, the provider's own
//! permissions.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// Why a word can't be taken; the sentence is for the field's `detail`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidWord(&'static str);

/// The name of a header of one's own, in lower case with `-`; never one that HTTP, cookies, proxies or
/// Claviger use (product.md C2).
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct HeaderName(String);

/// Names with a meaning of their own (RFC 9110, RFC 6265, RFC 7239, Fetch and the proxies' habits).
const TAKEN: &[&str] = &[
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "if-match",
    "if-none-match",
    "keep-alive",
    "origin",
    "range",
    "referer",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "x-real-ip",
    "x-request-id",
    "traceparent",
    "tracestate",
    "http2-settings",
];
const TAKEN_PREFIXES: &[&str] = &[
    "x-claviger-",
    "claviger-",
    "x-forwarded-",
    "x-original-",
    "proxy-",
    "sec-",
    "access-control-",
    "accept",
    "x-accel-",
    "x-envoy-",
];

impl HeaderName {
    pub fn new(text: &str) -> Result<Self, InvalidWord> {
        let name = text.to_ascii_lowercase().replace('_', "-");
        let token = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=64).contains(&name.len())
            || !name.bytes().all(token)
            || !name.as_bytes()[0].is_ascii_lowercase()
        {
            return Err(InvalidWord(
                "must be a header name of 1 to 64 letters, digits and -, such as X-My-Key",
            ));
        }
        let taken =
            TAKEN.contains(&name.as_str()) || TAKEN_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        if taken {
            return Err(InvalidWord(
                "is a header that HTTP, cookies, proxies or Claviger use; choose another",
            ));
        }
        Ok(Self(name))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The address of an upstream: `http://` or `https://`, a host, perhaps a port and a path; never
/// link-local or a cloud's metadata service (product.md C1). Names are checked again at each connect.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Upstream(String);

impl Upstream {
    pub fn new(text: &str) -> Result<Self, InvalidWord> {
        let shape =
            InvalidWord("must be an address such as http://10.0.0.7:8080 or https://orders.internal/v2");
        let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://")).ok_or(shape)?;
        let plain = text.len() <= 2_000
            && text.bytes().all(|byte| byte.is_ascii_graphic())
            && !text.contains(['\\', '"', '<', '>', '^', '`', '{', '|', '}', '#', '?', '@']);
        let authority = rest.split('/').next().unwrap_or_default();
        let (host, port) = split_port(authority).ok_or(shape)?;
        let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        if !plain || !port_fits || !host_fits(host) {
            return Err(shape);
        }
        if forbidden_host(host) {
            return Err(InvalidWord("must not be a link-local or metadata address"));
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        return match after.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None => after.is_empty().then_some((host, None)),
        };
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((host, Some(port))),
        None => Some((authority, None)),
    }
}

fn host_fits(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
    };
    host.parse::<IpAddr>().is_ok() || (host.len() <= 253 && host.trim_end_matches('.').split('.').all(label))
}

fn forbidden_host(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => forbidden_v4(address),
        Ok(IpAddr::V6(address)) => {
            address.to_ipv4_mapped().is_some_and(forbidden_v4)
                || address.is_unicast_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                // AWS's metadata service on IPv6.
                || address.segments()[..2] == [0xfd00, 0x0ec2]
        }
        Err(_) => host.trim_end_matches('.').eq_ignore_ascii_case("metadata.google.internal"),
    }
}

fn forbidden_v4(address: Ipv4Addr) -> bool {
    address.is_link_local()
        || address.is_unspecified()
        || address.is_broadcast()
        || address.is_multicast()
        // Alibaba's metadata service.
        || address == Ipv4Addr::new(100, 100, 100, 200)
}

/// One of an API's own permissions, such as `orders:write`: 1 to 64 of `a-z A-Z 0-9 : . _ - /`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct ApiPermission(String);

impl ApiPermission {
    pub fn new(text: &str) -> Result<Self, InvalidWord> {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b":._-/".contains(&byte);
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(letter)
            && !crate::credential::contains_credential(text);
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidWord("must be 1 to 64 of a-z, A-Z, 0-9 and : . _ - /"))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! word_traits {
    ($($type:ident),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    )*};
}

word_traits!(HeaderName, Upstream, ApiPermission);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_names_of_ones_own() {
        assert_eq!(HeaderName::new("X_My-Key").map(|name| name.0), Ok("x-my-key".into()));
        for wrong in [
            "",
            "Cookie",
            "authorization",
            "X-Claviger-Code",
            "x_claviger_code",
            "X-Forwarded-For",
            "Sec-Fetch-Site",
            "a b",
            "é",
            "-x",
            "Host",
            "Accept",
        ] {
            assert!(HeaderName::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn upstreams() {
        for right in
            ["http://127.0.0.1:9000", "https://orders.internal/v2", "http://[::1]:80/", "http://a_b:1"]
        {
            assert!(Upstream::new(right).is_ok(), "{right}");
        }
        for wrong in [
            "",
            "ftp://a",
            "http://",
            "http://a:0",
            "http://a:99999",
            "http://user@host",
            "http://a?b",
            "http://a#b",
            "http://169.254.169.254/",
            "http://[fe80::1]/",
            "http://[::ffff:169.254.169.254]",
            "http://[fd00:ec2::254]",
            "http://metadata.google.internal",
            "http://0.0.0.0",
            "http://a b",
            "http://a\u{0}",
            "//a",
        ] {
            assert!(Upstream::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn permissions_of_an_api() {
        assert!(ApiPermission::new("orders:write").is_ok());
        for wrong in ["", "a b", "a,b", "é", &"a".repeat(65)] {
            assert!(ApiPermission::new(wrong).is_err(), "{wrong}");
        }
    }
}
