//! Which headers go on, and which do not. What is meant for one connection alone ends here (RFC 9110, 7.6.1);
//! so does what would make an upstream believe a caller, or a proxy in front of us believe an upstream.

use std::net::IpAddr;

use claviger_verify::answer::{begins, is_ours};
use http::header::{CONNECTION, COOKIE, EXPECT, HOST, SET_COOKIE, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Meant for the next hop, whether or not `Connection` says so.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];
/// A caller's word about where it comes from, believed from trusted peers alone.
const ABOUT_THE_CALLER: [&str; 2] = ["forwarded", "x-real-ip"];
const OUR_COOKIES: [&str; 3] = ["claviger", "__host-claviger", "__secure-claviger"];

/// What the upstream is told about the connection that a call came on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) peer: IpAddr,
    /// Whether what the peer says about the caller is believed.
    pub(super) trusted: bool,
    pub(super) tls: bool,
}

/// Makes the headers of a call those that its upstream gets; `is_credential` tells which the decision was made on.
pub(super) fn make_outgoing(
    headers: &mut HeaderMap,
    arrival: Arrival,
    authority: Option<&str>,
    is_credential: impl Fn(&str) -> bool,
) {
    let trailers = tokens(headers, &TE).any(|token| token.eq_ignore_ascii_case("trailers"));
    let host =
        authority.map(HeaderValue::from_str).and_then(Result::ok).or_else(|| headers.get(HOST).cloned());
    remove(headers, |headers, name| {
        is_hop_by_hop(headers, name)
            || is_ours(name)
            || is_credential(name)
            || [HOST.as_str(), EXPECT.as_str()].contains(&name)
            || (!arrival.trusted && is_about_the_caller(name))
    });
    without_our_cookies(headers);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    append_hop(headers, arrival.peer);
    if let Some(host) = host
        && !headers.contains_key(&FORWARDED_HOST)
    {
        headers.insert(FORWARDED_HOST, host);
    }
    if !headers.contains_key(&FORWARDED_PROTO) {
        let scheme = HeaderValue::from_static(if arrival.tls { "https" } else { "http" });
        headers.insert(FORWARDED_PROTO, scheme);
    }
}

/// Makes the headers of an upstream's answer those that the caller gets.
pub(super) fn make_returning(headers: &mut HeaderMap) {
    remove(headers, |headers, name| is_hop_by_hop(headers, name) || is_ours(name) || is_for_a_proxy(name));
    if headers.contains_key(SET_COOKIE) {
        let kept: Vec<HeaderValue> = headers
            .get_all(SET_COOKIE)
            .iter()
            .filter(|cookie| !is_our_cookie(cookie.as_bytes()))
            .cloned()
            .collect();
        headers.remove(SET_COOKIE);
        for cookie in kept {
            headers.append(SET_COOKIE, cookie);
        }
    }
}

/// Removes from trailers what is refused in headers: what names a caller, a connection, or a credential.
pub(super) fn clean_trailers(trailers: &mut HeaderMap, is_credential: impl Fn(&str) -> bool) {
    remove(trailers, |trailers, name| {
        is_hop_by_hop(trailers, name)
            || is_ours(name)
            || is_for_a_proxy(name)
            || is_about_the_caller(name)
            || is_credential(name)
            || matches!(name, "content-length" | "host" | "cookie" | "set-cookie" | "authorization")
    });
}

/// To what other protocol a connection wants to change, if it is one that may be passed on. HTTP itself is not: its
/// calls would go past the decision.
pub(super) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut asked = headers.get_all(UPGRADE).iter();
    let (protocol, None) = (asked.next()?, asked.next()) else { return None };
    let wanted = tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"));
    let text = protocol.to_str().ok()?.trim().to_ascii_lowercase();
    let plain = !text.is_empty() && !text.contains([',', ' ']);
    let http = ["h2", "http", "tls"].iter().any(|beginning| text.starts_with(beginning));
    (wanted && plain && !http).then(|| protocol.clone())
}

/// Whether the body's framing can be read in one way only, and the call names its host once at most.
pub(super) fn are_unambiguous(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    let chunked = match (encodings.next(), encodings.next()) {
        (None, _) => true,
        (Some(encoding), None) => encoding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    };
    chunked && headers.get_all(HOST).iter().count() <= 1
}

fn remove(headers: &mut HeaderMap, is_doomed: impl Fn(&HeaderMap, &str) -> bool) {
    let doomed: Vec<HeaderName> =
        headers.keys().filter(|name| is_doomed(headers, name.as_str())).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
}

fn is_hop_by_hop(headers: &HeaderMap, name: &str) -> bool {
    HOP_BY_HOP.contains(&name)
        || tokens(headers, &CONNECTION).any(|nominated| nominated.eq_ignore_ascii_case(name))
}

/// The words of a header that is a list.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn is_about_the_caller(name: &str) -> bool {
    begins(name, "x-forwarded-")
        || ABOUT_THE_CALLER.iter().any(|it| it.len() == name.len() && begins(name, it))
}

/// Orders to a proxy in front of us, which would fetch a file of its own.
fn is_for_a_proxy(name: &str) -> bool {
    begins(name, "x-accel-") || begins(name, "x-sendfile")
}

fn append_hop(headers: &mut HeaderMap, peer: IpAddr) {
    let mut hops = String::new();
    for earlier in headers.get_all(&FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()) {
        hops.push_str(earlier);
        hops.push_str(", ");
    }
    hops.push_str(&peer.to_canonical().to_string());
    if let Ok(hops) = HeaderValue::from_str(&hops) {
        headers.insert(FORWARDED_FOR, hops);
    }
}

/// Leaves the upstream's own cookies, in one header as HTTP/1 wants it: HTTP/2 may have divided them.
fn without_our_cookies(headers: &mut HeaderMap) {
    if !headers.contains_key(COOKIE) {
        return;
    }
    let mut kept = Vec::new();
    for line in headers.get_all(COOKIE) {
        let cookies = line.as_bytes().split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        for cookie in cookies.filter(|cookie| !cookie.is_empty() && !is_our_cookie(cookie)) {
            kept.extend_from_slice(if kept.is_empty() { b"" } else { b"; " });
            kept.extend_from_slice(cookie);
        }
    }
    headers.remove(COOKIE);
    if !kept.is_empty()
        && let Ok(cookies) = HeaderValue::from_bytes(&kept)
    {
        headers.insert(COOKIE, cookies);
    }
}

fn is_our_cookie(cookie: &[u8]) -> bool {
    let cookie = cookie.trim_ascii();
    OUR_COOKIES
        .iter()
        .any(|ours| cookie.len() >= ours.len() && cookie[..ours.len()].eq_ignore_ascii_case(ours.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name = HeaderName::from_bytes(name.as_bytes()).expect(name);
            headers.append(name, value.parse().expect("a value"));
        }
        headers
    }

    fn names(headers: &HeaderMap) -> Vec<String> {
        let mut names: Vec<String> = headers.keys().map(ToString::to_string).collect();
        names.sort();
        names
    }

    fn outgoing(trusted: bool, fields: &[(&str, &str)]) -> HeaderMap {
        let mut headers = map(fields);
        let arrival = Arrival { peer: IpAddr::from([192, 0, 2, 1]), trusted, tls: true };
        make_outgoing(&mut headers, arrival, None, |name| name == "x-api-key");
        headers
    }

    #[test]
    fn what_is_forged_nominated_or_a_credential_does_not_go_on() {
        let headers = outgoing(
            false,
            &[
                ("accept", "*/*"),
                ("x-api-key", "k"),
                ("x-claviger-application", "me"),
                ("X_Claviger_Key-Id", "me"),
                ("claviger-position", "1"),
                ("connection", "close, X-Secret"),
                ("connection", "x-other"),
                ("x-secret", "1"),
                ("x-other", "1"),
                ("proxy-authorization", "x"),
                ("transfer-encoding", "chunked"),
                ("te", "gzip, trailers"),
                ("expect", "100-continue"),
                ("host", "shop.example"),
                ("x-forwarded-for", "6.6.6.6"),
                ("x_forwarded_for", "6.6.6.6"),
                ("forwarded", "for=6.6.6.6"),
                ("x-real-ip", "6.6.6.6"),
                ("cookie", "a=1; __Host-claviger-session=2; b=3"),
                ("cookie", "claviger=4"),
            ],
        );
        assert_eq!(
            names(&headers),
            ["accept", "cookie", "te", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]
        );
        assert_eq!(headers["te"], "trailers");
        assert_eq!(headers["cookie"], "a=1; b=3");
        assert_eq!(headers["x-forwarded-for"], "192.0.2.1");
        assert_eq!(headers["x-forwarded-host"], "shop.example");
        assert_eq!(headers["x-forwarded-proto"], "https");
    }

    #[test]
    fn a_trusted_peer_is_believed_about_its_caller() {
        let headers = outgoing(
            true,
            &[("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "http"), ("forwarded", "for=x")],
        );
        assert_eq!(headers["x-forwarded-for"], "203.0.113.9, 192.0.2.1");
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert_eq!(headers["forwarded"], "for=x");
    }

    #[test]
    fn an_answer_loses_what_is_for_proxies_or_of_ours() {
        let mut headers = map(&[
            ("content-type", "text/plain"),
            ("x-accel-redirect", "/etc/passwd"),
            ("x-sendfile", "/etc/passwd"),
            ("x_claviger_code", "valid"),
            ("x-claviger-code", "valid"),
            ("connection", "keep-alive, x-hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("set-cookie", "a=1"),
            ("set-cookie", "__Host-Claviger-session=2; Path=/"),
        ]);
        make_returning(&mut headers);
        assert_eq!(names(&headers), ["content-type", "set-cookie"]);
        assert_eq!(headers["set-cookie"], "a=1");
    }

    #[test]
    fn trailers_name_nobody() {
        let mut trailers = map(&[
            ("grpc-status", "0"),
            ("x-claviger-key-id", "me"),
            ("x_api_key", "k"),
            ("content-length", "5"),
        ]);
        clean_trailers(&mut trailers, |name| name == "x_api_key");
        assert_eq!(names(&trailers), ["grpc-status"]);
    }

    #[test]
    fn only_other_protocols_than_http_are_changed_to() {
        for (connection, protocols, passed) in [
            ("Upgrade", &["websocket"][..], true),
            ("keep-alive, upgrade", &["websocket"], true),
            ("keep-alive", &["websocket"], false),
            ("Upgrade, HTTP2-Settings", &["h2c"], false),
            ("Upgrade", &["HTTP/2.0"], false),
            ("Upgrade", &["TLS/1.0"], false),
            ("Upgrade", &["websocket, h2c"], false),
            ("Upgrade", &["websocket", "h2c"], false),
            ("Upgrade", &[], false),
        ] {
            let mut headers = map(&[("connection", connection)]);
            for protocol in protocols {
                headers.append(UPGRADE, protocol.parse().expect("a value"));
            }
            assert_eq!(upgrade(&headers).is_some(), passed, "{connection} {protocols:?}");
        }
    }

    #[test]
    fn framing_is_read_in_one_way_only() {
        for (fields, good) in [
            (&[][..], true),
            (&[("transfer-encoding", "chunked")], true),
            (&[("transfer-encoding", "gzip, chunked")], false),
            (&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], false),
            (&[("host", "a"), ("host", "a")], false),
        ] {
            assert_eq!(are_unambiguous(&map(fields)), good, "{fields:?}");
        }
    }
}
