//! What every route of `/v1` needs of a request before its handler runs: who calls, from where, with which
//! parameters and preconditions. It refuses before a body is read.

use axum::extract::{FromRequestParts, MatchedPath};
use claviger_domain::event::Position;
use claviger_service::{IdempotencyClaim, ListParameters, Request, SignIn, etag};
use http::header::{AUTHORIZATION, IF_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method};
use sha2::{Digest as _, Sha256};

use crate::app::App;
use crate::body::Sent;
use crate::query::{Query, WAIT_FOR};
use crate::refused::Refused;
use crate::source;

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// A request of a signed-in caller.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) query: Query,
    path: String,
}

impl FromRequestParts<App> for Asked {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        let source = source::of(&parts.extensions, &parts.headers, &app.options.trusted);
        let presented = presented(&parts.headers)?;
        let caller = app.service.sign_in(presented, source).await?;
        let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        let query = Query::parse(parts.uri.query(), app.known_parameters(route, &parts.method))?;
        if let Some(position) = position(&query)? {
            app.service.wait_for(position).await?;
        }
        let path = parts.uri.path().to_owned();
        let if_match = if_match(&parts.headers)?;
        let idempotency = claim(parts)?;
        Ok(Self { request: Request { caller, source, if_match, idempotency }, query, path })
    }
}

impl Asked {
    /// The request together with the body that came with it.
    pub(crate) fn with<T>(self, body: impl Into<Sent<T>>) -> (Request, T) {
        let Sent { value, sha256 } = body.into();
        let mut request = self.request;
        if let (Some(claim), Some(sha256)) = (&mut request.idempotency, sha256) {
            claim.body_sha256 = sha256;
        }
        (request, value)
    }

    /// The request of a list, with its parameters.
    pub(crate) fn list(self) -> (Request, ListParameters) {
        (self.request, ListParameters { path: self.path, pairs: self.query.into_pairs() })
    }
}

/// The one service key that the headers present. What is presented twice must be the same.
pub(crate) fn presented(headers: &HeaderMap) -> Result<&str, Refused> {
    let unauthenticated = || Refused::from(SignIn::Unauthenticated);
    let bearer = match one(headers, &AUTHORIZATION).map_err(|()| unauthenticated())? {
        Some(value) => Some(bearer(value).ok_or_else(unauthenticated)?),
        None => None,
    };
    let plain = one(headers, &API_KEY).map_err(|()| unauthenticated())?;
    match (bearer, plain) {
        (Some(one), Some(other)) if one != other => Err(unauthenticated()),
        (Some(key), _) | (None, Some(key)) => Ok(key),
        (None, None) => Err(unauthenticated()),
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// A header that may stand there once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| ()),
        (Some(_), Some(_)) => Err(()),
    }
}

fn once<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refused> {
    one(headers, name)
        .map_err(|()| Refused::bad_header(name.as_str(), "is there twice, or is not plain text"))
}

fn if_match(headers: &HeaderMap) -> Result<Option<String>, Refused> {
    match once(headers, &IF_MATCH)? {
        Some(field) if !etag::is_if_match(field) => {
            Err(Refused::bad_header("If-Match", "must be `*` or entity tags in quotes, as `ETag` gives them"))
        }
        field => Ok(field.map(str::to_owned)),
    }
}

/// The claim with the digest of an empty body; [`Asked::with`] puts the true one in.
pub(crate) fn claim(parts: &Parts) -> Result<Option<IdempotencyClaim>, Refused> {
    if parts.method == Method::GET {
        return Ok(None);
    }
    let Some(key) = once(&parts.headers, &IDEMPOTENCY_KEY)? else { return Ok(None) };
    if !(1..=255).contains(&key.len()) || !key.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(Refused::bad_header("Idempotency-Key", "must be 1 to 255 plain characters"));
    }
    // Another query asks for something else.
    let path = parts.uri.path_and_query().map_or_else(|| parts.uri.path(), |whole| whole.as_str());
    Ok(Some(IdempotencyClaim {
        key: key.to_owned(),
        method: parts.method.to_string(),
        path: path.to_owned(),
        body_sha256: Sha256::digest([]).into(),
    }))
}

fn position(query: &Query) -> Result<Option<Position>, Refused> {
    let Some(text) = query.once(WAIT_FOR)? else { return Ok(None) };
    match text.parse() {
        Ok(position @ 0..) => Ok(Some(Position(position))),
        _ => Err(Refused::bad_query(WAIT_FOR, "must be a position of the log, such as 42")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&HeaderName, &str)]) -> HeaderMap {
        list.iter().map(|(name, value)| ((*name).clone(), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn a_key_is_presented_in_one_way_or_twice_the_same() {
        for (given, expected) in [
            (&[(&AUTHORIZATION, "Bearer k")][..], Some("k")),
            (&[(&AUTHORIZATION, "bearer  k")], Some("k")),
            (&[(&API_KEY, "k")], Some("k")),
            (&[(&AUTHORIZATION, "Bearer k"), (&API_KEY, "k")], Some("k")),
            (&[(&AUTHORIZATION, "Bearer k"), (&API_KEY, "l")], None),
            (&[(&AUTHORIZATION, "Basic k"), (&API_KEY, "k")], None),
            (&[(&AUTHORIZATION, "k")], None),
            (&[], None),
        ] {
            let headers = headers(given);
            assert_eq!(presented(&headers).ok(), expected, "{given:?}");
        }
        let mut twice = headers(&[(&API_KEY, "k")]);
        twice.append(&API_KEY, "k".parse().expect("a value"));
        assert!(presented(&twice).is_err());
    }

    #[test]
    fn a_claim_is_bound_to_method_path_and_query() {
        let claimed = |method: Method, uri: &str| {
            let request = http::Request::builder().method(method).uri(uri).header(IDEMPOTENCY_KEY, "k");
            let (parts, ()) = request.body(()).expect("a request").into_parts();
            claim(&parts).ok().flatten()
        };
        let claims = [
            (Method::POST, "/v1/groups"),
            (Method::POST, "/v1/groups?a=1"),
            (Method::POST, "/v1/groups?a=2"),
            (Method::POST, "/v1/apis"),
            (Method::PATCH, "/v1/groups"),
        ]
        .map(|(method, uri)| claimed(method, uri).expect("a claim"));
        for (at, claim) in claims.iter().enumerate() {
            assert!(!claims[..at].contains(claim), "{claim:?}");
        }
        assert_eq!(claimed(Method::POST, "/v1/groups?a=1").as_ref(), Some(&claims[1]));
        assert_eq!(claimed(Method::GET, "/v1/groups"), None, "reading claims nothing");
    }
}
