//! What Envoy tells of a call, as the deciding reads it.

use std::collections::HashMap;
use std::net::IpAddr;

use envoy_types::pb::envoy::config::core::v3::Address;
use envoy_types::pb::envoy::config::core::v3::address::Address as Kind;
use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::HttpRequest;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::answer::Problem;
use crate::permissions::Permissions;

/// A call that asks to pass, with what the route that it is on demands of it.
pub(super) struct Asked<'a> {
    pub(super) headers: HeaderMap,
    /// Who called Envoy.
    pub(super) peer: IpAddr,
    pub(super) path: &'a str,
    pub(super) api: Option<&'a str>,
    pub(super) environment: Option<&'a str>,
    pub(super) permissions: Permissions<'a>,
}

/// What stands around the call's own attributes.
pub(super) struct Around {
    source: Source,
    extensions: HashMap<String, String>,
}

/// Who called Envoy.
enum Source {
    Address(IpAddr),
    /// Envoy names none, such as behind a socket that is a file.
    Unnamed,
    Unreadable,
}

/// More lines than Envoy lets through by far.
const MAX_LINES: usize = 1_000;

const BAD_EXTENSION: Problem = Problem::new(
    StatusCode::BAD_REQUEST,
    "bad_query",
    "The context extensions of ext_authz are `api`, `environment` and `permissions`, at most 32 of these.",
);
const BAD_HEADER: Problem =
    Problem::new(StatusCode::BAD_REQUEST, "bad_header", "A header of the call can't be read.");
const TOO_MANY_LINES: Problem =
    Problem::new(StatusCode::BAD_REQUEST, "bad_header", "The call has too many headers.");
const BAD_SOURCE: Problem = Problem::new(
    StatusCode::BAD_REQUEST,
    "bad_header",
    "The address that Envoy gives for its caller can't be read.",
);

/// The call that a check is about, if it is about one.
pub(super) fn call_of(check: CheckRequest) -> Option<(HttpRequest, Around)> {
    let attributes = check.attributes?;
    let source = attributes.source.and_then(|peer| peer.address).map_or(Source::Unnamed, |it| source(&it));
    let around = Around { source, extensions: attributes.context_extensions };
    Some((attributes.request?.http?, around))
}

impl<'a> Asked<'a> {
    /// `envoy` counts as the caller where Envoy names none.
    pub(super) fn read(http: &'a HttpRequest, around: &'a Around, envoy: IpAddr) -> Result<Self, Problem> {
        let (mut api, mut environment, mut permissions) = (None, None, Permissions::default());
        for (name, value) in &around.extensions {
            match name.as_str() {
                "api" => api = Some(value.as_str()),
                "environment" => environment = Some(value.as_str()),
                "permissions" => {
                    permissions = Permissions::parse(value).ok_or_else(|| BAD_EXTENSION.about(name))?;
                }
                other => return Err(BAD_EXTENSION.about(other.chars().take(64).collect::<String>())),
            }
        }
        let path = http.path.split(['?', '#']).next().unwrap_or_default();
        let peer = match around.source {
            Source::Address(address) => address,
            Source::Unnamed => envoy,
            // It must not look as if Envoy itself had called, whose word is believed.
            Source::Unreadable => return Err(BAD_SOURCE),
        };
        Ok(Self { headers: headers(http)?, peer, path, api, environment, permissions })
    }
}

/// The call's headers without those that HTTP/2 made of its first line. Envoy writes lines of one name as one
/// (`headers`), or each as it came (`header_map`, by `encode_raw_headers`).
fn headers(http: &HttpRequest) -> Result<HeaderMap, Problem> {
    let lines = http.headers.len() + http.header_map.as_ref().map_or(0, |map| map.headers.len());
    if lines > MAX_LINES {
        return Err(TOO_MANY_LINES);
    }
    let mut headers = HeaderMap::with_capacity(lines);
    let mut put = |name: &str, value: &[u8]| {
        if name.starts_with(':') {
            return Ok(());
        }
        let bad = || BAD_HEADER.about(name.chars().take(64).collect::<String>());
        let read = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        headers.append(read, HeaderValue::from_bytes(value).map_err(|_| bad())?);
        Ok(())
    };
    for (name, value) in &http.headers {
        put(name, value.as_bytes())?;
    }
    for line in http.header_map.iter().flat_map(|map| &map.headers) {
        let value = if line.raw_value.is_empty() { line.value.as_bytes() } else { &line.raw_value };
        put(&line.key, value)?;
    }
    Ok(headers)
}

fn source(address: &Address) -> Source {
    match &address.address {
        Some(Kind::SocketAddress(socket)) => {
            // RFC 4007 writes the zone of a link-local address behind `%`.
            let address = socket.address.split('%').next().unwrap_or_default();
            address.parse().map_or(Source::Unreadable, Source::Address)
        }
        Some(Kind::Pipe(_)) | None => Source::Unnamed,
        Some(_) => Source::Unreadable,
    }
}
