//! Calls that visitors of the portal try: made through the gateway's own door, which the binary hands in, and told as
//! they were answered.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use claviger_service::Trial;
use claviger_wire::portal as wire;
use futures::future::BoxFuture;
use http::header::{CACHE_CONTROL, HOST};
use http::{HeaderName, HeaderValue, Request, StatusCode};

use crate::answer::Shown;
use crate::app::App;
use crate::refused::Refused;

/// The gateway, as a call is made through it from within.
pub trait TrialDoor: fmt::Debug + Send + Sync {
    /// Makes the call as if it came from `source`.
    fn call(
        &self,
        request: Request<Bytes>,
        source: IpAddr,
    ) -> BoxFuture<'static, Result<TrialReply, TrialFault>>;
}

/// What a call was answered.
#[derive(Debug)]
pub struct TrialReply {
    pub response: http::Response<Bytes>,
    /// Whether the answer was longer, or not over in time.
    pub truncated: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrialFault {
    /// None began in time.
    TimedOut,
    /// As many are being tried as may be.
    Full,
    /// The gateway gave none.
    Away,
}

/// An answer to a trial: for its visitor alone.
#[derive(Debug)]
pub(crate) struct Told(wire::Tried);

impl IntoResponse for Told {
    fn into_response(self) -> Response {
        let mut response = Shown(self.0).into_response();
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// Makes the call, and tells what was answered.
pub(crate) async fn make(app: &App, trial: Trial, source: Option<IpAddr>) -> Result<Told, Refused> {
    let door = app.options.trials.as_ref().ok_or(TrialFault::Away)?;
    let request =
        request(app, trial).ok_or_else(|| Refused::internal().because("a trial is no request".to_owned()))?;
    // Nobody trusts a source that is not known.
    let source = source.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    let TrialReply { response, truncated } = door.call(request, source).await?;
    Ok(Told(told(response, truncated)))
}

fn request(app: &App, trial: Trial) -> Option<Request<Bytes>> {
    let Trial { method, path, headers, credentials, body } = trial;
    let mut request = Request::builder().method(method.as_str()).uri(path).body(Bytes::from(body)).ok()?;
    let into = request.headers_mut();
    for (name, value) in headers {
        into.append(HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?);
    }
    for (name, value) in credentials {
        let mut value = HeaderValue::from_str(value.expose()).ok()?;
        value.set_sensitive(true);
        into.insert(HeaderName::try_from(name).ok()?, value);
    }
    let address = app.options.public_url.split_once("://").map_or("", |(_, rest)| rest);
    let host = address.split('/').next().unwrap_or_default();
    into.insert(HOST, HeaderValue::from_str(host).ok()?);
    Some(request)
}

fn told(response: http::Response<Bytes>, truncated: bool) -> wire::Tried {
    let (parts, body) = response.into_parts();
    let header = |(name, value): (&HeaderName, &HeaderValue)| wire::Header {
        name: name.as_str().to_owned(),
        value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
    };
    let (body, base64) = match std::str::from_utf8(&body) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (STANDARD.encode(&body), true),
    };
    wire::Tried {
        status: parts.status.as_u16(),
        headers: parts.headers.iter().map(header).collect(),
        body,
        base64,
        truncated,
    }
}

impl From<TrialFault> for Refused {
    fn from(fault: TrialFault) -> Self {
        let (status, code, detail) = match fault {
            TrialFault::TimedOut => (
                StatusCode::SERVICE_UNAVAILABLE,
                "trial_timed_out",
                "The API did not begin to answer in time.",
            ),
            TrialFault::Full => (
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                "Many calls are being tried; try again soon.",
            ),
            TrialFault::Away => (
                StatusCode::SERVICE_UNAVAILABLE,
                "gateway_unavailable",
                "This server has no gateway to try calls through.",
            ),
        };
        Self::new(status, code, detail).soon()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_told_as_it_came() {
        let response = |body: &'static [u8]| {
            let builder =
                http::Response::builder().status(302).header("location", "http://elsewhere.example/");
            builder
                .header("x-twice", "a")
                .header("x-twice", "b")
                .body(Bytes::from_static(body))
                .expect("a response")
        };
        let text = told(response("grüß".as_bytes()), false);
        assert_eq!(
            (text.status, text.body.as_str(), text.base64, text.truncated),
            (302, "grüß", false, false)
        );
        let names: Vec<_> = text.headers.iter().map(|header| header.name.as_str()).collect();
        assert_eq!(names, ["location", "x-twice", "x-twice"]);
        let bytes = told(response(b"\xff\x00"), true);
        assert_eq!((bytes.body.as_str(), bytes.base64, bytes.truncated), ("/wA=", true, true));
    }
}
